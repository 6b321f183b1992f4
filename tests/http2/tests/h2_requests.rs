//! The same bytes to our server and to the h2 crate's: they see the same requests with the same bodies, or we are
//! the stricter one for a reason that stands in a list here.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use haechi_hpack::Encoder;
use haechi_http2::{Config, Connection, Event, Head, Input, PREFACE, Role};
use haechi_model::Moment;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use common::{Fields, block, data, frame, read_by_h2, read_by_us};

/// A request as an application sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Seen {
    method: String,
    path: String,
    fields: Fields,
    body: Vec<u8>,
    trailers: Fields,
    complete: bool,
}

#[derive(Debug, Default)]
struct Outcome {
    requests: BTreeMap<u32, Seen>,
    /// Streams that were reset: whether an application saw their requests before is chance.
    torn: Vec<u32>,
    /// Rules that were broken, by our words.
    rules: Vec<&'static str>,
    closed: bool,
}

fn ours(wire: &[u8]) -> Outcome {
    let now = Moment::from_nanos(1 << 40);
    let mut connection = Connection::new(Role::Server, Config::default(), now);
    let (mut head, mut input) = (Head::default(), Input::new(wire));
    let mut outcome = Outcome::default();
    while let Some(event) = connection.receive(&mut input, &mut head, now) {
        match event {
            Event::Head { stream, end } => {
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                let seen = Seen {
                    method: text(head.method()),
                    path: text(head.path().unwrap_or_default()),
                    fields: read_by_us(&head),
                    complete: end,
                    ..Seen::default()
                };
                outcome.requests.insert(stream.number(), seen);
            }
            Event::Data { stream, bytes, end } => {
                let seen = outcome.requests.get_mut(&stream.number()).unwrap();
                seen.body.extend(bytes);
                seen.complete = end;
                connection.release(stream, bytes.len());
            }
            Event::Trailers { stream } => {
                let seen = outcome.requests.get_mut(&stream.number()).unwrap();
                seen.trailers = read_by_us(&head);
                seen.complete = true;
            }
            Event::Reset { stream, why, .. } | Event::Refused { stream, why } => {
                outcome.rules.push(why.rule);
                outcome.torn.push(stream.number());
            }
            Event::Closed(why) => {
                outcome.rules.push(why.rule);
                outcome.closed = true;
            }
            Event::TooLarge { .. } => outcome.rules.push("head too large"),
            _ => {}
        }
    }
    outcome
}

type Shared = Rc<RefCell<BTreeMap<u32, Seen>>>;

async fn theirs_body(id: u32, mut body: h2::RecvStream, seen: Shared) {
    while let Some(Ok(bytes)) = body.data().await {
        let _ = body.flow_control().release_capacity(bytes.len());
        seen.borrow_mut().get_mut(&id).unwrap().body.extend(&bytes);
    }
    match body.trailers().await {
        Ok(trailers) => {
            let mut seen = seen.borrow_mut();
            let seen = seen.get_mut(&id).unwrap();
            seen.complete = true;
            seen.trailers = trailers.as_ref().map(read_by_h2).unwrap_or_default();
        }
        Err(_) => seen.borrow_mut().get_mut(&id).unwrap().complete = false,
    }
}

fn theirs(wire: &[u8]) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let local = tokio::task::LocalSet::new();
    let seen: Shared = Rc::default();
    let shared = Rc::clone(&seen);
    let closed = local.block_on(&runtime, async move {
        let (near, far) = tokio::io::duplex(1 << 20);
        let (mut output, mut pen) = tokio::io::split(near);
        pen.write_all(wire).await.unwrap();
        let reader = tokio::task::spawn_local(async move {
            let mut all = Vec::new();
            let _ = output.read_to_end(&mut all).await;
        });
        // The end of what is sent, not of the connection: what was sent is read before it.
        let finish = tokio::task::spawn_local(async move {
            tokio::task::yield_now().await;
            for _ in 0..50 {
                tokio::task::yield_now().await;
            }
            pen.shutdown().await.unwrap();
        });
        let Ok(mut server) = h2::server::handshake(far).await else { return true };
        let mut answers = Vec::new();
        let mut broken = false;
        while let Some(accepted) = server.accept().await {
            let Ok((request, answer)) = accepted else {
                broken = true;
                break;
            };
            let (parts, body) = request.into_parts();
            let id = answer.stream_id().as_u32();
            answers.push(answer);
            let path = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
            let request = Seen {
                method: parts.method.to_string(),
                path,
                fields: read_by_h2(&parts.headers),
                ..Seen::default()
            };
            shared.borrow_mut().insert(id, request);
            tokio::task::spawn_local(theirs_body(id, body, Rc::clone(&shared)));
        }
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        finish.abort();
        reader.abort();
        broken
    });
    drop(local);
    drop(runtime);
    let requests = seen.borrow().clone();
    Outcome { requests, closed, ..Outcome::default() }
}

/// Rules of ours that h2 leaves to the application, or reads more leniently.
const STRICTER: &[&str] = &[
    // RFC 9113 §8.2.1: white space at the ends; h2 hands it on.
    "value with a control character, or white space at an end",
    // RFC 9113 §8.3.1: h2 gives the application both.
    "`host` differs from `:authority`",
    "neither `:authority` nor `host`",
    "more than one `host`",
    // An equal second one is taken by h2.
    "more than one `content-length`",
    // `http` knows more schemes.
    "`:scheme` is neither http nor https",
    "`*` is a path of OPTIONS only",
    "`:path` is not a path",
    // §8.3.1 forbids a user in `:authority`.
    "byte not allowed in the host",
];

/// One thing that a client does.
#[derive(Clone, Debug)]
enum Act {
    Ask { stream: u32, change: usize, extra: Vec<usize>, end: bool, cut: Option<usize>, padded: bool },
    Data { stream: u32, len: usize, end: bool, padding: Option<u8> },
    Trailers { stream: u32, bad: bool, end: bool },
    Reset { stream: u32 },
    Window { stream: u32, by: u32 },
    Priority { stream: u32 },
    Ping,
    Unknown { stream: u32 },
    Settings { entry: usize },
    Raw { kind: u8, flags: u8, stream: u32, payload: Vec<u8> },
}

/// Ways to change the four fields of a sound request.
const CHANGES: usize = 22;

fn base(change: usize) -> Vec<(&'static str, &'static str)> {
    let mut fields =
        vec![(":method", "POST"), (":scheme", "http"), (":authority", "example.com"), (":path", "/a?b")];
    match change {
        0 => drop(fields.remove(0)),
        1 => drop(fields.remove(1)),
        2 => drop(fields.remove(2)),
        3 => drop(fields.remove(3)),
        4 => fields[3].1 = "",
        5 => fields[3].1 = "no-slash",
        6 => fields[3].1 = "/a#b",
        7 => fields.push((":path", "/twice")),
        8 => fields.push((":status", "200")),
        9 => fields.push((":foo", "bar")),
        10 => fields.insert(0, ("x-first", "regular")),
        11 => fields[1].1 = "ftp",
        12 => fields[0].1 = "GE T",
        13 => fields[2].1 = "user@example.com",
        _ => {}
    }
    fields
}

/// Regular fields, good and bad.
const EXTRA: [(&str, &str); 16] = [
    ("x-good", "value"),
    ("accept", "*/*"),
    ("x-empty", ""),
    ("x-high", "caf\u{e9}"),
    ("te", "trailers"),
    ("cookie", "a=b"),
    ("content-length", "5"),
    ("host", "example.com"),
    ("host", "other.com"),
    ("connection", "close"),
    ("transfer-encoding", "chunked"),
    ("te", "gzip"),
    ("X-Upper", "x"),
    ("x-lf", "a\nb"),
    ("x-nul", "a\0b"),
    ("x-blank", " a"),
];

fn act() -> impl Strategy<Value = Act> {
    let stream = || prop_oneof![8 => (0u32..4).prop_map(|at| 2 * at + 1), 1 => 0u32..12];
    prop_oneof![
        8 => (stream(), 0..CHANGES * 2, proptest::collection::vec(0..EXTRA.len(), 0..3), any::<bool>(),
              proptest::option::of(0usize..40), any::<bool>())
            .prop_map(|(stream, change, extra, end, cut, padded)| Act::Ask { stream, change, extra, end, cut, padded }),
        8 => (stream(), 0usize..12, any::<bool>(), proptest::option::of(0u8..5))
            .prop_map(|(stream, len, end, padding)| Act::Data { stream, len, end, padding }),
        2 => (stream(), any::<bool>(), prop_oneof![3 => Just(true), 1 => Just(false)])
            .prop_map(|(stream, bad, end)| Act::Trailers { stream, bad, end }),
        1 => stream().prop_map(|stream| Act::Reset { stream }),
        1 => (stream(), prop_oneof![Just(0u32), Just(10), Just(0x7fff_ffff)])
            .prop_map(|(stream, by)| Act::Window { stream, by }),
        1 => stream().prop_map(|stream| Act::Priority { stream }),
        1 => Just(Act::Ping),
        1 => stream().prop_map(|stream| Act::Unknown { stream }),
        1 => (0usize..6).prop_map(|entry| Act::Settings { entry }),
        1 => (0u8..12, any::<u8>(), stream(), proptest::collection::vec(any::<u8>(), 0..12))
            .prop_map(|(kind, flags, stream, payload)| Act::Raw { kind, flags, stream, payload }),
    ]
}

fn write(acts: &[Act]) -> Vec<u8> {
    let mut wire = PREFACE.to_vec();
    wire.extend(frame(4, 0, 0, &[]));
    let mut encoder = Encoder::new(true);
    let mut block = |fields: &[(&str, &str)]| block(&mut encoder, fields);
    for act in acts {
        match act {
            Act::Ask { stream, change, extra, end, cut, padded } => {
                let fields: Vec<_> =
                    base(*change).into_iter().chain(extra.iter().map(|at| EXTRA[*at])).collect();
                let mut bytes = block(&fields);
                let rest = cut.map(|cut| bytes.split_off(cut.min(bytes.len())));
                if *padded {
                    bytes = [&[2][..], &bytes, &[0, 0]].concat();
                }
                let flags = u8::from(*end) | (u8::from(*padded) * 8) | (u8::from(rest.is_none()) * 4);
                wire.extend(frame(1, flags, *stream, &bytes));
                if let Some(rest) = rest {
                    wire.extend(frame(9, 4, *stream, &rest));
                }
            }
            Act::Data { stream, len, end, padding } => wire.extend(data(*stream, *len, *end, *padding)),
            Act::Trailers { stream, bad, end } => {
                let fields: &[(&str, &str)] = if *bad { &[(":path", "/")] } else { &[("x-sum", "1")] };
                wire.extend(frame(1, 4 | u8::from(*end), *stream, &block(fields)));
            }
            Act::Reset { stream } => wire.extend(frame(3, 0, *stream, &[0, 0, 0, 8])),
            Act::Window { stream, by } => wire.extend(frame(8, 0, *stream, &by.to_be_bytes())),
            Act::Priority { stream } => wire.extend(frame(2, 0, *stream, &[0, 0, 0, 77, 5])),
            Act::Ping => wire.extend(frame(6, 0, 0, b"12345678")),
            Act::Unknown { stream } => wire.extend(frame(0x42, 0xff, *stream, b"unknown")),
            Act::Settings { entry } => {
                let entries: [&[u8]; 6] = [
                    &[],
                    &[0, 4, 0, 0, 0, 0],
                    &[0, 4, 0x80, 0, 0, 0],
                    &[0, 5, 0, 0, 0x40, 0],
                    &[0, 1, 0, 0, 0, 0],
                    &[0x0a, 0x0a, 1, 2, 3, 4],
                ];
                wire.extend(frame(4, 0, 0, entries[*entry]));
            }
            Act::Raw { kind, flags, stream, payload } => wire.extend(frame(*kind, *flags, *stream, payload)),
        }
    }
    wire
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn h2_sees_what_we_see(acts in proptest::collection::vec(act(), 1..10)) {
        let wire = write(&acts);
        let (us, them) = (ours(&wire), theirs(&wire));
        // Where we end the connection h2 may end a stream only: what it saw afterwards went nowhere here.
        let because = us.closed || us.rules.iter().any(|rule| STRICTER.contains(rule));
        // An error of the connection takes with it what lies in h2's queue.
        let all_arrives = !us.closed && !them.closed;
        let whole = |(id, request): &(&u32, &Seen)| request.complete && !us.torn.contains(id);
        for (id, request) in us.requests.iter().filter(whole).filter(|_| all_arrives) {
            prop_assert_eq!(Some(request), them.requests.get(id), "{}: {:?}", id, us.rules);
        }
        for (id, request) in them.requests.iter().filter(whole) {
            let ours = us.requests.get(id);
            prop_assert!(ours.is_some() || because, "only h2 saw {}: {:?}, {:?}", id, request, us.rules);
            if let Some(ours) = ours.filter(|_| !because) {
                prop_assert_eq!(ours, request);
            }
        }
    }
}

#[test]
fn stream_ids_are_the_same_numbers() {
    let wire =
        write(&[Act::Ask { stream: 5, change: 40, extra: vec![0], end: true, cut: None, padded: false }]);
    let (us, them) = (ours(&wire), theirs(&wire));
    assert_eq!(us.requests, them.requests);
    assert_eq!(us.requests.keys().copied().collect::<Vec<_>>(), [5]);
}
