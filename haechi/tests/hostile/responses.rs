//! Endpoints that lie: what the client gets of it, and that nobody else gets any of it.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use haechi_tests::{Connection, Peer, Scripted, address, now, pause};

use super::Front;

/// What the asking client gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Gets {
    /// Our answer.
    Fault(&'static str),
    /// The endpoint's.
    Body(u16, &'static str),
    /// A response that visibly ends too early.
    Cut,
}
use Gets::{Body, Cut, Fault};

/// Later bytes come in a packet of their own, when the response may long be over.
const LATER: &str = "\x1a";

/// A whole response that must never be anybody's.
macro_rules! poison {
    () => {
        "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"
    };
}

/// What, the method that asks, what the endpoint sends, and what the client gets of it.
#[rustfmt::skip]
const ROWS: &[(&str, &str, &str, Gets)] = &[
    // Lengths.
    ("both lengths: the chunks count", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", Body(200, "hello")),
    ("two lengths", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", Fault("badResponse")),
    ("one length twice", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", Fault("badResponse")),
    ("a list of lengths", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello", Fault("badResponse")),
    ("a signed length", "GET", "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello", Fault("badResponse")),
    ("an empty length", "GET", "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nhello", Fault("badResponse")),
    ("a coding that we have not", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello", Fault("badResponse")),
    ("chunked twice", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", Fault("badResponse")),
    ("chunks in HTTP/1.0", "GET", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Fault("badResponse")),
    // Heads.
    ("another protocol", "GET", "220 mail ready\r\n", Fault("badResponse")),
    ("bytes", "GET", "\0\x01\x02\x03 \u{1f4a9}\r\n\r\n", Fault("badResponse")),
    ("HTTP/2 in words", "GET", "HTTP/2 200 OK\r\n\r\n", Fault("badResponse")),
    ("HTTP/2 in frames", "GET", "\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x64", Fault("badResponse")),
    ("status of two digits", "GET", "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n", Fault("badResponse")),
    ("status of four digits", "GET", "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n", Fault("badResponse")),
    ("status beyond all", "GET", "HTTP/1.1 600 OK\r\nContent-Length: 0\r\n\r\n", Fault("badResponse")),
    ("status below all", "GET", "HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n", Fault("badResponse")),
    ("bare LF", "GET", "HTTP/1.1 200 OK\nContent-Length: 0\n\n", Fault("badResponse")),
    ("bare CR in a value: response splitting", "GET", "HTTP/1.1 200 OK\r\nA: b\rSet-Cookie: c\r\nContent-Length: 0\r\n\r\n", Fault("badResponse")),
    ("NUL in a value", "GET", "HTTP/1.1 200 OK\r\nA: b\0c\r\nContent-Length: 0\r\n\r\n", Fault("badResponse")),
    ("folded line", "GET", "HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n", Fault("badResponse")),
    ("empty name", "GET", "HTTP/1.1 200 OK\r\n: b\r\nContent-Length: 0\r\n\r\n", Fault("badResponse")),
    ("blank before the colon", "GET", "HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n", Fault("badResponse")),
    ("101 to who asked for none", "GET", "HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", Fault("badResponse")),
    // Bodies where none can be, and bytes behind bodies.
    ("HEAD with a body", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 45\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison", Body(200, "")),
    ("HEAD with a later body", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 45\r\n\r\n\x1aHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison", Body(200, "")),
    ("204 with a body", "GET", concat!("HTTP/1.1 204 No Content\r\n\r\n", poison!()), Body(204, "")),
    ("204 with a length and a body", "GET", "HTTP/1.1 204 No Content\r\nContent-Length: 6\r\n\r\npoison", Body(204, "")),
    ("204 with a chunk", "GET", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n6\r\npoison\r\n0\r\n\r\n", Body(204, "")),
    ("304 with a body", "GET", concat!("HTTP/1.1 304 Not Modified\r\nContent-Length: 45\r\n\r\n", poison!()), Body(304, "")),
    ("a second response behind the first", "GET", concat!("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", poison!()), Body(200, "hello")),
    ("a second response later", "GET", concat!("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello\x1a", poison!()), Body(200, "hello")),
    ("a second response behind the last chunk", "GET", concat!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", poison!()), Body(200, "hello")),
    ("a second response later, behind the last chunk", "GET", concat!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n\x1a", poison!()), Body(200, "hello")),
    ("a line end behind the body", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello\r\n", Body(200, "hello")),
    ("the rest of a head later", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello\x1aHTTP/1.1 200 OK\r\nContent-Le", Body(200, "hello")),
    // Interim responses.
    ("interim, then final", "GET", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n\x1aHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", Body(200, "hello")),
    ("interim with a length", "GET", "HTTP/1.1 103 Early Hints\r\nContent-Length: 45\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", Body(200, "hello")),
    ("interim, then bytes", "GET", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n\x1aHTTP?", Fault("badResponse")),
    ("interim, then 101", "GET", "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 101 Switching\r\n\r\n", Fault("badResponse")),
    // Bodies that break.
    ("chunk size that is none", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n\x1azz\r\n", Cut),
    ("chunk size ended by LF", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n\x1a5\nhello\r\n0\r\n\r\n", Cut),
    ("chunk size that is none, before anything went on", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", Fault("badResponse")),
    ("chunk longer than its size", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n\x1a5\r\nhello!\r\n0\r\n\r\n", Cut),
];

/// Sends what the text says, packet by packet.
fn act(peer: &mut Peer, text: &str) {
    for packet in text.split(LATER) {
        peer.send(packet);
        pause(Duration::from_millis(15));
    }
}

/// Lies on `/lie/N` as row N says, else answers `clean`; never closes by itself.
fn liar() -> Scripted {
    Scripted::start(address(), |_, peer| {
        while let Some(head) = peer.head() {
            match head.split("/lie/").nth(1) {
                Some(rest) => act(peer, ROWS[rest.split(' ').next().unwrap().parse::<usize>().unwrap()].2),
                None => drop(peer.answer("clean")),
            }
        }
    })
}

fn ask(connection: &mut Connection, method: &str, row: usize) -> Gets {
    let asked = connection.send(format!("{method} /lie/{row} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes());
    let Ok(reply) = asked.and_then(|()| connection.reply(method == "HEAD")) else { return Cut };
    if let Some(fault) = reply.fields.get("haechi-fault") {
        return Fault(fault.clone().leak());
    }
    let doubtful = matches!(reply.status, 204)
        && reply.fields.keys().any(|name| name.ends_with("-length") || name.ends_with("-encoding"));
    Body(if doubtful { 0 } else { reply.status }, reply.text().leak())
}

#[test]
fn a_lie_reaches_at_most_the_one_who_asked() {
    let endpoint = liar();
    // One worker, so that the next client would be given the same connection.
    let front = Front::new(&[&endpoint], 1, "", "");
    let mut wrong = Vec::new();
    for (row, (what, method, _, wanted)) in ROWS.iter().enumerate() {
        let mut connection = Connection::open(front.listen).unwrap();
        let got = ask(&mut connection, method, row);
        if got != *wanted {
            wrong.push(format!("{what}: {got:?} instead of {wanted:?}"));
        }
        // What comes later is there when the connection would be used again.
        pause(Duration::from_millis(25));
        for other in 0..3 {
            let mut other_client = Connection::open(front.listen).unwrap();
            other_client.send(b"GET /clean HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
            let reply = other_client.reply(false).unwrap();
            if (reply.status, reply.text().as_str()) != (200, "clean") {
                wrong.push(format!("{what}: client {other} after it got {reply:?}"));
            }
        }
        // The same client, if it may go on, goes on with clean answers.
        let same =
            connection.send(b"GET /clean HTTP/1.1\r\nHost: h\r\n\r\n").and_then(|()| connection.reply(false));
        if same.is_ok_and(|reply| reply.text() != "clean") {
            wrong.push(format!("{what}: the same client got something else"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    front.assert_calm();
}

/// Sends `piece` for ever on `/lie`, or until the connection breaks.
fn endless(start: &'static str, piece: &'static str) -> Scripted {
    Scripted::start(address(), move |_, peer| {
        while let Some(head) = peer.head() {
            if !head.contains("/lie") {
                peer.answer("clean");
                continue;
            }
            peer.send(start);
            let block = piece.repeat(100);
            while peer.send(&block) {}
        }
    })
}

#[test]
fn what_never_ends_is_ended() {
    let rows = [
        ("a head", "HTTP/1.1 200 OK\r\n", "A: bbbbbbbbbbbbbbbbbbbbbbb\r\n"),
        ("a line", "HTTP/1.1 200 OK\r\nA: ", "bbbbbbbbbbbbbbbbbbbbbbbbb"),
        ("a status line", "HTTP/1.1 200 ", "bbbbbbbbbbbbbbbbbbbbbbbbb"),
        ("interim responses", "", "HTTP/1.1 103 Early Hints\r\n\r\n"),
        ("chunk extensions", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;", "aaaaaaaaaaaa"),
        ("trailers", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "A: bbbbbbbbbb\r\n"),
    ];
    for (what, start, piece) in rows {
        let endpoint = endless(start, piece);
        let front = Front::new(&[&endpoint], 1, "", "");
        let mut connection = Connection::open(front.listen).unwrap();
        connection.send(b"GET /lie HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        let began = now();
        let got = connection.reply(false);
        assert!(
            got.as_ref()
                .map_or(true, |reply| reply.fields.get("haechi-fault").is_some_and(|it| it == "badResponse")),
            "{what}: {got:?}"
        );
        assert!(began.elapsed() < Duration::from_secs(10), "{what} took {:?}", began.elapsed());
        drop(connection);
        front.assert_calm();
    }
}

#[test]
fn a_head_that_comes_byte_by_byte_is_read_once_and_not_once_a_byte() {
    const HEAD: usize = 60_000;
    let endpoint = Scripted::start(address(), |_, peer| {
        while peer.head().is_some() {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nA: {}\r\n\r\n", "b".repeat(HEAD));
            for piece in head.as_bytes().chunks(8) {
                peer.send(piece);
            }
            peer.send("hello");
        }
    });
    let front = Front::new(&[&endpoint], 1, "", "");
    let took = front.cpu_of(|| {
        let mut connection = Connection::open(front.listen).unwrap();
        connection.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        assert_eq!(connection.reply(false).unwrap().text(), "hello");
    });
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[test]
fn an_idle_connection_that_the_endpoint_closed_costs_no_request_even_with_one_try() {
    // Closes with a RST right behind each second answer: often in the moment when it is used again.
    let closing = |_: usize, peer: &mut Peer| {
        if peer.head().is_some() && peer.answer("fine") {
            peer.head();
        }
    };
    let (one, other) = (Scripted::start(address(), closing), Scripted::start(address(), closing));
    let front = Front::new(&[&one, &other], 1, "", ", retry: { tries: 1 }");
    let mut connection = Connection::open(front.listen).unwrap();
    for round in 0..40 {
        connection.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        let reply = connection.reply(false).unwrap();
        assert_eq!((reply.status, reply.text().as_str()), (200, "fine"), "round {round}");
    }
    assert_eq!(front.node.endpoint("web", "e0")["failures"], 0, "a stale connection is nobody's failure");
}

#[test]
fn a_large_body_leaves_its_connection_usable() {
    let large =
        Arc::new(format!("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n{}", "x".repeat(1_000_000)));
    let endpoint =
        Scripted::start(address(), move |_, peer| while peer.head().is_some() && peer.send(&*large) {});
    let front = Front::new(&[&endpoint], 1, "", "");
    let mut connection = Connection::open(front.listen).unwrap();
    for _ in 0..10 {
        connection.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        assert_eq!(connection.reply(false).unwrap().body.len(), 1_000_000);
        pause(Duration::from_millis(5));
    }
    assert_eq!(front.connects("e0"), 1);
}

#[test]
fn a_large_body_in_crumbs_reaches_a_client_that_pauses() {
    // Crumbs fill a pipe's slots long before its bytes. When the client takes nothing for a while the pipe is
    // full, the socket is not empty, and nothing new comes to wake anybody: it stood still until its timeout.
    const CRUMBS: usize = 7000;
    let endpoint = Scripted::start(address(), move |_, peer| {
        // Crumbs of one thread lie side by side in memory and would be one large piece, but for a second
        // connection between them.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut between = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        between.set_nodelay(true).unwrap();
        let mut drain = listener.accept().unwrap().0;
        std::thread::spawn(move || std::io::copy(&mut drain, &mut std::io::sink()));
        while let Some(head) = peer.head() {
            if head.contains("/calm") {
                peer.answer("fine");
                continue;
            }
            peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", CRUMBS * 1000));
            for _ in 0..CRUMBS {
                peer.send([b'x'; 1000]);
                between.write_all(&[b'y'; 1000]).unwrap();
            }
        }
    });
    let front = Front::new(&[&endpoint], 1, "", ", timeouts: { read: 2s }");
    let mut connection = Connection::open(front.listen).unwrap();
    connection.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    pause(Duration::from_millis(1000));
    for _ in 0..CRUMBS / 100 {
        connection.bytes(100_000).unwrap();
        pause(Duration::from_millis(1));
    }
    drop(connection);
    front.assert_calm();
}

#[test]
fn a_status_worth_another_try_goes_through_when_the_budget_is_empty() {
    let endpoint = Scripted::start(address(), |_, peer| {
        while peer.head().is_some() && peer.send("HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy") {}
    });
    let front = Front::new(&[&endpoint], 1, "", ", retry: { on: [503], budget: 0, budgetFloor: 1 }");
    let mut connection = Connection::open(front.listen).unwrap();
    for _ in 0..40 {
        connection.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        let reply = connection.reply(false).unwrap();
        assert_eq!((reply.status, reply.text().as_str()), (503, "busy"), "the endpoint's own answer");
    }
    let tried = front.node.endpoint("web", "e0")["requests"].as_u64().unwrap();
    assert!((41..=60).contains(&tried), "40 requests and about 10 retries, not {tried}");
}

#[test]
fn an_endpoint_that_answers_early_frees_all_though_the_body_never_comes() {
    let endpoint = Scripted::start(address(), |_, peer| {
        while let Some(head) = peer.head() {
            peer.answer(if head.contains("/calm") { "fine" } else { "early" });
        }
    });
    let front = Front::new(&[&endpoint], 1, "", "");
    let mut connection = Connection::open(front.listen).unwrap();
    connection
        .send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        .unwrap();
    assert_eq!(connection.reply(false).unwrap().text(), "early");
    // The client keeps its body: an orderly end after a while, and no reset.
    assert_eq!(connection.rest().unwrap(), b"");
    drop(connection);
    // With the body in time the connection goes on.
    let mut connection = Connection::open(front.listen).unwrap();
    connection.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n").unwrap();
    assert_eq!(connection.reply(false).unwrap().text(), "early");
    connection.send(b"hello").unwrap();
    drop(connection.get("/").unwrap());
    drop(connection);
    front.assert_calm();
}

#[test]
fn a_request_behind_a_response_until_close_does_not_cost_its_end() {
    const LENGTH: usize = 3_000_000;
    let endpoint = Scripted::start(address(), |_, peer| {
        peer.head();
        peer.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
        peer.send(vec![b'x'; LENGTH]);
    });
    let front = Front::new(&[&endpoint], 1, "", "");
    let mut connection = Connection::open(front.listen).unwrap();
    connection.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    pause(Duration::from_millis(50));
    connection.send(b"GET /next HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    pause(Duration::from_millis(50));
    assert_eq!(connection.reply(false).unwrap().body.len(), LENGTH);
}
