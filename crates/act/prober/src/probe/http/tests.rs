//! Whole exchanges over a pipe: what each answer is taken for, and how little of it is kept.

use haechi_model::BodyMatch::{Contains, Lacks};
use proptest::prelude::*;
use tokio::io::duplex;

use super::*;

const OK: &[StatusRange] = &[StatusRange { first: 200, last: 399 }];

fn ask<'a>(expect: &'a [StatusRange], body: Option<&'a BodyMatch>) -> Ask<'a> {
    let address = "10.0.1.11:80".parse().unwrap();
    Ask { method: "GET", path: "/health", host: None, expect, body, address, proxy_protocol: None }
}

/// The answer in pieces of `cut` bytes, then the end of the connection.
fn answer(ask: &Ask<'_>, answer: &[u8], cut: usize) -> Result<String, (FailureKind, String)> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (mut near, mut far) = duplex(cut);
        let request = request(ask).unwrap();
        let server = async {
            let mut asked = vec![0; request.len()];
            far.read_exact(&mut asked).await.unwrap();
            // The probe stops reading when it knows enough.
            let _ = far.write_all(answer).await;
            drop(far);
        };
        let probe = async {
            let result = exchange(&mut near, ask, &request).await;
            drop(near);
            result
        };
        let (result, ()) = tokio::join!(probe, server);
        result.map_err(|failed| (failed.kind, failed.text))
    })
}

#[test]
fn requests_are_minimal_and_complete() {
    let plain = request(&ask(OK, None)).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        plain,
        format!(
            "GET /health HTTP/1.1\r\nHost: 10.0.1.11:80\r\nUser-Agent: haechi/{version} (health check)\r\n\
             Accept: */*\r\nConnection: close\r\n\r\n"
        )
    );
    let v6 = Ask { address: "[::1]:8080".parse().unwrap(), ..ask(OK, None) };
    assert!(request(&v6).unwrap().contains("\r\nHost: [::1]:8080\r\n"));
    let named = Ask { host: Some("shop.example.com"), method: "HEAD", ..ask(OK, None) };
    assert!(request(&named).unwrap().starts_with("HEAD /health HTTP/1.1\r\nHost: shop.example.com\r\n"));
}

#[test]
fn a_check_can_not_smuggle_a_header() {
    let base = ask(OK, None);
    for bad in [
        Ask { path: "/\r\nX: y", ..base },
        Ask { path: "/a b", ..base },
        Ask { path: "", ..base },
        Ask { host: Some("a\r\nX: y"), ..base },
        Ask { method: "GET /x", ..base },
    ] {
        assert_eq!(request(&bad).unwrap_err().kind, FailureKind::Protocol, "{bad:?}");
    }
}

#[test]
fn answers() {
    use FailureKind::{Body, Closed, Protocol, Status};
    let has = Contains("ok".into());
    let lacks = Lacks("error".into());
    type Row<'a> = (&'a str, Option<&'a BodyMatch>, Result<&'a str, (FailureKind, &'a str)>);
    let table: &[Row<'_>] = &[
        ("HTTP/1.1 200 OK\r\n\r\n", None, Ok("status 200")),
        ("HTTP/1.0 302 Found\r\nLocation: /x\r\n\r\n", None, Ok("status 302")),
        ("HTTP/1.1 503 Busy\r\n\r\n", None, Err((Status, "status 503, expected 200-399"))),
        (
            "HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\r\n\r\n",
            None,
            Ok("status 204"),
        ),
        ("HTTP/1.1 101 Up\r\n\r\n", None, Err((Status, "status 101, expected 200-399"))),
        // No body is needed, so a lie about it does no harm.
        ("HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n", None, Ok("status 200")),
        ("", None, Err((Closed, "connection closed without an answer"))),
        ("HTTP/1.1 200 OK\r\nX: y", None, Err((Closed, "connection closed in the response head"))),
        ("HTTP/1.1 2x0 OK\r\n\r\n", None, Err((Protocol, "the response has a malformed status line"))),
        // Bodies in each framing.
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Some(&has), Ok("status 200, body has \"ok\"")),
        ("HTTP/1.1 200 OK\r\n\r\nall is ok", Some(&has), Ok("status 200, body has \"ok\"")),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n",
            Some(&has),
            Ok("status 200, body has \"ok\""),
        ),
        // The chunk header is not part of the body.
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;ok\r\nx\r\n0\r\n\r\n",
            Some(&has),
            Err((Body, "body lacks \"ok\"")),
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nnook", Some(&has), Err((Body, "body lacks \"ok\""))),
        ("HTTP/1.1 204 No\r\n\r\nok", Some(&has), Err((Body, "body lacks \"ok\""))),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nno",
            Some(&has),
            Err((Closed, "connection closed in the body")),
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nno",
            Some(&has),
            Err((Closed, "connection closed in the body")),
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhello",
            Some(&has),
            Err((Protocol, "the response has a malformed chunk")),
        ),
        ("HTTP/1.1 200 OK\r\n\r\nfine", Some(&lacks), Ok("status 200, body lacks \"error\"")),
        ("HTTP/1.1 200 OK\r\n\r\nan error", Some(&lacks), Err((Body, "body has \"error\""))),
        // A status that is not expected decides before the body.
        ("HTTP/1.1 500 No\r\n\r\nok", Some(&has), Err((Status, "status 500, expected 200-399"))),
    ];
    for (bytes, body, expected) in table {
        for cut in [1, 7, 64 * 1024] {
            let result = answer(&ask(OK, *body), bytes.as_bytes(), cut);
            let expected = expected.map(String::from).map_err(|(kind, text)| (kind, text.to_owned()));
            assert_eq!(result, expected, "{bytes:?} in pieces of {cut}");
        }
    }
}

#[test]
fn a_banner_of_another_protocol_is_shown() {
    let result = answer(&ask(OK, None), b"SSH-2.0-OpenSSH_9.9\r\nmore", 99);
    assert_eq!(
        result,
        Err((FailureKind::Protocol, "the answer is not HTTP/1: \"SSH-2.0-OpenSSH_9.9\"".into()))
    );
}

#[test]
fn expectations_are_shown_as_written() {
    let ranges = [200, 204].map(|status| StatusRange { first: status, last: status });
    let mixed = [ranges.as_slice(), &[StatusRange { first: 300, last: 399 }]].concat();
    let result = answer(&ask(&mixed, None), b"HTTP/1.1 202 OK\r\n\r\n", 99);
    assert_eq!(result, Err((FailureKind::Status, "status 202, expected 200, 204, 300-399".into())));
}

#[test]
fn a_head_without_end_is_cut_off() {
    let too_large = Err((FailureKind::Protocol, "the response head is larger than 16 KiB".to_owned()));
    let huge_line = [b"HTTP/1.1 200 OK\r\nX: ".as_slice(), &[b'x'; 100_000]].concat();
    let many_lines = [b"HTTP/1.1 200 OK\r\n".as_slice(), &b"X: y\r\n".repeat(20_000)].concat();
    let interim = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(20_000);
    for bytes in [huge_line, many_lines, interim] {
        assert_eq!(answer(&ask(OK, None), &bytes, 4096), too_large);
    }
}

#[test]
fn an_endless_body_ends_the_probe() {
    let has = Contains("ok".into());
    let lacks = Lacks("error".into());
    let endless = [b"HTTP/1.1 200 OK\r\n\r\n".as_slice(), &vec![b'.'; 1_000_000]].concat();
    assert_eq!(
        answer(&ask(OK, Some(&has)), &endless, 4096),
        Err((FailureKind::Body, "body lacks \"ok\"".into()))
    );
    assert_eq!(answer(&ask(OK, Some(&lacks)), &endless, 4096), Ok("status 200, body lacks \"error\"".into()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_answer_ends_in_a_verdict(bytes: Vec<u8>, valid_start: bool, cut in 1_usize..50) {
        let start: &[u8] = if valid_start { b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" } else { b"" };
        let has = Contains("ok".into());
        let _ = answer(&ask(OK, Some(&has)), &[start, &bytes].concat(), cut);
    }
}
