//! What is a message and what is not (RFC 9113 §8): each rule as a row.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::*;
use haechi_http2::Request;

type Fields<'a> = Vec<(&'a str, &'a str)>;

fn with<'a>(more: &[(&'a str, &'a str)]) -> Fields<'a> {
    [GET, more].concat()
}

/// GET with one field replaced, or left out.
fn but<'a>(name: &str, value: Option<&'a str>) -> Fields<'a> {
    GET.iter()
        .filter(|(other, _)| *other != name || value.is_some())
        .map(|(other, old)| (*other, if *other == name { value.unwrap() } else { *old }))
        .collect()
}

#[test]
fn requests_that_are_refused() {
    let rows: Vec<(&str, Fields<'_>)> = vec![
        ("no :method", but(":method", None)),
        ("no :scheme", but(":scheme", None)),
        ("no :path", but(":path", None)),
        ("neither :authority nor host", but(":authority", None)),
        ("empty :authority", but(":authority", Some(""))),
        ("empty :path", but(":path", Some(""))),
        (":path without a slash", but(":path", Some("index.html"))),
        (":path with a blank", but(":path", Some("/a b"))),
        (":path with a fragment", but(":path", Some("/a#b"))),
        (":path with a line end", but(":path", Some("/ HTTP/1.1\r\nx: y"))),
        ("* for GET", but(":path", Some("*"))),
        ("a method of two words", but(":method", Some("GET /x"))),
        ("an empty method", but(":method", Some(""))),
        ("another scheme", but(":scheme", Some("ftp"))),
        ("a user in the authority", but(":authority", Some("user@example.com"))),
        ("two hosts in the authority", but(":authority", Some("example.com,other"))),
        ("a path in the authority", but(":authority", Some("example.com/x"))),
        ("CONNECT with a path", but(":method", Some("CONNECT"))),
        (":method twice", with(&[(":method", "GET")])),
        (":authority twice", with(&[(":authority", "example.com")])),
        (":path twice", [&[(":path", "/")], GET].concat()),
        ("a response's pseudo-header field", with(&[(":status", "200")])),
        ("an unknown pseudo-header field", with(&[(":foo", "bar")])),
        (":protocol without CONNECT", with(&[(":protocol", "websocket")])),
        ("pseudo after regular", [&[("x", "y")], GET].concat()),
        ("an upper-case name", with(&[("Accept", "*/*")])),
        ("an empty name", with(&[("", "x")])),
        ("a name with a blank", with(&[("a b", "x")])),
        ("a name with a colon", with(&[("a:b", "x")])),
        ("a name with a line end", with(&[("a\r\nb", "x")])),
        ("a value with CR", with(&[("x", "a\rb")])),
        ("a value with LF", with(&[("x", "a\nb")])),
        ("a value with NUL", with(&[("x", "a\0b")])),
        ("a value with DEL", with(&[("x", "a\x7fb")])),
        ("a value with a blank in front", with(&[("x", " a")])),
        ("a value with a tab behind", with(&[("x", "a\t")])),
        ("connection", with(&[("connection", "close")])),
        ("keep-alive", with(&[("keep-alive", "5")])),
        ("proxy-connection", with(&[("proxy-connection", "close")])),
        ("transfer-encoding", with(&[("transfer-encoding", "chunked")])),
        ("upgrade", with(&[("upgrade", "h2c")])),
        ("te other than trailers", with(&[("te", "gzip")])),
        ("host that differs", with(&[("host", "other.com")])),
        ("host twice", with(&[("host", "example.com"), ("host", "example.com")])),
        ("content-length twice", with(&[("content-length", "0"), ("content-length", "0")])),
        ("content-length empty", with(&[("content-length", "")])),
        ("content-length with a sign", with(&[("content-length", "+0")])),
        ("content-length as a list", with(&[("content-length", "0, 0")])),
        ("content-length without a body", with(&[("content-length", "1")])),
    ];
    let mut rig = Rig::server();
    for (at, (why, fields)) in rows.iter().enumerate() {
        let id = u32::try_from(2 * at + 1).unwrap();
        assert_eq!(
            rig.feed(&headers(id, END_STREAM, fields)),
            [format!("refused {id} PROTOCOL_ERROR")],
            "{why}"
        );
        assert_eq!(rig.said(), [format!("reset {id} PROTOCOL_ERROR")], "{why}");
    }
    assert_eq!(rig.connection.streams(), 0);
}

#[test]
fn requests_that_are_taken() {
    let rows: Vec<(&str, Fields<'_>)> = vec![
        ("plain", GET.to_vec()),
        ("te: trailers", with(&[("te", "trailers")])),
        ("host that agrees in other letters", with(&[("host", "Example.COM")])),
        ("host alone", [but(":authority", None), vec![("host", "example.com")]].concat()),
        ("a port", but(":authority", Some("example.com:8080"))),
        ("an IPv6 address", but(":authority", Some("[::1]:80"))),
        ("OPTIONS *", [&[(":method", "OPTIONS"), (":path", "*")], &GET[1..3]].concat()),
        ("a method of its own", but(":method", Some("PURGE"))),
        ("content-length 0", with(&[("content-length", "0")])),
        ("an empty value", with(&[("x", "")])),
        ("high bytes in a value", with(&[("x", "caf\u{e9}")])),
        ("CONNECT", vec![(":method", "CONNECT"), (":authority", "example.com:443")]),
    ];
    let mut rig = Rig::server();
    for (at, (why, fields)) in rows.iter().enumerate() {
        let id = u32::try_from(2 * at + 1).unwrap();
        let seen = rig.feed(&headers(id, END_STREAM, fields));
        assert!(seen.len() == 1 && seen[0].starts_with(&format!("head {id} ")), "{why}: {seen:?}");
    }
}

#[test]
fn bodies_are_as_long_as_they_say() {
    let post = |length| [POST, &[("content-length", length)]].concat();
    let end = |id| format!("reset {id} by us PROTOCOL_ERROR");
    let mut rig = Rig::server();
    rig.feed(&headers(1, 0, &post("3")));
    assert_eq!(rig.feed(&frame(DATA, 0, 1, b"four")), [end(1)], "longer");
    rig.feed(&headers(3, 0, &post("3")));
    assert_eq!(rig.feed(&frame(DATA, END_STREAM, 3, b"ab")), [end(3)], "shorter");
    rig.feed(&headers(5, 0, &post("3")));
    rig.feed(&frame(DATA, 0, 5, b"ab"));
    assert_eq!(rig.feed(&headers(5, END_STREAM, &[("x", "y")])), [end(5)], "shorter, closed by trailers");
    rig.feed(&headers(7, 0, &post("3")));
    rig.feed(&frame(DATA, 0, 7, b"ab"));
    assert_eq!(rig.feed(&frame(DATA, 0, 7, b"c")), ["data 7 c"]);
    assert_eq!(rig.feed(&frame(DATA, END_STREAM, 7, b"")), ["data 7  end"]);
    rig.feed(&headers(9, 0, &post("3")));
    assert_eq!(rig.feed(&frame(DATA, PADDED | END_STREAM, 9, b"\x02abc\0\0")), ["data 9 abc end"], "padding");
}

#[test]
fn trailers_that_are_refused() {
    for (why, flags, fields) in [
        ("not the end", 0, vec![("x", "y")]),
        ("a pseudo-header field", END_STREAM, vec![(":path", "/")]),
        ("a connection's field", END_STREAM, vec![("connection", "close")]),
        ("upper case", END_STREAM, vec![("X", "y")]),
    ] {
        let mut rig = Rig::server();
        rig.feed(&headers(1, 0, POST));
        assert_eq!(rig.feed(&headers(1, flags, &fields)), ["reset 1 by us PROTOCOL_ERROR"], "{why}");
    }
}

#[test]
fn responses_that_are_refused() {
    let rows: Vec<(&str, u8, Fields<'_>)> = vec![
        ("no :status", END_STREAM, vec![("x", "y")]),
        ("a status of two digits", END_STREAM, vec![(":status", "20")]),
        ("a status below 100", END_STREAM, vec![(":status", "099")]),
        (":status twice", END_STREAM, vec![(":status", "200"), (":status", "200")]),
        ("a request's pseudo-header field", END_STREAM, vec![(":status", "200"), (":path", "/")]),
        (":status after a field", END_STREAM, vec![("x", "y"), (":status", "200")]),
        ("an interim one that ends", END_STREAM, vec![(":status", "100")]),
        ("101", 0, vec![(":status", "101")]),
        ("transfer-encoding", END_STREAM, vec![(":status", "200"), ("transfer-encoding", "chunked")]),
        ("a value with CR", END_STREAM, vec![(":status", "200"), ("x", "a\r\nset-cookie: b")]),
    ];
    for (why, flags, fields) in rows {
        let mut rig = Rig::client();
        let ask = Request { method: b"GET", scheme: b"http", authority: b"e", path: b"/", protocol: None };
        rig.connection.request(&ask).unwrap().1.finish(true);
        assert_eq!(rig.feed(&headers(1, flags, &fields)), ["reset 1 by us PROTOCOL_ERROR"], "{why}");
    }
}

#[test]
fn a_head_too_large_can_be_answered() {
    let mut rig = Rig::server();
    let long = "v".repeat(3000);
    let many: Fields<'_> = (0..25).map(|_| ("x", long.as_str())).collect();
    let block = block(&with(&many));
    let mut wire = frame(HEADERS, END_STREAM, 1, &block[..16_384]);
    let rest: Vec<_> = block[16_384..].chunks(16_384).collect();
    for (at, piece) in rest.iter().enumerate() {
        wire.extend(frame(CONTINUATION, if at + 1 == rest.len() { END_HEADERS } else { 0 }, 1, piece));
    }
    rig.expect(&wire, &["too large 1 end"]);
    let fields: Fields<'_> = (0..97).map(|_| ("x", "y")).collect();
    let stream = open(&mut rig, &headers(3, 0, &with(&fields)));
    rig.connection.respond(stream, 431).unwrap().finish(true);
    assert_eq!(rig.said(), ["head 3 :status=431 end"]);
    rig.expect(&headers(5, END_STREAM, &with(&fields[..96])), &["head 5 GET / end"]);
    let crumbs: Fields<'_> = (0..181).map(|_| ("cookie", "a=b")).collect();
    rig.expect(&headers(7, END_STREAM, &with(&crumbs)), &["too large 7 end"]);
    rig.expect(&headers(9, END_STREAM, &with(&crumbs[1..])), &["head 9 GET / end"]);
}
