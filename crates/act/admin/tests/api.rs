//! Server and client over a real Unix socket: every call, every status.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use common::{Fake, Folder, until};
use haechi_admin::server::{Server, serve_until};
use haechi_admin::{Client, ClientError, Problem};
use haechi_model::AdminState;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

struct Running {
    fake: Arc<Fake>,
    client: Client,
    folder: Folder,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<()>,
}

fn start(test: &str) -> Running {
    let folder = Folder::new(test);
    let fake = Fake::new();
    let server = Server::bind(&folder.socket(), None).unwrap();
    assert_eq!(server.tcp_address(), None);
    let (stop, stopped) = oneshot::channel();
    let stopped = async { drop(stopped.await) };
    let server = tokio::spawn(serve_until(server, Arc::clone(&fake), stopped));
    Running { fake, client: Client::new(folder.socket()), folder, stop: Some(stop), server }
}

fn refused(error: ClientError) -> (u16, String) {
    match error {
        ClientError::Refused { status, body } => (status, body.error),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn status_comes_as_it_is() {
    let running = start("api-status");
    let status = running.client.status().await.unwrap();
    let mut expected = running.fake.status.lock().unwrap().clone();
    expected.pools[0].endpoints[0].in_flight = 2;
    assert_eq!(status, expected);
}

#[tokio::test]
async fn events_come_in_order_and_bounded() {
    let running = start("api-events");
    for number in 0..5 {
        running.fake.happen("healthChanged", "endpoint web/web-1", &format!("change {number}"));
    }
    let events = running.client.events(0, 3, None).await.unwrap();
    assert_eq!(events.newest, 5);
    assert_eq!(events.events.iter().map(|event| event.sequence).collect::<Vec<_>>(), [3, 4, 5]);
    assert_eq!(running.client.events(5, 3, None).await.unwrap().events, []);
}

#[tokio::test]
async fn a_wait_ends_with_the_event() {
    let running = start("api-wait");
    let client = running.client.clone();
    let waiting = tokio::spawn(async move { client.events(0, 10, Some(Duration::from_secs(60))).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!waiting.is_finished());
    running.fake.happen("started", "haechi", "serves");
    let events = tokio::time::timeout(Duration::from_secs(10), waiting).await.unwrap().unwrap().unwrap();
    assert_eq!(events.events[0].kind, "started");
}

#[tokio::test]
async fn a_wait_ends_with_its_time() {
    let running = start("api-time");
    let events = running.client.events(0, 10, Some(Duration::from_millis(30))).await.unwrap();
    assert_eq!((events.events.len(), events.newest), (0, 0));
}

#[tokio::test]
async fn a_number_from_before_a_restart_is_answered_at_once() {
    let running = start("api-restart");
    running.fake.happen("started", "haechi", "serves");
    let ask = running.client.events(900, 10, Some(Duration::from_secs(60)));
    let events = tokio::time::timeout(Duration::from_secs(10), ask).await.unwrap().unwrap();
    assert_eq!((events.events.len(), events.newest), (0, 1));
}

#[tokio::test]
async fn reload_applies_and_a_dry_run_does_not() {
    let running = start("api-reload");
    let dry = running.client.reload(true).await.unwrap();
    assert_eq!((dry.applied, dry.generation), (false, 7));
    assert_eq!(running.fake.reloads.load(Ordering::SeqCst), 0);
    let wet = running.client.reload(false).await.unwrap();
    assert_eq!((wet.applied, wet.generation), (true, 8));
    assert_eq!(wet.steps[0]["subject"], "endpoint web/web-1");
    assert_eq!(running.fake.reloads.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_upgrade_tells_who_serves_or_why_not() {
    let running = start("api-upgrade");
    let upgraded = running.client.upgrade(Duration::from_secs(30)).await.unwrap();
    assert_eq!((upgraded.to_version.as_str(), upgraded.pid), ("0.2.0", 42));
    match running.client.upgrade(Duration::from_millis(10)).await.unwrap_err() {
        ClientError::Refused { status, body } => {
            assert_eq!((status, &*body.error), (409, "the new process was not ready within 10ms"));
        }
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_refused_config_comes_with_its_diagnostics() {
    let running = start("api-refused");
    *running.fake.refusal.lock().unwrap() = Some(Problem::Refused {
        message: "1 error in haechi.yaml".into(),
        rendered: "error[HCH0201]: unknown key\n".into(),
        diagnostics: vec![serde_json::json!({ "code": "HCH0201" })],
    });
    match running.client.reload(false).await.unwrap_err() {
        ClientError::Refused { status, body } => {
            assert_eq!((status, &*body.error), (422, "1 error in haechi.yaml"));
            assert_eq!(body.rendered, "error[HCH0201]: unknown key\n");
            assert_eq!(body.diagnostics[0]["code"], "HCH0201");
        }
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_reload_outlives_its_caller() {
    let running = start("api-outlives");
    let (open, gate) = oneshot::channel();
    *running.fake.reload_gate.lock().unwrap() = Some(gate);
    let mut caller = UnixStream::connect(running.folder.socket()).await.unwrap();
    caller.write_all(b"POST /v1/reload HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    let fake = Arc::clone(&running.fake);
    until(|| fake.reload_gate.lock().unwrap().is_none()).await;
    drop(caller);
    // The server has noticed the end of the connection when it answers on another one.
    running.client.status().await.unwrap();
    open.send(()).unwrap();
    until(|| fake.reloads.load(Ordering::SeqCst) == 1).await;
}

#[tokio::test]
async fn admin_state_is_set() {
    let running = start("api-admin");
    let changed = running.client.set_admin_state("web", "web-1", AdminState::Draining).await.unwrap();
    assert_eq!((changed.from, changed.to), (AdminState::Enabled, AdminState::Draining));
    assert_eq!(running.fake.status.lock().unwrap().pools[0].endpoints[0].admin, AdminState::Draining);
}

#[tokio::test]
async fn an_unknown_endpoint_is_named_as_it_was_typed() {
    let running = start("api-unknown");
    for (pool, endpoint) in [("web", "web-9"), ("we/b", "../x?y=1#z"), ("ä", "%2f"), ("..", ".")] {
        let error = running.client.set_admin_state(pool, endpoint, AdminState::Enabled).await.unwrap_err();
        let (status, text) = refused(error);
        assert_eq!(status, 404);
        assert_eq!(text, format!("no endpoint `{pool}/{endpoint}`; did you mean `web/web-1`?"));
    }
}

#[tokio::test]
async fn the_file_goes_with_the_server_and_says_so() {
    let mut running = start("api-stop");
    running.client.status().await.unwrap();
    running.stop.take().unwrap().send(()).unwrap();
    (&mut running.server).await.unwrap();
    assert!(!running.folder.socket().exists());
    let error = running.client.status().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "no haechi answers at {}: is it running? start one with `haechi run`, or name its socket with \
             --admin-socket / HAECHI_ADMIN_SOCKET",
            running.folder.socket().display()
        )
    );
}

#[tokio::test]
async fn a_stop_does_not_wait_for_followers() {
    let mut running = start("api-farewell");
    let client = running.client.clone();
    let follower = tokio::spawn(async move { client.events(0, 10, Some(Duration::from_secs(60))).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    running.stop.take().unwrap().send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(10), &mut running.server).await.unwrap().unwrap();
    assert!(matches!(follower.await.unwrap(), Err(ClientError::Broken { .. })));
}

#[tokio::test]
async fn what_answers_otherwise_is_said_to_be_broken() {
    let folder = Folder::new("api-broken");
    let listener = tokio::net::UnixListener::bind(folder.socket()).unwrap();
    let answers = ["", "SSH-2.0-OpenSSH\r\n", "HTTP/1.1 500 No\r\n\r\noops", "HTTP/1.1 200 OK\r\n\r\n{}"];
    let server = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        for answer in answers {
            let (mut peer, _) = listener.accept().await.unwrap();
            assert!(peer.read(&mut [0; 1024]).await.unwrap() > 0);
            peer.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let client = Client::new(folder.socket());
    for answer in answers {
        let error = client.status().await.unwrap_err();
        assert!(matches!(error, ClientError::Broken { .. }), "{answer:?}: {error}");
        assert!(error.to_string().starts_with("no usable answer from "), "{error}");
    }
    server.await.unwrap();
}
