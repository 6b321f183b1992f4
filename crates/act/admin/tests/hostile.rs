//! Peers that do not behave, over real sockets: each gets an answer with a reason or loses its connection,
//! and nobody else notices.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use common::{Fake, Folder};
use haechi_admin::Client;
use haechi_admin::server::{MAX_BODY, MAX_CONNECTIONS, Server, serve};
use haechi_model::AdminState;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

struct Doors {
    fake: Arc<Fake>,
    folder: Folder,
    tcp: SocketAddr,
}

fn open(test: &str) -> Doors {
    let folder = Folder::new(test);
    let fake = Fake::new();
    let server = Server::bind(&folder.socket(), Some(([127, 0, 0, 1], 0).into())).unwrap();
    let tcp = server.tcp_address().unwrap();
    tokio::spawn(serve(server, Arc::clone(&fake)));
    Doors { fake, folder, tcp }
}

impl Doors {
    async fn unix(&self) -> UnixStream {
        UnixStream::connect(self.folder.socket()).await.unwrap()
    }

    async fn over_unix(&self, request: &str) -> (u16, String) {
        talk(self.unix().await, request.as_bytes()).await
    }

    async fn over_tcp(&self, request: &str) -> (u16, String) {
        talk(TcpStream::connect(self.tcp).await.unwrap(), request.as_bytes()).await
    }
}

/// Sends bytes and reads one answer that is closed at its end: status, and head with body.
async fn talk(mut io: impl AsyncRead + AsyncWrite + Unpin, request: &[u8]) -> (u16, String) {
    // The server may answer and close before it read all.
    let _ = io.write_all(request).await;
    let mut bytes = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(20), io.read_to_end(&mut bytes)).await.expect("no end");
    let text = String::from_utf8(bytes).unwrap();
    let status = text
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.get(2..))
        .and_then(|rest| rest.get(..3))
        .unwrap_or_else(|| panic!("{text:?}"));
    (status.parse().unwrap(), text)
}

fn request(method: &str, target: &str, host: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

#[tokio::test]
async fn wrong_requests_get_their_status_and_a_reason() {
    let doors = open("hostile-table");
    let admin = "/v1/endpoints/web/web-1/admin";
    let rows = [
        ("GET", "/", "", 404, "no such path"),
        ("GET", "/v1/nothing", "", 404, "GET /v1/status"),
        ("GET", "/v1/status/", "", 404, "no such path"),
        ("POST", "/v1/status", "", 405, "does not take POST"),
        ("GET", "/v1/reload", "", 405, "does not take GET"),
        ("DELETE", "/metrics", "", 405, "does not take DELETE"),
        ("GET", admin, "", 405, "does not take GET"),
        ("PUT", admin, "{\"state\":\"draining\"}", 405, "does not take PUT"),
        ("GET", "/v1/events?after=x", "", 400, "invalid digit"),
        ("GET", "/v1/events?after=-1", "", 400, "invalid digit"),
        ("GET", "/v1/events?limit=0", "", 400, "from 1 to 1000"),
        ("GET", "/v1/events?limit=1001", "", 400, "from 1 to 1000"),
        ("GET", "/v1/events?since=1", "", 400, "unknown field `since`"),
        ("GET", "/v1/events?wait=61s", "", 400, "at most 60s"),
        ("GET", "/v1/events?wait=-1s", "", 400, "with its unit"),
        ("GET", "/v1/events?wait=30", "", 400, "with its unit"),
        ("GET", "/v1/events?wait=99999999999999999999h", "", 400, "with its unit"),
        ("POST", "/v1/reload?dryRun=yes", "", 400, "`true` or `false`"),
        ("POST", "/v1/upgrade?wait=30", "", 400, "a time with its unit"),
        ("GET", "/v1/upgrade", "", 405, "does not take GET"),
        // A dry run that is mistyped must not become a wet one.
        ("POST", "/v1/reload?dryrun=true", "", 400, "unknown field `dryrun`"),
        ("POST", "/v1/reload?dryRun=true&dryRun=false", "", 400, "duplicate"),
        ("POST", admin, "", 400, "not the JSON"),
        ("POST", admin, "{\"state\":\"down\"}", 400, "unknown variant `down`"),
        ("POST", admin, "{\"state\":\"draining\",\"force\":true}", 400, "unknown field `force`"),
        ("POST", admin, "[[[[[[", 400, "not the JSON"),
        ("POST", "/v1/endpoints/web/web-9/admin", "{\"state\":\"draining\"}", 404, "did you mean"),
        ("POST", "/v1/endpoints/web/%ff/admin", "{\"state\":\"draining\"}", 400, "UTF-8"),
    ];
    for (method, target, body, status, reason) in rows {
        let (got, text) = doors.over_unix(&request(method, target, "haechi", body)).await;
        assert_eq!(got, status, "{method} {target} {body}: {text}");
        let json = text.split_once("\r\n\r\n").unwrap().1;
        let error: haechi_admin::api::ErrorBody =
            serde_json::from_str(json).unwrap_or_else(|e| panic!("{e}: {text}"));
        assert!(error.error.contains(reason), "{method} {target}: {}", error.error);
    }
    assert_eq!(doors.fake.reloads.load(Ordering::SeqCst), 0);
    assert_eq!(doors.fake.status.lock().unwrap().pools[0].endpoints[0].admin, AdminState::Enabled);
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_one() {
    let doors = open("hostile-allow");
    let (_, text) = doors.over_unix(&request("DELETE", "/v1/reload", "haechi", "")).await;
    assert!(text.to_ascii_lowercase().contains("\r\nallow: post\r\n"), "{text}");
}

#[tokio::test]
async fn bodies_are_bounded() {
    let doors = open("hostile-body");
    let admin = "/v1/endpoints/web/web-1/admin";
    let padding = " ".repeat(MAX_BODY - "{\"state\":\"draining\"}".len());
    let fits = format!("{{\"state\":\"draining\"}}{padding}");
    assert_eq!(doors.over_unix(&request("POST", admin, "haechi", &fits)).await.0, 200);
    let (status, text) = doors.over_unix(&request("POST", admin, "haechi", &format!("{fits} "))).await;
    assert_eq!(status, 413, "{text}");
    assert!(text.contains("over 65536 bytes"), "{text}");
    // Without an announced length, and never ending.
    let mut io = doors.unix().await;
    let head = format!(
        "POST {admin} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    );
    io.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("4000\r\n{}\r\n", " ".repeat(0x4000)).repeat(8);
    assert_eq!(talk(io, chunk.as_bytes()).await.0, 413);
}

#[tokio::test]
async fn garbage_is_refused_and_the_next_client_is_served() {
    let doors = open("hostile-garbage");
    for garbage in
        ["\0\0\0\0\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\x16\x03\x01\x02\x00\x01\r\n\r\n"]
    {
        let (status, _) = doors.over_tcp(garbage).await;
        assert_eq!(status, 400, "{garbage:?}");
    }
    assert_eq!(doors.over_tcp(&request("GET", "/healthz", "localhost", "")).await.0, 200);
}

#[tokio::test]
async fn heads_are_bounded() {
    let doors = open("hostile-head");
    let many = (0..200).map(|n| format!("X-{n}: y\r\n")).collect::<String>();
    let (status, _) = doors.over_unix(&format!("GET /healthz HTTP/1.1\r\n{many}\r\n")).await;
    assert_eq!(status, 431);
    let long = "x".repeat(1 << 20);
    let (status, _) = doors.over_unix(&format!("GET /healthz HTTP/1.1\r\nX: {long}\r\n\r\n")).await;
    assert_eq!(status, 431);
}

#[tokio::test]
async fn writes_over_tcp_are_refused_with_the_way_out() {
    let doors = open("hostile-tcp");
    let body = "{\"state\":\"draining\"}";
    for (method, target, body) in [
        ("POST", "/v1/reload", ""),
        ("POST", "/v1/reload?dryRun=true", ""),
        ("POST", "/v1/upgrade", ""),
        ("POST", "/v1/endpoints/web/web-1/admin", body),
        ("PUT", "/v1/endpoints/web/web-1/admin", body),
        ("DELETE", "/v1/status", ""),
        ("OPTIONS", "/v1/reload", ""),
        ("POST", "/nothing", ""),
    ] {
        let (status, text) = doors.over_tcp(&request(method, target, "127.0.0.1", body)).await;
        assert_eq!(status, 403, "{method} {target}: {text}");
        assert!(text.contains("use the Unix socket"), "{text}");
        assert!(!text.to_ascii_lowercase().contains("access-control-"), "{text}");
    }
    assert_eq!(doors.fake.reloads.load(Ordering::SeqCst), 0);
    assert_eq!(doors.fake.status.lock().unwrap().pools[0].endpoints[0].admin, AdminState::Enabled);
}

#[tokio::test]
async fn reading_over_tcp_shows_all() {
    let doors = open("hostile-read");
    let port = doors.tcp.port();
    for target in ["/v1/status", "/v1/events", "/metrics", "/healthz"] {
        for host in ["localhost".to_owned(), format!("127.0.0.1:{port}"), format!("[::1]:{port}")] {
            let (status, text) = doors.over_tcp(&request("GET", target, &host, "")).await;
            assert_eq!(status, 200, "{target} {host}: {text}");
        }
    }
    let (_, text) = doors.over_tcp(&request("GET", "/metrics", "localhost", "")).await;
    let head = text.split_once("\r\n\r\n").unwrap().0.to_ascii_lowercase();
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    assert!(head.contains("cache-control: no-store"), "{head}");
}

#[tokio::test]
async fn names_that_a_page_could_have_bent_are_refused() {
    let doors = open("hostile-rebind");
    for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:7070", "", "a@127.0.0.1"] {
        let (status, text) = doors.over_tcp(&request("GET", "/v1/status", host, "")).await;
        assert_eq!(status, 403, "{host:?}: {text}");
        assert!(!text.contains("lb1"), "{text}");
    }
    let (status, _) = doors.over_tcp("GET /v1/status HTTP/1.0\r\n\r\n").await;
    assert_eq!(status, 403, "no host at all");
}

#[tokio::test]
async fn a_full_door_serves_again_when_someone_goes() {
    let doors = open("hostile-full");
    let mut silent = Vec::new();
    for _ in 0..MAX_CONNECTIONS {
        silent.push(doors.unix().await);
    }
    let client = Client::new(doors.folder.socket());
    let ask = tokio::spawn(async move { client.status().await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!ask.is_finished(), "it waits in the kernel's queue");
    silent.pop();
    tokio::time::timeout(Duration::from_secs(10), ask).await.unwrap().unwrap().unwrap();
    // The other door has places of its own.
    assert_eq!(doors.over_tcp(&request("GET", "/healthz", "localhost", "")).await.0, 200);
}
