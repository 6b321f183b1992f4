//! The side of the process that serves: starts its heir, passes everything on, and serves on if that fails.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use haechi_admin::Problem;
use haechi_admin::api::Upgraded;
use haechi_sys::clock;
use haechi_telemetry::event;
use tokio::process::{Child, Command};

use super::{AT_ONCE, Estate, FORMAT, HEIR_OF, Line, Offer, Word, is_gone};
use crate::control::{Control, lock};

const VERSION: &str = env!("CARGO_PKG_VERSION");

impl Control {
    /// Lets the program that stands in this one's place take over, if it gets ready within this time.
    ///
    /// # Errors
    /// Why it did not; this process serves on as if nothing had happened.
    pub(crate) async fn upgrade(self: &Arc<Self>, within: Duration) -> Result<Upgraded, Problem> {
        let _turn = self.changing.lock().await;
        let ours = haechi_sys::limits::process_id();
        let outcome = self.try_upgrade(within).await;
        let text = match &outcome {
            Ok(upgraded) => {
                self.doors.leave();
                self.passed_on.send_replace(true);
                format!("process {}, haechi {}, serves from now on", upgraded.pid, upgraded.to_version)
            }
            Err(reason) => format!("process {ours} serves on: {reason}"),
        };
        self.events.add(event::UPGRADE, "node", text.clone());
        outcome.map_err(|_| Problem::Conflict(text))
    }

    async fn try_upgrade(self: &Arc<Self>, within: Duration) -> Result<Upgraded, String> {
        if *self.passed_on.borrow() {
            return Err("it has passed everything on already and only lets what is open end".to_owned());
        }
        if haechi_sys::limits::process_id() == 1 {
            return Err("it is the first process of a container, which ends with it: start a new container"
                .to_owned());
        }
        if lock(&self.virtual_routers).node.is_some() {
            return Err("it runs virtual routers, which can't be passed on".to_owned());
        }
        let place = self.program.place().display().to_string();
        let (line, mut child) = self.start_heir().map_err(|error| format!("can't start {place}: {error}"))?;
        let outcome = self.pass_on(&line, &mut child, within).await;
        if outcome.is_err() {
            // It must not take this end of the line for a death.
            let _ = child.kill().await;
        }
        outcome.map_err(|reason| format!("{place} did not take over: {reason}"))
    }

    fn start_heir(&self) -> io::Result<(Line, Child)> {
        let (ours, theirs) = UnixStream::pair()?;
        let of = format!("{}:{}", haechi_sys::limits::process_id(), clock::origin_nanos());
        let mut command = Command::from(self.program.command());
        // The watchdog that systemd wants is the heir's from now on.
        command.env(HEIR_OF, of).env_remove("WATCHDOG_PID").stdin(Stdio::from(OwnedFd::from(theirs)));
        Ok((Line(Arc::new(ours)), command.spawn()?))
    }

    async fn pass_on(
        self: &Arc<Self>,
        line: &Line,
        child: &mut Child,
        within: Duration,
    ) -> Result<Upgraded, String> {
        let pid = child.id().unwrap_or_default();
        self.offer(line).map_err(|error| format!("what it needs could not be passed: {error}"))?;
        let version = match line.hear(within).await {
            Ok((Word::Ready { version }, _)) => version,
            Ok((Word::Refused { text }, _)) => return Err(text),
            Ok((Word::Serving, _)) => return Err("it skipped a step".to_owned()),
            Err(error) => return Err(silence(child, &error, within).await),
        };
        let estate = Estate::of(self);
        line.send(&[], &estate).map_err(|error| format!("the state could not be passed: {error}"))?;
        match line.hear(AT_ONCE).await {
            Ok((Word::Serving, _)) => {
                Ok(Upgraded { from_version: VERSION.to_owned(), to_version: version, pid })
            }
            Ok((Word::Refused { text }, _)) => Err(text),
            Ok((Word::Ready { .. }, _)) => Err("it got ready twice".to_owned()),
            Err(error) => Err(silence(child, &error, AT_ONCE).await),
        }
    }

    fn offer(&self, line: &Line) -> io::Result<()> {
        let lent = self.proxy.lend()?;
        let doors = &self.doors.lent;
        let offer = Offer {
            format: FORMAT,
            version: VERSION.to_owned(),
            api: doors.tcp.as_ref().map(|(address, _)| *address),
            sockets: lent.iter().map(|(address, sockets)| (*address, sockets.len())).collect(),
        };
        let tcp = doors.tcp.as_ref().map(|(_, socket)| socket);
        let all: Vec<BorrowedFd<'_>> = ([&doors.unix].into_iter().chain(tcp))
            .chain(lent.iter().flat_map(|(_, sockets)| sockets))
            .map(AsFd::as_fd)
            .collect();
        line.send(&all, &offer)
    }
}

/// Why nothing came.
async fn silence(child: &mut Child, error: &io::Error, within: Duration) -> String {
    if error.kind() == io::ErrorKind::TimedOut {
        return format!("it was not ready within {within:?}");
    }
    if !is_gone(error) {
        return format!("it can't be understood: {error}");
    }
    match tokio::time::timeout(AT_ONCE, child.wait()).await {
        Ok(Ok(status)) => format!("it ended with {status} before it was ready; its log says why"),
        _ => "it hung up before it was ready".to_owned(),
    }
}
