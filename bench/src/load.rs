//! Load that wrk cannot make: TCP messages to and fro, and TCP as fast as it comes.
//!
//! A process of its own, because it is pinned to another core than what it measures. It prints one line in
//! the words of `wrk.lua`, so that the runner reads one format.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::content::{BULK, SMALL, noise};
use crate::count::Count;
use crate::problem::{Outcome, Problem, While};
use crate::stats::percentile;

/// What the load does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum Load {
    /// Sends 100 bytes, waits until they are back, again.
    PingPong,
    /// Takes what comes.
    Drain,
}

/// Most that one read of a draining connection takes: what real clients use. A reader that lets the kernel drop
/// the bytes instead (`MSG_TRUNC`) was tried: it takes them in crumbs, and a splicing proxy then pays more per
/// MiB, for a client that does not exist.
const DRAIN: usize = 64 << 10;
/// Reads of one draining connection before the others get their turn: a MiB.
const DRAIN_TURN: usize = 16;
/// Answer times kept at most: 100 s at 100,000 messages per second, 40 MB.
const TIMES: usize = 10_000_000;
/// How late an answer may be before the run counts it as lost.
const PATIENCE: Duration = Duration::from_secs(2);

/// Runs the load for `span` and says what it counted.
pub(crate) fn run(load: Load, port: u16, connections: u16, span: Duration) -> Outcome<Count> {
    let mut generator = Generator::connect(load, port, connections)?;
    let began = now();
    for conn in 0..generator.conns.len() {
        generator.start(conn).while_doing(|| "first message".into())?;
    }
    let mut events = Events::with_capacity(usize::from(connections));
    while began.elapsed() < span {
        let left = span.saturating_sub(began.elapsed());
        let patience = if generator.again.is_empty() { left.min(PATIENCE) } else { Duration::ZERO };
        let idle = generator.again.is_empty();
        generator.poll.poll(&mut events, Some(patience))?;
        if events.is_empty() && idle && patience == PATIENCE {
            return Err(Problem::new("nothing came back for 2 s"));
        }
        for event in &events {
            generator.serve(event.token().0)?;
        }
        for conn in std::mem::take(&mut generator.again) {
            generator.serve(conn)?;
        }
    }
    Ok(generator.count(began.elapsed()))
}

struct Generator {
    load: Load,
    poll: Poll,
    conns: Vec<Conn>,
    again: Vec<usize>,
    message: Vec<u8>,
    buffer: Vec<u8>,
    bytes: u64,
    messages: u64,
    times: Vec<u32>,
}

struct Conn {
    stream: TcpStream,
    back: usize,
    sent: Instant,
}

impl Generator {
    fn connect(load: Load, port: u16, connections: u16) -> Outcome<Self> {
        let poll = Poll::new()?;
        let mut conns = Vec::new();
        for index in 0..usize::from(connections) {
            let stream = std::net::TcpStream::connect(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))
                .while_doing(|| format!("connecting to port {port}"))?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            poll.registry().register(&mut stream, Token(index), Interest::READABLE)?;
            conns.push(Conn { stream, back: 0, sent: now() });
        }
        let (message, buffer) = (noise(5, SMALL), vec![0; DRAIN]);
        Ok(Self {
            load,
            poll,
            conns,
            again: Vec::new(),
            message,
            buffer,
            bytes: 0,
            messages: 0,
            times: Vec::new(),
        })
    }

    fn start(&mut self, conn: usize) -> io::Result<()> {
        if self.load == Load::Drain {
            self.again.push(conn);
            return Ok(());
        }
        let conn = &mut self.conns[conn];
        conn.back = 0;
        conn.sent = now();
        // 100 bytes into an empty send buffer go in one piece, or something is broken.
        conn.stream.write_all(&self.message)
    }

    fn serve(&mut self, conn: usize) -> Outcome<()> {
        match self.load {
            Load::PingPong => self.pong(conn),
            Load::Drain => self.drain(conn),
        }
    }

    fn pong(&mut self, index: usize) -> Outcome<()> {
        let conn = &mut self.conns[index];
        let Some(count) = unless_blocked(conn.stream.read(&mut self.buffer[..SMALL * 2]))? else {
            return Ok(());
        };
        if count == 0 || self.message.get(conn.back..conn.back + count) != Some(&self.buffer[..count]) {
            return Err(Problem::new("what came back is not what was sent"));
        }
        conn.back += count;
        if conn.back == SMALL {
            if self.times.len() < TIMES {
                self.times.push(u32::try_from(conn.sent.elapsed().as_micros()).unwrap_or(u32::MAX));
            }
            self.messages += 1;
            self.bytes += SMALL as u64;
            self.start(index)?;
        }
        Ok(())
    }

    fn drain(&mut self, index: usize) -> Outcome<()> {
        for _ in 0..DRAIN_TURN {
            match unless_blocked(self.conns[index].stream.read(&mut self.buffer))? {
                Some(0) => return Err(Problem::new("the source ended")),
                Some(count) => self.bytes += count as u64,
                None => return Ok(()),
            }
        }
        self.again.push(index);
        Ok(())
    }

    fn count(mut self, took: Duration) -> Count {
        self.times.sort_unstable();
        let units = match self.load {
            Load::PingPong => self.messages,
            Load::Drain => self.bytes / BULK as u64,
        };
        Count {
            units,
            bytes: self.bytes,
            micros: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            p50_micros: percentile(&self.times, 0.5).unwrap_or(0).into(),
            p99_micros: percentile(&self.times, 0.99).unwrap_or(0).into(),
            errors: [0; 5],
        }
    }
}

fn unless_blocked(result: io::Result<usize>) -> Outcome<Option<usize>> {
    match result {
        Ok(count) => Ok(Some(count)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a load generator measures real time, and shares no code with what it measures"
)]
fn now() -> Instant {
    Instant::now()
}
