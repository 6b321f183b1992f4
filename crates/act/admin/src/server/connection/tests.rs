//! Slow peers, in time that passes as fast as nothing else happens.

use axum::body::Body;
use axum::routing::{get, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex, split};
use tokio::time::Instant;

use super::super::body;
use super::super::refusal::Refusal;
use super::*;

/// Far more than the peer's and the server's buffers take together.
const LARGE: usize = 8 << 20;

fn connect() -> DuplexStream {
    let read = async |body: Body| body::read::<u32>(body).await.map(|number| number.to_string());
    let router = Router::new()
        .route("/healthz", get(async || "ok"))
        .route("/large", get(async || "x".repeat(LARGE)))
        .route("/number", post(async move |body: Body| -> Result<String, Refusal> { read(body).await }));
    let (ours, theirs) = duplex(256);
    let (keep, stopped) = watch::channel(());
    tokio::spawn(async move {
        let _keep = keep;
        serve(theirs, router, stopped).await;
    });
    ours
}

async fn rest(mut io: impl AsyncRead + Unpin) -> String {
    let mut bytes = Vec::new();
    io.read_to_end(&mut bytes).await.unwrap();
    String::from_utf8(bytes).unwrap()
}

#[tokio::test(start_paused = true)]
async fn silence_loses_the_connection() {
    let begin = Instant::now();
    assert_eq!(rest(connect()).await, "");
    assert!(begin.elapsed() >= HEAD_TIME && begin.elapsed() < HEAD_TIME * 2);
}

#[tokio::test(start_paused = true)]
async fn a_head_in_drops_loses_the_connection() {
    let (read, mut write) = split(connect());
    let drops = tokio::spawn(async move {
        for (sent, byte) in b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n".iter().enumerate() {
            sleep(Duration::from_secs(1)).await;
            if write.write_all(&[*byte]).await.is_err() {
                return sent;
            }
        }
        usize::MAX
    });
    let begin = Instant::now();
    assert!(!rest(read).await.starts_with("HTTP/1.1 200"));
    assert!(begin.elapsed() < HEAD_TIME * 2);
    assert!(drops.await.unwrap() < 20, "a byte a second does not renew the time");
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_makes_room() {
    let mut io = connect();
    io.write_all(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    let begin = Instant::now();
    assert!(rest(io).await.ends_with("\r\n\r\nok"));
    assert!(begin.elapsed() < HEAD_TIME * 2);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_told_so() {
    let mut io = connect();
    io.write_all(b"POST /number HTTP/1.1\r\nHost: h\r\nContent-Length: 20\r\n\r\n1").await.unwrap();
    let answer = rest(io).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn who_does_not_read_loses_the_connection() {
    let mut io = connect();
    io.write_all(b"GET /large HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    sleep(LIFETIME + LAST_REQUEST + HEAD_TIME).await;
    let answer = rest(io).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.len() < LARGE, "{}", answer.len());
}

#[tokio::test(start_paused = true)]
async fn a_busy_connection_is_renewed_at_last() {
    let (mut read, mut write) = split(connect());
    let begin = Instant::now();
    let asks = tokio::spawn(async move {
        while write.write_all(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n").await.is_ok() {
            sleep(Duration::from_secs(5)).await;
        }
    });
    let mut answers = Vec::new();
    read.read_to_end(&mut answers).await.unwrap();
    assert!(begin.elapsed() >= LIFETIME - HEAD_TIME && begin.elapsed() < LIFETIME + HEAD_TIME);
    drop(read);
    asks.await.unwrap();
    assert!(answers.ends_with(b"\r\n\r\nok"), "the last answer is whole");
}
