//! Every kind of frame × what its stream is × role → what comes of it (RFC 9113 §5.1, §6). The table is the whole
//! of it: a kind or a state that has no row fails the test.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::*;
use haechi_http2::{Code, Config, Event, Input, Request, Role};

/// What the stream is when the frame comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// The connection itself.
    Zero,
    /// Never opened, by the client's numbering.
    IdleOdd,
    /// Never opened, by the server's.
    IdleEven,
    /// Both sides may send; in the client's role the head has come.
    Open,
    /// Both sides may send, and the head is still to come (client) or was a request with a body (server).
    OpenNoHead,
    /// They have ended.
    HalfClosedRemote,
    /// We have ended.
    HalfClosedLocal,
    /// Both have.
    Closed,
    /// We reset it.
    ResetByUs,
    /// They reset it.
    ResetByThem,
}

const STATES: [State; 10] = [
    State::Zero,
    State::IdleOdd,
    State::IdleEven,
    State::Open,
    State::OpenNoHead,
    State::HalfClosedRemote,
    State::HalfClosedLocal,
    State::Closed,
    State::ResetByUs,
    State::ResetByThem,
];

const ASK: Request<'static> =
    Request { method: b"POST", scheme: b"http", authority: b"e", path: b"/", protocol: None };

/// Brings stream 1 into a state, and gives the id to send on.
fn bring(rig: &mut Rig, state: State) -> u32 {
    match rig.connection.role() {
        Role::Server => bring_server(rig, state),
        Role::Client => bring_client(rig, state),
    }
    rig.said();
    match state {
        State::Zero => 0,
        State::IdleEven => 2,
        State::IdleOdd => 9,
        _ => 1,
    }
}

fn bring_server(rig: &mut Rig, state: State) {
    if matches!(state, State::Zero | State::IdleOdd | State::IdleEven) {
        return;
    }
    let ended = matches!(state, State::HalfClosedRemote | State::Closed);
    let stream = open(rig, &headers(1, if ended { END_STREAM } else { 0 }, POST));
    match state {
        State::Closed | State::HalfClosedLocal => rig.answer(stream),
        State::ResetByUs => rig.connection.reset(stream, Code::CANCEL),
        State::ResetByThem => rig.expect(&reset(1, 8), &["reset 1 by peer CANCEL"]),
        _ => {}
    }
}

fn bring_client(rig: &mut Rig, state: State) {
    if matches!(state, State::Zero | State::IdleOdd | State::IdleEven) {
        return;
    }
    let we_end = matches!(state, State::HalfClosedLocal | State::Closed);
    let (stream, head) = rig.connection.request(&ASK).unwrap();
    head.finish(we_end);
    let response = |flags| headers(1, flags, &[(":status", "200")]);
    match state {
        State::Open | State::HalfClosedLocal => rig.expect(&response(0), &["head 1 200"]),
        State::HalfClosedRemote | State::Closed => rig.expect(&response(END_STREAM), &["head 1 200 end"]),
        State::ResetByUs => rig.connection.reset(stream, Code::CANCEL),
        State::ResetByThem => rig.expect(&reset(1, 8), &["reset 1 by peer CANCEL"]),
        _ => {}
    }
}

/// A frame of each kind, sound in itself, for a stream.
fn frame_of(kind: u8, stream: u32, role: Role) -> Vec<u8> {
    let head: &[(&str, &str)] = if role == Role::Server { POST } else { &[(":status", "200")] };
    match kind {
        DATA => frame(DATA, 0, stream, b"x"),
        HEADERS => headers(stream, 0, head),
        PRIORITY => frame(PRIORITY, 0, stream, &[0, 0, 0, 0, 5]),
        RST_STREAM => reset(stream, 8),
        SETTINGS => frame(SETTINGS, 0, stream, &[]),
        PUSH_PROMISE => frame(PUSH_PROMISE, END_HEADERS, stream, &[0, 0, 0, 2]),
        PING => frame(PING, 0, stream, b"12345678"),
        GOAWAY => frame(GOAWAY, 0, stream, &[0; 8]),
        WINDOW_UPDATE => window(stream, 5),
        CONTINUATION => frame(CONTINUATION, END_HEADERS, stream, &[]),
        PRIORITY_UPDATE => frame(PRIORITY_UPDATE, 0, stream, &[0, 0, 0, 1, b'u']),
        unknown => frame(unknown, 0xff, stream, b"whatever"),
    }
}

/// What came of it: events and what we said, or `-` for nothing.
fn outcome(kind: u8, state: State, role: Role) -> String {
    let mut rig = Rig::new(role, Config::default());
    let stream = bring(&mut rig, state);
    let mut told = rig.feed(&frame_of(kind, stream, role));
    told.extend(rig.said());
    if told.is_empty() { "-".into() } else { told.join(", ") }
}

fn closed(code: &str) -> String {
    format!("closed {code}")
}

/// What must come of it.
fn expected(kind: u8, state: State, role: Role) -> String {
    use State::{
        Closed, HalfClosedLocal, HalfClosedRemote, IdleEven, IdleOdd, Open, OpenNoHead, ResetByThem,
        ResetByUs, Zero,
    };
    let server = role == Role::Server;
    let protocol = || closed("PROTOCOL_ERROR");
    let nothing = || "-".to_owned();
    let reset_by_us = |code: &str| format!("reset 1 by us {code}, reset 1 {code}");
    match (kind, state) {
        (DATA, Zero | IdleOdd | IdleEven) => protocol(),
        (DATA, OpenNoHead) if !server => reset_by_us("PROTOCOL_ERROR"),
        (DATA, Open | OpenNoHead | HalfClosedLocal) => "data 1 x".into(),
        (DATA, HalfClosedRemote) => reset_by_us("STREAM_CLOSED"),
        (DATA, Closed | ResetByThem) => "refused 1 STREAM_CLOSED, reset 1 STREAM_CLOSED".into(),
        (DATA | HEADERS, ResetByUs) => nothing(),

        (HEADERS, IdleOdd) if server => "head 9 POST /".into(),
        (HEADERS, Zero | IdleOdd | IdleEven) => protocol(),
        (HEADERS, OpenNoHead) if !server => "head 1 200".into(),
        // A second head that is no end, or has a head's fields, is no trailers.
        (HEADERS, Open | OpenNoHead | HalfClosedLocal) => reset_by_us("PROTOCOL_ERROR"),
        (HEADERS, HalfClosedRemote) => reset_by_us("STREAM_CLOSED"),
        (HEADERS, Closed | ResetByThem) => closed("STREAM_CLOSED"),

        (PRIORITY, Zero) => protocol(),
        (PRIORITY, _) => nothing(),

        (RST_STREAM, Zero | IdleOdd | IdleEven) => protocol(),
        (RST_STREAM, Open | OpenNoHead | HalfClosedLocal | HalfClosedRemote) => {
            "reset 1 by peer CANCEL".into()
        }
        (RST_STREAM, Closed | ResetByUs | ResetByThem) => nothing(),

        (SETTINGS, Zero) => "settings, ack".into(),
        (PING, Zero) => "ping ack".into(),
        (GOAWAY, Zero) => "going away NO_ERROR".into(),
        (PRIORITY_UPDATE, Zero) if server => nothing(),
        (SETTINGS | PING | GOAWAY | PRIORITY_UPDATE, _) => protocol(),
        (PUSH_PROMISE | CONTINUATION, _) => protocol(),

        (WINDOW_UPDATE, IdleOdd | IdleEven) => protocol(),
        (WINDOW_UPDATE, _) => nothing(),

        (_, _) => nothing(),
    }
}

#[test]
fn every_frame_in_every_state() {
    for role in [Role::Server, Role::Client] {
        for kind in (0..=PRIORITY_UPDATE + 1).chain([0xff]) {
            for state in STATES {
                // A client's streams have no state in which it asked with an even number.
                let seen = outcome(kind, state, role);
                let seen = seen.split(", goaway").next().unwrap();
                assert_eq!(seen, expected(kind, state, role), "frame {kind}, {state:?}, as {role:?}");
            }
        }
    }
}

/// Within a block nothing else may come, whatever it is.
#[test]
fn nothing_but_its_continuation_within_a_block() {
    for kind in (0..=PRIORITY_UPDATE + 1).filter(|kind| *kind != CONTINUATION) {
        for stream in [0, 1, 3] {
            let mut rig = Rig::server();
            rig.expect(&frame(HEADERS, 0, 1, &block(GET)), &[]);
            let seen = rig.feed(&frame_of(kind, stream, Role::Server));
            assert_eq!(seen, ["closed PROTOCOL_ERROR"], "frame {kind} on {stream}");
        }
    }
    let mut rig = Rig::server();
    rig.expect(&frame(HEADERS, 0, 1, &block(GET)), &[]);
    rig.expect(&frame(CONTINUATION, END_HEADERS, 3, &[]), &["closed PROTOCOL_ERROR"]);
}

/// The first frame is SETTINGS, and not an acknowledgement (§3.4).
#[test]
fn nothing_before_the_settings() {
    for role in [Role::Server, Role::Client] {
        for kind in (0..=PRIORITY_UPDATE + 1).filter(|kind| *kind != SETTINGS) {
            let mut rig = Rig::fresh(role, Config::default());
            let mut wire = if role == Role::Server { haechi_http2::PREFACE.to_vec() } else { Vec::new() };
            wire.extend(frame_of(kind, 0, role));
            assert_eq!(rig.feed(&wire), ["closed PROTOCOL_ERROR"], "frame {kind}");
        }
        let mut rig = Rig::fresh(role, Config::default());
        let mut wire = if role == Role::Server { haechi_http2::PREFACE.to_vec() } else { Vec::new() };
        wire.extend(frame(SETTINGS, ACK, 0, &[]));
        rig.expect(&wire, &["closed PROTOCOL_ERROR"]);
    }
}

#[test]
fn what_is_not_the_preface_is_seen_at_its_first_byte() {
    let preface = haechi_http2::PREFACE;
    for at in 0..preface.len() {
        let mut wrong = preface.to_vec();
        wrong[at] ^= 1;
        let mut rig = Rig::fresh(Role::Server, Config::default());
        rig.expect(&wrong[..at], &[]);
        rig.expect(&wrong[at..=at], &["closed PROTOCOL_ERROR"]);
    }
    let mut rig = Rig::fresh(Role::Server, Config::default());
    rig.expect(b"GET / HTTP/1.1\r\n\r\n", &["closed PROTOCOL_ERROR"]);
}

#[test]
fn frames_with_a_wrong_payload() {
    let rows: Vec<(&str, Vec<u8>, &str)> = vec![
        ("a frame above 16 KiB", frame(DATA, 0, 1, &[0; 16_385]), "closed FRAME_SIZE_ERROR"),
        ("an unknown frame above 16 KiB", frame(0x77, 0, 0, &[0; 16_385]), "closed FRAME_SIZE_ERROR"),
        ("DATA with padding beyond it", frame(DATA, PADDED, 1, b"\x05abc"), "closed PROTOCOL_ERROR"),
        ("DATA without its padding's length", frame(DATA, PADDED, 1, b""), "closed FRAME_SIZE_ERROR"),
        (
            "HEADERS with padding beyond it",
            frame(HEADERS, PADDED | END_HEADERS, 3, b"\x05abc"),
            "closed PROTOCOL_ERROR",
        ),
        (
            "HEADERS without its priority",
            frame(HEADERS, WITH_PRIORITY | END_HEADERS, 3, b"abcd"),
            "closed FRAME_SIZE_ERROR",
        ),
        ("HEADERS that is no block", frame(HEADERS, END_HEADERS, 3, &[0x80]), "closed COMPRESSION_ERROR"),
        ("HEADERS of a stream that is done", headers(1, 0, &[("a", "b")]), "reset 1 by us PROTOCOL_ERROR"),
        ("WINDOW_UPDATE by 0", window(0, 0), "closed PROTOCOL_ERROR"),
        ("WINDOW_UPDATE by 0 on a stream", window(1, 0), "reset 1 by us PROTOCOL_ERROR"),
        ("a window above 2^31-1", window(0, 0x7fff_ffff), "closed FLOW_CONTROL_ERROR"),
        ("a stream's window above 2^31-1", window(1, 0x7fff_ffff), "reset 1 by us FLOW_CONTROL_ERROR"),
        (
            "settings that make it so",
            [window(1, 0x7fff_0000), settings(&[(4, 0x7fff_ffff)])].concat(),
            "closed FLOW_CONTROL_ERROR",
        ),
        ("SETTINGS with ACK and entries", frame(SETTINGS, ACK, 0, &[0; 6]), "closed FRAME_SIZE_ERROR"),
        ("SETTINGS that is cut off", frame(SETTINGS, 0, 0, &[0; 5]), "closed FRAME_SIZE_ERROR"),
        ("PRIORITY_UPDATE of stream 0", frame(PRIORITY_UPDATE, 0, 0, &[0; 4]), "closed PROTOCOL_ERROR"),
    ];
    for (why, bytes, outcome) in rows {
        let mut rig = Rig::server();
        open(&mut rig, &headers(1, 0, POST));
        assert_eq!(rig.feed(&bytes), [outcome], "{why}");
        if outcome.starts_with("closed") {
            assert!(rig.said().last().unwrap().starts_with("goaway 1 "), "{why}");
            assert_eq!(rig.feed(&headers(5, END_STREAM, GET)), [""; 0], "{why}: nothing is heard any more");
            assert_eq!(rig.connection.deadline(), None);
        }
    }
}

/// Ids rise, and belong to who opens (§5.1.1).
#[test]
fn stream_ids_rise() {
    let mut rig = Rig::server();
    rig.expect(&headers(5, END_STREAM, GET), &["head 5 GET / end"]);
    rig.expect(&headers(3, END_STREAM, GET), &["closed STREAM_CLOSED"]);
    let mut rig = Rig::server();
    rig.expect(&headers(2, END_STREAM, GET), &["closed PROTOCOL_ERROR"]);
}

/// A block for a stream that is gone still changes the table.
#[test]
fn a_block_that_nobody_waits_for_is_decoded() {
    let mut rig = Rig::server();
    let stream = open(&mut rig, &headers(1, 0, POST));
    rig.connection.reset(stream, Code::CANCEL);
    // x: y is put in the table by trailers that are passed over, and used by the next request.
    let trailers = [0x40, 1, b'x', 1, b'y'];
    rig.expect(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &trailers), &[]);
    let next = [block(GET), vec![0xbe]].concat();
    let wire = frame(HEADERS, END_HEADERS | END_STREAM, 3, &next);
    let mut input = Input::new(&wire);
    let event = rig.connection.receive(&mut input, &mut rig.head, rig.now);
    assert!(matches!(event, Some(Event::Head { end: true, .. })), "{event:?}");
    let last = rig.head.fields().last().unwrap().1;
    assert_eq!((last.name, last.value), (&b"x"[..], &b"y"[..]));
}
