//! Hostile input: each known flood against its limit, with what it costs us until it bites.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use common::*;
use haechi_http2::{Code, Config, Connection, Limit, Limits, Role};

/// Sends pieces until the connection is closed; gives why, how many it took, and our output in bytes.
fn flood(rig: &mut Rig, mut piece: impl FnMut(u32) -> Vec<u8>) -> (String, u32, usize) {
    let before = rig.connection.output().len();
    for turn in 0..20_000 {
        for event in rig.feed(&piece(turn)) {
            if event.starts_with("closed") {
                return (event, turn, rig.connection.output().len() - before);
            }
        }
    }
    panic!("nothing stopped it");
}

fn id(turn: u32) -> u32 {
    2 * turn + 1
}

#[test]
fn rapid_reset() {
    // CVE-2023-44487
    let mut rig = Rig::server();
    let (why, taken, output) =
        flood(&mut rig, |turn| [headers(id(turn), END_STREAM, GET), reset(id(turn), 8)].concat());
    assert_eq!((why.as_str(), taken), ("closed ENHANCE_YOUR_CALM resets", 200));
    assert!(output < 100, "{output}");
    assert_eq!(rig.said(), ["goaway 401 ENHANCE_YOUR_CALM"]);
}

#[test]
fn slow_rapid_reset_is_seen_by_its_share() {
    // A reset every 20 ms is within the rate, but nothing else comes.
    let mut rig = Rig::server();
    let mut last = Vec::new();
    for turn in 0..600 {
        rig.wait(Duration::from_millis(20));
        last = rig.feed(&[headers(id(turn), END_STREAM, GET), reset(id(turn), 8)].concat());
        if rig.connection.closed().is_some() {
            assert_eq!(turn, 499);
            break;
        }
    }
    assert_eq!(last.last().unwrap(), "closed ENHANCE_YOUR_CALM earlyResets");
}

#[test]
fn a_browser_that_closes_its_tabs_is_no_flood() {
    let mut rig = Rig::server();
    for round in 0..20 {
        let turns = round * 100..round * 100 + 100;
        let streams: Vec<_> = turns.map(|turn| open(&mut rig, &headers(id(turn), END_STREAM, GET))).collect();
        for stream in streams {
            if stream.number() % 3 == 0 {
                rig.feed(&reset(stream.number(), 8));
            } else {
                rig.answer(stream);
            }
        }
        rig.wait(Duration::from_secs(1));
    }
    assert_eq!(rig.connection.closed(), None);
}

#[test]
fn made_you_reset() {
    // CVE-2025-8671: the peer makes us send the RST_STREAM.
    for (why, bad) in [
        ("WINDOW_UPDATE by 0", (|id| window(id, 0)) as fn(u32) -> Vec<u8>),
        ("a window that overflows", |id| window(id, 0x7fff_ffff)),
        ("DATA after the end", |id| frame(DATA, 0, id, b"x")),
        ("HEADERS after the end", |id| headers(id, END_STREAM, GET)),
    ] {
        let mut rig = Rig::server();
        let (seen, taken, output) =
            flood(&mut rig, |turn| [headers(id(turn), END_STREAM, GET), bad(id(turn))].concat());
        assert_eq!((seen.as_str(), taken), ("closed ENHANCE_YOUR_CALM ownResets", 200), "{why}");
        assert!(output < 201 * 13 + 100, "{why}: {output}");
    }
    let mut rig = Rig::server();
    let malformed: Vec<_> = GET[1..].to_vec();
    let (seen, taken, _) = flood(&mut rig, |turn| headers(id(turn), END_STREAM, &malformed));
    assert_eq!((seen.as_str(), taken), ("closed ENHANCE_YOUR_CALM ownResets", 200), "malformed heads");
}

#[test]
fn continuations_without_end() {
    // CVE-2024-27316
    let mut rig = Rig::server();
    rig.expect(&frame(HEADERS, 0, 1, &[]), &[]);
    let (why, taken, _) = flood(&mut rig, |_| frame(CONTINUATION, 0, 1, &[]));
    assert_eq!((why.as_str(), taken), ("closed ENHANCE_YOUR_CALM continuations", 8));
    let mut rig = Rig::server();
    rig.expect(&frame(HEADERS, 0, 1, &[0; 16_384]), &[]);
    let (why, taken, _) = flood(&mut rig, |_| frame(CONTINUATION, 0, 1, &[0; 16_384]));
    assert_eq!((why.as_str(), taken), ("closed ENHANCE_YOUR_CALM block", 7));
}

#[test]
fn blocks_that_do_not_end_in_time() {
    let mut rig = Rig::server();
    rig.expect(&frame(HEADERS, 0, 1, &block(GET)), &[]);
    assert_eq!(rig.wait(Duration::from_secs(9)), [""; 0]);
    rig.expect(&frame(CONTINUATION, 0, 1, &[])[..4], &[]);
    assert_eq!(rig.wait(Duration::from_secs(1)), ["closed ENHANCE_YOUR_CALM blockTimeout"]);
    // A byte a second does not renew it.
    let mut rig = Rig::server();
    let head = headers(1, END_STREAM, GET);
    for (second, byte) in head.iter().enumerate() {
        rig.expect(&[*byte], &[]);
        let seen = rig.wait(Duration::from_secs(1));
        if !seen.is_empty() {
            assert_eq!((second, seen[0].as_str()), (9, "closed ENHANCE_YOUR_CALM blockTimeout"));
            return;
        }
    }
    panic!("it took the head");
}

#[test]
fn cheap_frames() {
    type Piece = fn(u32) -> Vec<u8>;
    let rows: [(&str, Piece, u32); 12] = [
        ("settings", |_| settings(&[]), 49),
        ("settings", |_| frame(SETTINGS, ACK, 0, &[]), 49),
        ("pings", |_| frame(PING, 0, 0, &[0; 8]), 100),
        ("pings", |_| frame(PING, ACK, 0, &[0; 8]), 100),
        ("priorities", |_| frame(PRIORITY, 0, 77, &[0; 5]), 202),
        ("priorities", |_| frame(PRIORITY_UPDATE, 0, 0, &[0, 0, 0, 1]), 202),
        ("windowUpdates", |_| window(0, 1), 202),
        ("windowUpdates", |_| window(1, 1), 202),
        ("emptyFrames", |_| frame(DATA, 0, 1, &[]), 100),
        ("emptyFrames", |_| frame(DATA, PADDED, 1, &[3, 0, 0, 0]), 100),
        ("unknownFrames", |_| frame(0xee, 0, 0, &[]), 100),
        ("emptyFrames", |_| goaway(0, 0), 101),
    ];
    for (limit, piece, taken) in rows {
        let mut rig = Rig::server();
        open(&mut rig, &headers(1, 0, POST));
        let (why, seen, output) = flood(&mut rig, piece);
        assert_eq!((why, seen), (format!("closed ENHANCE_YOUR_CALM {limit}"), taken), "{:?}", piece(0));
        assert!(output < 4096, "{limit}: {output}");
        // At an honest pace it goes on for ever.
        let mut rig = Rig::server();
        open(&mut rig, &headers(1, 0, POST));
        for turn in 0..2000 {
            rig.wait(Duration::from_millis(200));
            rig.feed(&piece(turn));
        }
        assert_eq!(rig.connection.closed(), None, "{limit}");
    }
}

#[test]
fn a_frame_of_many_settings() {
    let mut rig = Rig::server();
    rig.expect(&settings(&[(4, 5); 32]), &["settings"]);
    rig.expect(&settings(&[(4, 5); 33]), &["closed ENHANCE_YOUR_CALM settingsEntries"]);
}

#[test]
fn what_our_data_explains_is_no_flood() {
    let mut rig = Rig::server();
    rig.expect(&window(0, 0x1000_0000), &[]);
    rig.expect(&settings(&[(4, 0x1000_0000)]), &["settings"]);
    let stream = open(&mut rig, &headers(1, END_STREAM, GET));
    rig.connection.respond(stream, 200).unwrap().finish(false);
    for _ in 0..5000 {
        assert_eq!(rig.connection.send_data(stream, &[0; 1000], false, rig.now), 1000);
        rig.said();
        // A client that tells of each frame on both windows, and gRPC's measuring ping.
        rig.expect(&[window(0, 1000), window(1, 1000), frame(PING, 0, 0, &[0; 8])].concat(), &[]);
    }
    assert_eq!(rig.connection.closed(), None);
}

#[test]
fn more_streams_than_allowed() {
    let mut rig = Rig::server();
    for turn in 0..100 {
        rig.feed(&headers(id(turn), END_STREAM, GET));
    }
    rig.expect(&headers(id(100), 0, POST), &["refused 201 REFUSED_STREAM"]);
    assert_eq!(rig.said(), ["reset 201 REFUSED_STREAM"]);
    rig.expect(&frame(DATA, END_STREAM, id(100), b"under way"), &[]);
    let (why, taken, _) = flood(&mut rig, |turn| headers(id(turn + 101), END_STREAM, GET));
    assert_eq!((why.as_str(), taken), ("closed ENHANCE_YOUR_CALM refused", 999));
}

#[test]
fn a_bomb_of_references() {
    // CVE-2026-49975: an entry that fills the table, and then an octet for each further 4 KiB.
    let mut bomb = block(GET);
    bomb.extend([0x40, 1, b'x', 0x7f, 0xa1, 0x1e]);
    bomb.resize(bomb.len() + 4000, b'v');
    bomb.resize(16_384, 0xbe);
    let mut rig = Rig::server();
    rig.expect(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &bomb), &["closed ENHANCE_YOUR_CALM listWork"]);
    // A sixteenth of it is a head that is too large, and holds no memory of its own.
    let mut rig = Rig::server();
    rig.expect(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &bomb[..4200]), &["too large 1 end"]);
    assert!(rig.head.fields().count() < 30);
}

#[test]
fn a_window_that_never_opens() {
    let mut rig = Rig::server();
    rig.expect(&settings(&[(4, 0)]), &["settings"]);
    let stream = open(&mut rig, &headers(1, END_STREAM, GET));
    rig.connection.respond(stream, 200).unwrap().finish(false);
    assert_eq!(rig.connection.deadline(), None, "nobody waits yet");
    assert_eq!(rig.connection.allowance(stream, rig.now), 0);
    assert_eq!(rig.connection.deadline(), Some(rig.now + Duration::from_secs(60)));
    rig.said();
    assert_eq!(rig.wait(Duration::from_secs(60)), ["reset 1 by us ENHANCE_YOUR_CALM"]);
    assert_eq!(rig.said(), ["reset 1 ENHANCE_YOUR_CALM"]);
    assert_eq!((rig.connection.deadline(), rig.connection.streams()), (None, 0));
}

#[test]
fn a_connections_window_that_never_opens() {
    let mut rig = Rig::server();
    rig.expect(&settings(&[(4, 1 << 20)]), &["settings"]);
    let stream = open(&mut rig, &headers(1, END_STREAM, GET));
    rig.connection.respond(stream, 200).unwrap().finish(false);
    assert_eq!(rig.connection.send_data(stream, &[0; 100_000], true, rig.now), 65_535);
    assert_eq!(rig.wait(Duration::from_secs(60)), ["closed ENHANCE_YOUR_CALM stall"]);
}

#[test]
fn a_window_that_opens_by_a_byte() {
    // A byte every 50 ms: never still, and never done. It ends by the deadline, not by chance.
    let mut rig = Rig::server();
    rig.expect(&settings(&[(4, 0)]), &["settings"]);
    let stream = open(&mut rig, &headers(1, END_STREAM, GET));
    rig.connection.respond(stream, 200).unwrap().finish(false);
    for turn in 0..2000 {
        if rig.connection.allowance(stream, rig.now) > 0 {
            rig.connection.send_data(stream, b"x", false, rig.now);
            assert_eq!(rig.connection.allowance(stream, rig.now), 0);
        }
        if let Some(seen) = rig.wait(Duration::from_millis(50)).first() {
            assert_eq!((turn, seen.as_str()), (1199, "reset 1 by us ENHANCE_YOUR_CALM"));
            return;
        }
        rig.feed(&window(1, 1));
    }
    panic!("it was let go on");
}

#[test]
fn windows_of_a_byte_in_a_burst() {
    let mut rig = Rig::server();
    rig.expect(&settings(&[(4, 0)]), &["settings"]);
    let stream = open(&mut rig, &headers(1, END_STREAM, GET));
    rig.connection.respond(stream, 200).unwrap().finish(false);
    let mut body = vec![b'x'; 10_000].into_iter();
    for turn in 0..10_000 {
        let seen = rig.feed(&window(1, 1));
        if seen.iter().any(|event| event.starts_with("closed")) {
            assert_eq!((turn, seen[0].as_str()), (501, "closed ENHANCE_YOUR_CALM tinyWindows"));
            return;
        }
        rig.connection.send_data(stream, body.as_slice(), true, rig.now);
        body.next();
    }
    panic!("it was let go on");
}

#[test]
fn a_slow_reader_with_honest_windows_is_let_be() {
    let mut rig = Rig::server();
    let stream = open(&mut rig, &headers(1, END_STREAM, GET));
    rig.connection.respond(stream, 200).unwrap().finish(false);
    rig.connection.send_data(stream, &[0; 65_535], false, rig.now);
    for _ in 0..50 {
        assert_eq!(rig.connection.allowance(stream, rig.now), 0);
        assert_eq!(rig.wait(Duration::from_secs(59)), [""; 0]);
        rig.feed(&[window(0, 16_384), window(1, 16_384)].concat());
        assert_eq!(rig.connection.send_data(stream, &[0; 16_384], false, rig.now), 16_384);
    }
}

#[test]
fn a_peer_that_says_nothing() {
    let mut rig = Rig::fresh(Role::Server, Config::default());
    assert_eq!(rig.wait(Duration::from_secs(10)), ["closed SETTINGS_TIMEOUT settingsTimeout"]);
    // Settings of its own, but never an acknowledgement of ours.
    let mut rig = Rig::fresh(Role::Client, Config::default());
    rig.expect(&settings(&[]), &["settings"]);
    assert_eq!(rig.wait(Duration::from_secs(10)), ["closed SETTINGS_TIMEOUT settingsTimeout"]);
}

#[test]
fn endpoints_are_not_counted_as_clients_are() {
    let ask = haechi_http2::Request {
        method: b"GET",
        scheme: b"http",
        authority: b"e",
        path: b"/",
        protocol: None,
    };
    let mut rig = Rig::client();
    for turn in 0..2000 {
        rig.connection.request(&ask).unwrap().1.finish(true);
        rig.feed(&reset(id(turn), Code::REFUSED_STREAM.0));
    }
    assert_eq!(rig.connection.closed(), None, "an endpoint that refuses is answered by trying another");
}

#[test]
fn a_reset_stream_is_passed_over_for_as_long_as_streams_can_be_open() {
    let limits = Limits { streams: 3, ..Limits::default() };
    let mut rig = Rig::new(Role::Server, Config { limits, ..Config::default() });
    for turn in 0..4 {
        let stream = open(&mut rig, &headers(id(turn), 0, POST));
        rig.connection.reset(stream, Code::CANCEL);
    }
    for turn in 1..4 {
        rig.expect(&frame(DATA, 0, id(turn), b"late"), &[]);
    }
    rig.expect(&frame(DATA, 0, id(0), b"very late"), &["refused 1 STREAM_CLOSED"]);
}

#[test]
fn every_limit_has_its_test() {
    let tests = include_str!("floods.rs");
    let elsewhere = [Limit::Streams, Limit::List, Limit::PingTimeout];
    let of_http1 = [Limit::RequestLine, Limit::Head, Limit::Fields, Limit::HeaderTimeout, Limit::BodyTimeout];
    let here = |limit: &&Limit| !elsewhere.contains(limit) && !of_http1.contains(limit);
    for limit in Limit::ALL.iter().filter(here) {
        assert!(tests.contains(limit.name()), "{}", limit.name());
    }
}

#[test]
fn a_connection_costs_little_before_it_is_used() {
    assert!(size_of::<Connection>() < 2048, "{}", size_of::<Connection>());
}
