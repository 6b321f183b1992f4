//! Heads that we send, encoded straight into the output (RFC 9113 §8.1).

use std::fmt;

use haechi_hpack::Secrecy;

use super::{Connection, Role};
use crate::event::StreamId;
use crate::frames::{FrameHead, HEAD, flag, kind};
use crate::names::Name;
use crate::streams::{Stage, Way};

/// Why no stream can be opened now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotNow {
    /// As many are open as the peer allows.
    Full,
    /// One of the sides takes leave, or ids are used up: another connection is needed.
    Leaving,
    /// The connection is broken.
    Closed,
}

impl fmt::Display for NotNow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "as many streams are open as the peer allows",
            Self::Leaving => "the connection takes no further streams",
            Self::Closed => "the connection is broken",
        })
    }
}

impl std::error::Error for NotNow {}

/// What a request begins with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Request<'a> {
    /// As in HTTP/1.
    pub method: &'a [u8],
    /// `http` or `https`.
    pub scheme: &'a [u8],
    /// Host, with a port if it is not the scheme's.
    pub authority: &'a [u8],
    /// With the query.
    pub path: &'a [u8],
    /// For an extended CONNECT (RFC 8441).
    pub protocol: Option<&'a [u8]>,
}

/// The last id that a client can use.
const LAST_ID: u32 = 0x7fff_ffff;

/// Longest name that is put into lower case without an allocation.
const COMMON_NAME: usize = 64;

/// Longest payload of a frame of ours. Peers may allow 16 MiB, but other streams wait while one is sent.
pub(super) const LONGEST: u32 = 64 << 10;

/// A head that is being written. It is sent when this ends; without [`Self::finish`], as one that has a body.
#[derive(Debug)]
#[must_use = "it is sent when it ends: say with `finish` whether a body follows"]
pub struct HeadWriter<'c> {
    connection: &'c mut Connection,
    id: u32,
    start: usize,
    kind: Kind,
    end: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Request,
    Interim,
    Response,
    Trailers,
}

impl Connection {
    /// Begins the answer to a request, or an interim one (status 1xx, which always goes on). `None` if the stream
    /// is gone or has its answer.
    #[inline]
    pub fn respond(&mut self, stream: StreamId, status: u16) -> Option<HeadWriter<'_>> {
        if self.role != Role::Server || self.closed.is_some() {
            return None;
        }
        self.streams.get(stream.0).filter(|open| open.ours == Way::Open && open.our_stage == Stage::Head)?;
        let kind = if status < 200 { Kind::Interim } else { Kind::Response };
        let mut writer = HeadWriter::new(self, stream.0, kind);
        let digit = |place: u16| b'0' + u8::try_from(status / place % 10).unwrap_or(0);
        writer.put(b":status", &[digit(100), digit(10), digit(1)], Secrecy::Open);
        Some(writer)
    }

    /// Begins the fields after a body; they are its end. `None` if the stream is gone, or no body is under way.
    pub fn trailers(&mut self, stream: StreamId) -> Option<HeadWriter<'_>> {
        if self.closed.is_some() {
            return None;
        }
        self.streams.get(stream.0).filter(|open| open.ours == Way::Open && open.our_stage == Stage::Body)?;
        let mut writer = HeadWriter::new(self, stream.0, Kind::Trailers);
        writer.end = true;
        Some(writer)
    }

    /// Whether a stream can be opened.
    ///
    /// # Errors
    /// Why not.
    pub fn can_open(&self) -> Result<(), NotNow> {
        if self.closed.is_some() {
            return Err(NotNow::Closed);
        }
        let usable = self.role == Role::Client && self.next_ours <= LAST_ID;
        if self.leaving || self.is_shutting_down() || !usable {
            return Err(NotNow::Leaving);
        }
        if self.streams.len() >= self.peer.streams { Err(NotNow::Full) } else { Ok(()) }
    }

    /// Most streams of ours that the peer allows at a time.
    pub const fn most_streams(&self) -> u32 {
        self.peer.streams
    }

    /// Opens a stream with a request, as a client.
    ///
    /// # Errors
    /// No stream can be opened.
    pub fn request(&mut self, request: &Request<'_>) -> Result<(StreamId, HeadWriter<'_>), NotNow> {
        self.can_open()?;
        let id = self.next_ours;
        self.next_ours += 2;
        let mut stream = self.new_stream(id);
        stream.bodiless = request.method == b"HEAD";
        self.streams.insert(stream);
        self.earned.earn(2, 0, 2);
        let mut writer = HeadWriter::new(self, id, Kind::Request);
        writer.put(b":method", request.method, Secrecy::Open);
        let connect = request.method == b"CONNECT" && request.protocol.is_none();
        if let Some(protocol) = request.protocol {
            writer.put(b":protocol", protocol, Secrecy::Open);
        }
        if !connect {
            writer.put(b":scheme", request.scheme, Secrecy::Open);
        }
        writer.put(b":authority", request.authority, Secrecy::Open);
        if !connect {
            writer.put(b":path", request.path, Secrecy::Open);
        }
        Ok((StreamId(id), writer))
    }

    /// Our side has ended; if theirs has too, the stream is done.
    pub(super) fn we_ended(&mut self, id: u32) {
        if let Some(stream) = self.streams.get_mut(id) {
            stream.ours = Way::Ended;
            if stream.theirs == Way::Ended {
                self.remove(id);
            }
        }
    }
}

impl<'c> HeadWriter<'c> {
    #[inline]
    fn new(connection: &'c mut Connection, id: u32, kind: Kind) -> Self {
        let start = connection.out.len();
        connection.out.extend_from_slice(&[0; HEAD]);
        connection.encoder.begin(&mut connection.out);
        Self { connection, id, start, kind, end: false }
    }

    /// Adds a field; its name may be in any case of letters. What has no place in HTTP/2 (`connection` and its
    /// kin, a second host) is left out, so that a head of HTTP/1 can be passed field by field.
    #[inline]
    pub fn field(&mut self, name: &[u8], value: &[u8]) {
        self.with(name, value, Secrecy::Open);
    }

    /// Adds a field that must not stand in any table: see [`haechi_hpack::Field::never_indexed`].
    pub fn secret(&mut self, name: &[u8], value: &[u8]) {
        self.with(name, value, Secrecy::Secret);
    }

    #[inline]
    fn with(&mut self, name: &[u8], value: &[u8], secrecy: Secrecy) {
        if !name.iter().any(u8::is_ascii_uppercase) {
            return self.lower(name, value, secrecy);
        }
        let mut common = [0; COMMON_NAME];
        if let Some(place) = common.get_mut(..name.len()) {
            place.copy_from_slice(name);
            place.make_ascii_lowercase();
            self.lower(place, value, secrecy);
        } else {
            self.lower(&name.to_ascii_lowercase(), value, secrecy);
        }
    }

    #[inline]
    fn lower(&mut self, name: &[u8], value: &[u8], secrecy: Secrecy) {
        let goes = match Name::of(name) {
            Name::Other | Name::Cookie => true,
            Name::ContentLength => self.kind != Kind::Trailers,
            Name::Te => value.eq_ignore_ascii_case(b"trailers"),
            Name::Host => self.kind != Kind::Request,
            _ => false,
        };
        if goes {
            self.put(name, value, secrecy);
        }
    }

    #[inline]
    fn put(&mut self, name: &[u8], value: &[u8], secrecy: Secrecy) {
        self.connection.encoder.field(name, value, secrecy, &mut self.connection.out);
    }

    /// Sends it; `end` if nothing follows on this stream. Trailers always end it, interim heads never do.
    #[inline]
    pub fn finish(mut self, end: bool) {
        self.end = match self.kind {
            Kind::Interim => false,
            Kind::Trailers => true,
            Kind::Request | Kind::Response => end,
        };
    }
}

impl Drop for HeadWriter<'_> {
    #[inline]
    fn drop(&mut self) {
        self.connection.close_head(self.id, self.start, self.end);
        if matches!(self.kind, Kind::Request | Kind::Response)
            && let Some(stream) = self.connection.streams.get_mut(self.id)
        {
            stream.our_stage = Stage::Body;
        }
        if self.end {
            self.connection.we_ended(self.id);
        }
    }
}

impl Connection {
    /// Fills in the frame's head for the block that begins at `start`.
    #[inline]
    fn close_head(&mut self, id: u32, start: usize, end: bool) {
        let ending = if end { flag::END_STREAM } else { 0 };
        let len = u32::try_from(self.out.len() - start - HEAD).unwrap_or(u32::MAX);
        if len > self.peer.frame.min(LONGEST) {
            return self.close_long_head(id, start, ending);
        }
        let frame = FrameHead { len, kind: kind::HEADERS, flags: ending | flag::END_HEADERS, stream: id };
        if let Some(place) = self.out.get_mut(start..start + HEAD) {
            place.copy_from_slice(&frame.bytes());
        }
    }

    /// The same for a block that needs CONTINUATION frames (§6.10).
    #[cold]
    fn close_long_head(&mut self, id: u32, start: usize, ending: u8) {
        let block = self.out.split_off(start + HEAD);
        self.out.truncate(start);
        let most = self.peer.frame.min(LONGEST) as usize;
        let last = block.len().div_ceil(most) - 1;
        for (at, piece) in block.chunks(most).enumerate() {
            let kind = if at == 0 { kind::HEADERS } else { kind::CONTINUATION };
            let flags = if at == 0 { ending } else { 0 } | if at == last { flag::END_HEADERS } else { 0 };
            crate::frames::write(kind, flags, id, piece, &mut self.out);
        }
    }
}
