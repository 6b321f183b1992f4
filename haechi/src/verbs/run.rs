//! `haechi run`: serves until it is told to stop.

use std::future::Future;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use haechi_admin::server::{self, Server, UPGRADE_TIME};
use haechi_sys::program::Program;
use haechi_trust::Trust;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Outcome;
use crate::control::{
    Beginning, Compiled, Control, Handle, Heir, Rights, Service, Severely, Source, StartError,
};
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

/// Serves until SIGTERM or SIGINT, or until another process took over.
pub(super) fn run(options: Options) -> Outcome {
    haechi_sys::limits::raise_open_files();
    let heir = Heir::from_environment().map_err(Failure::new)?;
    let outcome = start(options, heir.as_ref());
    if let (Err(failure), Some(heir)) = (&outcome, &heir) {
        heir.refuse(&failure.whole_text());
    }
    outcome
}

fn start(options: Options, heir: Option<&Heir>) -> Outcome {
    let program = Program::of_this_process();
    let program =
        program.map_err(|error| Failure::new(format!("can't tell where this program is: {error}")))?;
    let trust = Arc::new(Trust::with_state(crate::state::folder()));
    let colour = crate::output::colour_on_stderr();
    let compiled = options.source.load_whole(colour, &trust, &Severely::Broken)?;
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
        .block_on(serve(options, trust, compiled, program, rights, heir))
}

async fn serve(
    options: Options,
    trust: Arc<Trust>,
    compiled: Compiled,
    program: Program,
    rights: Rights,
    heir: Option<&Heir>,
) -> Outcome {
    let (listen, source) = (compiled.snapshot.admin.listen, options.source.name());
    let (listeners, pools) = (compiled.snapshot.listeners.len(), compiled.snapshot.pools.len());
    // The socket comes first: a second haechi on it would otherwise take half of the connections before it
    // finds out.
    let server = match heir.and_then(Heir::doors) {
        Some(doors) => Server::inherit(&options.admin_socket, listen, doors),
        None => Server::bind(&options.admin_socket, listen),
    };
    let server = server.map_err(|error| Failure::new(error.to_string()))?;
    let doors = server.lend().map_err(|error| Failure::new(format!("out of descriptors: {error}")))?;
    let beginning = Beginning { source: options.source.clone(), trust, program, doors, heir };
    let control = Control::start(beginning, compiled, rights).await.map_err(|error| match error {
        StartError::Refused(problem) => problem.into(),
        StartError::Hangs(text) => Failure::new(text),
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
    let files = match &options.source {
        Source::File(_) => Some(crate::control::watch_files(Arc::clone(&control))),
        Source::Flags(_) => None,
    };
    // Before it says that it serves: systemd refuses a service that does not handle SIGHUP by then.
    let signals = Signals::listen();
    let service = Service::serves(&control, heir.is_some());
    let ended = match signals {
        Ok(signals) => until_ended(&control, &service, signals).await,
        Err(error) => {
            crate::output::error(&format!("can't listen for signals: {error}"));
            Ended::Told
        }
    };
    drop((watching, files));
    let left = match ended {
        Ended::Told => {
            service.stops();
            let left = at_most_until_a_second_signal(control.stop(options.grace)).await;
            // Answers under way are let out, and the socket's file goes with the server.
            drop(farewell);
            let _ = admin.await;
            left
        }
        Ended::PassedOn(heir) => {
            service.passed_on(heir);
            // Whoever asks is answered by the other process.
            drop(farewell);
            let _ = admin.await;
            at_most_until_a_second_signal(control.retire(options.grace)).await
        }
    };
    match left {
        Some(0) => Ok(ExitCode::SUCCESS),
        None => Err(Failure::new("stopped at once by a second signal")),
        Some(left) => Err(Failure::new(format!(
            "{left} connection(s) did not end in {} s and were cut off",
            options.grace.as_secs()
        ))),
    }
}

async fn at_most_until_a_second_signal(end: impl Future<Output = usize>) -> Option<usize> {
    tokio::select! {
        left = end => Some(left),
        _ = tokio::signal::ctrl_c() => None,
    }
}

/// Why a process serves no more.
enum Ended {
    /// SIGTERM or SIGINT.
    Told,
    /// This process took over.
    PassedOn(u32),
}

/// All that a process is told by signals.
struct Signals {
    hangup: Signal,
    upgrade: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            upgrade: signal(SignalKind::user_defined2())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }
}

/// Reloads on SIGHUP and upgrades on SIGUSR2 (as nginx and HAProxy do); returns when it is to end.
async fn until_ended(control: &Arc<Control>, service: &Service, signals: Signals) -> Ended {
    let Signals { mut hangup, mut upgrade, mut terminate, mut interrupt } = signals;
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            heir = control.passed_on() => return Ended::PassedOn(heir),
            _ = hangup.recv() => service.reload(control).await,
            _ = upgrade.recv() => {
                let control = Arc::clone(control);
                tokio::spawn(async move { drop(control.upgrade(UPGRADE_TIME).await) });
            }
        }
    }
    // An upgrade under way comes to its end first: then it is known who is to stop.
    control.settled().await.map_or(Ended::Told, Ended::PassedOn)
}
