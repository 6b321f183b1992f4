//! HTTP probes against peers that misbehave.

use std::sync::atomic::{AtomicUsize, Ordering};

use haechi_model::{BodyMatch, StatusRange};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

pub(super) fn get(path: &str) -> Probe {
    Probe::Http {
        tls: None,
        method: "GET".into(),
        path: path.into(),
        host: None,
        expect: vec![StatusRange { first: 200, last: 299 }],
        body: None,
    }
}

fn wanting(text: &str) -> Probe {
    match get("/health") {
        Probe::Http { tls, method, path, host, expect, .. } => {
            Probe::Http { tls, method, path, host, expect, body: Some(BodyMatch::Contains(text.into())) }
        }
        other => other,
    }
}

/// Reads a request up to its empty line.
pub(super) async fn request(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { break };
        request.push(byte);
    }
    String::from_utf8_lossy(&request).into_owned()
}

/// Answers each request with the same bytes, again and again if `endless`, and then holds the connection.
async fn answering(answer: &'static [u8], endless: bool) -> SocketAddr {
    serve(move |mut stream| async move {
        request(&mut stream).await;
        if stream.write_all(answer).await.is_ok() {
            while endless && stream.write_all(&[b'.'; 4096]).await.is_ok() {}
            // Held open: the probe must not need the end of the connection.
            let _ = stream.read_u8().await;
        }
    })
    .await
}

#[tokio::test]
async fn an_expected_status_is_a_success() {
    let address = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", false).await;
    assert_eq!(said(&probe(address, check(get("/health"), PATIENCE)).await), (None, "status 200"));
    let last = probe(address, check(wanting("ok"), PATIENCE)).await;
    assert_eq!(said(&last), (None, "status 200, body has \"ok\""));
    let last = probe(address, check(wanting("good"), PATIENCE)).await;
    assert_eq!(said(&last), (Some(FailureKind::Body), "body lacks \"good\""));
}

#[tokio::test]
async fn the_request_says_who_asks() {
    let address = serve(|mut stream| async move {
        let request = request(&mut stream).await;
        let good = request.starts_with("GET /ready?x=1 HTTP/1.1\r\nHost: 127.0.0.1:")
            && request.contains("\r\nUser-Agent: haechi/")
            && request.contains("\r\nConnection: close\r\n");
        let status = if good { "200 OK" } else { "400 Bad" };
        let _ = stream.write_all(format!("HTTP/1.1 {status}\r\n\r\n").as_bytes()).await;
    })
    .await;
    assert_eq!(said(&probe(address, check(get("/ready?x=1"), PATIENCE)).await), (None, "status 200"));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let address = serve(|mut stream| async move {
        ASKED.fetch_add(1, Ordering::SeqCst);
        request(&mut stream).await;
        let _ = stream
            .write_all(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")
            .await;
    })
    .await;
    let last = probe(address, check(get("/"), PATIENCE)).await;
    assert_eq!(said(&last), (Some(FailureKind::Status), "status 302, expected 200-299"));
    assert_eq!(ASKED.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn hostile_answers_are_named() {
    let head: &'static [u8] = b"HTTP/1.1 200 OK\r\nX: ";
    type Row = (&'static [u8], bool, Probe, (Option<FailureKind>, &'static str));
    let table: [Row; 5] = [
        (
            b"SSH-2.0-OpenSSH_9.9\r\n",
            false,
            get("/"),
            (Some(FailureKind::Protocol), "the answer is not HTTP/1: \"SSH-2.0-OpenSSH_9.9\""),
        ),
        (b"\x00\xff\x1b[2J\x07garbage", true, get("/"), (Some(FailureKind::Protocol), "")),
        (head, true, get("/"), (Some(FailureKind::Protocol), "the response head is larger than 16 KiB")),
        (b"HTTP/1.1 200 OK\r\n\r\n", true, wanting("ok"), (Some(FailureKind::Body), "body lacks \"ok\"")),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            false,
            get("/"),
            (Some(FailureKind::Protocol), "the response has both a Content-Length and a Transfer-Encoding"),
        ),
    ];
    for (answer, endless, asked, (kind, text)) in table {
        let last = probe(answering(answer, endless).await, check(asked, PATIENCE)).await;
        assert_eq!(last.outcome.failure, kind, "{last:?}");
        assert!(text.is_empty() || *last.outcome.text == *text, "{last:?}");
        assert!(!last.outcome.text.chars().any(char::is_control), "{last:?}");
    }
}

#[tokio::test]
async fn a_peer_that_hangs_up_is_named() {
    let at_once = serve(|stream| async move { drop(stream) }).await;
    let last = probe(at_once, check(get("/"), PATIENCE)).await;
    assert_eq!(last.outcome.failure, Some(FailureKind::Closed), "{last:?}");
    let midway = serve(|mut stream| async move {
        request(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nX").await;
    })
    .await;
    let last = probe(midway, check(get("/"), PATIENCE)).await;
    assert_eq!(said(&last), (Some(FailureKind::Closed), "connection closed in the response head"));
}

#[tokio::test]
async fn silence_and_dripping_end_with_the_timeout() {
    let silent = answering(b"", false).await;
    let dripping = serve(|mut stream| async move {
        for byte in b"HTTP/1.1 200 OK\r\n".iter().chain(b"X: y\r\n".iter().cycle()) {
            if stream.write_u8(*byte).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    for address in [silent, dripping] {
        let last = probe(address, check(get("/"), TIMEOUT)).await;
        assert_eq!(said(&last), (Some(FailureKind::Timeout), "no answer within 300ms"));
        assert!(last.took >= TIMEOUT && last.took < TIMEOUT * 10, "{:?}", last.took);
    }
}
