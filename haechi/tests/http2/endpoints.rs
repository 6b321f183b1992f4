//! Endpoints that speak HTTP/2: many requests on few connections, and what becomes of them when one ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use haechi_model::Moment;
use haechi_tests::{
    Asked, Code, Connection, Core, Http2, Http2Endpoint, Nginx, Scripted, StreamId, Then, address,
    eventually, get,
};

use crate::{front, large};

const SOON: Duration = Duration::from_secs(20);

const HTTP2: &str = "    protocol: http2\n";

/// Answers with the body that came, and the trailers behind it.
fn echo(core: &mut Core, stream: StreamId, asked: &Asked) {
    let mut head = core.respond(stream, 200).unwrap();
    head.field(b"x-path", asked.path.as_bytes());
    head.finish(false);
    let fields: Vec<_> = asked.trailers.clone();
    let whole = core.send_data(stream, &asked.body, fields.is_empty(), Moment::ORIGIN) == asked.body.len();
    assert!(whole, "a body within the window");
    if !fields.is_empty() {
        let mut trailers = core.trailers(stream).unwrap();
        fields.iter().for_each(|(name, value)| trailers.field(name.as_bytes(), value.as_bytes()));
        trailers.finish(true);
    }
}

fn echoing(streams: u32) -> Http2Endpoint {
    Http2Endpoint::start(address(), streams, |_, core, stream, asked| {
        echo(core, stream, &asked);
        Then::GoOn
    })
}

#[test]
fn nginx_answers_many_requests_on_one_connection() {
    let ip = address();
    let locations = format!(
        "server {{ listen {ip}:8081 http2; client_max_body_size 64m;\n\
         location /who {{ return 200 \"$server_protocol $http_host $http_x_forwarded_for\"; }}\n\
         location /put/ {{ dav_methods PUT; create_full_put_path on; }} }}"
    );
    let nginx = Nginx::start("h2", ip, "", &locations);
    std::fs::write(nginx.root().join("large"), large()).unwrap();
    std::fs::write(nginx.root().join("empty"), b"").unwrap();
    let (listen, node) = front(format!("{ip}:8081").parse().unwrap(), HTTP2);
    let mut http1 = Connection::open(listen).unwrap();
    let mut http2 = Http2::open(listen).unwrap();
    for _ in 0..5 {
        assert!(
            http1.get("/who").unwrap().text().starts_with("HTTP/2.0 "),
            "{}",
            http1.get("/who").unwrap().text()
        );
        assert!(http2.get("/who").text().starts_with("HTTP/2.0 test 127."));
        assert!(http1.get("/large").unwrap().body == large());
        assert!(http2.get("/large").body == large());
        assert_eq!(http1.get("/empty").unwrap().body, b"");
        assert_eq!(http2.get("/nothing").status, 404);
    }
    http1.send(b"HEAD /large HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    assert_eq!(http1.reply(true).unwrap().fields["content-length"], large().len().to_string());
    for (path, fields) in [("/put/known", &[("content-length", "10485760")][..]), ("/put/unknown", &[])] {
        let stream = http2.begin("PUT", path, fields, false);
        http2.send(stream, large());
        assert_eq!(http2.answer(stream).status, 201);
        assert!(std::fs::read(nginx.root().join(&path[1..])).unwrap() == large());
    }
    assert_eq!(node.endpoint("web", "a")["connects"], 1);
    assert_eq!(node.endpoint("web", "a")["failures"], 0);
}

#[test]
fn trailers_and_bodies_go_both_ways_between_all_protocols() {
    let endpoint = echoing(100);
    let (listen, _node) = front(endpoint.address, HTTP2);
    let mut http2 = Http2::open(listen).unwrap();
    let stream = http2.begin("POST", "/a", &[("te", "trailers")], false);
    http2.send_part(stream, b"hello");
    http2.send_trailers(stream, &[("sum", "1"), ("cookie", "a=1")]);
    let answer = http2.answer(stream);
    assert_eq!((answer.body.as_slice(), answer.fields["x-path"].as_str()), (&b"hello"[..], "/a"));
    assert_eq!(answer.trailers, [("sum".to_owned(), "1".to_owned())]);
    let request = b"POST /b HTTP/1.1\r\nHost: h\r\nConnection: close, TE\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n\r\n\
        5;x\r\nhello\r\n0\r\nSum: 2\r\n\r\n";
    let reply = haechi_tests::raw(listen, request).unwrap();
    let reply = String::from_utf8(reply).unwrap();
    assert!(reply.ends_with("\r\n\r\n5\r\nhello\r\n0\r\nsum: 2\r\n\r\n"), "{reply:?}");
}

#[test]
fn no_more_streams_than_an_endpoint_allows_and_more_connections_instead() {
    let endpoint = echoing(2);
    let (listen, node) = front(endpoint.address, HTTP2);
    let mut client = Http2::open(listen).unwrap();
    let streams: Vec<_> = (0..20).map(|_| client.begin("POST", "/", &[], false)).collect();
    for stream in &streams {
        client.send_part(*stream, b"half, ");
    }
    for stream in streams {
        client.send(stream, b"whole");
        assert_eq!(client.answer(stream).text(), "half, whole");
    }
    assert!(endpoint.most_streams.load(Ordering::Relaxed) <= 2);
    let connections = endpoint.connections.load(Ordering::Relaxed);
    assert!((10..=20).contains(&connections), "{connections}");
    assert_eq!(node.endpoint("web", "a")["failures"], 0);
}

#[test]
fn what_an_endpoint_did_not_look_at_is_asked_again_even_a_post() {
    for goes_away in [false, true] {
        let seen = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&seen);
        let endpoint = Http2Endpoint::start(address(), 100, move |_, core, stream, asked| {
            match (asked.path.as_str(), count.fetch_add(1, Ordering::Relaxed)) {
                ("/odd", 1) if goes_away => {
                    core.abort(Code::NO_ERROR, "another time");
                    return Then::Close;
                }
                ("/odd", 1) => core.reset(stream, Code::REFUSED_STREAM),
                _ => echo(core, stream, &asked),
            }
            Then::GoOn
        });
        let (listen, node) = front(endpoint.address, HTTP2);
        let mut client = Http2::open(listen).unwrap();
        let first = client.begin("POST", "/", &[], false);
        client.send(first, b"first");
        assert_eq!(client.answer(first).text(), "first");
        let stream = client.begin("POST", "/odd", &[], false);
        client.send(stream, b"once");
        let answer = client.answer(stream);
        // A connection that ends after it named this stream as seen leaves it open what became of it.
        let expected = if goes_away { (502, 2) } else { (200, 3) };
        assert_eq!((answer.status, seen.load(Ordering::Relaxed)), expected, "{goes_away} {answer:?}");
        assert_eq!(node.endpoint("web", "a")["failures"], u64::from(goes_away));
    }
}

#[test]
fn a_connection_that_dies_fails_its_streams_and_idempotent_ones_are_asked_again() {
    let endpoint = Http2Endpoint::start(address(), 100, |number, core, stream, asked| {
        if number == 0 && asked.path == "/die" {
            return Then::Close;
        }
        echo(core, stream, &asked);
        Then::GoOn
    });
    let (listen, node) = front(endpoint.address, HTTP2);
    let mut client = Http2::open(listen).unwrap();
    assert_eq!(client.get("/").status, 200);
    assert_eq!(client.get("/die").status, 200, "on another connection");
    assert_eq!(endpoint.connections.load(Ordering::Relaxed), 2);
    assert_eq!(node.endpoint("web", "a")["connects"], 2);
}

/// All of them passed for stale, so nothing counted and nothing was paid for.
#[test]
fn requests_that_die_with_a_busy_connection_are_failures_of_its_endpoint() {
    let endpoint = Http2Endpoint::start(address(), 100, |_, core, stream, asked| {
        match asked.path.as_str() {
            "/die" => return Then::Close,
            "/wait" => {}
            _ => echo(core, stream, &asked),
        }
        Then::GoOn
    });
    let (listen, node) = front(endpoint.address, &format!("{HTTP2}    retry: {{ tries: 1 }}\n"));
    let mut client = Http2::open(listen).unwrap();
    assert_eq!(client.get("/").status, 200);
    let waiting: Vec<_> = (0..3).map(|_| client.begin("GET", "/wait", &[], true)).collect();
    assert_eq!(client.get("/").status, 200);
    let dying = client.begin("GET", "/die", &[], true);
    for stream in waiting.into_iter().chain([dying]) {
        assert_eq!(client.answer(stream).status, 502);
    }
    assert_eq!(node.endpoint("web", "a")["failures"], 4);
    assert_eq!(endpoint.connections.load(Ordering::Relaxed), 1);
}

/// It was asked again and again on new connections, until the time to connect was over.
#[test]
fn an_endpoint_that_opens_and_closes_is_a_failed_connect() {
    let endpoint = Scripted::start(address(), |_, peer| {
        // Empty settings, and the preface and settings of ours come.
        peer.send([0u8, 0, 0, 4, 0, 0, 0, 0, 0]);
        peer.body(33);
    });
    let (listen, node) = front(
        endpoint.address,
        &format!("{HTTP2}    timeouts: {{ connect: 5s }}\n    retry: {{ tries: 2 }}\n"),
    );
    let mut client = Http2::open(listen).unwrap();
    for asked in 1..=3 {
        assert_eq!(client.get("/").status, 502);
        let connections = endpoint.connections.load(Ordering::Relaxed);
        // A stale connection is tried once more for nothing.
        assert!((asked..=asked * 4).contains(&connections), "{connections}");
    }
    assert_ne!(node.endpoint("web", "a")["failures"], 0);
}

#[test]
fn a_request_that_is_not_wanted_any_more_is_reset_and_no_other() {
    let endpoint = echoing(100);
    let (listen, node) = front(endpoint.address, HTTP2);
    let mut client = Http2::open(listen).unwrap();
    let (stays, goes) = (client.begin("POST", "/", &[], false), client.begin("POST", "/", &[], false));
    client.send_part(stays, b"still ");
    client.send_part(goes, b"never");
    eventually(SOON, "both are there", || endpoint.most_streams.load(Ordering::Relaxed) == 2);
    client.cancel(goes);
    eventually(SOON, "it is reset", || endpoint.resets.load(Ordering::Relaxed) == 1);
    client.send(stays, b"here");
    assert_eq!(client.answer(stays).text(), "still here");
    assert_eq!(
        (node.endpoint("web", "a")["connects"].as_u64(), endpoint.connections.load(Ordering::Relaxed)),
        (Some(1), 1)
    );
}

#[test]
fn an_endpoint_that_speaks_no_http2_is_a_failed_connect() {
    let endpoint = Scripted::start(address(), |_, peer| {
        while let Some(head) = peer.head() {
            peer.answer(&head);
        }
    });
    let (listen, node) = front(
        endpoint.address,
        &format!("{HTTP2}    timeouts: {{ connect: 1s }}\n    retry: {{ tries: 1 }}\n"),
    );
    let reply = get(listen, "/").unwrap();
    assert_eq!(reply.status, 502, "{}", reply.text());
    assert_eq!(reply.fields["haechi-fault"], "connectFailed");
    assert!(!endpoint.seen().contains("GET"), "nothing was asked");
    drop(node);
}

#[test]
fn calls_of_grpc_get_a_status_of_their_own_from_us() {
    let ip = address();
    let (listen, _node) = front(std::net::SocketAddr::new(ip, 8080), HTTP2);
    let mut client = Http2::open(listen).unwrap();
    let stream = client.begin(
        "POST",
        "/a.B/C",
        &[("content-type", "application/grpc+proto"), ("te", "trailers")],
        false,
    );
    let answer = client.answer(stream);
    assert_eq!((answer.status, answer.whole), (200, true));
    assert_eq!(answer.fields["grpc-status"], "14");
    assert_eq!(answer.fields["content-type"], "application/grpc");
    assert!(answer.fields["grpc-message"].contains(": "), "{answer:?}");
}
