//! A second process that holds nothing but the way to let go: when the one that runs virtual routers dies, or does
//! not run for longer than its lease, it takes their addresses off this host and says so to the peers.
//!
//! Addresses live in the kernel, which goes on answering ARP for a process that was killed or is stopped. A
//! neighbour that asks then has two answers, and may keep the wrong one. And peers that are told need not wait for
//! three advertisements that never come.
//!
//! The parent sends a line of JSON with all that it holds whenever that changes, and an empty line as a sign of life.
//! The end of the stream is the parent's death: the kernel closes what a dead process had.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use haechi_model::InterfaceName;
use haechi_sys::Family;
use haechi_sys::capabilities::keep_only;
use haechi_sys::clock::now;
use haechi_sys::netlink::Network;
use haechi_sys::raw::{Advertisements, Hears};
use haechi_sys::scheduling::realtime;
use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use crate::RIGHTS;
use crate::legacy::KeeperLeft;
use crate::waiting::wait;

/// Above the node's own thread: it acts when that one does not.
const PRIORITY: u8 = 21;

/// Longest line taken: 255 virtual routers with 255 IPv6 addresses each, and their advertisements in hexadecimal.
const LONGEST: usize = 8 << 20;

/// What the parent holds.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Holdings {
    /// Silence after which the parent counts as not running, in milliseconds.
    pub(crate) lease_ms: u64,
    pub(crate) holds: Vec<Hold>,
}

/// One virtual router's addresses as far as they are the kernel's, and what to say when they go.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Hold {
    pub(crate) interface: String,
    pub(crate) addresses: Vec<(IpAddr, u8)>,
    pub(crate) farewells: Vec<Farewell>,
}

/// An advertisement of priority 0, ready to be sent.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Farewell {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    /// Where it goes in an envelope, sealed by the parent: a keeper has no keys. Nothing for protocol 112.
    #[serde(default)]
    pub(crate) port: Option<u16>,
    pub(crate) bytes: Vec<u8>,
}

impl fmt::Debug for Farewell {
    /// Without the bytes: whoever has a sealed one can say for this node that it died, once.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "from {} to {}", self.source, self.destination)
    }
}

/// A span as it stands in [`Holdings`].
pub(crate) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// The parent's end.
#[derive(Debug)]
pub(crate) struct Keeper {
    command: Vec<OsString>,
    running: Option<Running>,
    told: Holdings,
}

/// The process at the other end.
#[derive(Debug)]
struct Running {
    pipe: File,
    process_id: u32,
    /// Nothing, if a former process started it.
    child: Option<Child>,
}

impl Running {
    /// Ends it by force: one that reads no more must not come to the end of its stream later.
    fn kill(self) {
        match self.child {
            Some(mut child) => {
                let _ = child.kill();
                let _ = child.wait();
            }
            None => {
                let pid = i32::try_from(self.process_id).ok().and_then(Pid::from_raw);
                let _ = pid.map(|pid| kill_process(pid, Signal::KILL));
            }
        }
    }
}

impl Keeper {
    /// Nothing runs until something is held. `command` starts a process that calls [`keep`].
    pub(crate) fn new(command: Vec<OsString>) -> Self {
        Self { command, running: None, told: Holdings::default() }
    }

    /// Tells what is held now, and that this process runs.
    pub(crate) fn tell(&mut self, holdings: Holdings) {
        if holdings.holds.is_empty() && self.running.is_none() {
            return;
        }
        let line = if holdings == self.told && self.running.is_some() {
            Vec::new()
        } else {
            serde_json::to_vec(&holdings).unwrap_or_default()
        };
        if self.running.is_none() {
            match self.start() {
                Ok(running) => self.running = Some(running),
                Err(error) => {
                    tracing::warn!(%error, "no keeper: the addresses would outlive a process that is killed");
                    return;
                }
            }
        }
        let said = self.running.as_mut().map(|running| write_line(&mut running.pipe, &line));
        match said {
            Some(Ok(())) => self.told = holdings,
            Some(Err(error)) => {
                tracing::warn!(%error, "the keeper is gone; another one starts with the next sign of life");
                self.end();
            }
            None => {}
        }
    }

    /// Tells that something is about to be held too: a process that is killed right after the kernel has its
    /// addresses must not leave them behind. The next [`Self::tell`] says whether it came to that.
    pub(crate) fn expect(&mut self, hold: Hold, lease: Duration) {
        let mut holdings = self.told.clone();
        let lease_ms = millis(lease);
        holdings.lease_ms =
            if holdings.holds.is_empty() { lease_ms } else { holdings.lease_ms.min(lease_ms) };
        if !holdings.holds.contains(&hold) {
            holdings.holds.push(hold);
        }
        self.tell(holdings);
    }

    /// For a process that goes on: the same keeper, by another descriptor of its pipe.
    ///
    /// # Errors
    /// Out of descriptors.
    pub(crate) fn lend(&self) -> io::Result<Option<(KeeperLeft, OwnedFd)>> {
        let Some(running) = &self.running else { return Ok(None) };
        let left = KeeperLeft { process_id: running.process_id, told: self.told.clone() };
        Ok(Some((left, running.pipe.try_clone()?.into())))
    }

    /// Goes on with the keeper of a former process.
    pub(crate) fn inherit(&mut self, left: KeeperLeft, pipe: OwnedFd) {
        self.running = Some(Running { pipe: pipe.into(), process_id: left.process_id, child: None });
        self.told = left.told;
    }

    /// It may have let go: the next [`tell`](Self::tell) tells all.
    pub(crate) fn tell_anew(&mut self) {
        self.told = Holdings::default();
    }

    /// It is another process's now.
    pub(crate) fn leave(&mut self) {
        self.running = None;
    }

    fn start(&self) -> io::Result<Running> {
        let (program, arguments) =
            self.command.split_first().ok_or_else(|| io::Error::other("no command to start it"))?;
        let mut child =
            Command::new(program).args(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
        let stdin = child.stdin.take().ok_or_else(|| io::Error::other("it has no standard input"))?;
        // A keeper that does not read must not stop the node: its pipe is full, and another one starts.
        rustix::io::ioctl_fionbio(&stdin, true)?;
        let pipe = File::from(OwnedFd::from(stdin));
        Ok(Running { pipe, process_id: child.id(), child: Some(child) })
    }

    fn end(&mut self) {
        if let Some(running) = self.running.take() {
            running.kill();
        }
        self.told = Holdings::default();
    }
}

impl Drop for Keeper {
    /// Everything was let go before: with nothing held, the end of the stream means nothing.
    fn drop(&mut self) {
        self.tell(Holdings::default());
        if let Some(Running { pipe, child, .. }) = self.running.take() {
            drop(pipe);
            if let Some(mut child) = child {
                let _ = child.wait();
            }
        }
    }
}

fn write_line(stdin: &mut File, line: &[u8]) -> io::Result<()> {
    stdin.write_all(line)?;
    stdin.write_all(b"\n")
}

/// The keeper's whole life: reads from `parent` until its end. For the process that [`Keeper`] starts.
///
/// # Errors
/// The stream breaks in another way than by ending, or holds what no parent sends.
pub fn keep(parent: impl Read + AsFd) -> io::Result<()> {
    // Refused, it has the priority of the thread that started it.
    let _ = realtime(PRIORITY);
    keep_only(&RIGHTS)?;
    let mut guard = Guard::new()?;
    let mut lines = Lines { parent, buffer: Vec::new() };
    loop {
        match lines.next(guard.lease())? {
            Next::Line(line) if line.is_empty() => {}
            Next::Line(line) => guard.hold(serde_json::from_slice(&line).map_err(io::Error::other)?),
            Next::Silence => guard.let_go(),
            Next::End => {
                guard.let_go();
                return Ok(());
            }
        }
    }
}

/// What is held, with everything open that letting go needs.
struct Guard {
    network: Network,
    holdings: Holdings,
    ports: Vec<(String, Family, Advertisements)>,
    /// By source, for what is sealed. Their own ports: the node's is its own while it only stands still.
    sockets: Vec<(IpAddr, UdpSocket)>,
}

impl Guard {
    fn new() -> io::Result<Self> {
        let (ports, sockets) = (Vec::new(), Vec::new());
        Ok(Self { network: Network::open()?, holdings: Holdings::default(), ports, sockets })
    }

    fn lease(&self) -> Option<Duration> {
        (!self.holdings.holds.is_empty()).then(|| Duration::from_millis(self.holdings.lease_ms))
    }

    fn hold(&mut self, holdings: Holdings) {
        self.ports.clear();
        self.sockets.clear();
        for hold in &holdings.holds {
            let Some(first) = hold.farewells.first() else { continue };
            if first.port.is_some() {
                let known = self.sockets.iter().any(|(source, _)| *source == first.source);
                if !known && let Ok(socket) = UdpSocket::bind((first.source, 0)) {
                    // A full buffer must not stop it.
                    let _ = socket.set_nonblocking(true);
                    self.sockets.push((first.source, socket));
                }
                continue;
            }
            let family = Family::of(first.source);
            let open = self.ports.iter().any(|(name, of, _)| *name == hold.interface && *of == family);
            let interface = InterfaceName::from(hold.interface.as_str());
            if !open && let Ok(port) = Advertisements::open(family, &interface, Hears::Unicast) {
                self.ports.push((hold.interface.clone(), family, port));
            }
        }
        self.holdings = holdings;
    }

    /// The addresses first: a peer that hears the word claims them at once.
    fn let_go(&mut self) {
        let holdings = std::mem::take(&mut self.holdings);
        for hold in &holdings.holds {
            let interface = self.network.interface(&hold.interface.as_str().into()).ok().flatten();
            for (address, prefix) in interface.iter().flat_map(|_| &hold.addresses) {
                if let Some(interface) = &interface
                    && let Err(refused) = self.network.remove_address(interface.index, *address, *prefix)
                {
                    tracing::error!(%refused, "{address} outlives its process");
                }
            }
        }
        for hold in &holdings.holds {
            for farewell in &hold.farewells {
                // Who does not hear it waits as for any silent node.
                let _ = self.say(&hold.interface, farewell);
            }
        }
    }

    fn say(&self, interface: &str, farewell: &Farewell) -> io::Result<()> {
        let Farewell { source, destination, port, bytes } = farewell;
        if let Some(port) = port {
            let socket = self.sockets.iter().find(|(bound, _)| bound == source);
            let to = SocketAddr::new(*destination, *port);
            return socket.map_or(Ok(()), |(_, socket)| socket.send_to(bytes, to).map(drop));
        }
        let family = Family::of(*source);
        let port = self.ports.iter().find(|(name, of, _)| *name == *interface && *of == family);
        port.map_or(Ok(()), |(_, _, port)| port.send(bytes, *source, *destination))
    }
}

enum Next {
    Line(Vec<u8>),
    Silence,
    End,
}

/// The parent's lines, with a bound on the wait for each.
struct Lines<P> {
    parent: P,
    buffer: Vec<u8>,
}

impl<P: Read + AsFd> Lines<P> {
    fn next(&mut self, patience: Option<Duration>) -> io::Result<Next> {
        let until = patience.map(|patience| now() + patience);
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.buffer) {
                let rest = self.buffer.split_off(end + 1);
                let mut line = std::mem::replace(&mut self.buffer, rest);
                line.pop();
                return Ok(Next::Line(line));
            }
            let left = until.map(|until| until.since(now()));
            // Also when the time is over: what came while this process itself stood still is no silence.
            if !readable(&self.parent, left)? {
                if left.is_some_and(|left| left.is_zero()) {
                    return Ok(Next::Silence);
                }
                continue;
            }
            let mut chunk = [0; 4096];
            match self.parent.read(&mut chunk) {
                Ok(0) => return Ok(Next::End),
                Ok(count) => self.buffer.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if self.buffer.len() > LONGEST {
                return Err(io::Error::other("a line without end"));
            }
        }
    }
}

fn readable(parent: &impl AsFd, patience: Option<Duration>) -> io::Result<bool> {
    match wait(&mut [PollFd::new(parent, PollFlags::IN)], patience) {
        Ok(count) => Ok(count > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn lines_silence_and_the_end_are_told_apart() {
        let (parent, mut child) = UnixStream::pair().unwrap();
        let mut lines = Lines { parent, buffer: Vec::new() };
        child.write_all(b"one\n\ntw").unwrap();
        assert!(matches!(lines.next(None).unwrap(), Next::Line(line) if line == b"one"));
        assert!(matches!(lines.next(None).unwrap(), Next::Line(line) if line.is_empty()));
        assert!(matches!(lines.next(Some(Duration::from_millis(1))).unwrap(), Next::Silence));
        child.write_all(b"o\n").unwrap();
        let late = lines.next(Some(Duration::ZERO)).unwrap();
        assert!(matches!(late, Next::Line(line) if line == b"two"), "it came while nobody looked");
        drop(child);
        assert!(matches!(lines.next(Some(Duration::from_secs(60))).unwrap(), Next::End));
    }

    #[test]
    fn what_no_parent_sends_ends_the_keeper_and_not_a_panic() {
        let (parent, mut child) = UnixStream::pair().unwrap();
        child.write_all(b"{\"lease_ms\": -1}\n").unwrap();
        assert!(keep(parent).is_err());
    }
}
