//! WebSocket over HTTP/2, by clients and to endpoints, beside HTTP/1.1.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use haechi_tests::{Connection, Http2, Node, Scripted, address, agreement, eventually, raw};

use crate::{front, large};

const SOON: Duration = Duration::from_secs(20);

/// Agrees and sends back what comes, or answers as its path says.
fn endpoint() -> Scripted {
    Scripted::start(address(), |_, peer| {
        let head = peer.head().unwrap();
        let path = head.split(' ').nth(1).unwrap();
        let lower = head.to_ascii_lowercase();
        assert!(
            lower.contains("\r\nupgrade: websocket\r\n") && lower.contains("\r\nconnection: upgrade\r\n"),
            "{head}"
        );
        assert!(lower.contains("\r\nsec-websocket-version: 13\r\n"), "{head}");
        let agrees = |accept: &str| {
            format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: chat\r\n\r\nfirst"
            )
        };
        match path {
            "/no" => peer.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"),
            "/plain" => peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"),
            "/echo" => peer.send(agrees("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")),
            _ => {
                peer.send(agrees(&agreement(&head)));
                loop {
                    let came = peer.body(5);
                    if came.is_empty() || path == "/once" && came == b"leave" || !peer.send(came) {
                        return;
                    }
                }
            }
        };
    })
}

const FIELDS: &[(&str, &str)] = &[("sec-websocket-version", "13"), ("origin", "http://test")];

const ASKS: &str = "GET /chat HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// As two clients of HTTP/2 see it, one after the other on one connection.
fn talk_over_http2(listen: SocketAddr) {
    let mut client = Http2::open(listen).unwrap();
    for _ in 0..2 {
        let stream = client.connect("websocket", "/chat", FIELDS);
        client.until("it stands", |client| client.state(stream).body == b"first");
        let fields = client.state(stream).fields.clone();
        assert_eq!((client.state(stream).status, fields["sec-websocket-protocol"].as_str()), (200, "chat"));
        for name in ["sec-websocket-accept", "upgrade", "connection"] {
            assert!(!fields.contains_key(name), "{name}");
        }
        client.send_part(stream, b"hello");
        client.until("it comes back", |client| client.state(stream).body == b"firsthello");
        // Some windows more than there are at the start.
        let long = &large()[..300_000];
        client.send(stream, long);
        let answer = client.answer(stream);
        assert!(answer.whole && answer.body[10..] == *long, "{:?}", answer.reset);
    }
}

/// As a client of HTTP/1.1 sees it.
fn talk_over_http1(listen: SocketAddr) {
    let mut client = Connection::open(listen).unwrap();
    client.send(ASKS.as_bytes()).unwrap();
    let reply = client.reply(false).unwrap();
    assert_eq!((reply.status, reply.fields["upgrade"].as_str()), (101, "websocket"), "{reply:?}");
    // RFC 6455 §1.3 has the answer to this key.
    assert_eq!(reply.fields["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_eq!(client.bytes(5).unwrap(), b"first");
    for word in ["hello", "there"] {
        client.send(word.as_bytes()).unwrap();
        assert_eq!(client.bytes(5).unwrap(), word.as_bytes());
    }
    client.end_writing();
    assert_eq!(client.rest().unwrap(), b"");
}

#[test]
fn bytes_go_both_ways_until_both_sides_have_ended() {
    let endpoint = endpoint();
    let (listen, node) = front(endpoint.address, "");
    talk_over_http2(listen);
    talk_over_http1(listen);
    assert_eq!(node.endpoint("web", "a")["inFlight"], 0);
}

/// A node in front of a node: the one between them speaks HTTP/2 to both.
fn two(endpoint: SocketAddr) -> (SocketAddr, Node, Node) {
    let (middle, behind) = front(endpoint, "");
    let (listen, node) = front(middle, "    protocol: http2\n");
    (listen, node, behind)
}

#[test]
fn an_endpoint_of_http2_that_takes_tunnels_is_asked_for_one_in_its_words() {
    let endpoint = endpoint();
    let (listen, node, behind) = two(endpoint.address);
    talk_over_http1(listen);
    talk_over_http2(listen);
    assert_eq!(node.endpoint("web", "a")["connects"], 1, "all on one connection");
    for node in [&node, &behind] {
        assert_eq!(node.endpoint("web", "a")["inFlight"], 0);
        assert_eq!(node.endpoint("web", "a")["failures"], 0);
    }
    let mut client = Http2::open(listen).unwrap();
    let refused = client.connect("websocket", "/no", FIELDS);
    client.until("an answer", |client| client.state(refused).is_over());
    assert_eq!((client.state(refused).status, client.state(refused).text().as_str()), (403, "no"));
}

#[test]
fn what_is_no_tunnel_does_not_look_like_one() {
    for (path, status, fault, failures) in [
        ("/no", 403, None, 0),
        // It may take no notice of `Upgrade`, and clients could have it ejected for that.
        ("/plain", 501, Some("protocolUnknown"), 0),
        ("/echo", 502, Some("badResponse"), 1),
    ] {
        let endpoint = endpoint();
        let (listen, node) = front(endpoint.address, "    retry: { tries: 1 }\n");
        let mut client = Http2::open(listen).unwrap();
        let stream = client.connect("websocket", path, FIELDS);
        client.until("an answer", |client| client.state(stream).is_over());
        assert_eq!(client.state(stream).status, status, "{path}");
        assert_eq!(client.state(stream).fields.get("haechi-fault").map(String::as_str), fault, "{path}");
        assert_eq!(node.endpoint("web", "a")["failures"], failures, "{path}");
    }
}

#[test]
fn a_tunnel_that_one_side_breaks_is_broken_for_the_other() {
    let endpoint = endpoint();
    let (listen, node) = front(endpoint.address, "");
    let mut client = Http2::open(listen).unwrap();
    let (stays, goes) =
        (client.connect("websocket", "/chat", FIELDS), client.connect("websocket", "/chat", FIELDS));
    client.until("both stand", |client| [stays, goes].iter().all(|one| client.state(*one).body == b"first"));
    client.cancel(goes);
    eventually(SOON, "its place is free", || node.endpoint("web", "a")["inFlight"] == 1);
    let left = client.connect("websocket", "/once", FIELDS);
    client.until("it stands", |client| client.state(left).body == b"first");
    client.send_part(left, b"leave");
    client.until("its end", |client| client.state(left).is_over());
    client.send(stays, b"still");
    assert_eq!(client.answer(stays).body, b"firststill");
}

/// What is sent before the endpoint has agreed waits, and means nothing if it does not (CVE-2025-64763).
#[test]
fn bytes_before_the_agreement_reach_no_endpoint_that_refuses() {
    let left = Arc::new(AtomicBool::new(false));
    let is_left = Arc::clone(&left);
    let endpoint = Scripted::start(address(), move |_, peer| {
        peer.head();
        peer.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
        peer.body(100);
        is_left.store(true, Ordering::Relaxed);
    });
    let (listen, _node) = front(endpoint.address, "");
    let mut client = Http2::open(listen).unwrap();
    let stream = client.connect("websocket", "/chat", FIELDS);
    client.send_part(stream, b"GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n");
    client.until("an answer", |client| client.state(stream).is_over());
    assert_eq!(client.state(stream).status, 403);
    eventually(SOON, "the endpoint is left", || left.load(Ordering::Relaxed));
    assert!(!endpoint.seen().contains("smuggled"));
}

#[test]
fn other_tunnels_are_refused() {
    let endpoint = endpoint();
    let (listen, _node) = front(endpoint.address, "");
    let mut client = Http2::open(listen).unwrap();
    let cases: [(&str, &[(&str, &str)], _); 2] =
        [("connect-udp", &[], 501), ("websocket", &[("content-length", "5")], 400)];
    for (protocol, fields, status) in cases {
        let stream = client.connect(protocol, "/", fields);
        client.until("an answer", |client| client.state(stream).is_over());
        assert_eq!(client.state(stream).status, status, "{protocol}");
    }
    let stream = client.begin("CONNECT", "", &[], false);
    client.until("an answer", |client| client.state(stream).is_over());
    assert_eq!((client.state(stream).status, client.state(stream).fields["allow"].as_str()), (405, ""));
    let reply = raw(listen, b"CONNECT test:443 HTTP/1.1\r\nHost: test:443\r\n\r\n").unwrap();
    assert!(reply.starts_with(b"HTTP/1.1 405 "), "{}", reply.escape_ascii());
    assert_eq!(endpoint.seen(), "");
}
