//! Starts heirs: on a thread of its own, because rights and priority belong to threads, and an heir needs those that
//! this process began with. Its programs get none (docs/decisions/0013).

use std::io;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use haechi_sys::capabilities::pass_on;
use haechi_sys::clock;
use haechi_sys::program::Program;
use haechi_sys::scheduling::Ready;
use tokio::sync::oneshot;

use super::HEIR_OF;
use crate::control::rights::KEPT;

/// How often it is looked whether a process ended.
const LOOK: Duration = Duration::from_millis(10);

/// One heir to start.
struct Job {
    command: Command,
    answer: oneshot::Sender<io::Result<Child>>,
}

/// The thread, and what it starts.
pub(in crate::control) struct Starter {
    program: Program,
    jobs: Sender<Job>,
}

impl Starter {
    pub(in crate::control) fn new(program: Program, ready: Ready) -> Self {
        let (jobs, waiting) = channel::<Job>();
        // It ends with this.
        drop(ready.run(move || {
            let passed_on = pass_on(&KEPT);
            for Job { mut command, answer } in waiting {
                let started = match &passed_on {
                    Ok(()) => command.spawn(),
                    Err(error) => {
                        Err(io::Error::new(error.kind(), format!("its rights can't be passed on: {error}")))
                    }
                };
                // Whoever asked hangs up only with the process.
                let _ = answer.send(started);
            }
        }));
        Self { program, jobs }
    }

    /// What is started, for people.
    pub(super) fn place(&self) -> String {
        self.program.place().display().to_string()
    }

    /// Starts what stands there now, with `line` as its standard input.
    ///
    /// # Errors
    /// What the system says.
    pub(super) async fn start(&self, line: OwnedFd) -> io::Result<Heired> {
        let of = format!("{}:{}", haechi_sys::limits::process_id(), clock::origin_nanos());
        let mut command = self.program.command();
        // The watchdog that systemd wants is the heir's from now on.
        command.env(HEIR_OF, of).env_remove("WATCHDOG_PID").stdin(Stdio::from(line));
        let (answer, started) = oneshot::channel();
        let ended = |_| io::Error::other("the thread that starts heirs has ended");
        self.jobs.send(Job { command, answer }).map_err(|_| ended(()))?;
        started.await.map_err(|_| ended(()))?.map(Heired)
    }
}

/// A process that was started as an heir.
pub(super) struct Heired(Child);

impl Heired {
    pub(super) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Waits for its end; nothing if it goes on.
    pub(super) async fn ends(&mut self, within: Duration) -> Option<ExitStatus> {
        let until = clock::now() + within;
        loop {
            match self.0.try_wait() {
                Ok(None) if clock::now() < until => tokio::time::sleep(LOOK).await,
                ended => return ended.ok().flatten(),
            }
        }
    }

    /// Ends it, if it has not ended.
    pub(super) async fn end(&mut self) {
        if self.0.kill().is_ok() {
            self.ends(Duration::from_secs(1)).await;
        }
    }
}
