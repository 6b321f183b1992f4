//! Clients that leave or do not read, endpoints that break, and nodes that stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use haechi_tests::{Http2, Peer, Scripted, address, eventually};

use crate::{endpoint, front, large, serve};

const SOON: Duration = Duration::from_secs(20);

/// Sends a head and half of a body, then does as it is told.
fn half(then: impl Fn(&mut Peer) + Send + Sync + 'static) -> Scripted {
    Scripted::start(address(), move |_, peer| {
        while let Some(head) = peer.head() {
            if head.starts_with("GET /half") {
                peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
                return then(peer);
            }
            if !serve(peer, &head) {
                return;
            }
        }
    })
}

#[test]
fn an_endpoint_that_breaks_off_resets_its_stream_and_no_other() {
    let endpoint = half(|_| {});
    let (listen, _node) = front(endpoint.address, "");
    let mut client = Http2::open(listen).unwrap();
    let open = client.begin("POST", "/echo", &[], false);
    let stream = client.begin("GET", "/half", &[], true);
    let answer = client.answer(stream);
    assert_eq!((answer.body.as_slice(), answer.whole), (&b"hello"[..], false));
    assert!(answer.reset.is_some());
    client.send(open, b"still here");
    assert_eq!(client.answer(open).body, b"still here");
}

#[test]
fn a_request_that_is_not_wanted_any_more_frees_its_endpoint() {
    let gone = Arc::new(AtomicUsize::new(0));
    let ends = Arc::clone(&gone);
    let endpoint = half(move |peer| {
        // Until haechi closes.
        peer.body(1);
        ends.fetch_add(1, Ordering::Relaxed);
    });
    let (listen, node) = front(endpoint.address, "");
    let mut client = Http2::open(listen).unwrap();
    let stream = client.begin("GET", "/half", &[], true);
    client.until("half of it", |client| client.state(stream).body == b"hello");
    client.cancel(stream);
    eventually(SOON, "the endpoint is left", || gone.load(Ordering::Relaxed) == 1);
    assert_eq!(node.endpoint("web", "a")["inFlight"].as_u64(), Some(0));
    assert_eq!(client.get("/3").body.len(), 3);
    let left = client.begin("GET", "/half", &[], true);
    client.until("half of it", |client| client.state(left).body == b"hello");
    drop(client);
    eventually(SOON, "the endpoint is left", || gone.load(Ordering::Relaxed) == 2);
}

#[test]
fn a_client_that_reads_nothing_holds_up_nobody_and_little_memory() {
    let endpoint = endpoint();
    let (listen, node) = front(endpoint.address, "");
    let mut warm = Http2::open(listen).unwrap();
    assert_eq!(warm.get("/10485760").body.len(), 10 << 20);
    let before = node.resident();
    let mut lazy = Http2::open(listen).unwrap();
    lazy.stop_reading();
    let streams: Vec<_> = (0..50).map(|_| lazy.begin("GET", "/10485760", &[], true)).collect();
    lazy.until("the windows are used up", |client| {
        streams.iter().map(|stream| client.state(*stream).body.len()).sum::<usize>() >= 65_535
    });
    for _ in 0..20 {
        assert_eq!(warm.get("/1000").body.len(), 1000);
    }
    let after = node.resident();
    // 50 streams of 10 MiB; each may hold one small read.
    assert!(after < before + (8 << 10), "{before} to {after} KiB");
}

#[test]
fn an_answer_before_the_body_has_come_is_whole() {
    let endpoint = Scripted::start(address(), |_, peer| {
        peer.head();
        peer.send("HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno!");
    });
    let (listen, _node) = front(endpoint.address, "");
    let mut client = Http2::open(listen).unwrap();
    let stream = client.begin("POST", "/", &[("content-length", "10485760")], false);
    let _begun = client.send_part(stream, &large()[..1000]);
    client.until("the answer", |client| client.state(stream).status == 413);
    client.until("its end", |client| client.state(stream).is_over());
    assert_eq!(client.state(stream).text(), "no!");
    assert!(client.state(stream).whole, "{:?}", client.state(stream).reset);
}

#[test]
fn a_node_that_stops_says_farewell_and_finishes() {
    let endpoint = endpoint();
    let (listen, mut node) = front(endpoint.address, "");
    let mut client = Http2::open(listen).unwrap();
    assert_eq!(client.get("/3").body.len(), 3);
    let open = client.begin("POST", "/echo", &[], false);
    node.signal("TERM");
    client.until("a farewell", |client| client.left);
    client.send(open, b"to the end");
    assert_eq!(client.answer(open).body, b"to the end");
    drop(client);
    assert_eq!(node.wait_end(SOON), 0, "{}", node.log());
}

#[test]
fn interim_answers_go_on_and_an_expectation_is_met() {
    let endpoint = Scripted::start(address(), |_, peer| {
        let head = peer.head().unwrap();
        assert!(head.contains("expect: 100-continue"), "{head}");
        peer.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n");
        let body = peer.body(5);
        peer.answer(&String::from_utf8(body).unwrap());
    });
    let (listen, _node) = front(endpoint.address, "");
    let mut client = Http2::open(listen).unwrap();
    let fields = [("content-length", "5"), ("expect", "100-continue")];
    let stream = client.begin("POST", "/", &fields, false);
    client.until("it may go on", |client| client.state(stream).interim == [103, 100]);
    client.send(stream, b"hello");
    assert_eq!(client.answer(stream).text(), "hello");
}
