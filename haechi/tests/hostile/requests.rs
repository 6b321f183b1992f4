//! Requests that are refused before an endpoint hears of them, and requests that reach it without their poison.

use std::io::ErrorKind;

use haechi_tests::Connection;

use super::{Front, framed};

/// A request behind the hostile one: if both sides agree on where requests begin, it is the second one or
/// never seen.
const NEXT: &str = "GET /next HTTP/1.1\r\nHost: h\r\n\r\n";

const OUR_LINES: &str = "X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\n";

/// A `GET` with these lines.
macro_rules! get {
    ($lines:literal) => {
        concat!("GET / HTTP/1.1\r\nHost: h\r\n", $lines, "\r\n")
    };
}

/// A `POST` with these lines and what stands behind them.
macro_rules! post {
    ($lines:literal, $body:literal) => {
        concat!("POST / HTTP/1.1\r\nHost: h\r\n", $lines, "\r\n", $body)
    };
}

/// A chunked `POST` with this body.
macro_rules! chunked {
    ($body:literal) => {
        concat!("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", $body)
    };
}

/// What, the bytes, the fault that the client is told. The connection is closed and the endpoint sees nothing.
#[rustfmt::skip]
pub(super) const REFUSED: &[(&str, &str, &str)] = &[
    // Framing: two readers, two lengths.
    ("CL.TE", post!("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\nG"), "badRequest"),
    ("TE.CL", post!("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", "0\r\n\r\n"), "badRequest"),
    ("two lengths", post!("Content-Length: 0\r\nContent-Length: 5\r\n", "hello"), "badRequest"),
    ("one length twice", post!("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"), "badRequest"),
    ("a list of lengths", post!("Content-Length: 5, 6\r\n", "hello"), "badRequest"),
    ("an empty length (CVE-2023-40225)", post!("Content-Length:\r\n", "hello"), "badRequest"),
    ("a blank length", post!("Content-Length: \t \r\n", "hello"), "badRequest"),
    ("a signed length", post!("Content-Length: +5\r\n", "hello"), "badRequest"),
    ("a negative length", post!("Content-Length: -0\r\n", "hello"), "badRequest"),
    ("a hexadecimal length", post!("Content-Length: 0x5\r\n", "hello"), "badRequest"),
    ("a grouped length", post!("Content-Length: 1_0\r\n", "hello"), "badRequest"),
    ("a length in other digits", post!("Content-Length: \u{665}\r\n", "hello"), "badRequest"),
    ("a length beyond 64 bits", post!("Content-Length: 18446744073709551621\r\n", "hello"), "badRequest"),
    ("a length with a fraction", post!("Content-Length: 5.0\r\n", "hello"), "badRequest"),
    ("an empty coding", post!("Transfer-Encoding:\r\n", "0\r\n\r\n"), "badRequest"),
    ("a comma before chunked", post!("Transfer-Encoding: ,chunked\r\n", "0\r\n\r\n"), "badRequest"),
    ("chunked twice in a list", post!("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n"), "badRequest"),
    ("chunked twice in two lines", post!("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), "badRequest"),
    ("chunked, then another", post!("Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n", "0\r\n\r\n"), "badRequest"),
    ("chunked behind a control character", post!("Transfer-Encoding: \x0bchunked\r\n", "0\r\n\r\n"), "badRequest"),
    ("chunked in quotes", post!("Transfer-Encoding: \"chunked\"\r\n", "0\r\n\r\n"), "badRequest"),
    ("chunked with a parameter", post!("Transfer-Encoding: chunked;x=y\r\n", "0\r\n\r\n"), "badRequest"),
    ("xchunked", post!("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"), "badRequest"),
    ("a blank before the colon of the coding", post!("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"), "badRequest"),
    ("a folded coding", post!("Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n"), "badRequest"),
    ("a coding that we have not", post!("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"), "codingUnknown"),
    ("identity", post!("Transfer-Encoding: identity\r\nContent-Length: 3\r\n", "abc"), "codingUnknown"),
    ("chunks in HTTP/1.0 (CVE-2026-2835)", "POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "badRequest"),
    ("both lengths in HTTP/1.0", "POST / HTTP/1.0\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "badRequest"),
    // Lines and fields.
    ("bare LF behind the request line", "GET / HTTP/1.1\nHost: h\r\n\r\n", "badRequest"),
    ("bare LF behind a field", get!("A: b\nB: c\r\n"), "badRequest"),
    ("bare LF at the end of the head", "GET / HTTP/1.1\r\nHost: h\r\n\n", "badRequest"),
    ("bare CR in a value", get!("A: b\rTransfer-Encoding: chunked\r\n"), "badRequest"),
    ("bare CR in the request line", "GET /\rx HTTP/1.1\r\nHost: h\r\n\r\n", "badRequest"),
    ("NUL in a value", get!("A: b\0c\r\n"), "badRequest"),
    ("NUL in a name", get!("A\0: b\r\n"), "badRequest"),
    ("control character in a value", get!("A: \x1b[2J\r\n"), "badRequest"),
    ("DEL in a value", get!("A: \x7f\r\n"), "badRequest"),
    ("high byte in a name", get!("\u{e4}: b\r\n"), "badRequest"),
    ("no colon (http-garden)", get!("Host h\r\n"), "badRequest"),
    ("blank before the colon", get!("A : b\r\n"), "badRequest"),
    ("empty name (CVE-2023-25725)", get!(": b\r\n"), "badRequest"),
    ("folded line", get!("A: b\r\n c\r\n"), "badRequest"),
    ("first line begins with a blank", "GET / HTTP/1.1\r\n Host: h\r\n\r\n", "badRequest"),
    ("empty line before the request line", "\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", "badRequest"),
    ("blank before the method", " GET / HTTP/1.1\r\nHost: h\r\n\r\n", "badRequest"),
    ("two blanks before the version", "GET /  HTTP/1.1\r\nHost: h\r\n\r\n", "badRequest"),
    ("tab in the request line", "GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n", "badRequest"),
    ("blank behind the version", "GET / HTTP/1.1 \r\nHost: h\r\n\r\n", "badRequest"),
    ("no version", "GET /\r\nHost: h\r\n\r\n", "badRequest"),
    ("version in lower case", "GET / http/1.1\r\nHost: h\r\n\r\n", "badRequest"),
    ("version with a sign", "GET / HTTP/1.+1\r\nHost: h\r\n\r\n", "badRequest"),
    ("nearly the HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSN\r\n\r\n", "versionUnknown"),
    ("HTTP/0.9 in words", "GET / HTTP/0.9\r\nHost: h\r\n\r\n", "versionUnknown"),
    ("HTTP/1.2", "GET / HTTP/1.2\r\nHost: h\r\n\r\n", "versionUnknown"),
    ("TLS where none is", "\x16\x03\x01\x02\0\x01\0\x01\u{7c}\x03\x03", "badRequest"),
    // Who is asked, and for what.
    ("no Host", "GET / HTTP/1.1\r\nA: b\r\n\r\n", "badRequest"),
    ("two hosts", get!("Host: i\r\n"), "badRequest"),
    ("one host twice", get!("Host: h\r\n"), "badRequest"),
    ("comma in the host (HAProxy b743b566b)", "GET / HTTP/1.1\r\nHost: h,i\r\n\r\n", "badRequest"),
    ("@ in the host", "GET / HTTP/1.1\r\nHost: a@h\r\n\r\n", "badRequest"),
    ("path in the host", "GET / HTTP/1.1\r\nHost: h/i\r\n\r\n", "badRequest"),
    ("blank in the host", "GET / HTTP/1.1\r\nHost: h i\r\n\r\n", "badRequest"),
    ("port 0 (sozu 2.0.0)", "GET / HTTP/1.1\r\nHost: h:0\r\n\r\n", "badRequest"),
    ("port beyond 16 bits", "GET / HTTP/1.1\r\nHost: h:65536\r\n\r\n", "badRequest"),
    ("port beyond 64 bits", "GET / HTTP/1.1\r\nHost: h:18446744073709551696\r\n\r\n", "badRequest"),
    ("port that is none", "GET / HTTP/1.1\r\nHost: h:8a\r\n\r\n", "badRequest"),
    ("open bracket", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", "badRequest"),
    ("host differs from the target", "GET http://i/ HTTP/1.1\r\nHost: h\r\n\r\n", "badRequest"),
    ("host in a target with user", "GET http://a@h/ HTTP/1.1\r\nHost: h\r\n\r\n", "badRequest"),
    ("scheme that we have not", "GET ftp://h/ HTTP/1.1\r\nHost: h\r\n\r\n", "badRequest"),
    ("target without a slash", "GET x HTTP/1.1\r\nHost: h\r\n\r\n", "badRequest"),
    ("star with GET", "GET * HTTP/1.1\r\nHost: h\r\n\r\n", "badRequest"),
    ("fragment (CVE-2023-45539)", "GET /#/../admin HTTP/1.1\r\nHost: h\r\n\r\n", "badRequest"),
    ("fragment in a query", "GET /?a#b HTTP/1.1\r\nHost: h\r\n\r\n", "badRequest"),
    ("dot segment", "GET /a/../b HTTP/1.1\r\nHost: h\r\n\r\n", "badRequest"),
    ("encoded dot segment", "GET /a/%2e%2E/b HTTP/1.1\r\nHost: h\r\n\r\n", "badRequest"),
    ("dot segment with a parameter", "GET /a/..;x=y/b HTTP/1.1\r\nHost: h\r\n\r\n", "badRequest"),
    ("dot segment behind an encoded slash (CVE-2025-66490)", "GET /a%2f..%2fb HTTP/1.1\r\nHost: h\r\n\r\n", "badRequest"),
    ("dot segment before an encoded slash", "GET /a/..%2Fb HTTP/1.1\r\nHost: h\r\n\r\n", "badRequest"),
    ("backslash", "GET /a\\b HTTP/1.1\r\nHost: h\r\n\r\n", "badRequest"),
    ("encoded backslash", "GET /a%5cb HTTP/1.1\r\nHost: h\r\n\r\n", "badRequest"),
    ("encoded NUL", "GET /a%00b HTTP/1.1\r\nHost: h\r\n\r\n", "badRequest"),
    ("broken encoding", "GET /a%2 HTTP/1.1\r\nHost: h\r\n\r\n", "badRequest"),
    ("raw high byte in the path", "GET /\u{e4} HTTP/1.1\r\nHost: h\r\n\r\n", "badRequest"),
    ("CONNECT", "CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n", "methodRefused"),
    ("TRACE", "TRACE / HTTP/1.1\r\nHost: h\r\n\r\n", "methodRefused"),
    ("unknown expectation", get!("Expect: 200-maybe\r\n"), "expectationFailed"),
    ("two expectations in a list", post!("Content-Length: 0\r\nExpect: 100-continue, 100-continue\r\n", ""), "expectationFailed"),
    // Bodies.
    ("chunk size with a sign", chunked!("+5\r\nhello\r\n0\r\n\r\n"), "badRequestBody"),
    ("chunk size with 0x", chunked!("0x5\r\nhello\r\n0\r\n\r\n"), "badRequestBody"),
    ("chunk size with _", chunked!("0_5\r\nhello\r\n0\r\n\r\n"), "badRequestBody"),
    ("chunk size behind a blank", chunked!(" 5\r\nhello\r\n0\r\n\r\n"), "badRequestBody"),
    ("chunk size before a blank", chunked!("5 \r\nhello\r\n0\r\n\r\n"), "badRequestBody"),
    ("chunk size that overflows", chunked!("10000000000000005\r\nhello\r\n0\r\n\r\n"), "badRequestBody"),
    ("chunk size that is negative to somebody", chunked!("ffffffffffffffff\r\nhello\r\n0\r\n\r\n"), "badRequestBody"),
    ("chunk size that is none", chunked!("\r\nhello\r\n0\r\n\r\n"), "badRequestBody"),
    ("chunk size ended by LF (HAProxy 4837e9989, nginx 1.29.4)", chunked!("5\nhello\r\n0\r\n\r\n"), "badRequestBody"),
    ("extension ended by LF (TERM.EXT)", chunked!("5;\nhello\r\n0\r\n\r\n"), "badRequestBody"),
    ("CR in an extension (http-garden)", chunked!("5;a\rb\r\nhello\r\n0\r\n\r\n"), "badRequestBody"),
    ("NUL in an extension", chunked!("5;a\0\r\nhello\r\n0\r\n\r\n"), "badRequestBody"),
    ("open quote in an extension", chunked!("5;a=\"b\r\nhello\r\n0\r\n\r\n"), "badRequestBody"),
    ("chunk longer than its size", chunked!("5\r\nhello!\r\n0\r\n\r\n"), "badRequestBody"),
    ("chunk data ended by LF", chunked!("5\r\nhello\n0\r\n\r\n"), "badRequestBody"),
    ("trailer without a colon", chunked!("0\r\nnocolon\r\n\r\n"), "badRequestBody"),
    ("trailer ended by LF", chunked!("0\r\na: b\n\r\n"), "badRequestBody"),
    ("length in a trailer", chunked!("0\r\nContent-Length: 99\r\n\r\n"), "badRequestBody"),
    ("coding in a trailer, with an underscore", chunked!("0\r\nTransfer_Encoding: chunked\r\n\r\n"), "badRequestBody"),
    ("host in a trailer", chunked!("0\r\nHost: i\r\n\r\n"), "badRequestBody"),
    ("connection in a trailer", chunked!("0\r\nConnection: close\r\n\r\n"), "badRequestBody"),
    ("folded trailer", chunked!("0\r\na: b\r\n c\r\n\r\n"), "badRequestBody"),
    ("body ended by LF", chunked!("0\r\n\n"), "badRequestBody"),
];

/// What, the bytes, and what the endpoint sees of them, with our lines at `^`.
#[rustfmt::skip]
pub(super) const PASSED: &[(&str, &str, &str)] = &[
    ("plain", get!("A: b\r\n"), get!("A: b\r\n^")),
    ("forged forwarding fields", get!("X-Forwarded-For: 9.9.9.9\r\nA: b\r\nx-forwarded-proto: https\r\nX-FORWARDED-HOST: i\r\nForwarded: for=9.9.9.9\r\nX-Real-IP: 9.9.9.9\r\nX-Forwarded-For: 8.8.8.8\r\nX-Forwarded-Client-Cert: x\r\n"), get!("A: b\r\n^")),
    ("underscored aliases (CVE-2026-39858)", get!("X_Forwarded_Proto: https\r\nX_Real-IP: 9.9.9.9\r\nContent_Length: 5\r\nTransfer_Encoding: chunked\r\n"), get!("^")),
    ("Connection lists our lines (CVE-2024-45410)", get!("Connection: X-Forwarded-For, X-Forwarded-Proto, X-Real-IP\r\n"), get!("^")),
    ("Connection lists what carries rights", get!("Authorization: a\r\nCookie: b\r\nConnection: close, Authorization, Cookie, Host, Forwarded\r\n"), get!("Authorization: a\r\nCookie: b\r\n^")),
    ("Connection lists framing", post!("Connection: Content-Length\r\nContent-Length: 5\r\n", "hello"), post!("Content-Length: 5\r\n^", "hello")),
    ("Connection lists fields", get!("A: b\r\nConnection: a, keep-alive,,B\r\nC: d\r\nb: e\r\nA: f\r\n"), get!("C: d\r\n^")),
    ("hop-by-hop fields", get!("Keep-Alive: 5\r\nProxy-Connection: x\r\nTE: trailers\r\nA: b\r\n"), get!("A: b\r\nTE: trailers\r\nConnection: TE\r\n^")),
    ("codings that are ours alone", get!("TE: gzip;q=1.0\r\nA: b\r\n"), get!("A: b\r\n^")),
    ("h2c upgrade", get!("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"), get!("^")),
    ("upgrade without its option", get!("Upgrade: websocket\r\n"), get!("^")),
    ("upgrade with a body", post!("Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n", "hello"), post!("Content-Length: 5\r\n^", "hello")),
    ("absolute form", "GET http://h/a?b HTTP/1.1\r\nHost: h\r\n\r\n", "GET /a?b HTTP/1.1\r\nHost: h\r\n^\r\n"),
    ("absolute form without a path", "GET http://h HTTP/1.1\r\nHost: H\r\n\r\n", "GET / HTTP/1.1\r\nHost: H\r\n^\r\n"),
    ("HTTP/1.0", "GET / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n", "GET / HTTP/1.1\r\nHost: h\r\n^\r\n"),
    ("one form of a path for matching and for the endpoint", "GET /a//b;c=d/%2f/...?x=/../y HTTP/1.1\r\nHost: h\r\n\r\n", "GET /a//b;c=d/%2f/...?x=/../y HTTP/1.1\r\nHost: h\r\n^\r\n"),
    ("chunk extensions and trailers", chunked!("5;a=\"b;\\\"\";c\r\nhello\r\n000;x\r\nSum: 1\r\nX_Forwarded-For: 9.9.9.9\r\nAuthorization: x\r\nlast:2\r\n\r\n"), "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n^\r\n5\r\nhello\r\n000\r\nSum: 1\r\nlast:2\r\n\r\n"),
    ("a request in a chunk", chunked!("23\r\nGET /x HTTP/1.1\r\nHost: h\r\n\r\n0\r\n\r\nxx\r\n0\r\n\r\n"), "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n^\r\n23\r\nGET /x HTTP/1.1\r\nHost: h\r\n\r\n0\r\n\r\nxx\r\n0\r\n\r\n"),
    ("GET with a body", "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nGET ", "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n^\r\nGET "),
    ("a value with high bytes and tabs", get!("A: \u{e4}\tb \t\r\n"), get!("A: \u{e4}\tb \t\r\n^")),
];

#[derive(Clone, Copy, Debug)]
pub(super) enum Way {
    Whole,
    ByteByByte,
}

/// Sends the bytes and the next request, and gives all that comes back until haechi closes.
pub(super) fn converse(front: &Front, bytes: &str, way: Way, end: bool) -> Result<String, String> {
    let mut connection = Connection::open(front.listen).unwrap();
    let all = format!("{bytes}{NEXT}");
    match way {
        Way::Whole => drop(connection.send(all.as_bytes())),
        Way::ByteByByte => {
            all.as_bytes().iter().take_while(|byte| connection.send(&[**byte]).is_ok()).for_each(drop)
        }
    }
    if end {
        connection.end_writing();
    }
    match connection.rest() {
        Ok(back) => Ok(String::from_utf8_lossy(&back).into_owned()),
        // Bytes that come after the end of the connection are answered with RST by the kernel.
        Err(error) if error.kind() == ErrorKind::ConnectionReset => Err("reset".to_owned()),
        Err(error) => Err(format!("not closed: {error}")),
    }
}

fn judge_refusal(back: &str, fault: &str) -> Result<(), String> {
    let (head, rest) = back.split_once("\r\n\r\n").ok_or("no answer")?;
    let wanted = format!("Haechi-Fault: {fault}");
    let told = head.lines().any(|line| line == wanted);
    let closed = head.lines().any(|line| line == "Connection: close");
    let once = !rest.contains("HTTP/1.");
    (told && closed && once).then_some(()).ok_or_else(|| format!("wanted {fault}, once, and an end: {back}"))
}

#[test]
fn what_can_be_read_in_two_ways_is_refused_and_reaches_no_endpoint() {
    let endpoint = framed();
    let front = Front::new(&[&endpoint], 2, "", "");
    let mut wrong = Vec::new();
    for (what, bytes, fault) in REFUSED {
        let before = endpoint.seen().len();
        let judged = converse(&front, bytes, Way::Whole, false).and_then(|back| judge_refusal(&back, fault));
        let seen = endpoint.seen().split_off(before);
        if judged.is_err() || !seen.is_empty() {
            wrong.push(format!("{what}: {judged:?}; the endpoint saw {seen:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    front.assert_calm();
}

#[test]
fn bytes_that_trickle_are_judged_as_those_that_come_at_once() {
    let endpoint = framed();
    let front = Front::new(&[&endpoint], 2, "", "");
    let mut wrong = Vec::new();
    for (what, bytes, fault) in REFUSED {
        let before = endpoint.seen().len();
        let judged = match converse(&front, bytes, Way::ByteByByte, false) {
            Ok(back) => judge_refusal(&back, fault),
            // Bytes behind the refusal may meet a closed socket.
            Err(error) if error == "reset" => Ok(()),
            Err(error) => Err(error),
        };
        let seen = endpoint.seen().split_off(before);
        // A body's first bytes may have gone on; never a second request.
        if judged.is_err() || seen.contains("/next") || (*fault != "badRequestBody" && !seen.is_empty()) {
            wrong.push(format!("{what}: {judged:?}; the endpoint saw {seen:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    front.assert_calm();
}

#[test]
fn what_goes_on_goes_on_without_its_poison_and_the_next_request_is_the_next() {
    let endpoint = framed();
    let front = Front::new(&[&endpoint], 2, "", "");
    let mut wrong = Vec::new();
    for way in [Way::Whole, Way::ByteByByte] {
        for (what, bytes, seen) in PASSED {
            let before = endpoint.seen().len();
            let back = converse(&front, bytes, way, true);
            let closing = bytes.contains("Connection: close");
            let mut wanted = seen.replace('^', OUR_LINES);
            if !closing {
                wanted += &NEXT.replace("\r\n\r\n", &format!("\r\n{OUR_LINES}\r\n"));
            }
            let seen = endpoint.seen().split_off(before);
            let answers = back.as_ref().map_or(0, |back| back.matches("HTTP/1.1 200 OK").count());
            if seen != wanted || answers != if closing { 1 } else { 2 } {
                wrong.push(format!("{what}, {way:?}: the client got {back:?}; the endpoint saw\n{seen:?} instead of\n{wanted:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    front.assert_calm();
}

#[test]
fn measures_are_kept_to_the_byte() {
    let endpoint = framed();
    let front = Front::new(&[&endpoint], 1, ", limits: { requestLine: 128B, head: 1KiB, fields: 8 }", "");
    let line = |length: usize| format!("GET /{} HTTP/1.1", "a".repeat(length - 14));
    let head = |length: usize| {
        let head = get!("A: ");
        format!("{}{}\r\n\r\n", &head[..head.len() - 2], "a".repeat(length - head.len() - 2))
    };
    let fields = |more: usize| format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "A: b\r\n".repeat(more));
    let rows = [
        (format!("{}\r\nHost: h\r\n\r\n", line(126)), "fine"),
        (format!("{}\r\nHost: h\r\n\r\n", line(127)), "uriTooLong"),
        (head(1024), "fine"),
        (head(1025), "headTooLarge"),
        (fields(7), "fine"),
        (fields(8), "headTooLarge"),
        ("A".repeat(200), "uriTooLong"),
        (format!("GET / HTTP/1.1\r\nHost: h\r\nA: {}", "a".repeat(2000)), "headTooLarge"),
        (format!("{}{}", chunked!("5;"), "a".repeat(5000)), "badRequestBody"),
        (format!("{}{}", chunked!("0\r\n"), "a: b\r\n".repeat(1000)), "badRequestBody"),
    ];
    for (bytes, wanted) in rows {
        let mut connection = Connection::open(front.listen).unwrap();
        connection.send(bytes.as_bytes()).unwrap();
        let reply = connection.reply(false).unwrap();
        let got = reply.fields.get("haechi-fault").cloned().unwrap_or_else(|| reply.text());
        assert_eq!(got, wanted, "{bytes}");
    }
}

#[test]
fn a_head_above_the_read_buffer_is_served_where_the_limit_allows_it() {
    let endpoint = framed();
    let front = Front::new(&[&endpoint], 1, ", limits: { requestLine: 1MiB, head: 1MiB }", "");
    let mut connection = Connection::open(front.listen).unwrap();
    for length in [65_000, 65_536, 66_000, 200_000] {
        connection
            .send(format!("GET / HTTP/1.1\r\nHost: h\r\nA: {}\r\n\r\n", "a".repeat(length)).as_bytes())
            .unwrap();
        assert_eq!(connection.reply(false).unwrap().text(), "fine", "{length}");
    }
}

#[test]
fn a_connection_field_with_thousands_of_options_costs_no_thousands_of_searches() {
    let endpoint = framed();
    let front = Front::new(&[&endpoint], 1, "", "");
    let lines: String = (0..90).map(|n| format!("Field-{n}: x\r\n")).collect();
    let bytes = format!("GET / HTTP/1.1\r\nHost: h\r\n{lines}Connection: {}\r\n\r\n", "a,".repeat(30_000));
    let mut connection = Connection::open(front.listen).unwrap();
    connection.send(bytes.as_bytes()).unwrap();
    assert_eq!(connection.reply(false).unwrap().fields["haechi-fault"], "badRequest");
}

#[test]
fn a_repeated_field_hides_nothing_from_a_route() {
    // CVE-2026-26308: a rule looked at one of two lines. Here any line that names the value is found.
    let (one, other) = (framed(), framed());
    let front = Front::new(&[&one], 1, "", "");
    let routed =
        front.config.replace("routes: [", "routes: [{ path: /, headers: { x-role: admin }, pool: admin }, ");
    front.node.change(&format!("{routed}  admin: {{ endpoints: {{ e: \"{}\" }} }}\n", other.address));
    for lines in
        ["x-role: admin\r\n", "X-Role: user\r\nX-ROLE: admin\r\n", "X-ROLE: admin\r\nX-Role: user\r\n"]
    {
        let mut connection = Connection::open(front.listen).unwrap();
        connection.send(format!("GET / HTTP/1.1\r\nHost: h\r\n{lines}\r\n").as_bytes()).unwrap();
        assert_eq!(connection.reply(false).unwrap().status, 200);
    }
    assert_eq!((one.seen().len(), other.seen().matches("GET / ").count()), (0, 3));
}

#[test]
fn a_body_that_breaks_later_ends_both_connections() {
    let endpoint = framed();
    let front = Front::new(&[&endpoint], 1, "", "");
    let mut connection = Connection::open(front.listen).unwrap();
    connection.send(chunked!("5\r\nhello\r\n").as_bytes()).unwrap();
    haechi_tests::eventually(std::time::Duration::from_secs(5), "the endpoint has the first chunk", || {
        endpoint.seen().ends_with("hello\r\n")
    });
    connection.send(format!("zz\r\n{NEXT}").as_bytes()).unwrap();
    let back = String::from_utf8(connection.rest().unwrap()).unwrap();
    judge_refusal(&back, "badRequestBody").unwrap();
    // The endpoint still waits for the rest of that body: what comes next must come on another connection.
    front.assert_calm();
    assert_eq!(front.connects("e0"), 2);
    assert!(
        endpoint.seen().contains("hello\r\nGET /calm"),
        "nothing of the broken rest: {}",
        endpoint.seen()
    );
}
