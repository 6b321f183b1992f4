//! Over real sockets: what a load balancer, a probe and a student get from an endpoint.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::*;

async fn start() -> SocketAddr {
    let identity = Identity { name: "web-1".into(), zone: "kr1-a".into() };
    let (mut said, heard) = io::pipe().unwrap();
    let (listen, mut announce) = (SocketAddr::from(([127, 0, 0, 1], 0)), heard);
    tokio::spawn(async move { serve(identity, listen, &mut announce).await });
    let line = tokio::task::spawn_blocking(move || {
        let mut line = String::new();
        io::BufRead::read_line(&mut io::BufReader::new(&mut said), &mut line).unwrap();
        line
    });
    line.await.unwrap().trim_end().strip_prefix(crate::child::LISTENING).unwrap().parse().unwrap()
}

async fn open(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

/// Sends, and reads until nothing comes for a while or the end.
async fn say(stream: &mut TcpStream, text: impl AsRef<[u8]>) -> String {
    stream.write_all(text.as_ref()).await.unwrap();
    hear(stream).await
}

async fn hear(stream: &mut TcpStream) -> String {
    let mut heard = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(Ok(count)) = timeout(Duration::from_millis(200), stream.read(&mut buffer)).await {
        if count == 0 {
            break;
        }
        heard.extend_from_slice(&buffer[..count]);
    }
    String::from_utf8(heard).unwrap()
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")
}

fn parts(answer: &str) -> (&str, &str, &str) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let kind = head.lines().find_map(|line| line.strip_prefix("content-type: ")).unwrap();
    (head.lines().next().unwrap(), kind, body)
}

#[tokio::test]
async fn every_path_answers_as_the_seed_says() {
    let address = start().await;
    let mut stream = open(address).await;
    for (path, status, kind, body) in [
        ("/health", "HTTP/1.1 200 OK", "text/plain", "healthy"),
        ("/ready", "HTTP/1.1 200 OK", "text/plain", "ready"),
        ("/ready?x=1", "HTTP/1.1 200 OK", "text/plain", "ready"),
        (
            "/healthz",
            "HTTP/1.1 404 Not Found",
            "text/plain",
            "not found; there are: / /health /ready /status\n",
        ),
    ] {
        let answer = say(&mut stream, get(path)).await;
        assert_eq!(parts(&answer), (status, kind, body), "{path}");
    }
    let answer = say(&mut stream, get("/")).await;
    let (status, kind, body) = parts(&answer);
    assert_eq!((status, kind), ("HTTP/1.1 200 OK", "application/json"));
    let start = r#"{"status":"ok","pod":"web-1","zone":"kr1-a","timestamp":"20"#;
    assert!(body.starts_with(start) && body.ends_with(r#"+00:00"}"#), "{body}");
}

#[test]
fn times_are_written_as_nginx_writes_them() {
    let identity = Identity { name: "n".into(), zone: "z".into() };
    let now = std::time::UNIX_EPOCH + Duration::from_secs(1_795_363_200);
    let answer = answer::answer("/", &identity, now, &Figures::default());
    assert!(answer.body.ends_with(r#""timestamp":"2026-11-22T16:00:00+00:00"}"#), "{}", answer.body);
}

#[tokio::test]
async fn status_counts_as_nginx_does() {
    let address = start().await;
    let mut idle = open(address).await;
    say(&mut idle, get("/")).await;
    say(&mut idle, get("/")).await;
    let mut half = open(address).await;
    say(&mut half, "GET / HT").await;
    let silent = open(address).await;
    let mut asks = open(address).await;
    let answer = say(&mut asks, get("/status")).await;
    let expected = "Active connections: 4 \nserver accepts handled requests\n 4 4 3 \n\
                    Reading: 1 Writing: 1 Waiting: 2 \n";
    assert_eq!(parts(&answer).2, expected);
    drop((idle, half, silent));
    // Ends are seen by tasks of their own.
    for _ in 0..50 {
        let answer = say(&mut asks, get("/status")).await;
        if parts(&answer).2.starts_with("Active connections: 1 \n") {
            return;
        }
    }
    panic!("closed connections still count");
}

#[tokio::test]
async fn head_has_no_body_and_bodies_are_thrown_away() {
    let address = start().await;
    let mut stream = open(address).await;
    let answer = say(&mut stream, "HEAD /health HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(answer.contains("content-length: 7\r\n") && answer.ends_with("\r\n\r\n"), "{answer}");
    let long = "x".repeat(300_000);
    for body in [
        format!("Content-Length: 300000\r\n\r\n{long}"),
        format!("Transfer-Encoding: chunked\r\n\r\n493e0\r\n{long}\r\n0\r\n\r\n"),
    ] {
        let answer = say(&mut stream, format!("POST /ready HTTP/1.1\r\nHost: x\r\n{body}")).await;
        assert!(answer.ends_with("\r\n\r\nready"), "{answer}");
    }
}

#[tokio::test]
async fn hostile_requests_get_no_further_than_a_refusal() {
    let address = start().await;
    for request in [
        format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(2 * MAX_HEAD)),
        format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "x: y\r\n".repeat(200)),
        "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n".to_owned(),
        "\u{16}\u{3}\u{1}\r\n\r\n".to_owned(),
    ] {
        let mut stream = open(address).await;
        // The endpoint may have closed before all was sent.
        let _ = stream.write_all(request.as_bytes()).await;
        let answer = hear(&mut stream).await;
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
            "{}…: {answer}",
            &request[..50.min(request.len())]
        );
    }
    let mut stream = open(address).await;
    assert!(say(&mut stream, get("/health")).await.ends_with("healthy"));
}
