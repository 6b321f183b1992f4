//! A peer made of frames: it says exactly what a test wants, and reads what comes back in words.

#![allow(dead_code, reason = "each test program uses some of these")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::Duration;

use haechi_hpack::{Bounds, DEFAULT_TABLE, Decoder, Encoder, Fields, Secrecy, Unjudged};
use haechi_http2::{Config, Connection, Event, Head, Input, PREFACE, Role, StreamId};
use haechi_model::Moment;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;
pub(crate) const PRIORITY_UPDATE: u8 = 16;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const ACK: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const PADDED: u8 = 8;
pub(crate) const WITH_PRIORITY: u8 = 32;

pub(crate) const GET: &[(&str, &str)] =
    &[(":method", "GET"), (":scheme", "http"), (":authority", "example.com"), (":path", "/")];
pub(crate) const POST: &[(&str, &str)] =
    &[(":method", "POST"), (":scheme", "http"), (":authority", "example.com"), (":path", "/")];

/// A frame as bytes.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    out.extend([kind, flags]);
    out.extend(stream.to_be_bytes());
    out.extend(payload);
    out
}

/// A block without any table.
pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = Encoder::new(true);
    for (name, value) in fields {
        encoder.field(name.as_bytes(), value.as_bytes(), Secrecy::Open, &mut out);
    }
    out
}

pub(crate) fn headers(stream: u32, flags: u8, fields: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, flags | END_HEADERS, stream, &block(fields))
}

pub(crate) fn settings(entries: &[(u16, u32)]) -> Vec<u8> {
    let payload: Vec<u8> = entries
        .iter()
        .flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
        .collect();
    frame(SETTINGS, 0, 0, &payload)
}

pub(crate) fn window(stream: u32, by: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &by.to_be_bytes())
}

pub(crate) fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &code.to_be_bytes())
}

pub(crate) fn goaway(last: u32, code: u32) -> Vec<u8> {
    frame(GOAWAY, 0, 0, &[last.to_be_bytes(), code.to_be_bytes()].concat())
}

/// One of ours under test, and the peer.
pub(crate) struct Rig {
    pub(crate) connection: Connection,
    pub(crate) head: Head,
    pub(crate) now: Moment,
    theirs: Decoder,
    unread: Vec<u8>,
}

impl Rig {
    /// After the settings of both sides.
    pub(crate) fn new(role: Role, config: Config) -> Self {
        let mut rig = Self::fresh(role, config);
        let start = rig.start();
        assert_eq!(rig.feed(&start), ["settings"]);
        assert_eq!(rig.feed(&frame(SETTINGS, ACK, 0, &[])), [""; 0]);
        rig.said();
        rig
    }

    pub(crate) fn server() -> Self {
        Self::new(Role::Server, Config::default())
    }

    pub(crate) fn client() -> Self {
        Self::new(Role::Client, Config::default())
    }

    /// Before anything came.
    pub(crate) fn fresh(role: Role, config: Config) -> Self {
        let now = Moment::from_nanos(1_000_000_000_000);
        Self {
            connection: Connection::new(role, config, now),
            head: Head::default(),
            now,
            theirs: Decoder::new(DEFAULT_TABLE),
            unread: Vec::new(),
        }
    }

    /// What the other role begins with.
    pub(crate) fn start(&self) -> Vec<u8> {
        let mut out = if self.connection.role() == Role::Server { PREFACE.to_vec() } else { Vec::new() };
        out.extend(settings(&[]));
        out
    }

    /// Gives bytes, and tells what came of them.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut input = Input::new(bytes);
        let mut seen = Vec::new();
        while let Some(event) = self.connection.receive(&mut input, &mut self.head, self.now) {
            seen.push(told(&event, &self.head));
        }
        assert!(input.rest().is_empty(), "all bytes are read");
        seen
    }

    /// Gives bytes of which nothing is to be told but these events.
    #[track_caller]
    pub(crate) fn expect(&mut self, bytes: &[u8], events: &[&str]) {
        assert_eq!(self.feed(bytes), events);
    }

    pub(crate) fn wait(&mut self, time: Duration) -> Vec<String> {
        self.now = self.now + time;
        std::iter::from_fn(|| self.connection.tick(self.now)).map(|event| told(&event, &self.head)).collect()
    }

    /// What our side has sent since the last time, in words.
    pub(crate) fn said(&mut self) -> Vec<String> {
        self.unread.extend(self.connection.output());
        let count = self.connection.output().len();
        self.connection.sent(count);
        if self.unread.starts_with(PREFACE) {
            self.unread.drain(..PREFACE.len());
        }
        let mut said = Vec::new();
        while let Some(len) = self.frame_len() {
            let frame: Vec<u8> = self.unread.drain(..len).collect();
            said.push(self.words(&frame));
        }
        assert!(self.unread.is_empty(), "a frame that is cut off: {:?}", self.unread);
        said
    }

    fn frame_len(&self) -> Option<usize> {
        let [a, b, c] = *self.unread.first_chunk()?;
        let len = 9 + u32::from_be_bytes([0, a, b, c]) as usize;
        (self.unread.len() >= len).then_some(len)
    }

    fn words(&mut self, frame: &[u8]) -> String {
        let (kind, flags, payload) = (frame[3], frame[4], &frame[9..]);
        let stream = u32::from_be_bytes(*frame[5..].first_chunk().unwrap());
        let number = |at: usize| u32::from_be_bytes(*payload[at..].first_chunk().unwrap());
        let end = if flags & 1 != 0 { " end" } else { "" };
        match kind {
            DATA => format!("data {stream} {}{end}", payload.len()),
            HEADERS if flags & END_HEADERS != 0 => {
                let mut fields = Fields::default();
                let wide = Bounds { list: 1 << 20, fields: 1000, most_work: 1 << 20 };
                self.theirs.decode::<Unjudged>(payload, &wide, &mut fields).unwrap();
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                let fields: Vec<_> =
                    fields.iter().map(|it| format!("{}={}", text(it.name), text(it.value))).collect();
                format!("head {stream} {}{end}", fields.join(" "))
            }
            HEADERS => format!("head {stream} part {}{end}", payload.len()),
            RST_STREAM => format!("reset {stream} {}", haechi_http2::Code(number(0)).name()),
            SETTINGS if flags & ACK != 0 => "ack".into(),
            SETTINGS => "settings".into(),
            PING => format!("ping{}", if flags & ACK != 0 { " ack" } else { "" }),
            GOAWAY => format!("goaway {} {}", number(0), haechi_http2::Code(number(4)).name()),
            WINDOW_UPDATE => format!("window {stream} {}", number(0)),
            CONTINUATION => format!("continuation {stream} {}", payload.len()),
            other => format!("frame {other}"),
        }
    }

    /// Answers a request without a body.
    pub(crate) fn answer(&mut self, stream: StreamId) {
        self.connection.respond(stream, 200).unwrap().finish(true);
    }
}

/// An event in words.
pub(crate) fn told(event: &Event<'_>, head: &Head) -> String {
    let ends = |end: &bool| if *end { " end" } else { "" };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match event {
        Event::Head { stream, end } if head.status() > 0 => {
            format!("head {} {}{}", stream.number(), head.status(), ends(end))
        }
        Event::Head { stream, end } => format!(
            "head {} {} {}{}",
            stream.number(),
            text(head.method()),
            text(head.path().unwrap_or(b"-")),
            ends(end)
        ),
        Event::Interim { stream } => format!("interim {} {}", stream.number(), head.status()),
        Event::TooLarge { stream, end } => format!("too large {}{}", stream.number(), ends(end)),
        Event::Data { stream, bytes, end } => {
            format!("data {} {}{}", stream.number(), text(bytes), ends(end))
        }
        Event::Trailers { stream } => {
            let fields = head.fields().map(|(_, it)| format!(" {}={}", text(it.name), text(it.value)));
            format!("trailers {}{}", stream.number(), fields.collect::<String>())
        }
        Event::Reset { stream, by_peer, why } => {
            format!(
                "reset {} by {} {}",
                stream.number(),
                if *by_peer { "peer" } else { "us" },
                why.code.name()
            )
        }
        Event::Refused { stream, why } => format!("refused {} {}", stream.number(), why.code.name()),
        Event::Writable { stream } => format!("writable {}", stream.map_or(0, StreamId::number)),
        Event::Settings => "settings".into(),
        Event::Pong => "pong".into(),
        Event::GoingAway { code } => format!("going away {}", code.name()),
        Event::Closed(why) => {
            let limit = why.limit.map(|limit| format!(" {}", limit.name())).unwrap_or_default();
            format!("closed {}{limit}", why.code.name())
        }
    }
}

/// The stream that an event is of.
pub(crate) fn stream_of(event: &Event<'_>) -> Option<StreamId> {
    match event {
        Event::Head { stream, .. }
        | Event::Interim { stream }
        | Event::TooLarge { stream, .. }
        | Event::Data { stream, .. }
        | Event::Trailers { stream }
        | Event::Reset { stream, .. }
        | Event::Refused { stream, .. } => Some(*stream),
        Event::Writable { stream } => *stream,
        Event::Settings | Event::Pong | Event::GoingAway { .. } | Event::Closed(_) => None,
    }
}

/// Feeds a request and gives its stream.
pub(crate) fn open(rig: &mut Rig, bytes: &[u8]) -> StreamId {
    let mut input = Input::new(bytes);
    let mut last = None;
    while let Some(event) = rig.connection.receive(&mut input, &mut rig.head, rig.now) {
        last = stream_of(&event).or(last);
    }
    last.expect("a stream")
}
