//! One connection of the origin. Refuses a head over 64 KiB by ending the connection.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::rc::Rc;

use memchr::memmem;
use mio::net::TcpStream;

use crate::content::{Answer, Content, response};

/// What a port of the origin does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Speaks {
    /// Answers requests.
    Http,
    /// Sends back what it gets.
    Echo,
    /// Sends without end.
    Source,
}

/// How a connection's turn ended.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Turn {
    /// Until the next event.
    Waits,
    /// It could go on, but others want their turn.
    Again,
    /// It is over.
    Ends,
}

/// A head larger than this is none: every contender's own limit is at most this.
const HEAD: usize = 64 << 10;
/// MiB that a source sends before the others get their turn: enough that a turn's cost does not show.
const SOURCE_TURN: usize = 4;

/// One connection.
pub(super) struct Conn {
    stream: TcpStream,
    speaks: Speaks,
    /// The start of a request that has not fully arrived.
    partial: Vec<u8>,
    out: VecDeque<Rc<[u8]>>,
    /// How much of the first piece of `out` is sent.
    sent: usize,
    last: bool,
}

impl Conn {
    pub(super) fn new(stream: TcpStream, speaks: Speaks) -> Self {
        Self { stream, speaks, partial: Vec::new(), out: VecDeque::new(), sent: 0, last: false }
    }

    /// Does what can be done without waiting. `drain` is false when a short read means that nothing is left.
    pub(super) fn turn(&mut self, buffer: &mut [u8], content: &Content, drain: bool) -> io::Result<Turn> {
        if self.speaks == Speaks::Source {
            return self.pour(content);
        }
        loop {
            if !self.flush()? {
                return Ok(Turn::Waits);
            }
            if self.last {
                return Ok(Turn::Ends);
            }
            let count = match self.stream.read(buffer) {
                Ok(0) => return Ok(Turn::Ends),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Turn::Waits),
                Err(error) => return Err(error),
            };
            match self.speaks {
                Speaks::Http => self.requests(&buffer[..count], content)?,
                Speaks::Echo | Speaks::Source => self.out.push_back(buffer[..count].into()),
            }
            if count < buffer.len() && !drain && !self.last {
                let _blocked_is_fine = self.flush()?;
                return Ok(Turn::Waits);
            }
        }
    }

    /// A source's turn: as much as the kernel takes, within bounds.
    fn pour(&mut self, content: &Content) -> io::Result<Turn> {
        for _ in 0..SOURCE_TURN {
            if !self.flush()? {
                return Ok(Turn::Waits);
            }
            self.out.push_back(content.source());
        }
        Ok(Turn::Again)
    }

    /// Queues an answer for every request that is complete in `fresh`, together with what came before.
    fn requests(&mut self, fresh: &[u8], content: &Content) -> io::Result<()> {
        if self.partial.is_empty() {
            let used = self.answer_all(fresh, content);
            self.partial.extend_from_slice(&fresh[used..]);
        } else {
            let mut bytes = std::mem::take(&mut self.partial);
            bytes.extend_from_slice(fresh);
            let used = self.answer_all(&bytes, content);
            bytes.drain(..used);
            self.partial = bytes;
        }
        if self.partial.len() > HEAD { Err(io::ErrorKind::InvalidData.into()) } else { Ok(()) }
    }

    fn answer_all(&mut self, bytes: &[u8], content: &Content) -> usize {
        let mut used = 0;
        while let Some(length) = memmem::find(&bytes[used..], b"\r\n\r\n") {
            if self.last {
                break;
            }
            let head = &bytes[used..used + length + 4];
            used += head.len();
            self.last = wants_close(head);
            let answer = match content.answer(head) {
                Answer::Ready(bytes) => bytes,
                Answer::Mirror => response("200 OK", "Content-Type: text/plain\r\n", head),
                Answer::Last(bytes) => {
                    self.last = true;
                    bytes
                }
            };
            self.out.push_back(answer);
        }
        used
    }

    /// True when everything is sent.
    fn flush(&mut self) -> io::Result<bool> {
        while let Some(piece) = self.out.front() {
            match self.stream.write(&piece[self.sent..]) {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
            if self.sent == piece.len() {
                self.out.pop_front();
                self.sent = 0;
            }
        }
        Ok(true)
    }
}

/// HTTP/1.0 probes and clients that say so. A search for the token is enough: no contender sends it in
/// another meaning.
fn wants_close(head: &[u8]) -> bool {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    line.ends_with(b"HTTP/1.0") || memmem::find(head, b"onnection: close").is_some()
}

#[cfg(test)]
mod tests;
