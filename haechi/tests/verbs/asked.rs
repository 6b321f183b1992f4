//! Verbs that ask a running haechi, here one that is nothing but its answers.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use haechi_admin::Problem;
use haechi_admin::server::{Server, serve, serve_until};
use haechi_model::AdminState;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::fake::{Fake, Folder, refused};
use crate::{Ran, haechi};

struct Running {
    fake: Arc<Fake>,
    folder: Folder,
}

fn start(test: &str) -> Running {
    let folder = Folder::new(test);
    let fake = Fake::new();
    tokio::spawn(serve(Server::bind(&folder.socket(), None).unwrap(), Arc::clone(&fake)));
    Running { fake, folder }
}

impl Running {
    async fn run(&self, words: &[&str]) -> Ran {
        let mut command = haechi(words);
        command.env("HAECHI_ADMIN_SOCKET", self.folder.socket());
        command.output().await.unwrap().into()
    }
}

#[tokio::test]
async fn status_shows_all_on_one_screen() {
    let running = start("asked-status");
    let ran = running.run(&["status"]).await;
    assert_eq!((ran.code, &*ran.err), (0, ""));
    for says in ["lb1 in zone kr1-a", "generation 7", "web-2", "unhealthy", "pool api", "GET", "/v1/status"] {
        assert!(says == "GET" || ran.out.contains(says), "{says}: {}", ran.out);
    }
    assert!(ran.out.trim_end().ends_with("http://haechi/v1/status"), "{}", ran.out);
    let json = running.run(&["status", "-o", "json"]).await.json();
    assert_eq!(json["pools"][0]["endpoints"][0]["name"], "web-1");

    running.fake.status.lock().unwrap().config.refused = Some(refused());
    let ran = running.run(&["status"]).await;
    assert!(ran.out.starts_with("config refused "), "{}", ran.out);
    assert!(ran.out.contains("\n  error[HCH0201]: unknown key `tiemout`\n"), "{}", ran.out);
    assert_eq!(ran.code, 0, "asking worked");
}

#[tokio::test]
async fn nobody_there_is_said_with_the_way_out() {
    let folder = Folder::new("asked-nobody");
    let socket = folder.socket();
    let socket = socket.to_str().unwrap();
    for words in
        [&["status"][..], &["top"], &["events"], &["reload"], &["diff"], &["endpoint", "drain", "web/web-1"]]
    {
        let ran: Ran = haechi(words).args(["--admin-socket", socket]).output().await.unwrap().into();
        assert_eq!((ran.code, &*ran.out), (1, ""), "{words:?}");
        let expected =
            format!("error: no haechi answers at {socket}: is it running? start one with `haechi run`");
        assert!(ran.err.starts_with(&expected), "{words:?}: {}", ran.err);
        let json: Ran =
            haechi(words).args(["--admin-socket", socket, "-o", "json"]).output().await.unwrap().into();
        assert_eq!((json.code, &*json.err), (1, ""), "{words:?}");
        assert!(json.json()["error"].as_str().unwrap().starts_with("no haechi answers at "), "{words:?}");
    }
}

#[tokio::test]
async fn reload_shows_its_plan() {
    let running = start("asked-reload");
    let dry = running.run(&["reload", "--dry-run"]).await;
    assert_eq!(
        dry.out,
        "endpoint web/web-1: weight 1 -> 3 (no disruption)\ndry run: generation 7 stays in force\n"
    );
    assert_eq!(running.fake.reloads.load(Ordering::SeqCst), 0);
    let wet = running.run(&["reload"]).await;
    assert_eq!((wet.code, running.fake.reloads.load(Ordering::SeqCst)), (0, 1));
    assert!(wet.out.ends_with("generation 8 is in force\n"), "{}", wet.out);
    assert_eq!(running.run(&["reload", "-o", "json"]).await.json()["generation"], 9);
}

#[tokio::test]
async fn a_refused_reload_shows_why() {
    let running = start("asked-refused");
    *running.fake.refusal.lock().unwrap() = Some(Problem::Refused {
        message: "haechi.yaml has 1 error".into(),
        rendered: "error[HCH0201]: unknown key `tiemout`\n".into(),
        diagnostics: vec![json!({ "code": "HCH0201" })],
    });
    for verb in ["reload", "diff"] {
        let ran = running.run(&[verb]).await;
        assert_eq!((ran.code, &*ran.out), (1, ""), "{verb}");
        assert_eq!(
            ran.err, "error[HCH0201]: unknown key `tiemout`\n\nerror: haechi.yaml has 1 error\n",
            "{verb}"
        );
        let json = running.run(&[verb, "-o", "json"]).await;
        assert_eq!((json.code, &json.json()["diagnostics"][0]["code"]), (1, &"HCH0201".into()), "{verb}");
    }
    assert_eq!(running.run(&["diff", "--exit-code"]).await.code, 2);
}

#[tokio::test]
async fn diff_against_what_runs() {
    let running = start("asked-diff");
    let file = running.folder.path().join("haechi.yaml");
    std::fs::write(&file, "").unwrap();
    let name = file.to_str().unwrap();
    running.fake.status.lock().unwrap().config.source = name.to_owned();
    for words in [&["diff"][..], &["diff", "-c", name]] {
        let ran = running.run(words).await;
        assert_eq!(
            (ran.code, &*ran.out),
            (0, "endpoint web/web-1: weight 1 -> 3 (no disruption)\n"),
            "{words:?}"
        );
    }
    assert_eq!(running.run(&["diff", "--exit-code"]).await.code, 1);
    assert_eq!(running.run(&["diff", "-o", "json"]).await.json()["disruption"], "none");
    let other = running.run(&["diff", "-c", "/etc/hostname"]).await;
    assert_eq!(other.code, 1);
    assert!(other.err.contains(&format!("haechi diff {name} /etc/hostname")), "{}", other.err);
    assert_eq!(running.fake.reloads.load(Ordering::SeqCst), 0, "nothing was applied");
}

#[tokio::test]
async fn events_are_listed() {
    let running = start("asked-events");
    for number in 1..=60 {
        running.fake.happen("healthChanged", "endpoint web/web-1", &format!("change {number}"));
    }
    let ran = running.run(&["events"]).await;
    let lines: Vec<_> = ran.out.lines().filter(|line| line.contains("change ")).collect();
    assert_eq!(lines.len(), 50);
    assert!(lines[0].starts_with("   11  2026-01-01T00:00:11.000Z  healthChanged"), "{}", lines[0]);
    assert!(ran.out.contains("/v1/events"), "{}", ran.out);
    let few = running.run(&["events", "-n", "2", "-o", "json"]).await;
    let few: Vec<serde_json::Value> =
        few.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(few.iter().map(|event| event["sequence"].as_u64().unwrap()).collect::<Vec<_>>(), [59, 60]);
    assert_eq!(running.run(&["events", "--after", "59", "-o", "json"]).await.out.lines().count(), 1);
}

#[tokio::test]
async fn events_are_followed_over_a_restart() {
    let folder = Folder::new("asked-follow");
    let first = Fake::new();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = Server::bind(&folder.socket(), None).unwrap();
    let server = tokio::spawn(serve_until(server, Arc::clone(&first), async { drop(stopped.await) }));
    first.happen("started", "node", "serving");
    let mut command = haechi(["events", "--follow", "-o", "json"]);
    command.env("HAECHI_ADMIN_SOCKET", folder.socket()).stdout(std::process::Stdio::piped());
    let mut child = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut notes = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut next = async || {
        let line = timeout(Duration::from_secs(20), lines.next_line()).await.expect("no event came");
        serde_json::from_str::<serde_json::Value>(&line.unwrap().unwrap()).unwrap()["text"].clone()
    };
    assert_eq!(next().await, "serving");
    first.happen("healthChanged", "endpoint web/web-1", "one");
    assert_eq!(next().await, "one");
    first.happen("healthChanged", "endpoint web/web-1", "two");
    assert_eq!(next().await, "two");

    stop.send(()).unwrap();
    server.await.unwrap();
    let note = timeout(Duration::from_secs(20), notes.next_line()).await.expect("nothing was said").unwrap();
    assert!(note.unwrap().starts_with("haechi went away; waiting until it is back ("));
    let second = Fake::new();
    second.happen("started", "node", "serving anew");
    tokio::spawn(serve(Server::bind(&folder.socket(), None).unwrap(), second));
    assert_eq!(next().await, "serving anew");
    child.kill().await.unwrap();
}

#[tokio::test]
async fn drain_waits_until_nothing_runs() {
    let running = start("asked-drain");
    running.fake.in_flight.store(3, Ordering::Relaxed);
    let ran = running.run(&["endpoint", "drain", "web/web-1", "--wait", "20s"]).await;
    assert_eq!((ran.code, &*ran.err), (0, ""), "{ran:?}");
    let lines: Vec<_> = ran.out.lines().collect();
    assert_eq!(lines[0], "web/web-1: enabled -> draining, 3 requests or connections still run there");
    assert_eq!(lines[lines.len() - 2], "web/web-1: 1 request or connection still runs there");
    assert_eq!(lines[lines.len() - 1], "web/web-1: nothing runs there");
    assert_eq!(running.fake.status.lock().unwrap().pools[0].endpoints[0].admin, AdminState::Draining);
    let again = running.run(&["endpoint", "drain", "web/web-1"]).await;
    assert_eq!(again.out, "web/web-1: draining already, nothing runs there\n");
}

#[tokio::test]
async fn a_drain_that_takes_too_long_says_how_many_are_left() {
    let running = start("asked-slow");
    running.fake.in_flight.store(u32::MAX, Ordering::Relaxed);
    let ran = running.run(&["endpoint", "drain", "web/web-1", "--wait", "300ms"]).await;
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.starts_with("error: web/web-1: 42949672"), "{}", ran.err);
    assert!(ran.err.contains(" still run there after 300ms; it keeps draining"), "{}", ran.err);
    let json = running.run(&["endpoint", "drain", "web/web-1", "--wait", "0s", "-o", "json"]).await;
    assert!(json.json()["error"].as_str().unwrap().contains("still run there"), "{json:?}");
}

#[tokio::test]
async fn enable_waits_until_it_takes_work() {
    let running = start("asked-enable");
    let ran = running.run(&["endpoint", "enable", "web/web-1", "--wait"]).await;
    assert_eq!((ran.code, ran.out.lines().last()), (0, Some("web/web-1: takes work")), "{ran:?}");
    let ran = running.run(&["endpoint", "enable", "web/web-2", "--wait", "100ms"]).await;
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("takes no work yet: 2 probes succeeded after 100ms"), "{}", ran.err);
}

#[tokio::test]
async fn disable_says_what_it_left() {
    let running = start("asked-disable");
    let json = running.run(&["endpoint", "disable", "web/web-2", "-o", "json"]).await.json();
    assert_eq!(json, json!({ "from": "enabled", "to": "disabled", "inFlight": 2 }));
}

#[tokio::test]
async fn an_unknown_endpoint_is_answered_with_a_guess() {
    let running = start("asked-unknown");
    let ran = running.run(&["endpoint", "drain", "web/wbe-1"]).await;
    assert_eq!((ran.code, &*ran.out), (1, ""));
    assert_eq!(ran.err, "error: no endpoint `web/wbe-1`; did you mean `web/web-1`?\n");
}

#[tokio::test]
async fn top_writes_one_screen_a_second_to_a_file() {
    let running = start("asked-top");
    let ran = running.run(&["top", "-n", "2"]).await;
    assert_eq!((ran.code, &*ran.err), (0, ""));
    assert_eq!(ran.out.matches("REQ/S  FAIL/S").count(), 4, "two screens of two pools: {}", ran.out);
    assert!(!ran.out.contains('\x1b'), "no cursor moves for a file");
    let json = running.run(&["top", "-n", "1", "-o", "json"]).await.json();
    assert_eq!(json["rates"]["endpoints"]["web/web-1"], json!({ "requests": 0.0, "failures": 0.0 }));
}
