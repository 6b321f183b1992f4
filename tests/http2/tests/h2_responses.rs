//! The same bytes to our client and to the h2 crate's: they see the same responses, or we are the stricter one for a
//! reason that stands in a list here.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use bytes::Bytes;
use haechi_hpack::Encoder;
use haechi_http2::{Config, Connection, Event, Head, Input, Request, Role};
use haechi_model::Moment;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use common::{Fields, block, data, frame, read_by_h2, read_by_us};

/// What is asked, on streams 1, 3 and 5; the last one is left open.
const METHODS: [&str; 3] = ["GET", "HEAD", "POST"];

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Seen {
    status: u16,
    fields: Fields,
    body: Vec<u8>,
    trailers: Fields,
    complete: bool,
}

#[derive(Debug, Default)]
struct Outcome {
    responses: BTreeMap<u32, Seen>,
    torn: Vec<u32>,
    rules: Vec<&'static str>,
    closed: bool,
}

fn ours(wire: &[u8]) -> Outcome {
    let now = Moment::from_nanos(1 << 40);
    let mut connection = Connection::new(Role::Client, Config::default(), now);
    for method in METHODS {
        let ask = Request {
            method: method.as_bytes(),
            scheme: b"http",
            authority: b"example.com",
            path: b"/",
            protocol: None,
        };
        connection.request(&ask).unwrap().1.finish(method != "POST");
    }
    let (mut head, mut input) = (Head::default(), Input::new(wire));
    let mut outcome = Outcome::default();
    while let Some(event) = connection.receive(&mut input, &mut head, now) {
        match event {
            Event::Head { stream, end } => {
                let seen = Seen {
                    status: head.status(),
                    fields: read_by_us(&head),
                    complete: end,
                    ..Seen::default()
                };
                outcome.responses.insert(stream.number(), seen);
            }
            Event::Data { stream, bytes, end } => {
                let seen = outcome.responses.get_mut(&stream.number()).unwrap();
                seen.body.extend(bytes);
                seen.complete = end;
                connection.release(stream, bytes.len());
            }
            Event::Trailers { stream } => {
                let seen = outcome.responses.get_mut(&stream.number()).unwrap();
                seen.trailers = read_by_us(&head);
                seen.complete = true;
            }
            Event::Reset { stream, why, .. } => {
                outcome.rules.push(why.rule);
                outcome.torn.push(stream.number());
            }
            Event::Closed(why) => {
                outcome.rules.push(why.rule);
                outcome.closed = true;
            }
            _ => {}
        }
    }
    outcome
}

type Shared = Rc<RefCell<BTreeMap<u32, Seen>>>;

async fn theirs_one(id: u32, response: h2::client::ResponseFuture, seen: Shared) {
    let Ok(response) = response.await else { return };
    let (parts, mut body) = response.into_parts();
    let mut one =
        Seen { status: parts.status.as_u16(), fields: read_by_h2(&parts.headers), ..Seen::default() };
    let mut sound = true;
    while let Some(piece) = body.data().await {
        let Ok(piece) = piece else {
            sound = false;
            break;
        };
        let _ = body.flow_control().release_capacity(piece.len());
        one.body.extend(&piece);
    }
    if sound && let Ok(trailers) = body.trailers().await {
        one.trailers = trailers.as_ref().map(read_by_h2).unwrap_or_default();
        one.complete = true;
    }
    seen.borrow_mut().insert(id, one);
}

fn theirs(wire: &[u8]) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let local = tokio::task::LocalSet::new();
    let seen: Shared = Rc::default();
    let shared = Rc::clone(&seen);
    let closed = local.block_on(&runtime, async move {
        let (near, far) = tokio::io::duplex(1 << 20);
        let (mut output, mut pen) = tokio::io::split(near);
        tokio::task::spawn_local(async move {
            let mut all = Vec::new();
            let _ = output.read_to_end(&mut all).await;
        });
        let (mut client, connection) =
            h2::client::Builder::new().enable_push(false).handshake::<_, Bytes>(far).await.unwrap();
        let mut open = Vec::new();
        let mut tasks = Vec::new();
        for (at, method) in (0u32..).zip(METHODS) {
            let ask = http::Request::builder().method(method).uri("http://example.com/").body(()).unwrap();
            let (response, body) = client.send_request(ask, method != "POST").unwrap();
            open.push(body);
            tasks.push(tokio::task::spawn_local(theirs_one(2 * at + 1, response, Rc::clone(&shared))));
        }
        let connection = tokio::task::spawn_local(connection);
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        pen.write_all(wire).await.unwrap();
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        let broken = connection.is_finished();
        let _ = pen.shutdown().await;
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        for task in tasks {
            task.abort();
        }
        connection.abort();
        drop(client);
        broken
    });
    drop(local);
    drop(runtime);
    let responses = seen.borrow().clone();
    Outcome { responses, closed, ..Outcome::default() }
}

/// Rules of ours that h2 leaves to the application, or reads more leniently.
const STRICTER: &[&str] = &[
    "value with a control character, or white space at an end",
    "more than one `content-length`",
    "more than one `host`",
    "byte not allowed in the host",
    // RFC 9113 §8.6, §8.1.
    "status 101",
    "status 1xx that ends the stream",
    // A response to HEAD, or of status 204 or 304, has no body (RFC 9110 §6.4.1).
    "body longer than its `content-length`",
];

#[derive(Clone, Debug)]
enum Act {
    Head { stream: u32, status: usize, extra: Vec<usize>, end: bool },
    Data { stream: u32, len: usize, end: bool, padding: Option<u8> },
    Trailers { stream: u32, end: bool },
    Reset { stream: u32 },
    GoAway { last: u32 },
    Raw { kind: u8, flags: u8, stream: u32, payload: Vec<u8> },
}

const STATUSES: [&str; 10] = ["200", "200", "200", "204", "304", "103", "404", "20", "999", "2000"];

const EXTRA: [(&str, &str); 10] = [
    ("content-type", "text/plain"),
    ("content-length", "5"),
    ("content-length", "0"),
    ("set-cookie", "a=b"),
    ("x-empty", ""),
    ("connection", "close"),
    ("X-Upper", "x"),
    ("x-lf", "a\nb"),
    (":path", "/"),
    ("te", "gzip"),
];

fn act() -> impl Strategy<Value = Act> {
    let stream = || prop_oneof![9 => (0u32..3).prop_map(|at| 2 * at + 1), 1 => 0u32..9];
    prop_oneof![
        6 => (stream(), 0..STATUSES.len(), proptest::collection::vec(0..EXTRA.len(), 0..3), any::<bool>())
            .prop_map(|(stream, status, extra, end)| Act::Head { stream, status, extra, end }),
        6 => (stream(), prop_oneof![Just(0usize), Just(5), 0usize..9], any::<bool>(), proptest::option::of(0u8..4))
            .prop_map(|(stream, len, end, padding)| Act::Data { stream, len, end, padding }),
        2 => (stream(), prop_oneof![4 => Just(true), 1 => Just(false)])
            .prop_map(|(stream, end)| Act::Trailers { stream, end }),
        1 => stream().prop_map(|stream| Act::Reset { stream }),
        1 => (0u32..6).prop_map(|last| Act::GoAway { last }),
        1 => (0u8..12, any::<u8>(), stream(), proptest::collection::vec(any::<u8>(), 0..10))
            .prop_map(|(kind, flags, stream, payload)| Act::Raw { kind, flags, stream, payload }),
    ]
}

fn write(acts: &[Act]) -> Vec<u8> {
    let mut wire = frame(4, 0, 0, &[]);
    let mut encoder = Encoder::new(true);
    let mut block = |fields: &[(&str, &str)]| block(&mut encoder, fields);
    for act in acts {
        match act {
            Act::Head { stream, status, extra, end } => {
                let mut fields = vec![(":status", STATUSES[*status])];
                fields.extend(extra.iter().map(|at| EXTRA[*at]));
                wire.extend(frame(1, 4 | u8::from(*end), *stream, &block(&fields)));
            }
            Act::Data { stream, len, end, padding } => wire.extend(data(*stream, *len, *end, *padding)),
            Act::Trailers { stream, end } => {
                wire.extend(frame(1, 4 | u8::from(*end), *stream, &block(&[("x-sum", "1")])));
            }
            Act::Reset { stream } => wire.extend(frame(3, 0, *stream, &[0, 0, 0, 8])),
            Act::GoAway { last } => {
                wire.extend(frame(7, 0, 0, &[&last.to_be_bytes()[..], &[0; 4]].concat()));
            }
            Act::Raw { kind, flags, stream, payload } => wire.extend(frame(*kind, *flags, *stream, payload)),
        }
    }
    wire
}

/// A response without a body may tell the length of another (HEAD, 204, 304: RFC 9113 §8.1.1). h2 refuses some of
/// these if an empty DATA frame ends them.
fn length_is_bodys(response: &Seen) -> bool {
    let length = response.body.len().to_string().into_bytes();
    response.fields.iter().all(|(name, value)| name != "content-length" || *value == length)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn h2_sees_what_we_see(acts in proptest::collection::vec(act(), 1..8)) {
        let wire = write(&acts);
        let (us, them) = (ours(&wire), theirs(&wire));
        // Where we end the connection h2 may end a stream only: what it saw afterwards went nowhere here.
        let because = us.closed || us.rules.iter().any(|rule| STRICTER.contains(rule));
        let all_arrives = !us.closed && !them.closed;
        let whole = |(id, response): &(&u32, &Seen)| response.complete && !us.torn.contains(id);
        for (id, response) in us.responses.iter().filter(whole).filter(|_| all_arrives) {
            if !length_is_bodys(response) {
                continue;
            }
            prop_assert_eq!(Some(response), them.responses.get(id), "{}: {:?}", id, us.rules);
        }
        for (id, response) in them.responses.iter().filter(whole) {
            let ours = us.responses.get(id);
            prop_assert!(ours.is_some() || because, "only h2 saw {}: {:?}, {:?}", id, response, us.rules);
            if let Some(ours) = ours.filter(|_| !because) {
                prop_assert_eq!(ours, response);
            }
        }
    }
}
