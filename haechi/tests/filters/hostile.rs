//! Requests that would make a filter write what its author never meant.

use haechi_tests::{Connection, raw};

use super::{front, mirror};

const ROUTES: &str = "
      - { path: /strip, pool: web, filters: { urlRewrite: { path: { replacePrefixMatch: / } } } }
      - { path: /to, filters: { requestRedirect: { path: { replacePrefixMatch: / } } } }
      - { pool: web }
";

#[test]
fn no_path_leads_out_of_what_a_rewrite_allows() {
    let mirror = mirror();
    let (listen, _node) = front(mirror.address, ROUTES);
    for path in [
        "/strip/../secret",
        "/strip/%2e%2e/secret",
        "/strip/..%2fsecret",
        "/strip%2f..%2fsecret",
        "/strip/..;/secret",
        "/strip/.%2E;x/secret",
        "/strip/%5c..%5csecret",
        "/strip/%00",
        "/strip/a%0d%0aX-Evil:%201/../b",
        "/to/..%2f",
    ] {
        let answer = raw(listen, format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes()).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 400 "), "{path}: {}", answer.escape_ascii());
    }
    assert_eq!(mirror.seen(), "", "none of them reached the endpoint");
    let mut connection = Connection::open(listen).unwrap();
    for (path, seen) in [
        ("/strip", "/"),
        ("/strip//evil.example/x", "/evil.example/x"),
        ("/strip////", "/"),
        ("/strip/a%2fb", "/a%2fb"),
        ("/strip/a%0d%0ab", "/a%0d%0ab"),
        // Another element, so another route.
        ("/strip%2fa", "/strip%2fa"),
    ] {
        let text = connection.get(path).unwrap().text();
        assert!(text.starts_with(&format!("GET {seen} HTTP/1.1\r\n")), "{path}: {text}");
    }
}

#[test]
fn no_location_says_more_than_one_url() {
    let mirror = mirror();
    let (listen, _node) = front(mirror.address, ROUTES);
    for (path, host, location) in [
        ("/to//evil.example", "h", "http://h/evil.example"),
        ("/to/a%0d%0aSet-Cookie:%20x=1", "h", "http://h/a%0d%0aSet-Cookie:%20x=1"),
        ("/to?q=//evil.example", "h", "http://h/?q=//evil.example"),
    ] {
        let mut connection = Connection::open(listen).unwrap();
        connection.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).unwrap();
        let reply = connection.reply(false).unwrap();
        assert_eq!((reply.status, reply.fields["location"].as_str()), (302, location));
        assert!(!reply.fields.contains_key("set-cookie"));
    }
    for host in ["h\rX: y", "a@evil.example", "h, evil.example", "h/evil", "h?x", "h#x"] {
        let text = format!("GET /to HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let answer = raw(listen, text.as_bytes()).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 400 "), "{host}: {}", answer.escape_ascii());
    }
}
