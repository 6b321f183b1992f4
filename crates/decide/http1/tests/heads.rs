//! Whole heads: what is accepted, what is refused, and the bytes that go on.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use haechi_http1::{
    Downstream, Framing, HeadError, Method, Onward, Parsed, RequestHead, ResponseHead, Version,
};
use haechi_model::{Fault, HttpLimits};
use proptest::prelude::*;

fn request(text: &[u8]) -> Result<(RequestHead, usize), HeadError> {
    let mut head = RequestHead::default();
    match head.parse(text, &HttpLimits::default())? {
        Parsed::Complete(len) => Ok((head, len)),
        Parsed::Partial => panic!("partial: {}", text.escape_ascii()),
    }
}

fn refused(text: &[u8]) -> (Fault, &'static str) {
    let error = request(text).map(|_| text.escape_ascii().to_string()).expect_err("accepted");
    (error.fault, error.rule)
}

fn upstream(text: &[u8]) -> String {
    edited(text, &Onward::default(), "")
}

/// `goes`: names that are taken out.
fn edited(text: &[u8], onward: &Onward<'_>, goes: &str) -> String {
    let (mut head, _) = request(text).unwrap();
    let mut out = Vec::new();
    head.cut(text, |name| goes.split(' ').any(|gone| gone.as_bytes().eq_ignore_ascii_case(name)));
    let onward =
        Onward { authority: b"me.example", forwarding: b"X-Forwarded-For: 192.0.2.1\r\n", ..*onward };
    head.write_upstream(text, &onward, &mut out);
    String::from_utf8(out).unwrap()
}

fn to_11() -> Downstream {
    Downstream { version: Version::Http11, keep_alive: true, head: false, upgrade: false, own_framing: false }
}

fn response(text: &[u8], to: &Downstream) -> Result<ResponseHead, HeadError> {
    let mut head = ResponseHead::default();
    match head.parse(text, &HttpLimits::default(), to)? {
        Parsed::Complete(_) => Ok(head),
        Parsed::Partial => panic!("partial: {}", text.escape_ascii()),
    }
}

fn downstream(text: &[u8], to: &Downstream) -> String {
    let mut out = Vec::new();
    response(text, to).unwrap().write_downstream(text, b"", &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_plain_request() {
    let text = b"GET /a/b?c=d HTTP/1.1\r\nHost: example.com\r\nAccept: */*\r\n\r\nGET /next";
    let (head, len) = request(text).unwrap();
    assert_eq!(len, text.len() - "GET /next".len());
    assert_eq!((head.method, head.framing, head.keep_alive), (Method::Get, Framing::None, true));
    assert_eq!(head.path.of(text), b"/a/b");
    assert_eq!(head.host.unwrap().of(text), b"example.com");
    assert_eq!(head.values(text, "ACCEPT").collect::<Vec<_>>(), [b"*/*"]);
    assert_eq!(
        upstream(text),
        "GET /a/b?c=d HTTP/1.1\r\nHost: example.com\r\nAccept: */*\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n"
    );
}

#[test]
fn hop_by_hop_and_forged_forwarding_fields_do_not_go_on() {
    let text = b"POST / HTTP/1.1\r\nConnection: close, x-mine, Host, X-Forwarded-For\r\nHost: h\r\nKeep-Alive: 5\r\n\
        TE: gzip\r\nX-Mine: 1\r\nX-Forwarded-For: 6.6.6.6\r\nX_Forwarded_Proto: https\r\nForwarded: for=6\r\n\
        X-Real-IP: 6.6.6.6\r\nX-Client-Cert-Subject: CN=root\r\nx-client-cert-x: 1\r\nContent-Length: 3\r\n\r\n";
    assert_eq!(
        upstream(text),
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n"
    );
    assert!(!request(text).unwrap().0.keep_alive);
}

#[test]
fn a_field_that_connection_names_twice_over_does_not_bring_others_back() {
    // Found by fuzzing: the cut of a line inside a merged cut ended it early, and X-Real-IP went on.
    let text = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, connection, te\r\nTE: x\r\nX-Real-IP: 6\r\nA: b\r\n\r\n";
    assert_eq!(upstream(text), "GET / HTTP/1.1\r\nHost: h\r\nA: b\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n");
}

#[test]
fn only_trailers_of_te_go_on() {
    for (te, goes) in [("trailers", true), ("gzip, Trailers", true), ("gzip", false), ("trailers;q=1", false)]
    {
        let text = format!("GET / HTTP/1.1\r\nHost: h\r\nConnection: TE\r\nTE: {te}\r\n\r\n");
        let line = if goes { "TE: trailers\r\nConnection: TE\r\n" } else { "" };
        assert_eq!(
            upstream(text.as_bytes()),
            format!("GET / HTTP/1.1\r\nHost: h\r\n{line}X-Forwarded-For: 192.0.2.1\r\n\r\n")
        );
    }
    assert!(!upstream(b"GET / HTTP/1.0\r\nHost: h\r\nTE: trailers\r\n\r\n").contains("TE"));
}

#[test]
fn an_expectation_goes_on_only_where_it_means_something() {
    for text in [
        &b"POST / HTTP/1.0\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n"[..],
        b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n",
    ] {
        assert!(!upstream(text).contains("Expect"), "{}", text.escape_ascii());
    }
    let text = b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n";
    assert!(upstream(text).contains("Expect: 100-continue\r\n"));
}

#[test]
fn an_absolute_target_becomes_a_path_and_its_authority_the_host() {
    assert_eq!(
        upstream(b"GET http://Example.com/a?b HTTP/1.1\r\nHost: example.com\r\n\r\n"),
        "GET /a?b HTTP/1.1\r\nHost: example.com\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n"
    );
    assert_eq!(
        upstream(b"OPTIONS http://h HTTP/1.0\r\n\r\n"),
        "OPTIONS / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n"
    );
    assert_eq!(
        refused(b"GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n").1,
        "Host differs from the request target"
    );
}

#[test]
fn http_1_0_goes_on_as_1_1_with_a_host() {
    assert_eq!(
        upstream(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
        "GET / HTTP/1.1\r\nHost: me.example\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n"
    );
    assert!(request(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").unwrap().0.keep_alive);
    assert!(!request(b"GET / HTTP/1.0\r\n\r\n").unwrap().0.keep_alive);
}

#[test]
fn an_upgrade_goes_on_but_h2c_and_one_with_a_body_do_not() {
    let text =
        b"GET /chat HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n";
    assert!(request(text).unwrap().0.upgrade);
    assert_eq!(
        upstream(text),
        "GET /chat HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: upgrade\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n"
    );
    for text in [
        &b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n\r\n"[..],
        b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\r\n",
    ] {
        assert!(!request(text).unwrap().0.upgrade);
        assert_eq!(upstream(text), "GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n");
    }
    let with_body =
        b"POST / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: x\r\nContent-Length: 1\r\n\r\n";
    assert!(!request(with_body).unwrap().0.upgrade);
}

#[test]
fn every_refusal_names_its_rule() {
    use Fault::{BadRequest, CodingUnknown, ExpectationFailed, MethodRefused, VersionUnknown};
    for (text, fault, rule) in [
        (&b"\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"[..], BadRequest, "empty line before the request line"),
        (b" GET / HTTP/1.1\r\nHost: h\r\n\r\n", BadRequest, "byte not allowed in the method"),
        (b"GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n", BadRequest, "byte not allowed in the method"),
        (b"GET  / HTTP/1.1\r\nHost: h\r\n\r\n", BadRequest, "empty request target"),
        (b"GET / HTTP/1.1 \r\nHost: h\r\n\r\n", BadRequest, "control character"),
        (b"GET / http/1.1\r\nHost: h\r\n\r\n", BadRequest, "request line does not end with an HTTP version"),
        (b"GET /\r\n\r\n", BadRequest, "byte not allowed in the request target"),
        (b"GET / HTTP/2.0\r\nHost: h\r\n\r\n", VersionUnknown, "neither HTTP/1.0 nor HTTP/1.1"),
        (b"GET / HTTP/1.2\r\nHost: h\r\n\r\n", VersionUnknown, "neither HTTP/1.0 nor HTTP/1.1"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", VersionUnknown, "neither HTTP/1.0 nor HTTP/1.1"),
        (b"GET / HTTP/1.1\nHost: h\r\n\r\n", BadRequest, "LF without CR before it"),
        (b"GET / HTTP/1.1\r\nHost: h\n\r\n", BadRequest, "LF without CR before it"),
        (b"GET / HTTP/1.1\r\nHost: h\r\n\n", BadRequest, "byte not allowed in a field name"),
        (b"GET / HTTP/1.1\r\n\r\n", BadRequest, "no Host in HTTP/1.1"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", BadRequest, "more than one Host"),
        (b"GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", BadRequest, "byte not allowed in the host"),
        (b"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", BadRequest, "byte not allowed in the host"),
        (b"GET / HTTP/1.1\r\nHost: a:0\r\n\r\n", BadRequest, "port out of range in the host"),
        (b"GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n", BadRequest, "port out of range in the host"),
        (b"GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", BadRequest, "port is not a number in the host"),
        (b"GET / HTTP/1.1\r\nHost: h\r\n: x\r\n\r\n", BadRequest, "empty field name"),
        (b"GET / HTTP/1.1\r\nHost : h\r\n\r\n", BadRequest, "white space before the colon"),
        (b"GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n c\r\n\r\n", BadRequest, "folded line (obs-fold)"),
        (
            b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            BadRequest,
            "both Transfer-Encoding and Content-Length",
        ),
        (
            b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: \r\n\r\n",
            BadRequest,
            "Content-Length is not a plain number",
        ),
        (
            b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
            BadRequest,
            "more than one Content-Length",
        ),
        (
            b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            BadRequest,
            "more than one Transfer-Encoding",
        ),
        (
            b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: \x0bchunked\r\n\r\n",
            BadRequest,
            "control character",
        ),
        (
            b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            CodingUnknown,
            "transfer coding other than chunked",
        ),
        (
            b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
            BadRequest,
            "Transfer-Encoding in HTTP/1.0",
        ),
        (
            b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 200-ok\r\n\r\n",
            ExpectationFailed,
            "expectation other than 100-continue",
        ),
        (b"CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n", MethodRefused, "CONNECT and TRACE are not proxied"),
        (b"GET * HTTP/1.1\r\nHost: h\r\n\r\n", BadRequest, "`*` is a target of OPTIONS only"),
        (b"GET /a/../b HTTP/1.1\r\nHost: h\r\n\r\n", BadRequest, "dot segment in the path"),
        (b"GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n", BadRequest, "fragment in the request target"),
    ] {
        assert_eq!(refused(text), (fault, rule), "{}", text.escape_ascii());
    }
}

#[test]
fn limits_bite_before_the_head_is_complete() {
    let limits = HttpLimits { request_line: 64, head: 256, fields: 3 };
    let fault = |text: &[u8]| RequestHead::default().parse(text, &limits).map_err(|error| error.fault);
    assert_eq!(fault(format!("GET /{}", "a".repeat(80)).as_bytes()), Err(Fault::UriTooLong));
    assert_eq!(fault(format!("GET /{} HTTP/1.1\r\n", "a".repeat(80)).as_bytes()), Err(Fault::UriTooLong));
    assert_eq!(
        fault(format!("GET / HTTP/1.1\r\nA: {}", "a".repeat(300)).as_bytes()),
        Err(Fault::HeadTooLarge)
    );
    assert_eq!(fault(b"GET / HTTP/1.1\r\nHost: h\r\nA:\r\nB:\r\nC:\r\n"), Err(Fault::HeadTooLarge));
    assert_eq!(fault(b"GET / HTTP/1.1\r\nHost: h\r\nA:\r\nB:\r\n"), Ok(Parsed::Partial));
}

#[test]
fn a_response_that_needs_no_edit_goes_on_untouched() {
    for text in [
        &b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"[..],
        b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 304\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    ] {
        let head = response(text, &to_11()).unwrap();
        assert!(head.untouched() && head.reusable && head.keep_alive, "{}", text.escape_ascii());
    }
}

#[test]
fn connection_is_said_anew_for_the_client() {
    assert_eq!(
        downstream(
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nKeep-Alive: timeout=5\r\nContent-Length: 0\r\n\r\n",
            &to_11()
        ),
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    );
    let closing = Downstream { keep_alive: false, ..to_11() };
    assert_eq!(
        downstream(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", &closing),
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    let old = Downstream { version: Version::Http10, ..to_11() };
    assert_eq!(
        downstream(b"HTTP/1.1 200 OK\r\nConnection: x-odd\r\nX-Odd: 1\r\nContent-Length: 0\r\n\r\n", &old),
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n"
    );
}

#[test]
fn an_old_client_gets_no_chunks() {
    let old = Downstream { version: Version::Http10, ..to_11() };
    let text = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let head = response(text, &old).unwrap();
    assert!(head.dechunk && !head.keep_alive && head.reusable);
    assert_eq!(downstream(text, &old), "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
}

#[test]
fn an_old_endpoint_is_answered_for_in_1_1() {
    let text = b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n";
    let head = response(text, &to_11()).unwrap();
    assert!(!head.reusable && head.keep_alive);
    assert_eq!(downstream(text, &to_11()), "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n");
}

#[test]
fn bodies_that_are_never_there() {
    let head = Downstream { head: true, ..to_11() };
    assert_eq!(
        response(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", &head).unwrap().framing,
        Framing::None
    );
    assert_eq!(
        response(b"HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n", &to_11()).unwrap().framing,
        Framing::None
    );
    assert_eq!(
        response(b"HTTP/1.1 304 No\r\nContent-Length: 5\r\n\r\n", &to_11()).unwrap().framing,
        Framing::None
    );
    assert!(response(b"HTTP/1.1 100 Continue\r\n\r\n", &to_11()).unwrap().interim());
}

#[test]
fn a_length_where_no_body_can_be_is_not_told() {
    // A client that believed it would take the next response for a body.
    for text in [
        &b"HTTP/1.1 204 No\r\nContent-Length: 5\r\nA: b\r\n\r\n"[..],
        b"HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\nA: b\r\n\r\n",
    ] {
        assert_eq!(downstream(text, &to_11()), "HTTP/1.1 204 No\r\nA: b\r\n\r\n");
    }
    assert_eq!(
        downstream(b"HTTP/1.1 103 Hints\r\nContent-Length: 5\r\n\r\n", &to_11()),
        "HTTP/1.1 103 Hints\r\n\r\n"
    );
    let whole = b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n";
    assert!(response(whole, &to_11()).unwrap().untouched(), "here it says what a GET would give");
}

#[test]
fn an_offer_to_upgrade_our_connection_is_not_the_clients() {
    assert_eq!(
        downstream(
            b"HTTP/1.1 200 OK\r\nUpgrade: h2,h2c\r\nConnection: Upgrade\r\nContent-Length: 0\r\n\r\n",
            &to_11()
        ),
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    );
    let required = b"HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n";
    assert!(response(required, &to_11()).unwrap().untouched(), "there it is the answer");
}

#[test]
fn connection_options_are_counted() {
    let options = |count: usize| format!("Connection: {}\r\nConnection: a\r\n\r\n", "a, ".repeat(count - 1));
    let get = |count| format!("GET / HTTP/1.1\r\nHost: h\r\n{}", options(count));
    assert!(request(get(100).as_bytes()).is_ok());
    assert_eq!(refused(get(101).as_bytes()), (Fault::BadRequest, "too many Connection options"));
    let answer = |count| format!("HTTP/1.1 200 OK\r\n{}", options(count));
    assert!(response(answer(100).as_bytes(), &to_11()).is_ok());
    assert_eq!(response(answer(101).as_bytes(), &to_11()).unwrap_err().fault, Fault::BadResponse);
}

#[test]
fn a_body_without_length_ends_both_connections() {
    let head = response(b"HTTP/1.1 200 OK\r\n\r\n", &to_11()).unwrap();
    assert_eq!(head.framing, Framing::UntilClose);
    assert!(!head.keep_alive && !head.reusable);
}

#[test]
fn both_lengths_in_a_response_leave_the_chunks_and_end_the_connection() {
    let text = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n";
    let head = response(text, &to_11()).unwrap();
    assert_eq!((head.framing, head.reusable), (Framing::Chunked, false));
    assert_eq!(downstream(text, &to_11()), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
}

#[test]
fn responses_that_are_refused() {
    for text in [
        &b"HTTP/1.1 99 x\r\n\r\n"[..],
        b"HTTP/1.1 600 x\r\n\r\n",
        b"HTTP/1.1 2000 x\r\n\r\n",
        b"HTTP/1.1  200 x\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"ICY 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
    ] {
        let error = response(text, &to_11()).map(|_| ()).expect_err(&text.escape_ascii().to_string());
        assert_eq!(error.fault, Fault::BadResponse);
    }
}

#[test]
fn an_upgrade_is_answered_only_where_one_was_asked_for() {
    let text = b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let to = Downstream { upgrade: true, ..to_11() };
    assert!(!response(text, &to).unwrap().interim());
    assert_eq!(
        downstream(text, &to),
        "HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"
    );
}

/// A head that is cut anywhere is partial, and the whole gives the same verdict as in one piece.
fn never_changes_its_mind(text: &[u8]) {
    let limits = HttpLimits::default();
    let mut head = RequestHead::default();
    let whole = head.parse(text, &limits);
    for len in 0..text.len() {
        match head.parse(&text[..len], &limits) {
            Ok(Parsed::Partial) => {}
            Ok(Parsed::Complete(at)) => assert_eq!(whole, Ok(Parsed::Complete(at))),
            Err(error) => {
                let whole = whole.expect_err("refused in part, accepted as a whole");
                // A later LF may be reported before an earlier fault; the verdict is what counts.
                assert_eq!(whole.fault.status() / 100, error.fault.status() / 100);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn heads_like_real_ones_never_panic_or_change_their_mind(
        text in "(GET|POST|X) (/|/a|/%2e|http://h/|\\*) HTTP/1\\.[012]\r\n((Host|Content-Length|Connection|A_b): ?[a-z0-9, ]{0,6}(\r\n|\n|\r)){0,4}\r\n"
    ) {
        never_changes_its_mind(text.as_bytes());
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        never_changes_its_mind(&bytes);
        let _ = ResponseHead::default().parse(&bytes, &HttpLimits::default(), &to_11());
    }

    #[test]
    fn what_goes_on_is_accepted_again_with_the_same_meaning(
        text in "(GET|POST|HEAD) (/|/a\\?b|http://h/x|http://h) HTTP/1\\.[01]\r\nHost: h\r\n(Content-Length: [0-9]{1,3}\r\n)?((X-A|Connection|Keep-Alive|Upgrade|X_b|X-Forwarded-For): [a-z, ]{0,8}\r\n){0,4}\r\n"
    ) {
        let text = text.as_bytes();
        if let Ok((head, _)) = request(text) {
            let again = upstream(text);
            let (second, len) = request(again.as_bytes()).expect("refused what we wrote");
            prop_assert_eq!(len, again.len());
            prop_assert_eq!(second.framing, head.framing);
            prop_assert_eq!(second.method, head.method);
            let expected = if head.path.is_empty() { &b"/"[..] } else { head.path.of(text) };
            prop_assert_eq!(second.path.of(again.as_bytes()), expected);
        }
    }
}

#[test]
fn a_client_with_framing_of_its_own_gets_fields_and_plain_bytes() {
    let text =
        b"HTTP/1.1 200 OK\r\nConnection: x-hop\r\nX-Hop: 1\r\nTransfer-Encoding: chunked\r\nServer: s\r\n\
        Keep-Alive: 5\r\nSet-Cookie: a\r\n\r\n";
    let head = response(text, &Downstream { own_framing: true, ..to_11() }).unwrap();
    assert!(head.dechunk);
    let fields: Vec<_> = head.fields(text).map(|(name, value)| [name, value].concat()).collect();
    assert_eq!(fields, [b"Servers".to_vec(), b"Set-Cookiea".to_vec()]);
    let plain = b"HTTP/1.1 204 No Content\r\nServer: s\r\n\r\n";
    let head = response(plain, &Downstream { own_framing: true, ..to_11() }).unwrap();
    assert_eq!(head.fields(plain).count(), 1);
}

#[test]
fn edits_go_on_with_the_rest() {
    let text = b"GET /a?b HTTP/1.1\r\nHost: h\r\nX-Debug: 1\r\nAccept: */*\r\nx-debug: 2\r\n\r\n";
    let forwarding = "X-Forwarded-For: 192.0.2.1\r\n";
    let lines = Onward { lines: b"x-env: prod\r\n", ..Onward::default() };
    assert_eq!(
        edited(text, &lines, "x-debug"),
        format!("GET /a?b HTTP/1.1\r\nHost: h\r\nAccept: */*\r\n{forwarding}x-env: prod\r\n\r\n")
    );
    let elsewhere = Onward { target: Some(b"/v2/a?b"), host: Some(b"other"), ..Onward::default() };
    let expected = |fields: &str| format!("GET /v2/a?b HTTP/1.1\r\nHost: other\r\n{fields}{forwarding}\r\n");
    assert_eq!(edited(text, &elsewhere, ""), expected("X-Debug: 1\r\nAccept: */*\r\nx-debug: 2\r\n"));
    for text in [&b"GET http://h/a?b HTTP/1.1\r\nhost: h\r\n\r\n"[..], b"GET /a?b HTTP/1.0\r\n\r\n"] {
        assert_eq!(edited(text, &elsewhere, ""), expected(""));
    }
    let host = Onward { host: Some(b"other"), ..Onward::default() };
    assert_eq!(
        edited(b"GET / HTTP/1.1\r\nHost: h\r\nHost2: x\r\n\r\n", &host, ""),
        format!("GET / HTTP/1.1\r\nHost: other\r\nHost2: x\r\n{forwarding}\r\n")
    );
}

#[test]
fn what_frames_or_routes_a_message_is_not_cut_by_edits() {
    let text = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n";
    let all = "host content-length expect x-forwarded-for";
    assert_eq!(edited(text, &Onward::default(), all), upstream(text));
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nServer: s\r\n\r\n";
    let mut head = response(chunked, &to_11()).unwrap();
    head.cut(chunked, |_| true);
    let mut out = Vec::new();
    head.write_downstream(chunked, b"x-a: b\r\n", &mut out);
    assert_eq!(out, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nx-a: b\r\n\r\n");
    assert_eq!(head.fields(chunked).count(), 1);
}

#[test]
fn the_query_is_what_follows_the_path() {
    for (text, query) in [
        ("GET /a?b?c HTTP/1.1\r\nHost: h\r\n\r\n", "?b?c"),
        ("GET / HTTP/1.1\r\nHost: h\r\n\r\n", ""),
        ("GET http://h/a? HTTP/1.1\r\nHost: h\r\n\r\n", "?"),
        ("OPTIONS http://h HTTP/1.1\r\nHost: h\r\n\r\n", ""),
        ("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", ""),
    ] {
        assert_eq!(request(text.as_bytes()).unwrap().0.query(text.as_bytes()), query.as_bytes(), "{text}");
    }
}
