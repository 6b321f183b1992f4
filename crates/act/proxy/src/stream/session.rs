//! TLS on one connection: rustls decides and encrypts, and these are the bytes before and behind it.
//!
//! rustls is used without its buffers (`UnbufferedServerConnection`): what comes is decrypted straight from one
//! buffer of the worker, what goes is encrypted into another and leaves in one call. A connection keeps only what is
//! incomplete: the beginning of a record, or what its socket did not take. An idle one keeps none.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::mem;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use haechi_sys::net::Waiting;
use haechi_trust::{ACME_TLS, take_refused_name};
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::server::UnbufferedServerConnection;
use rustls::{ClientConfig, CommonState, HandshakeKind, ProtocolVersion, ServerConfig};

use super::wire::{Wire, blocked};
use crate::buffers::{HOT, PAGE};

mod records;

use records::{Next, Say, Sink, Steps};

/// Plaintext of one record at most (RFC 8446 section 5.1).
const RECORD: usize = 16 << 10;

/// What a record has besides: header, explicit nonce (TLS 1.2), content type (TLS 1.3) and tag make 29 at most.
const AROUND: usize = 64;

/// Plaintext that is encrypted in one go: four records leave in one call. More would only fill memory where the
/// socket does not take it.
const GO: usize = 64 << 10;

/// What glibc copies fast wherever it goes (see `buffers`).
const SHORT: usize = 2 << 10;

/// Where in a page two pieces are joined: not where the others begin.
const ASIDE: usize = PAGE / 4;

/// Room for handshake messages that go out before a record: tickets, and what a key update asks for.
const BESIDES: usize = 8 << 10;

/// What may be kept of a message that is incomplete: as much as rustls takes of one (2¹⁶ − 1 bytes), with what is
/// around its records.
const MOST_KEPT: usize = 80 << 10;

/// A fatal alert in clear text, as it stands after a first message (RFC 6066 section 3): rustls has no such answer.
pub(crate) const UNRECOGNIZED_NAME: &[u8] = &[21, 3, 3, 0, 2, 2, 112];

/// Buffers that the sessions of one worker share.
pub(crate) struct Room {
    incoming: Cell<Option<Box<[u8]>>>,
    outgoing: Cell<Option<Box<[u8]>>>,
    /// Two small pieces as one.
    joined: RefCell<Vec<u8>>,
}

impl Room {
    pub(super) fn new() -> Self {
        Self { incoming: Cell::new(None), outgoing: Cell::new(None), joined: RefCell::default() }
    }

    fn with_incoming<R>(&self, use_it: impl FnOnce(&mut [u8]) -> R) -> R {
        let mut buffer = self.incoming.take().unwrap_or_else(|| vec![0; MOST_KEPT + HOT].into());
        let result = use_it(&mut buffer);
        self.incoming.set(Some(buffer));
        result
    }

    fn with_outgoing<R>(&self, use_it: impl FnOnce(&mut [u8]) -> R) -> R {
        // The two pieces may have a short record each, and one that is not full.
        let size = BESIDES + GO + (GO / RECORD + 3) * AROUND;
        let mut buffer = self.outgoing.take().unwrap_or_else(|| vec![0; size].into());
        let result = use_it(&mut buffer);
        self.outgoing.set(Some(buffer));
        result
    }
}

enum Side {
    Server(UnbufferedServerConnection),
    Client(UnbufferedClientConnection),
}

impl Side {
    fn common(&self) -> &CommonState {
        match self {
            Self::Server(connection) => connection,
            Self::Client(connection) => connection,
        }
    }
}

/// What a handshake found.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Met {
    /// TLS 1.3; else 1.2.
    pub(crate) newest: bool,
    /// With a ticket of an earlier connection.
    pub(crate) resumed: bool,
}

/// Why there is no TLS on a connection.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The other side left.
    Left(io::Error),
    /// What came is no TLS, or it was refused, by us or by the other side.
    Tls(rustls::Error),
}

/// Ciphertext that the socket did not take, with the plaintext that it stands for.
#[derive(Default)]
struct Backlog {
    bytes: Vec<u8>,
    sent: usize,
    /// Where each record of the writer's bytes ends, and how many of them it has.
    ends: Vec<(usize, usize)>,
    /// Plaintext of records that were sent whole and that the writer was not told of.
    credit: usize,
}

impl Backlog {
    fn is_empty(&self) -> bool {
        self.sent == self.bytes.len()
    }

    /// Whether the writer's next bytes are encrypted already.
    fn owes(&self) -> bool {
        self.credit > 0 || !self.ends.is_empty()
    }

    fn note_sent(&mut self, count: usize) {
        self.sent += count;
        let whole = self.ends.iter().take_while(|(end, _)| *end <= self.sent).count();
        self.credit += self.ends.drain(..whole).map(|(_, plain)| plain).sum::<usize>();
        if self.sent >= self.bytes.len() {
            self.sent = 0;
            self.bytes = Vec::new();
        }
    }

    fn take_credit(&mut self, most: usize) -> usize {
        let credit = self.credit.min(most);
        self.credit -= credit;
        credit
    }
}

/// TLS on one connection.
pub(crate) struct Session {
    side: Side,
    room: Rc<Room>,
    /// The beginning of a record.
    kept: Vec<u8>,
    /// What was decrypted and did not fit, from `at` on.
    plain: Vec<u8>,
    at: usize,
    backlog: Backlog,
    /// The other side has said that it sends no more.
    ended: bool,
    /// Our side's end waits until the socket has taken what comes before.
    ending: bool,
    /// A rule was broken. rustls is not asked again: what it has noted of bytes that are gone would lead it astray.
    broken: bool,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

impl Session {
    /// Whether both sides agreed on HTTP/2 (ALPN).
    pub(super) fn chose_http2(&self) -> bool {
        self.side.common().alpn_protocol() == Some(b"h2")
    }

    /// Whether the handshake itself was the question (RFC 8737).
    pub(super) fn chose_acme(&self) -> bool {
        self.side.common().alpn_protocol() == Some(ACME_TLS)
    }

    /// A client has connected.
    pub(crate) fn server(config: Arc<ServerConfig>, room: &Rc<Room>) -> Result<Self, rustls::Error> {
        Ok(Self::new(Side::Server(UnbufferedServerConnection::new(config)?), room))
    }

    /// We have connected; `name` is who must answer.
    pub(crate) fn client(
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
        room: &Rc<Room>,
    ) -> Result<Self, rustls::Error> {
        Ok(Self::new(Side::Client(UnbufferedClientConnection::new(config, name)?), room))
    }

    fn new(side: Side, room: &Rc<Room>) -> Self {
        Self {
            side,
            room: Rc::clone(room),
            kept: Vec::new(),
            plain: Vec::new(),
            at: 0,
            backlog: Backlog::default(),
            ended: false,
            ending: false,
            broken: false,
        }
    }

    pub(super) fn poll_handshake(
        &mut self,
        wire: &mut Wire,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Met, Broken>> {
        if let Side::Client(_) = self.side
            && self.backlog.is_empty()
        {
            // Nothing has come yet, and ours is the first word.
            self.take(&mut [], &mut Sink::kept()).map_err(|error| self.told(wire, error))?;
        }
        loop {
            let met = (!self.side.common().is_handshaking()).then(|| self.met());
            if met.is_some_and(|met| met.newest) && self.waiting().is_some() {
                // Tickets leave with the answer to what has come already.
                return Poll::Ready(Ok(met.unwrap_or_default()));
            }
            // A peer that does not take our part may still send its own.
            if let Poll::Ready(Err(error)) = self.poll_flush(wire, cx) {
                return Poll::Ready(Err(Broken::Left(error)));
            }
            if let Some(met) = met {
                return Poll::Ready(Ok(met));
            }
            let mut sink = Sink::kept();
            match std::task::ready!(self.poll_take(wire, cx, HOT, &mut sink)) {
                Ok(0) => return Poll::Ready(Err(Broken::Left(io::ErrorKind::UnexpectedEof.into()))),
                Ok(_) => self.plain.append(&mut sink.rest),
                Err(Failed::Wire(error)) => return Poll::Ready(Err(Broken::Left(error))),
                Err(Failed::Tls(error)) => return Poll::Ready(Err(self.told(wire, error))),
            }
        }
    }

    fn met(&self) -> Met {
        let common = self.side.common();
        Met {
            newest: common.protocol_version() == Some(ProtocolVersion::TLSv1_3),
            resumed: common.handshake_kind() == Some(HandshakeKind::Resumed),
        }
    }

    /// The other side's own certificate, in DER.
    pub(super) fn peer_certificate(&self) -> Option<&[u8]> {
        self.side.common().peer_certificates()?.first().map(AsRef::as_ref)
    }

    /// Sends what the other side is told of the error, if it listens.
    fn told(&mut self, wire: &Wire, error: rustls::Error) -> Broken {
        let _ = self.flush(wire);
        Broken::Tls(error)
    }

    pub(super) fn poll_read(
        &mut self,
        wire: &mut Wire,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if self.at < self.plain.len() {
            return Poll::Ready(Ok(self.take_plain(buf)));
        }
        if self.ending && !self.backlog.is_empty() {
            // Nobody else comes to write the rest of what we said last.
            if let Poll::Ready(Err(error)) = self.poll_flush(wire, cx) {
                return Poll::Ready(Err(error));
            }
        }
        while !self.ended {
            let mut sink = Sink::into(buf);
            match std::task::ready!(self.poll_take(wire, cx, sink.room(), &mut sink)) {
                // Nothing was said of an end, so somebody may have cut the rest off.
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                Ok(_) => {
                    let (count, rest) = sink.finish();
                    self.plain = rest;
                    if count > 0 {
                        return Poll::Ready(Ok(count));
                    }
                }
                Err(Failed::Wire(error)) => return Poll::Ready(Err(error)),
                Err(Failed::Tls(error)) => {
                    let _ = self.told(wire, error);
                    return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
                }
            }
        }
        Poll::Ready(Ok(0))
    }

    fn take_plain(&mut self, buf: &mut [u8]) -> usize {
        let rest = &self.plain[self.at..];
        let count = rest.len().min(buf.len());
        buf[..count].copy_from_slice(&rest[..count]);
        self.at += count;
        if self.at == self.plain.len() {
            self.plain = Vec::new();
            self.at = 0;
        }
        count
    }

    /// Receives once, `most` bytes at most, and decrypts. Gives how many bytes came; 0 is the end of the wire.
    fn poll_take(
        &mut self,
        wire: &mut Wire,
        cx: &mut Context<'_>,
        most: usize,
        sink: &mut Sink<'_>,
    ) -> Poll<Result<usize, Failed>> {
        let room = Rc::clone(&self.room);
        if self.broken {
            return Poll::Ready(Err(Failed::Wire(io::ErrorKind::InvalidData.into())));
        }
        room.with_incoming(|incoming| {
            let kept = self.lay_out(incoming);
            let end = incoming.len().min(kept + most.max(1));
            match wire.poll_read(cx, &mut incoming[kept..end]) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Err(error)) => Poll::Ready(Err(Failed::Wire(error))),
                Poll::Ready(Ok(count)) => Poll::Ready(self.took(&mut incoming[..kept + count], count, sink)),
            }
        })
    }

    /// The kept beginning to the front of the buffer; gives its length.
    fn lay_out(&mut self, incoming: &mut [u8]) -> usize {
        let kept = self.kept.len();
        incoming[..kept].copy_from_slice(&self.kept);
        kept
    }

    fn took(&mut self, bytes: &mut [u8], count: usize, sink: &mut Sink<'_>) -> Result<usize, Failed> {
        if count == 0 {
            return Ok(0);
        }
        let used = self.take(bytes, sink).map_err(Failed::Tls)?;
        let rest = &bytes[used..];
        if rest.len() > MOST_KEPT {
            return Err(Failed::Tls(rustls::Error::General("a message of more than 64 KiB".into())));
        }
        // Not by length alone: what was kept may have been decrypted in its place.
        self.kept.clear();
        if rest.is_empty() {
            self.kept = Vec::new();
        } else {
            self.kept.extend_from_slice(rest);
        }
        Ok(count)
    }

    /// Lets rustls see `bytes`; gives how many of them it is done with.
    fn take(&mut self, bytes: &mut [u8], sink: &mut Sink<'_>) -> Result<usize, rustls::Error> {
        let mut used = 0;
        loop {
            let (discard, next) = self.step(&mut bytes[used..], sink);
            used += discard;
            match next {
                Ok(Next::More) => {}
                Ok(Next::Wait) => return Ok(used),
                Ok(Next::Ended) => self.ended = true,
                Err(error) => {
                    self.note_alert();
                    return Err(error);
                }
            }
        }
    }

    fn step(&mut self, bytes: &mut [u8], sink: &mut Sink<'_>) -> (usize, Result<Next, rustls::Error>) {
        let out = &mut self.backlog.bytes;
        match &mut self.side {
            Side::Server(connection) => records::step(connection.advance(bytes), sink, out),
            Side::Client(connection) => records::step(connection.advance(bytes), sink, out),
        }
    }

    /// What the other side is to be told after an error. Only as long as rustls has something to say: then it does not
    /// look at bytes. When it does, it panics: on none, where messages stood behind the bad one, as it has noted their
    /// places; on the same ones, as it would say its alert twice.
    fn note_alert(&mut self) {
        self.broken = true;
        if take_refused_name() {
            self.backlog.bytes.extend_from_slice(UNRECOGNIZED_NAME);
            return;
        }
        while self.side.common().wants_write() && self.step(&mut [], &mut Sink::kept()).1.is_ok() {}
    }

    /// What stands to be read without a look at the socket.
    pub(super) fn waiting(&self) -> Option<Waiting> {
        if self.at < self.plain.len() {
            return Some(Waiting::Bytes);
        }
        self.ended.then_some(Waiting::End)
    }

    pub(super) fn is_quiet(&mut self, wire: &Wire) -> bool {
        while self.waiting().is_none() && !self.broken && !wire.is_quiet() {
            let room = Rc::clone(&self.room);
            let mut sink = Sink::kept();
            let taken = room.with_incoming(|incoming| {
                let kept = self.lay_out(incoming);
                match wire.read_now(&mut incoming[kept..]) {
                    Err(error) if blocked(&error) => None,
                    Ok(0) | Err(_) => Some(false),
                    Ok(count) => Some(self.took(&mut incoming[..kept + count], count, &mut sink).is_ok()),
                }
            });
            self.plain.append(&mut sink.rest);
            match taken {
                None => break,
                Some(true) => {}
                Some(false) => return false,
            }
        }
        self.waiting().is_none() && self.kept.is_empty() && !self.broken
    }

    /// Writes what the socket takes now of two pieces in a row. What it does not take of a record stays here, and the
    /// writer, who comes with the same bytes again, is told when it is gone: so a full socket slows the writer down.
    pub(super) fn write_now(&mut self, wire: &Wire, first: &[u8], second: &[u8]) -> io::Result<usize> {
        let size = first.len() + second.len();
        if self.backlog.owes() {
            self.flush(wire)?;
            return Ok(self.backlog.take_credit(size));
        }
        self.encrypt(wire, first, second)?;
        Ok(self.backlog.take_credit(size))
    }

    pub(super) fn poll_write(
        &mut self,
        wire: &mut Wire,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            if self.backlog.owes() || !self.backlog.is_empty() {
                let flushed = self.poll_flush(wire, cx)?;
                let credit = self.backlog.take_credit(bytes.len());
                if credit > 0 || bytes.is_empty() {
                    return Poll::Ready(Ok(credit));
                }
                std::task::ready!(flushed);
            }
            self.encrypt(wire, bytes, &[])?;
            let credit = self.backlog.take_credit(bytes.len());
            if credit > 0 || bytes.is_empty() {
                return Poll::Ready(Ok(credit));
            }
        }
    }

    /// Encrypts, and sends in one call with what was to be sent before.
    fn encrypt(&mut self, wire: &Wire, first: &[u8], second: &[u8]) -> io::Result<()> {
        if self.backlog.bytes.len() - self.backlog.sent > BESIDES {
            self.flush(wire)?;
            if !self.backlog.is_empty() {
                return Ok(());
            }
        }
        let room = Rc::clone(&self.room);
        room.with_outgoing(|outgoing| {
            let before = mem::take(&mut self.backlog.bytes).split_off(mem::take(&mut self.backlog.sent));
            outgoing[..before.len()].copy_from_slice(&before);
            let mut end = before.len();
            if !first.is_empty() && !second.is_empty() && first.len() + second.len() <= RECORD {
                // A record costs more than a copy.
                let mut joined = room.joined.borrow_mut();
                joined.resize(ASIDE, 0);
                joined.extend_from_slice(first);
                joined.extend_from_slice(second);
                self.seal(&joined[ASIDE..], outgoing, &mut end)?;
            } else {
                let first = &first[..first.len().min(GO)];
                let second = &second[..second.len().min(GO - first.len())];
                for piece in records(first).chain(records(second)) {
                    self.seal(piece, outgoing, &mut end)?;
                }
            }
            let sent = wire.write_now(&outgoing[..end])?;
            if sent < end {
                self.backlog.bytes = outgoing[..end].to_vec();
            }
            self.backlog.note_sent(sent);
            Ok(())
        })
    }

    /// One record behind `end`, with what rustls wants to say before it.
    fn seal(&mut self, plain: &[u8], out: &mut [u8], end: &mut usize) -> io::Result<()> {
        let (kept, out) = (&mut self.kept, &mut out[*end..]);
        let sealed = match &mut self.side {
            _ if self.broken => None,
            Side::Server(connection) => records::seal(connection, kept, Say::Bytes(plain), out),
            Side::Client(connection) => records::seal(connection, kept, Say::Bytes(plain), out),
        };
        *end += sealed.ok_or_else(|| io::Error::other("TLS can't encrypt on this connection any more"))?;
        self.backlog.ends.push((*end, plain.len()));
        Ok(())
    }

    /// Sends what is left, as much as the socket takes now.
    fn flush(&mut self, wire: &Wire) -> io::Result<()> {
        while !self.backlog.is_empty() {
            match wire.write_now(&self.backlog.bytes[self.backlog.sent..])? {
                0 => return Ok(()),
                count => self.backlog.note_sent(count),
            }
        }
        self.end_if_wanted(wire);
        Ok(())
    }

    fn poll_flush(&mut self, wire: &mut Wire, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.backlog.is_empty() {
            let count = std::task::ready!(wire.poll_write(cx, &self.backlog.bytes[self.backlog.sent..]))?;
            self.backlog.note_sent(count);
        }
        self.end_if_wanted(wire);
        Poll::Ready(Ok(()))
    }

    fn end_if_wanted(&self, wire: &Wire) {
        if self.ending {
            wire.end_writing();
        }
    }

    pub(super) fn end_writing(&mut self, wire: &Wire) {
        if !mem::replace(&mut self.ending, true) {
            self.say_farewell(wire);
        }
    }

    pub(super) fn say_farewell(&mut self, wire: &Wire) {
        let mut alert = [0; BESIDES];
        let sealed = match &mut self.side {
            _ if self.broken => None,
            Side::Server(connection) => records::seal(connection, &mut self.kept, Say::Farewell, &mut alert),
            Side::Client(connection) => records::seal(connection, &mut self.kept, Say::Farewell, &mut alert),
        };
        self.backlog.bytes.extend_from_slice(&alert[..sealed.unwrap_or(0)]);
        // If the socket does not take it now, `poll_read` goes on with it, or the connection is closed anyway.
        let _ = self.flush(wire);
    }
}

/// What goes into one record each. rustls copies it behind the five bytes of a record's head, in memory that begins with a
/// page: where that is slow, a short record comes first, and the others are not there any more.
fn records(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let behind = (5 + PAGE - bytes.as_ptr().addr() % PAGE) % PAGE;
    let slow = bytes.len() > 2 * SHORT && (1..16).contains(&behind);
    let (short, rest) = bytes.split_at(if slow { SHORT } else { 0 });
    (!short.is_empty()).then_some(short).into_iter().chain(rest.chunks(RECORD))
}

enum Failed {
    Wire(io::Error),
    Tls(rustls::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_hold_all_in_turn_and_no_large_one_is_copied_slowly() {
        let memory: Vec<u8> = (0..3 * GO).map(|n| n.to_be_bytes()[7]).collect();
        let page = PAGE - memory.as_ptr().addr() % PAGE;
        for from in (page..page + 20).chain([page + PAGE / 2, page + PAGE - 10, page + PAGE - 1]) {
            for length in [0, 1, SHORT, 2 * SHORT, 2 * SHORT + 1, RECORD, RECORD + SHORT, GO - 1, GO] {
                let bytes = &memory[from..from + length];
                let pieces: Vec<&[u8]> = records(bytes).collect();
                assert_eq!(pieces.concat(), bytes);
                assert!(pieces.len() <= length / RECORD + 2, "{from} {length}");
                for piece in pieces {
                    let behind = (piece.as_ptr().addr() / PAGE + 1) * PAGE + 5 - piece.as_ptr().addr();
                    let slow = (1..16).contains(&(behind % PAGE)) && piece.len() > 2 * SHORT;
                    assert!(!slow && (1..=RECORD).contains(&piece.len()), "{from} {length}: {}", piece.len());
                }
            }
        }
    }
}
