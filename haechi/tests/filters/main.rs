//! Route filters over real sockets: what endpoints and clients see, over HTTP/1 and HTTP/2.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod answers;
mod crowds;
mod hostile;
mod limits;
mod logins;

use std::net::SocketAddr;

use haechi_tests::{Connection, Http2, Node, Scripted, address};

const BINARY: &str = env!("CARGO_BIN_EXE_haechi");

/// An endpoint that shows the head that it got, as its body.
fn mirror() -> Scripted {
    Scripted::start(address(), |_, peer| {
        while let Some(head) = peer.head() {
            let answer = format!(
                "HTTP/1.1 200 OK\r\nServer: hidden\r\nX-Kept: 1\r\nContent-Length: {}\r\n\r\n{head}",
                head.len()
            );
            if !peer.send(answer) {
                return;
            }
        }
    })
}

/// A node in front of this endpoint, the only one of the pool `web`, with these routes.
fn front(endpoint: SocketAddr, routes: &str) -> (SocketAddr, Node) {
    front_with("", endpoint, routes)
}

/// The same with these lines of the listener.
fn front_with(lines: &str, endpoint: SocketAddr, routes: &str) -> (SocketAddr, Node) {
    let ip = address();
    let config = format!(
        "workers: 1\nlisteners:\n  web:\n    bind: \"{ip}:80\"\n    protocol: http\n{lines}    routes:\n{routes}\
         pools:\n  web: {{ endpoints: {{ a: \"{endpoint}\" }} }}\n"
    );
    (SocketAddr::new(ip, 80), Node::start(BINARY, &config))
}

const EDITS: &str = "
      - path: /api
        pool: web
        filters:
          requestHeaderModifier: { set: { X-Env: prod }, add: { Via: haechi }, remove: [X-Debug, cookie] }
          responseHeaderModifier: { set: { X-Kept: changed }, add: { x-added: one }, remove: Server }
          urlRewrite: { hostname: api.internal, path: { replacePrefixMatch: /v2 } }
      - { pool: web }
";

const SENT: [(&str, &str); 4] =
    [("x-debug", "1"), ("x-env", "forged"), ("cookie", "a=b"), ("accept", "text/plain")];

fn asked(path: &str) -> String {
    let fields: String = SENT.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("GET {path} HTTP/1.1\r\nHost: h\r\n{fields}\r\n")
}

/// What of a head both protocols must have made the same.
fn assert_edited(seen: &str) {
    assert!(seen.starts_with("GET /v2/x?q=1 HTTP/1.1\r\n"), "{seen}");
    let lines: Vec<String> = seen.lines().map(str::to_ascii_lowercase).collect();
    let has = |line: &str| lines.iter().filter(|seen| **seen == *line).count();
    for (line, times) in [
        ("host: api.internal", 1),
        ("x-env: prod", 1),
        ("x-env: forged", 0),
        ("x-debug: 1", 0),
        ("cookie: a=b", 0),
        ("via: haechi", 1),
        ("accept: text/plain", 1),
    ] {
        assert_eq!(has(line), times, "{line} in {seen}");
    }
}

#[test]
fn edits_and_rewrites_reach_the_endpoint_and_the_client() {
    let mirror = mirror();
    let (listen, _node) = front(mirror.address, EDITS);
    let mut connection = Connection::open(listen).unwrap();
    for _ in 0..3 {
        connection.send(asked("/api/x?q=1").as_bytes()).unwrap();
        let reply = connection.reply(false).unwrap();
        assert_edited(&reply.text());
        assert_eq!((reply.fields["x-kept"].as_str(), reply.fields["x-added"].as_str()), ("changed", "one"));
        assert!(!reply.fields.contains_key("server"));
        // The other route on the same connection is left alone.
        connection.send(asked("/apix").as_bytes()).unwrap();
        let reply = connection.reply(false).unwrap();
        assert!(reply.text().contains("x-debug: 1\r\n"), "{}", reply.text());
        assert_eq!(reply.fields["server"], "hidden");
        assert!(!reply.fields.contains_key("x-added"));
    }
    let mut client = Http2::open(listen).unwrap();
    let stream = client.begin("GET", "/api/x?q=1", &SENT, true);
    let answer = client.answer(stream);
    assert_edited(&answer.text());
    assert_eq!((answer.fields["x-kept"].as_str(), answer.fields["x-added"].as_str()), ("changed", "one"));
    assert!(!answer.fields.contains_key("server"));
}

const REDIRECTS: &str = "
      - { path: /old, filters: { requestRedirect: { scheme: https, statusCode: 308 } } }
      - path: /moved
        filters: { requestRedirect: { hostname: new.example, path: { replacePrefixMatch: /here }, statusCode: 301 } }
      - { pool: web }
";

#[test]
fn a_redirect_is_answered_at_once_and_the_connection_goes_on() {
    let mirror = mirror();
    let (listen, _node) = front(mirror.address, REDIRECTS);
    let mut connection = Connection::open(listen).unwrap();
    let get = |path: &str, host: &str| format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes();
    for (path, host, status, location) in [
        ("/old/x?q", "shop.example", 308, "https://shop.example/old/x?q"),
        ("/old", "shop.example:8080", 308, "https://shop.example/old"),
        ("/moved/x", "shop.example:8080", 301, "http://new.example:8080/here/x"),
        ("/moved", "shop.example", 301, "http://new.example/here"),
    ] {
        connection.send(&get(path, host)).unwrap();
        let reply = connection.reply(false).unwrap();
        assert_eq!((reply.status, reply.fields["location"].as_str()), (status, location));
        assert!(reply.body.is_empty() && !reply.fields.contains_key("connection"));
    }
    connection.send(&get("/else", "h")).unwrap();
    assert!(connection.reply(false).unwrap().text().starts_with("GET /else "));
    // A body that nobody reads can't be told from the next request, so the connection ends.
    connection.send(b"POST /old HTTP/1.1\r\nHost: h\r\nContent-Length: 26\r\n\r\nGET /stolen HTTP/1.1\r\n\r\n\r\n\r\n").unwrap();
    let reply = connection.reply(false).unwrap();
    assert_eq!((reply.status, reply.fields["connection"].as_str()), (308, "close"));
    assert!(connection.rest().unwrap().is_empty());
    assert!(!mirror.seen().contains("/stolen") && !mirror.seen().contains("/old"));
    let mut client = Http2::open(listen).unwrap();
    let answer = client.get("/old/x?q");
    assert_eq!(answer.status, 308);
    assert!(
        answer.fields["location"].starts_with("https://") && answer.fields["location"].ends_with("/old/x?q")
    );
    let stream = client.begin("POST", "/moved", &[("content-length", "5")], false);
    assert_eq!(client.answer(stream).status, 301);
    assert!(client.get("/else").text().starts_with("GET /else "), "the others go on");
}

#[test]
fn filters_change_with_a_reload_and_the_plan_says_so() {
    let mirror = mirror();
    let (listen, node) = front(mirror.address, EDITS);
    let config = std::fs::read_to_string(node.config()).unwrap();
    let out = node.change(&config.replace("X-Env: prod", "X-Env: test"));
    assert!(out.out.contains("filters.requestHeaderModifier.set.x-env prod -> test"), "{}", out.out);
    let mut connection = Connection::open(listen).unwrap();
    assert!(connection.get("/api").unwrap().text().contains("x-env: test\r\n"));
}
