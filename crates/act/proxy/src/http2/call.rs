//! One request on a connection to an endpoint. The exchange writes and reads HTTP/1; what goes over the wire is HTTP/2.

use std::io;
use std::rc::Rc;
use std::task::{Context, Poll};

use haechi_http1::{Body, Framing, Pieces, Written, read_fields, write_last_chunk};
use haechi_http2::{Code, Request};
use haechi_model::Moment;

use super::link::Link;
use super::shared::Stream;
use super::tunnel::StreamMouth;
use super::websocket;
use crate::engine;
use crate::exchange::{Callee, Stage};
use crate::stream::Stream as Connection;
use crate::tunnel::Mouth;

/// The most that stands around a chunk: the size of one that fits the hot buffer, and two line ends.
const AROUND_CHUNK: usize = 16;

/// A request, from its head on.
pub(crate) struct Call {
    link: Rc<Link>,
    /// What is left of the body, once the head is on its way.
    sending: Option<(Rc<Stream>, Body)>,
    pieces: Pieces,
    /// The connection took no stream.
    refused: bool,
    /// Whether the connection had worked before, so that its end may only mean that it had been idle too long.
    reused: bool,
    began: Moment,
}

impl Call {
    /// `reused`: the connection had requests before, and its end under this one says nothing.
    pub(super) fn new(link: Rc<Link>, reused: bool) -> Self {
        Self { link, sending: None, pieces: Pieces::default(), refused: false, reused, began: engine::now() }
    }

    /// Sends the head; gives its length.
    fn begin(&mut self, cx: &Context<'_>, bytes: &[u8]) -> io::Result<usize> {
        let written = Written::read(bytes).ok_or(io::ErrorKind::InvalidData)?;
        let shared = &self.link.shared;
        let mut core = shared.core.borrow_mut();
        // RFC 6455 §4.1: a handshake is a GET.
        let may_ask = written.method == b"GET" && written.framing == Framing::None;
        let key = match core.takes_extended_connect() && may_ask {
            true => websocket::key_of(written.fields()),
            false => None,
        };
        let request = Request {
            method: if key.is_some() { b"CONNECT" } else { written.method },
            scheme: if self.link.is_encrypted() { b"https" } else { b"http" },
            authority: written.authority,
            path: written.target,
            protocol: key.map(|_| websocket::PROTOCOL),
        };
        let Ok((id, mut head)) = core.request(&request) else {
            self.refused = true;
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let stays = |name: &[u8]| key.is_none() || !name.eq_ignore_ascii_case(websocket::KEY);
        written.fields().filter(|(name, _)| stays(name)).for_each(|(name, value)| head.field(name, value));
        head.finish(written.framing == Framing::None && key.is_none());
        drop(core);
        self.link.note_request();
        let stream = shared.add(id, false);
        stream.accept.set(key.map(websocket::accept));
        stream.head_only.set(written.method == b"HEAD");
        stream.wait(cx);
        shared.flush_soon();
        self.sending = Some((stream, Body::new(written.framing, true)));
        Ok(written.len)
    }

    /// Sends of a body what the endpoint's windows allow.
    fn poll_body(&mut self, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Some((stream, body)) = &mut self.sending else { return Poll::Pending };
        let mut core = self.link.shared.core.borrow_mut();
        let now = engine::now();
        let allowed = core.allowance(stream.id, now);
        let mut used = 0;
        if allowed == 0 {
            // What stands around the data needs no window, and the last of it may be the end.
            while let Some(byte) = bytes.get(used..=used) {
                let mut ahead = body.clone();
                self.pieces.clear();
                ahead.advance(byte, &mut self.pieces).map_err(|_| io::ErrorKind::InvalidData)?;
                if !self.pieces.ranges().is_empty() {
                    break;
                }
                *body = ahead;
                used += 1;
            }
            self.pieces.clear();
        } else {
            self.pieces.clear();
            let bytes = bytes.get(..allowed).unwrap_or(bytes);
            used = body.advance(bytes, &mut self.pieces).map_err(|_| io::ErrorKind::InvalidData)?.consumed;
        }
        let trailers = body.take_trailers();
        let ends = body.is_done();
        let ranges = self.pieces.ranges();
        let mut ended = false;
        for (at, range) in ranges.iter().enumerate() {
            let last = ends && trailers.is_none() && at + 1 == ranges.len();
            core.send_data(stream.id, bytes.get(range.clone()).unwrap_or_default(), last, now);
            ended |= last;
        }
        if let Some(trailers) = trailers {
            if let Some(mut head) = core.trailers(stream.id) {
                read_fields(trailers.lines()).for_each(|(name, value)| head.field(name, value));
                head.finish(true);
            }
        } else if ends && !ended {
            core.send_data(stream.id, &[], true, now);
        }
        drop(core);
        if used == 0 {
            return Poll::Pending;
        }
        self.link.shared.flush_soon();
        Poll::Ready(Ok(used))
    }
}

impl Call {
    /// One end of the tunnel that it became.
    pub(crate) fn mouth(&mut self) -> Option<impl Mouth> {
        let (stream, _) = self.sending.as_ref()?;
        Some(StreamMouth { shared: &self.link.shared, stream })
    }
}

impl Callee for Call {
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Some((stream, _)) = &self.sending else { return Poll::Ready(self.begin(cx, bytes)) };
        stream.wait(cx);
        if stream.gone.get() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        // What the endpoint does not take fills no memory of ours.
        if self.link.shared.is_crowded(stream.id) {
            return Poll::Pending;
        }
        self.poll_body(bytes)
    }

    /// What came, as HTTP/1 has it: head, then the body in chunks if its length is not known.
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let Some((stream, _)) = &self.sending else {
            let broken = io::Error::from(io::ErrorKind::BrokenPipe);
            return if self.refused { Poll::Ready(Err(broken)) } else { Poll::Pending };
        };
        stream.wait(cx);
        let mut inbox = stream.inbox.borrow_mut();
        let mut at = inbox.give_head(buf);
        if inbox.has_no_head() {
            let (taken, written) = inbox.give_body(buf.get_mut(at..).unwrap_or_default(), AROUND_CHUNK);
            at += written;
            if taken > 0 {
                let mut core = self.link.shared.core.borrow_mut();
                core.release(stream.id, taken);
                if !core.output().is_empty() {
                    drop(core);
                    self.link.shared.flush_soon();
                }
            }
        }
        if inbox.ends_chunks() {
            let inbox = &mut *inbox;
            write_last_chunk(inbox.trailers.lines(), &mut inbox.head);
            inbox.chunked = false;
            at += inbox.give_head(buf.get_mut(at..).unwrap_or_default());
        }
        match at {
            0 if inbox.ended => Poll::Ready(Ok(0)),
            0 if stream.gone.get() => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            0 => Poll::Pending,
            count => Poll::Ready(Ok(count)),
        }
    }

    /// Frames stand between the pieces.
    fn plain(&mut self) -> Option<&mut Connection> {
        None
    }

    fn stage_unheard(&self) -> Stage {
        let refused = self.sending.as_ref().map_or(self.refused, |(stream, _)| stream.refused.get());
        match refused {
            true => Stage::Unseen,
            false if self.reused && !self.link.is_awake() => Stage::Stale,
            false => Stage::Sent,
        }
    }
}

impl Drop for Call {
    /// What is not over is not wanted any more.
    fn drop(&mut self) {
        let Some((stream, _)) = &self.sending else { return };
        if !stream.inbox.borrow().ended {
            self.link.note_unanswered(self.began);
        }
        self.link.shared.core.borrow_mut().reset(stream.id, Code::CANCEL);
        self.link.shared.remove(stream.id);
        self.link.shared.flush_soon();
    }
}
