//! HTTP/2 with clients and with endpoints.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod endpoints;
mod fairness;
mod grpc;
mod peers;
mod trailers;
mod trouble;
mod websocket;

use std::net::SocketAddr;
use std::sync::LazyLock;

use haechi_tests::{Http2, Node, Peer, Scripted, address};

const BINARY: &str = env!("CARGO_BIN_EXE_haechi");

/// 10 MiB that show when a piece is missing, doubled or moved.
fn large() -> &'static [u8] {
    static LARGE: LazyLock<Vec<u8>> =
        LazyLock::new(|| (0..10u32 << 20).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect());
    &LARGE
}

/// A node in front of this endpoint; `more` are keys of the pool, indented by four.
fn front(endpoint: SocketAddr, more: &str) -> (SocketAddr, Node) {
    let ip = address();
    let config = format!(
        "workers: 1\nlisteners:\n  web: {{ bind: \"{ip}:80\", protocol: http, routes: [{{ pool: web }}] }}\n\
         pools:\n  web:\n    endpoints: {{ a: \"{endpoint}\" }}\n{more}"
    );
    (SocketAddr::new(ip, 80), Node::start(BINARY, &config))
}

/// Answers each request with what its path says: `/echo` with the body that came, `/N` with N bytes of `large`.
fn endpoint() -> Scripted {
    Scripted::start(address(), |_, peer| {
        while let Some(head) = peer.head()
            && serve(peer, &head)
        {}
    })
}

fn serve(peer: &mut Peer, head: &str) -> bool {
    let path = head.split(' ').nth(1).unwrap().to_owned();
    let length = |head: &str| {
        let line = head
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned));
        line.map(|value| value.parse::<usize>().unwrap())
    };
    if path == "/echo" {
        let body = match length(head) {
            Some(length) => peer.body(length),
            None if head.contains("chunked") => peer.chunks(),
            None => Vec::new(),
        };
        return peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            && body.chunks(70_000).all(|piece| {
                peer.send(format!("{:x}\r\n", piece.len())) && peer.send(piece) && peer.send("\r\n")
            })
            && peer.send("0\r\n\r\n");
    }
    let Ok(count) = path[1..].parse::<usize>() else { return peer.answer(head) };
    peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {count}\r\n\r\n"))
        && (head.starts_with("HEAD") || peer.send(&large()[..count]))
}

#[test]
fn requests_of_all_kinds_are_answered_on_one_connection() {
    let endpoint = endpoint();
    let (listen, _node) = front(endpoint.address, "");
    let mut client = Http2::open(listen).unwrap();
    assert_eq!(client.get("/5").body, large()[..5]);
    let answer = client.get("/0");
    assert_eq!((answer.status, answer.body.len(), answer.whole), (200, 0, true));
    let stream = client.begin("HEAD", "/1000", &[], true);
    let answer = client.answer(stream);
    assert_eq!((answer.body.len(), answer.fields["content-length"].as_str()), (0, "1000"));
    assert!(client.get("/10485760").body == large());
    // Known and unknown length, both ways.
    for fields in [&[("content-length", "10485760")][..], &[]] {
        let stream = client.begin("POST", "/echo", fields, false);
        client.send(stream, large());
        assert!(client.answer(stream).body == large());
    }
    let stream = client.begin("POST", "/echo", &[], true);
    assert_eq!(client.answer(stream).body, b"");
}

#[test]
fn an_endpoint_sees_the_request_as_http1_has_it() {
    let endpoint = endpoint();
    let (listen, _node) = front(endpoint.address, "");
    let mut client = Http2::open(listen).unwrap();
    let fields = [
        ("cookie", "a=1"),
        ("x-forwarded-for", "6.6.6.6"),
        ("cookie", "b=2"),
        ("te", "trailers"),
        ("x-own", "1"),
    ];
    let stream = client.begin("GET", "/seen?q", &fields, true);
    let seen = client.answer(stream).text();
    let lines: Vec<&str> = seen.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(
        lines,
        [
            "GET /seen?q HTTP/1.1",
            "Host: test",
            "x-own: 1",
            "cookie: a=1; b=2",
            "TE: trailers",
            "Connection: TE",
            &format!("X-Forwarded-For: {}", client.own_address().ip()),
            "X-Forwarded-Proto: http"
        ]
    );
}

#[test]
fn a_hundred_streams_run_at_the_same_time_and_none_waits_for_another() {
    let endpoint = endpoint();
    let (listen, _node) = front(endpoint.address, "");
    let mut client = Http2::open(listen).unwrap();
    // This one does not end until the others have.
    let slow = client.begin("POST", "/echo", &[], false);
    let streams: Vec<_> = (0..99).map(|_| client.begin("GET", "/20000", &[], true)).collect();
    for stream in streams {
        assert!(client.answer(stream).body == large()[..20_000]);
    }
    client.send(slow, b"done");
    assert_eq!(client.answer(slow).body, b"done");
}
