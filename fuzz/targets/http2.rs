//! Any bytes into a connection of either role, with streams that answer: no panic, the same events however the bytes
//! are cut, bounded streams and output, only whole frames out, and nothing after the end.

#![no_main]

use std::time::Duration;

use haechi_fuzz::{Sizes, pieces};
use haechi_http2::{Code, Config, Connection, Event, Head, Input, Limits, PREFACE, Request, Role, StreamId};
use haechi_model::Moment;
use libfuzzer_sys::fuzz_target;

/// Small enough for short inputs to reach them.
const TIGHT: Limits = Limits {
    streams: 3,
    list: 512,
    fields: 12,
    cookie_crumbs: 3,
    list_work: 4096,
    block: 1024,
    continuations: 3,
    resets: haechi_http2::Rate { burst: 8, per_second: 1 },
    early_resets: 5,
    own_resets: haechi_http2::Rate { burst: 8, per_second: 1 },
    refused: haechi_http2::Rate { burst: 8, per_second: 1 },
    settings: haechi_http2::Rate { burst: 8, per_second: 1 },
    settings_entries: 6,
    pings: haechi_http2::Rate { burst: 8, per_second: 1 },
    priorities: haechi_http2::Rate { burst: 8, per_second: 1 },
    window_updates: haechi_http2::Rate { burst: 8, per_second: 1 },
    empty_frames: haechi_http2::Rate { burst: 8, per_second: 1 },
    unknown_frames: haechi_http2::Rate { burst: 8, per_second: 1 },
    tiny_windows: haechi_http2::Rate { burst: 8, per_second: 1 },
    settings_timeout: Duration::from_secs(10),
    block_timeout: Duration::from_secs(10),
    ping_timeout: Duration::from_secs(10),
    stall_timeout: Duration::from_secs(60),
    stall_bytes: 1024,
    farewell: Duration::from_secs(1),
};

/// A connection, and what came of it in a form that does not depend on how the bytes were cut.
struct Run {
    connection: Connection,
    head: Head,
    now: Moment,
    story: Vec<String>,
    waiting: Vec<StreamId>,
    closed: bool,
    out: usize,
}

impl Run {
    fn new(role: Role) -> Self {
        let now = Moment::from_nanos(1 << 40);
        let config = Config { limits: TIGHT, extended_connect: true, ..Config::default() };
        let mut run = Self {
            connection: Connection::new(role, config, now),
            head: Head::default(),
            now,
            story: Vec::new(),
            waiting: Vec::new(),
            closed: false,
            out: 0,
        };
        if role == Role::Client {
            for method in [&b"GET"[..], b"HEAD", b"POST"] {
                let ask = Request { method, scheme: b"http", authority: b"e", path: b"/", protocol: None };
                if let Ok((_, head)) = run.connection.request(&ask) {
                    head.finish(method != b"POST");
                }
            }
        }
        run.drain(PREFACE.len() + 200);
        run
    }

    fn feed(&mut self, bytes: &[u8]) {
        let mut input = Input::new(bytes);
        while let Some(event) = self.connection.receive(&mut input, &mut self.head, self.now) {
            assert!(!self.closed, "{event:?} after the end");
            self.take(event);
        }
        assert!(input.rest().is_empty());
        assert!(self.connection.streams() <= TIGHT.streams.max(3));
        // RST_STREAM for an empty frame is 13 octets for 9; our answers of the test come on top.
        self.drain(bytes.len() * 2 + 2000);
    }

    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Data { stream, bytes, end } => {
                self.body(stream, bytes, end);
                self.connection.release(stream, bytes.len());
            }
            Event::Closed(why) => {
                self.closed = true;
                self.story.push(format!("closed {why}"));
                return;
            }
            other => {
                let fields: Vec<_> = match other {
                    Event::Head { .. } | Event::Interim { .. } | Event::Trailers { .. } => self
                        .head
                        .fields()
                        .map(|(_, field)| format!("{:?}", (field.name, field.value)))
                        .collect(),
                    _ => vec![],
                };
                self.check_head(&other);
                self.story.push(format!("{other:?} {fields:?}"));
            }
        }
        match event {
            Event::Head { stream, end: true }
            | Event::Data { stream, end: true, .. }
            | Event::Trailers { stream } => {
                self.answer(stream);
            }
            Event::TooLarge { stream, .. } => self.answer(stream),
            Event::Writable { .. } | Event::Settings => {
                for stream in std::mem::take(&mut self.waiting) {
                    self.send(stream);
                }
            }
            _ => {}
        }
    }

    /// What a head that is an event can be relied on for.
    fn check_head(&self, event: &Event<'_>) {
        let Event::Head { .. } = event else { return };
        if self.connection.role() == Role::Server {
            assert!(!self.head.method().is_empty() && !self.head.authority().unwrap_or_default().is_empty());
            let path = self.head.path().unwrap_or(b"/");
            assert!(path == b"*" || path.starts_with(b"/"));
        } else {
            assert!((200..1000).contains(&self.head.status()));
        }
        let mut size = 0;
        for (_, field) in self.head.fields() {
            size += field.name.len() + field.value.len() + 32;
            assert!(
                !field.name.is_empty()
                    && !field.name.iter().any(|byte| byte.is_ascii_uppercase() || *byte <= b' ')
            );
            assert!(!field.value.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n')));
            assert!(![&b"connection"[..], b"transfer-encoding", b"upgrade"].contains(&field.name));
        }
        assert!(size <= TIGHT.list as usize);
    }

    /// Pieces of one body are one entry, wherever they were cut.
    fn body(&mut self, stream: StreamId, bytes: &[u8], end: bool) {
        let begin = format!("data {} ", stream.number());
        match self.story.last_mut() {
            Some(last) if last.starts_with(&begin) && !last.ends_with('\n') => {}
            _ => self.story.push(begin),
        }
        if let Some(last) = self.story.last_mut() {
            last.push_str(&bytes.escape_ascii().to_string());
            if end {
                last.push('\n');
            }
        }
    }

    fn answer(&mut self, stream: StreamId) {
        if stream.number() % 16 == 5 {
            self.connection.reset(stream, Code::CANCEL);
        }
        if let Some(mut head) = self.connection.respond(stream, 200) {
            head.field(b"Server", b"x");
            head.finish(stream.number() % 8 == 7);
        }
        self.send(stream);
    }

    fn send(&mut self, stream: StreamId) {
        if self.connection.send_data(stream, &[b'x'; 300], true, self.now) < 300 {
            self.waiting.push(stream);
        }
    }

    /// Takes the output, which holds whole frames only and no more than so many bytes.
    fn drain(&mut self, most: usize) {
        let mut rest = self.connection.output();
        assert!(rest.len() <= most + 400 * self.story.len(), "{} bytes out", rest.len());
        self.out += rest.len();
        if let Some(after) = rest.strip_prefix(PREFACE) {
            rest = after;
        }
        while let Some(([a, b, c, kind, ..], _)) = rest.split_first_chunk::<9>() {
            assert!(*kind <= 9);
            let len = u32::from_be_bytes([0, *a, *b, *c]) as usize;
            rest = rest.get(9 + len..).expect("only whole frames");
        }
        assert!(rest.is_empty());
        let count = self.connection.output().len();
        self.connection.sent(count);
    }

    fn end(mut self) -> Vec<String> {
        self.now = self.now + Duration::from_secs(100);
        for _ in 0..20 {
            let Some(event) = self.connection.tick(self.now) else { break };
            assert!(!self.closed);
            self.take(event);
        }
        if self.closed {
            assert_eq!(self.connection.deadline(), None);
            assert!(self.connection.is_finished());
        }
        self.story
    }
}

fuzz_target!(|data: &[u8]| {
    let role = if data.first().is_some_and(|first| first % 2 == 1) { Role::Client } else { Role::Server };
    let bytes = data.get(1..).unwrap_or_default();
    // Most inputs should get past the preface, and settings too.
    let mut wire = Vec::new();
    if role == Role::Server && Sizes::of(data).below(16) > 0 {
        wire.extend_from_slice(PREFACE);
    }
    if data.first().is_some_and(|first| first & 2 == 0) {
        wire.extend_from_slice(&[0, 0, 0, 4, 0, 0, 0, 0, 0]);
    }
    wire.extend_from_slice(bytes);
    let mut whole = Run::new(role);
    whole.feed(&wire);
    let mut cut = Run::new(role);
    for piece in pieces(&wire) {
        cut.feed(piece);
    }
    assert_eq!(whole.end(), cut.end());
});
