//! `haechi test` against real servers on loopback, some of which misbehave.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::run;

/// Counts what came and answers request number `n` with what `answer` says.
struct Site {
    url: String,
    connections: Arc<AtomicUsize>,
    heads: Arc<std::sync::Mutex<Vec<String>>>,
}

async fn serve(answer: impl Fn(usize) -> String + Clone + Send + Sync + 'static) -> Site {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let site = Site { url, connections: Arc::default(), heads: Arc::default() };
    let (connections, heads) = (Arc::clone(&site.connections), Arc::clone(&site.heads));
    let count = Arc::new(AtomicUsize::new(0));
    tokio::spawn(async move {
        loop {
            let (peer, _) = listener.accept().await.unwrap();
            connections.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(converse(peer, Arc::clone(&count), Arc::clone(&heads), answer.clone()));
        }
    });
    site
}

async fn converse(
    mut peer: TcpStream,
    count: Arc<AtomicUsize>,
    heads: Arc<std::sync::Mutex<Vec<String>>>,
    answer: impl Fn(usize) -> String,
) {
    let mut head = Vec::new();
    while let Ok(byte) = peer.read_u8().await {
        head.push(byte);
        if !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        heads.lock().unwrap().push(String::from_utf8(std::mem::take(&mut head)).unwrap());
        let text = answer(count.fetch_add(1, Ordering::SeqCst));
        peer.write_all(text.as_bytes()).await.unwrap();
        if text.is_empty() || text.contains("close") {
            return;
        }
    }
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn pod(number: usize) -> String {
    ok(&format!("{{\"status\":\"ok\",\"pod\":\"web-{}\"}}", number % 2 + 1))
}

#[tokio::test]
async fn who_answered_is_counted() {
    let site = serve(pod).await;
    let ran = run(&["test", &site.url, "-n", "20", "-o", "json"]).await;
    assert_eq!((ran.code, &*ran.err), (0, ""));
    let json = ran.json();
    assert_eq!((&json["requests"], &json["failed"]), (&20.into(), &0.into()));
    assert_eq!(json["answeredBy"], serde_json::json!({ "web-1": 10, "web-2": 10 }));
    assert_eq!(json["statuses"], serde_json::json!({ "200": 20 }));
    assert_eq!(site.connections.load(Ordering::SeqCst), 1, "one connection is kept");
    let text = run(&["test", &site.url, "-n", "4"]).await;
    assert_eq!(text.code, 0);
    assert!(
        text.out.contains("4 ok, 0 failed") && text.out.contains("web-1               2  50.0 %"),
        "{}",
        text.out
    );
}

#[tokio::test]
async fn several_connections_share_the_work() {
    let site = serve(pod).await;
    let ran = run(&["test", &site.url, "-n", "30", "-c", "3", "-o", "json"]).await;
    assert_eq!((ran.code, &ran.json()["requests"], &ran.json()["concurrency"]), (0, &30.into(), &3.into()));
    assert_eq!(site.connections.load(Ordering::SeqCst), 3);
    let few = run(&["test", &site.url, "-n", "2", "-c", "1000", "-o", "json"]).await;
    assert_eq!(few.json()["concurrency"], 2);
}

#[tokio::test]
async fn host_and_path_are_those_asked_for() {
    let site = serve(pod).await;
    let url = format!("{}a/b?c=d", site.url);
    run(&["test", &url, "-n", "1", "--host", "shop.example.com"]).await;
    let head = site.heads.lock().unwrap()[0].to_ascii_lowercase();
    assert!(head.starts_with("get /a/b?c=d http/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nhost: shop.example.com\r\n"), "{head}");
    run(&["test", &url, "-n", "1"]).await;
    let head = site.heads.lock().unwrap()[1].to_ascii_lowercase();
    let authority = site.url.trim_start_matches("http://").trim_end_matches('/');
    assert!(head.contains(&format!("\r\nhost: {authority}\r\n")), "{head}");
}

#[tokio::test]
async fn a_header_can_tell_who_answered() {
    let site =
        serve(|n| format!("HTTP/1.1 200 OK\r\nX-Served-By: node-{n}\r\nContent-Length: 0\r\n\r\n")).await;
    let json = run(&["test", &site.url, "-n", "2", "--by", "header:x-served-by", "-o", "json"]).await.json();
    assert_eq!(json["answeredBy"], serde_json::json!({ "node-0": 1, "node-1": 1 }));
}

#[tokio::test]
async fn failures_are_counted_by_reason() {
    let site = serve(|n| match n % 5 {
        0 => pod(n),
        1 => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".into(),
        2 => "HTTP/1.1 503 No\r\nhaechi-fault: noEndpoint\r\nContent-Length: 0\r\n\r\n".into(),
        3 => String::new(),
        _ => "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 10\r\n\r\nhalf".into(),
    })
    .await;
    let ran = run(&["test", &site.url, "-n", "10", "-o", "json"]).await;
    assert_eq!(ran.code, 1);
    let json = ran.json();
    assert_eq!((&json["requests"], &json["failed"]), (&10.into(), &8.into()));
    assert_eq!(json["failures"]["status 404"], 2, "{json}");
    assert_eq!(json["failures"]["status 503 from haechi: noEndpoint"], 2, "{json}");
    assert_eq!(json["failures"]["the connection was closed before a whole answer"], 2, "{json}");
    assert_eq!(json["answeredBy"]["haechi itself"], 2, "{json}");
    let broken =
        json["failures"].as_object().unwrap().keys().any(|reason| reason.starts_with("the body broke off: "));
    assert!(broken, "{json}");
}

#[tokio::test]
async fn connections_that_end_politely_are_no_failures() {
    let site = serve(|_| "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok".into()).await;
    let ran = run(&["test", &site.url, "-n", "5", "-o", "json"]).await;
    assert_eq!((ran.code, &ran.json()["failed"]), (0, &0.into()), "{ran:?}");
    assert_eq!(site.connections.load(Ordering::SeqCst), 5);
}

#[tokio::test]
async fn nobody_there_and_nobody_answering() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", gone.local_addr().unwrap());
    drop(gone);
    let ran = run(&["test", &url, "-n", "3", "-o", "json"]).await;
    assert_eq!(
        (ran.code, &ran.json()["failures"]["can't connect: connection refused"]),
        (1, &3.into()),
        "{ran:?}"
    );

    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let ran = run(&["test", &url, "-n", "2", "--timeout", "100ms", "-o", "json"]).await;
    assert_eq!(
        (ran.code, &ran.json()["failures"]["no whole answer within 100ms"]),
        (1, &2.into()),
        "{ran:?}"
    );

    let unknown = run(&["test", "http://no-such-host.invalid/"]).await;
    assert_eq!((unknown.code, &*unknown.out), (1, ""));
    assert!(unknown.err.starts_with("error: can't resolve no-such-host.invalid: "), "{}", unknown.err);
}

#[tokio::test]
async fn a_body_without_end_is_given_up() {
    let site =
        serve(|_| format!("HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n{}", "x".repeat(1 << 20)))
            .await;
    let ran = run(&["test", &site.url, "-n", "1", "--timeout", "300ms", "-o", "json"]).await;
    assert_eq!(
        (ran.code, &ran.json()["failures"]["no whole answer within 300ms"]),
        (1, &1.into()),
        "{ran:?}"
    );
}

#[tokio::test]
async fn hostile_bodies_do_not_reach_the_terminal() {
    let site = serve(|_| ok("\x1b]0;evil\x07\r\n\x1b[2J")).await;
    let ran = run(&["test", &site.url, "-n", "1"]).await;
    assert_eq!(ran.code, 0);
    assert!(!ran.out.contains(['\x1b', '\x07', '\r']), "{:?}", ran.out);
}
