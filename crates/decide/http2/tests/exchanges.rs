//! Whole exchanges in both roles, in words.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::*;
use haechi_http2::{Code, Config, Connection, NotNow, Request, Role};

const ASK: Request<'static> =
    Request { method: b"GET", scheme: b"http", authority: b"example.com", path: b"/a?b", protocol: None };

#[test]
fn a_server_begins_with_its_settings_and_answers_the_peers() {
    let mut rig = Rig::fresh(Role::Server, Config::default());
    assert_eq!(rig.said(), ["settings", "window 0 983041"]);
    let start = rig.start();
    rig.expect(&start, &["settings"]);
    assert_eq!(rig.said(), ["ack"]);
}

#[test]
fn a_client_begins_with_the_preface() {
    let mut rig = Rig::fresh(Role::Client, Config::default());
    assert!(rig.connection.output().starts_with(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
    assert_eq!(rig.said(), ["settings", "window 0 983041"]);
}

#[test]
fn a_get_and_its_answer() {
    let mut rig = Rig::server();
    let stream = open(&mut rig, &headers(1, END_STREAM, GET));
    assert_eq!(
        (rig.head.method(), rig.head.path(), rig.head.authority()),
        (&b"GET"[..], Some(&b"/"[..]), Some(&b"example.com"[..]))
    );
    let mut head = rig.connection.respond(stream, 200).unwrap();
    head.field(b"Content-Type", b"text/plain");
    head.field(b"Connection", b"close");
    head.field(b"Keep-Alive", b"5");
    head.field(b"Transfer-Encoding", b"chunked");
    head.finish(false);
    assert_eq!(rig.connection.send_data(stream, b"hello", true, rig.now), 5);
    assert_eq!(rig.said(), ["head 1 :status=200 content-type=text/plain", "data 1 5 end"]);
    assert_eq!(rig.connection.streams(), 0);
    assert!(rig.connection.respond(stream, 200).is_none(), "it is gone");
}

#[test]
fn a_post_with_trailers_both_ways() {
    let mut rig = Rig::server();
    let stream = open(&mut rig, &headers(1, 0, POST));
    rig.expect(&frame(DATA, 0, 1, b"some"), &["data 1 some"]);
    rig.expect(&frame(DATA, PADDED, 1, b"\x03body\0\0\0"), &["data 1 body"]);
    rig.expect(&headers(1, END_STREAM, &[("x-sum", "8")]), &["trailers 1 x-sum=8"]);
    rig.connection.respond(stream, 100).unwrap().finish(true);
    rig.connection.respond(stream, 103).unwrap().field(b"link", b"</a>");
    rig.connection.respond(stream, 200).unwrap().finish(false);
    assert!(rig.connection.respond(stream, 200).is_none(), "one answer");
    rig.connection.send_data(stream, b"ok", false, rig.now);
    let mut trailers = rig.connection.trailers(stream).unwrap();
    trailers.field(b"grpc-status", b"0");
    trailers.field(b"content-length", b"2");
    trailers.finish(false);
    assert_eq!(
        rig.said(),
        [
            "head 1 :status=100",
            "head 1 :status=103 link=</a>",
            "head 1 :status=200",
            "data 1 2",
            "head 1 grpc-status=0 end"
        ]
    );
    assert_eq!(rig.connection.streams(), 0);
}

#[test]
fn bytes_in_any_pieces_are_the_same() {
    let mut wire = headers(1, 0, POST);
    wire.extend(frame(DATA, PADDED, 1, b"\x02body\0\0"));
    wire.extend(frame(PING, 0, 0, b"12345678"));
    wire.extend(frame(0xfa, 0, 7, b"unknown"));
    wire.extend(frame(DATA, PADDED | END_STREAM, 1, b"\x01\0"));
    for size in 1..wire.len() {
        let mut rig = Rig::server();
        let events: Vec<_> = wire.chunks(size).flat_map(|piece| rig.feed(piece)).collect();
        let body: String = events[1..]
            .iter()
            .map(|event| event.strip_prefix("data 1 ").unwrap().trim_end_matches("end"))
            .collect();
        assert_eq!((events[0].as_str(), body.trim()), ("head 1 POST /", "body"), "{size}");
        assert!(events.last().unwrap().ends_with(" end"));
        assert_eq!(rig.said(), ["ping ack"]);
    }
}

#[test]
fn a_block_in_pieces() {
    let block = block(GET);
    let mut rig = Rig::server();
    rig.expect(&frame(HEADERS, END_STREAM, 1, &block[..3]), &[]);
    rig.expect(&frame(CONTINUATION, 0, 1, &[]), &[]);
    rig.expect(&frame(CONTINUATION, END_HEADERS, 1, &block[3..]), &["head 1 GET / end"]);
    let with_priority = [&[0, 0, 0, 0, 16][..], &block].concat();
    rig.expect(
        &frame(HEADERS, END_STREAM | END_HEADERS | WITH_PRIORITY, 3, &with_priority),
        &["head 3 GET / end"],
    );
}

#[test]
fn a_long_head_of_ours_goes_in_pieces() {
    let mut rig = Rig::server();
    let stream = open(&mut rig, &headers(1, END_STREAM, GET));
    let mut head = rig.connection.respond(stream, 200).unwrap();
    for number in 0..40 {
        head.secret(format!("x-{number}").as_bytes(), &[b'\\'; 1000]);
    }
    head.finish(true);
    let wire = rig.connection.output().to_vec();
    assert_eq!(rig.said(), ["head 1 part 16384 end", "continuation 1 16384", "continuation 1 7560"]);
    let mut client = Rig::client();
    client.connection.request(&ASK).unwrap().1.finish(true);
    client.expect(&wire, &["head 1 200 end"]);
    assert_eq!(client.head.fields().count(), 40);
}

#[test]
fn a_client_asks_and_reads_the_answer() {
    let mut rig = Rig::client();
    let (stream, mut head) = rig.connection.request(&ASK).unwrap();
    head.field(b"Host", b"other");
    head.field(b"TE", b"gzip");
    head.field(b"te", b"trailers");
    head.field(b"Accept", b"*/*");
    head.finish(true);
    assert_eq!(stream.number(), 1);
    assert_eq!(
        rig.said(),
        ["head 1 :method=GET :scheme=http :authority=example.com :path=/a?b te=trailers accept=*/* end"]
    );
    rig.expect(&headers(1, 0, &[(":status", "103")]), &["interim 1 103"]);
    rig.expect(&headers(1, 0, &[(":status", "200"), ("content-length", "5")]), &["head 1 200"]);
    rig.expect(&frame(DATA, END_STREAM, 1, b"hello"), &["data 1 hello end"]);
    assert_eq!(rig.connection.streams(), 0);
}

#[test]
fn answers_without_a_body_keep_their_length() {
    let mut rig = Rig::client();
    rig.connection.request(&Request { method: b"HEAD", ..ASK }).unwrap().1.finish(true);
    rig.connection.request(&ASK).unwrap().1.finish(true);
    rig.connection.request(&ASK).unwrap().1.finish(true);
    rig.connection.request(&Request { method: b"HEAD", ..ASK }).unwrap().1.finish(true);
    let length = |status| [(":status", status), ("content-length", "5")];
    rig.expect(&headers(1, END_STREAM, &length("200")), &["head 1 200 end"]);
    assert_eq!(rig.head.content_length(), Some(5));
    rig.expect(&headers(3, END_STREAM, &length("304")), &["head 3 304 end"]);
    rig.expect(&headers(5, END_STREAM, &length("200")), &["reset 5 by us PROTOCOL_ERROR"]);
    rig.expect(&headers(7, 0, &length("200")), &["head 7 200"]);
    rig.expect(&frame(DATA, END_STREAM, 7, b"hello"), &["reset 7 by us PROTOCOL_ERROR"]);
}

#[test]
fn streams_up_to_what_the_peer_allows() {
    let mut rig = Rig::client();
    rig.expect(&settings(&[(3, 2)]), &["settings"]);
    let (first, head) = rig.connection.request(&ASK).unwrap();
    head.finish(true);
    rig.connection.request(&ASK).unwrap().1.finish(true);
    assert_eq!(rig.connection.request(&ASK).unwrap_err(), NotNow::Full);
    rig.connection.reset(first, Code::CANCEL);
    assert_eq!(rig.connection.can_open(), Ok(()));
    rig.connection.shut_down(rig.now);
    assert_eq!(rig.connection.can_open(), Err(NotNow::Leaving));
}

#[test]
fn windows_close_and_open_again() {
    let mut rig = Rig::server();
    let stream = open(&mut rig, &headers(1, END_STREAM, GET));
    rig.connection.respond(stream, 200).unwrap().finish(false);
    let body = vec![b'x'; 100_000];
    assert_eq!(rig.connection.send_data(stream, &body, true, rig.now), 65_535);
    assert_eq!(rig.connection.allowance(stream, rig.now), 0);
    rig.said();
    rig.expect(&window(1, 1000), &["writable 1"]);
    assert_eq!(rig.connection.allowance(stream, rig.now), 0, "the connection's window is closed too");
    rig.expect(&window(0, 100_000), &["writable 0"]);
    assert_eq!(rig.connection.send_data(stream, &body[65_535..], true, rig.now), 1000);
    rig.expect(&settings(&[(4, 65_535 + 40_000)]), &["settings"]);
    assert_eq!(rig.connection.send_data(stream, &body[66_535..], true, rig.now), 33_465);
    assert_eq!(rig.said(), ["data 1 1000", "ack", "data 1 16384", "data 1 16384", "data 1 697 end"]);
}

#[test]
fn a_window_below_zero_stays_closed_until_it_is_made_up_for() {
    let mut rig = Rig::server();
    let stream = open(&mut rig, &headers(1, END_STREAM, GET));
    rig.connection.respond(stream, 200).unwrap().finish(false);
    assert_eq!(rig.connection.send_data(stream, &[0; 60_000], false, rig.now), 60_000);
    rig.expect(&settings(&[(4, 10_000)]), &["settings"]);
    assert_eq!(rig.connection.allowance(stream, rig.now), 0);
    rig.expect(&window(1, 50_000), &[]);
    assert_eq!(rig.connection.allowance(stream, rig.now), 0, "exactly zero");
    rig.expect(&window(1, 7), &["writable 1"]);
    assert_eq!(rig.connection.allowance(stream, rig.now), 7);
}

#[test]
fn what_is_released_opens_their_windows_by_halves() {
    let mut rig = Rig::server();
    let stream = open(&mut rig, &headers(1, 0, POST));
    for _ in 0..4 {
        rig.feed(&frame(DATA, 0, 1, &[0; 16_000]));
    }
    assert_eq!(rig.said(), [""; 0]);
    rig.connection.release(stream, 32_000);
    assert_eq!(rig.said(), [""; 0]);
    rig.connection.release(stream, 32_000);
    assert_eq!(rig.said(), ["window 1 64000"]);
    rig.connection.release(stream, 1_000_000);
    assert_eq!(rig.said(), [""; 0], "no more than came");
    // What was held when a stream ends comes back to the connection.
    for id in (3..).step_by(2).take(20) {
        rig.feed(&headers(id, 0, POST));
        rig.feed(&frame(DATA, 0, id, &[0; 16_000]));
        rig.feed(&reset(id, 8));
    }
    let updates: Vec<_> = rig.said();
    assert!(updates.is_empty(), "{updates:?}: 384,000 is below half of 1 MiB");
    for id in (101..).step_by(2).take(10) {
        rig.feed(&headers(id, 0, POST));
        rig.feed(&frame(DATA, 0, id, &[0; 16_000]));
        rig.feed(&reset(id, 8));
    }
    assert_eq!(rig.said(), ["window 0 528000"]);
}

#[test]
fn more_than_the_window_is_an_error() {
    let mut rig = Rig::server();
    rig.feed(&headers(1, 0, POST));
    for _ in 0..4 {
        rig.feed(&frame(DATA, 0, 1, &[0; 16_000]));
    }
    rig.expect(&frame(DATA, 0, 1, &[0; 1536]), &["reset 1 by us FLOW_CONTROL_ERROR"]);
    let mut rig = Rig::server();
    let mut seen = Vec::new();
    for id in (1..).step_by(2).take(17) {
        rig.feed(&headers(id, 0, POST));
        for _ in 0..4 {
            seen.extend(rig.feed(&frame(DATA, 0, id, &[0; 16_000])));
        }
    }
    assert_eq!(seen.last().unwrap(), "closed FLOW_CONTROL_ERROR");
}

#[test]
fn a_gathered_frame_may_be_written_in_part() {
    let mut rig = Rig::server();
    let stream = open(&mut rig, &headers(1, END_STREAM, GET));
    rig.connection.respond(stream, 200).unwrap().finish(false);
    let payload = vec![b'p'; 20_000];
    let gather = rig.connection.gather_data(stream, payload.len(), true, rig.now).unwrap();
    assert_eq!(gather.len(), 16_384);
    let mut wire = gather.output().to_vec();
    wire.extend(&payload[..100]);
    gather.sent(wire.len(), &payload);
    wire.extend(rig.connection.output());
    let count = rig.connection.output().len();
    rig.connection.sent(count);
    let gather = rig.connection.gather_data(stream, 20_000 - 16_384, true, rig.now).unwrap();
    let before = gather.output().len();
    wire.extend(&gather.output()[..4]);
    gather.sent(4, &payload[16_384..]);
    assert_eq!(rig.connection.output().len(), before - 4 + 20_000 - 16_384);
    wire.extend(rig.connection.output());
    let mut client = Rig::client();
    client.connection.request(&ASK).unwrap().1.finish(true);
    let events = client.feed(&wire);
    let body: usize = events[1..].iter().map(|event| event.matches('p').count()).sum();
    assert_eq!((body, events.last().unwrap().ends_with(" end")), (20_000, true));
}

#[test]
fn a_frame_whose_payload_is_forgotten_breaks_the_connection() {
    let mut rig = Rig::server();
    let stream = open(&mut rig, &headers(1, END_STREAM, GET));
    rig.connection.respond(stream, 200).unwrap().finish(false);
    drop(rig.connection.gather_data(stream, 5, false, rig.now));
    assert_eq!(rig.feed(&[]), ["closed INTERNAL_ERROR"]);
    assert!(rig.connection.is_finished());
}

/// Found by the test of the steady state: the end of a stream gave back what it held, and the WINDOW_UPDATE stood
/// between a DATA frame's head and its payload.
#[test]
fn nothing_stands_between_a_frames_head_and_its_payload() {
    for gathered in [false, true] {
        let mut rig = Rig::server();
        for id in (1..).step_by(2).take(12) {
            let stream = open(&mut rig, &headers(id, 0, POST));
            for _ in 0..3 {
                rig.feed(&frame(DATA, 0, id, &[0; 15_000]));
            }
            rig.feed(&frame(DATA, END_STREAM, id, b"end"));
            rig.connection.respond(stream, 200).unwrap().finish(false);
            if gathered {
                rig.connection.gather_data(stream, 5, true, rig.now).unwrap().copy(b"hello");
            } else {
                rig.connection.send_data(stream, b"hello", true, rig.now);
            }
        }
        let said = rig.said();
        let at = said.iter().position(|frame| frame == "window 0 540036").unwrap();
        assert_eq!((said.len(), said[at - 1].as_str()), (25, "data 23 5 end"));
    }
}

#[test]
fn a_shutdown_in_two_steps_loses_no_request() {
    let mut rig = Rig::server();
    let first = open(&mut rig, &headers(1, END_STREAM, GET));
    rig.connection.shut_down(rig.now);
    assert_eq!(rig.said(), ["goaway 2147483647 NO_ERROR", "ping"]);
    let second = open(&mut rig, &headers(3, END_STREAM, GET));
    rig.expect(&frame(PING, ACK, 0, b"farewell"), &[]);
    assert_eq!(rig.said(), ["goaway 3 NO_ERROR"]);
    rig.expect(&headers(5, 0, POST), &[]);
    rig.expect(&frame(DATA, END_STREAM, 5, b"late"), &[]);
    rig.expect(&reset(5, 8), &[]);
    rig.answer(first);
    assert!(!rig.connection.is_finished());
    rig.answer(second);
    assert!(rig.connection.is_finished());
    assert_eq!(rig.said(), ["head 1 :status=200 end", "head 3 :status=200 end"]);
}

#[test]
fn a_shutdown_does_not_wait_for_ever() {
    let mut rig = Rig::server();
    rig.connection.shut_down(rig.now);
    rig.said();
    assert_eq!(rig.wait(std::time::Duration::from_secs(1)), [""; 0]);
    assert_eq!(rig.said(), ["goaway 0 NO_ERROR"]);
    assert!(rig.connection.is_finished());
}

#[test]
fn a_peer_that_goes_away_leaves_streams_to_be_tried_again() {
    let mut rig = Rig::client();
    for _ in 0..3 {
        rig.connection.request(&ASK).unwrap().1.finish(true);
    }
    rig.expect(
        &goaway(1, 0),
        &["going away NO_ERROR", "reset 3 by peer REFUSED_STREAM", "reset 5 by peer REFUSED_STREAM"],
    );
    assert_eq!(rig.connection.request(&ASK).unwrap_err(), NotNow::Leaving);
    rig.expect(&headers(1, END_STREAM, &[(":status", "200")]), &["head 1 200 end"]);
}

#[test]
fn cookie_crumbs_become_one_field() {
    let mut rig = Rig::server();
    rig.feed(&headers(1, END_STREAM, &[GET, &[("cookie", "a=b"), ("x", "y"), ("cookie", "c=d")]].concat()));
    let mut cookie = Vec::new();
    rig.head.write_cookie(&mut cookie);
    assert_eq!((cookie.as_slice(), rig.head.cookie_crumbs()), (&b"a=b; c=d"[..], 2));
}

#[test]
fn an_extended_connect_is_a_request_where_it_is_allowed() {
    let fields = [&[(":method", "CONNECT"), (":protocol", "websocket")], &GET[1..]].concat();
    let config = Config { extended_connect: true, ..Config::default() };
    let mut rig = Rig::new(Role::Server, config);
    rig.expect(&headers(1, 0, &fields), &["head 1 CONNECT /"]);
    assert_eq!(rig.head.protocol(), Some(&b"websocket"[..]));
    let mut rig = Rig::server();
    rig.expect(&headers(1, 0, &fields), &["refused 1 PROTOCOL_ERROR"]);
}

#[test]
fn a_pong_is_told_and_its_absence_ends_the_connection() {
    let mut rig = Rig::client();
    rig.connection.ping(rig.now);
    let ping = rig.connection.output().to_vec();
    let mut answer = ping;
    answer[4] = ACK;
    rig.expect(&answer, &["pong"]);
    rig.expect(&answer, &[]);
    rig.connection.ping(rig.now);
    assert_eq!(rig.wait(std::time::Duration::from_secs(10)), ["closed ENHANCE_YOUR_CALM pingTimeout"]);
}

#[test]
fn an_idle_connection_holds_no_buffer() {
    let mut rig = Rig::server();
    let stream = open(&mut rig, &headers(1, END_STREAM, GET));
    rig.answer(stream);
    rig.said();
    let taken: Vec<u8> = rig.connection.swap_output(Vec::new());
    assert!(taken.capacity() > 0);
    let other: Connection = Rig::server().connection;
    assert_eq!(other.deadline(), None);
}
