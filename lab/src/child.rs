//! A process that the lab starts and that dies with it.
//!
//! Each stands in a process group of its own, so that Ctrl-C reaches the lab alone, which then ends the
//! others in order. Its standard input is a pipe that only the lab holds; see [`crate::leash`].

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::timeout;

/// What an endpoint writes before its address once it takes connections.
pub(crate) const LISTENING: &str = "listening ";

/// An endpoint is there in a few milliseconds; a busy machine may take seconds.
const START: Duration = Duration::from_secs(10);

/// A killed process is gone at once, unless the kernel itself is stuck.
const DEATH: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct Leashed {
    child: Child,
    /// Closing it ends the child.
    _leash: Option<ChildStdin>,
}

impl Leashed {
    /// Starts `program`. Must be called on the lab's main thread: the kernel's rope is tied to the thread.
    pub(crate) fn spawn(program: &Path, arguments: &[&str], out: Stdio, err: Stdio) -> io::Result<Self> {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(out)
            .stderr(err)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let leash = child.stdin.take();
        Ok(Self { child, _leash: leash })
    }

    /// While it runs or was not looked after yet.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Whether it ended by itself.
    pub(crate) fn ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    pub(crate) async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Sends a signal; a process that is gone gets none.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        let pid = self.pid().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        // The process was not waited for, so its id is still its own.
        pid.map_or(Ok(()), |pid| kill_process(pid, signal).map_err(Into::into))
    }

    /// Ends it at once, paused or not.
    pub(crate) async fn kill(mut self) -> io::Result<()> {
        timeout(DEATH, self.child.kill()).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Asks it to end, and kills it after `grace`.
    pub(crate) async fn end(mut self, grace: Duration) -> io::Result<()> {
        self.signal(Signal::TERM)?;
        match timeout(grace, self.child.wait()).await {
            Ok(ended) => ended.map(drop),
            Err(_) => self.kill().await,
        }
    }

    /// Waits until an endpoint takes connections, and gives its address.
    ///
    /// # Errors
    /// It ended or said something else: what it said.
    pub(crate) async fn listening(&mut self) -> io::Result<SocketAddr> {
        let out = self.child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let mut line = String::new();
        // A line is short; whatever else comes is not an endpoint.
        let mut reader = BufReader::new(out.take(4096));
        timeout(START, reader.read_line(&mut line))
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        let address = line.trim_end().strip_prefix(LISTENING).and_then(|address| address.parse().ok());
        address.ok_or_else(|| {
            io::Error::other(if line.is_empty() { "it ended" } else { line.trim_end() }.to_owned())
        })
    }
}
