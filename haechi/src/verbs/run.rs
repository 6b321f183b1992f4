//! `haechi run`: serves until it is told to stop.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use haechi_admin::server::{self, Server};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Outcome;
use crate::control::{Compiled, Control, Handle, Rights, Source, StartError};
use crate::failure::Failure;

/// What `run` was asked to do.
pub(crate) struct Options {
    pub(crate) source: Source,
    pub(crate) admin_socket: PathBuf,
    /// Reload when the file changes.
    pub(crate) watch: bool,
    /// How long running work may take after a stop.
    pub(crate) grace: Duration,
}

/// Serves until SIGTERM or SIGINT.
pub(super) fn run(options: Options) -> Outcome {
    haechi_sys::limits::raise_open_files();
    let compiled = options.source.load(crate::output::colour_on_stderr())?;
    if !compiled.warnings.is_empty() {
        crate::output::error_text(&compiled.warnings);
    }
    // Rights belong to threads, and there is one as yet.
    let rights = Rights::keep().map_err(|error| {
        Failure::new(format!(
            "the system does not let haechi give away the rights that it does not need: {error}"
        ))
    })?;
    // Two threads: a view of ten thousand endpoints in the making must not hold up probes.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("control")
        .enable_all()
        .build();
    runtime
        .map_err(|error| Failure::new(format!("the system refuses an event loop: {error}")))?
        .block_on(serve(options, compiled, rights))
}

async fn serve(options: Options, compiled: Compiled, rights: Rights) -> Outcome {
    let (listen, source) = (compiled.snapshot.admin.listen, options.source.name());
    let (listeners, pools) = (compiled.snapshot.listeners.len(), compiled.snapshot.pools.len());
    // The socket comes first: a second haechi on it would otherwise take half of the connections before it
    // finds out.
    let server =
        Server::bind(&options.admin_socket, listen).map_err(|error| Failure::new(error.to_string()))?;
    let control = Control::start(options.source.clone(), compiled, rights).await;
    let control = control.map_err(|error| match error {
        StartError::Refused(problem) => problem.into(),
        StartError::System(error) => Failure::new(format!("the system refuses a worker: {error}")),
    })?;
    let (farewell, told) = tokio::sync::oneshot::channel::<()>();
    let until_told = async { drop(told.await) };
    let admin = tokio::spawn(server::serve_until(server, Arc::new(Handle(Arc::clone(&control))), until_told));
    crate::output::note(&format!(
        "haechi {} serves {listeners} listener(s) and {pools} pool(s) from {source}; ask `haechi status`",
        env!("CARGO_PKG_VERSION"),
    ));
    let watching = match (&options.source, options.watch) {
        (Source::File(path), true) => Some(crate::control::watch(Arc::clone(&control), path)),
        _ => None,
    };
    let stopped = until_stopped(&control).await;
    if let Err(error) = stopped {
        crate::output::error(&format!("can't listen for signals: {error}"));
    }
    drop(watching);
    let left = tokio::select! {
        left = control.stop(options.grace) => left,
        _ = tokio::signal::ctrl_c() => usize::MAX,
    };
    // Answers under way are let out, and the socket's file goes with the server.
    drop(farewell);
    let _ = admin.await;
    match left {
        0 => Ok(ExitCode::SUCCESS),
        usize::MAX => Err(Failure::new("stopped at once by a second signal")),
        left => Err(Failure::new(format!(
            "{left} connection(s) did not end in {} s and were cut off",
            options.grace.as_secs()
        ))),
    }
}

/// Reloads on SIGHUP; returns on SIGTERM or SIGINT.
async fn until_stopped(control: &Arc<Control>) -> std::io::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    let mut terminate: Signal = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            // What became of it stands in events and status.
            _ = hangup.recv() => drop(control.change(false).await),
        }
    }
}
