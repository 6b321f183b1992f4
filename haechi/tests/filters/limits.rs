//! Who is served, and how much may be sent: judged before the endpoint sees anything.

use haechi_tests::{Connection, Http2, Scripted, address};

use super::{front, front_with, mirror};

const ROUTES: &str = "
      - { path: /office, pool: web, filters: { clientAddresses: { allow: [10.0.0.0/8, \"2001:db8::/32\"] } } }
      - { path: /home, pool: web, filters: { clientAddresses: { allow: 127.0.0.0/8, deny: [10.0.0.0/8] } } }
      - { path: /small, pool: web, filters: { maxRequestBody: 10B } }
      - { path: /slow, pool: web, filters: { rateLimit: { requests: 2, per: 1h } } }
      - { path: /script, pool: web, filters: { cors: { allowOrigins: \"https://*.a.example\", allowMethods: [PUT], allowCredentials: true } } }
      - { pool: web }
";

#[test]
fn only_addresses_that_are_served_reach_the_endpoint() {
    let mirror = mirror();
    let (listen, node) = front(mirror.address, ROUTES);
    let mut connection = Connection::open(listen).unwrap();
    let reply = connection.get("/office/x").unwrap();
    assert_eq!((reply.status, reply.fields["haechi-fault"].as_str()), (403, "addressRefused"));
    // The same connection may ask for something else.
    assert_eq!(connection.get("/home").unwrap().status, 200);
    assert!(!mirror.seen().contains("/office"));
    // A client can't talk itself into another address.
    connection
        .send(b"GET /office HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 10.0.0.1\r\nX-Real-IP: 10.0.0.1\r\n\r\n")
        .unwrap();
    assert_eq!(connection.reply(false).unwrap().status, 403);
    let mut client = Http2::open(listen).unwrap();
    assert_eq!(client.get("/office").status, 403);
    assert_eq!(client.get("/home").status, 200);
    assert_eq!(node.status()["listeners"][0]["faults"]["addressRefused"], 3);
}

#[test]
fn the_client_that_a_trusted_proxy_names_is_the_one_that_is_judged() {
    let mirror = mirror();
    let trust = "    forwarded: { trust: 127.0.0.0/8 }\n";
    let (listen, node) = front_with(trust, mirror.address, ROUTES);
    let mut connection = Connection::open(listen).unwrap();
    let mut client = Http2::open(listen).unwrap();
    let mut ask = |path: &str, chain: &str| {
        let text = format!("GET {path} HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: {chain}\r\n\r\n");
        connection.send(text.as_bytes()).unwrap();
        let stream = client.begin("GET", path, &[("x-forwarded-for", chain)], true);
        (connection.reply(false).unwrap().status, client.answer(stream).status)
    };
    assert_eq!(ask("/office", "10.1.2.3"), (200, 200));
    assert_eq!(ask("/office", "2001:db8::1"), (200, 200));
    assert_eq!(ask("/office", "10.1.2.3, 192.0.2.1"), (403, 403), "the last one that is not trusted");
    assert_eq!(ask("/office", "nonsense, 10.1.2.3"), (200, 200));
    assert_eq!(ask("/home", "192.0.2.1"), (403, 403));
    // Two requests each, over whatever they come.
    assert_eq!(ask("/slow", "192.0.2.1"), (200, 200));
    assert_eq!(ask("/slow", "192.0.2.1"), (429, 429));
    assert_eq!(ask("/slow", "192.0.2.2"), (200, 200));
    assert_eq!(node.status()["listeners"][0]["faults"]["rateLimited"], 2);
}

/// Answers with the length of the body that came.
fn counting() -> Scripted {
    Scripted::start(address(), |_, peer| {
        while let Some(head) = peer.head() {
            let body = if head.contains("chunked") { peer.chunks() } else { peer.body(10) };
            if !peer.answer(&body.len().to_string()) {
                return;
            }
        }
    })
}

#[test]
fn a_body_over_its_limit_is_refused_whether_its_length_is_known_or_not() {
    let endpoint = counting();
    let (listen, _node) = front(endpoint.address, ROUTES);
    let post = |framing: &str, body: &str| {
        let mut connection = Connection::open(listen).unwrap();
        let text = format!("POST /small HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n{body}");
        connection.send(text.as_bytes()).unwrap();
        connection.reply(false).unwrap()
    };
    assert_eq!(post("Content-Length: 10", "0123456789").text(), "10");
    let chunked = "Transfer-Encoding: chunked";
    assert_eq!(post(chunked, "5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n").text(), "10");
    for reply in [
        post("Content-Length: 11", ""),
        post("Content-Length: 99999999999999", ""),
        post(chunked, "b\r\n"),
        post(chunked, "5\r\n01234\r\n6\r\n"),
        post(chunked, "ffffffffffff\r\n"),
    ] {
        assert_eq!((reply.status, reply.fields["haechi-fault"].as_str()), (413, "bodyTooLarge"));
        assert_eq!(reply.fields["connection"], "close");
    }
    let mut client = Http2::open(listen).unwrap();
    let stream = client.begin("POST", "/small", &[("content-length", "11")], false);
    assert_eq!(client.answer(stream).status, 413);
    let stream = client.begin("POST", "/small", &[], false);
    client.send(stream, b"01234567890");
    assert_eq!(client.answer(stream).status, 413);
    let stream = client.begin("POST", "/small", &[], false);
    client.send(stream, b"0123456789");
    assert_eq!(client.answer(stream).text(), "10", "the others go on");
}

#[test]
fn a_client_that_asks_too_often_is_told_when_to_come_back_and_others_are_not_disturbed() {
    let mirror = mirror();
    let (listen, node) = front(mirror.address, ROUTES);
    let mut connection = Connection::open(listen).unwrap();
    assert_eq!(connection.get("/slow").unwrap().status, 200);
    assert_eq!(connection.get("/slow").unwrap().status, 200);
    let reply = connection.get("/slow").unwrap();
    assert_eq!((reply.status, reply.fields["haechi-fault"].as_str()), (429, "rateLimited"));
    let seconds: u64 = reply.fields["retry-after"].parse().unwrap();
    assert!((1700..=1800).contains(&seconds), "one each half hour: {seconds}");
    // Another connection is no other client, and another protocol neither.
    assert_eq!(haechi_tests::get(listen, "/slow").unwrap().status, 429);
    let mut client = Http2::open(listen).unwrap();
    let answer = client.get("/slow");
    assert_eq!(answer.status, 429);
    assert!(answer.fields.contains_key("retry-after"));
    // A reload that changes something else does not forgive.
    let config = std::fs::read_to_string(node.config()).unwrap();
    node.change(&config.replace("maxRequestBody: 10B", "maxRequestBody: 20B"));
    assert_eq!(haechi_tests::get(listen, "/slow").unwrap().status, 429);
    assert_eq!(haechi_tests::get(listen, "/else").unwrap().status, 200);
    assert_eq!(mirror.seen().matches("/slow").count(), 2);
}

#[test]
fn scripts_of_other_sites_are_told_what_they_may() {
    let mirror = mirror();
    let (listen, _node) = front(mirror.address, ROUTES);
    let mut connection = Connection::open(listen).unwrap();
    let mut ask = |method: &str, origin: &str, more: &str| {
        let text = format!("{method} /script HTTP/1.1\r\nHost: h\r\nOrigin: {origin}\r\n{more}\r\n");
        connection.send(text.as_bytes()).unwrap();
        connection.reply(false).unwrap()
    };
    let preflight = "Access-Control-Request-Method: PUT\r\n";
    let known = "https://shop.a.example";
    let reply = ask("OPTIONS", known, preflight);
    assert_eq!(reply.status, 204);
    assert_eq!(reply.fields["access-control-allow-origin"], known);
    assert_eq!(reply.fields["access-control-allow-methods"], "PUT");
    assert_eq!(reply.fields["vary"], "origin");
    let reply = ask("OPTIONS", "https://evil.example", preflight);
    assert_eq!(reply.status, 204);
    assert!(!reply.fields.contains_key("access-control-allow-origin"));
    assert_eq!(mirror.seen(), "", "preflights are answered here");
    let reply = ask("GET", known, "");
    assert_eq!((reply.status, reply.fields["access-control-allow-origin"].as_str()), (200, known));
    assert_eq!(reply.fields["access-control-allow-credentials"], "true");
    let reply = ask("GET", "https://evil.example", "");
    assert!(reply.status == 200 && !reply.fields.contains_key("access-control-allow-origin"));
    assert_eq!(ask("OPTIONS", known, "").status, 200, "no preflight, so the endpoint's");
    let mut client = Http2::open(listen).unwrap();
    let stream = client.begin("GET", "/script", &[("origin", known)], true);
    assert_eq!(client.answer(stream).fields["access-control-allow-origin"], known);
    let fields = [("origin", known), ("access-control-request-method", "PUT")];
    let stream = client.begin("OPTIONS", "/script", &fields, true);
    assert_eq!(client.answer(stream).status, 204);
}
