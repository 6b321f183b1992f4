//! The program of a running haechi is replaced: nothing fails, nothing is reset, and what is known stays known.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../handover/clients.rs"]
mod clients;
mod faces;
mod pair;
mod systemd;
mod trouble;
mod window;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use haechi_tests::{Node, Scripted, address, eventually, get, pause, serve_flows};
use serde_json::Value;

use clients::Clients;

const BINARY: &str = env!("CARGO_BIN_EXE_haechi");

const SOON: Duration = Duration::from_secs(20);

/// Where clients go, and what stands behind.
struct Plan {
    web: SocketAddr,
    echo: SocketAddr,
    endpoint: SocketAddr,
}

impl Plan {
    fn new() -> Self {
        let (ip, endpoint) = (address(), SocketAddr::new(address(), 8080));
        serve_flows(endpoint);
        Self { web: SocketAddr::new(ip, 8080), echo: SocketAddr::new(ip, 7000), endpoint }
    }

    fn config(&self, workers: u16) -> String {
        let Self { web, echo, endpoint } = self;
        format!(
            "workers: {workers}\nlisteners:\n  web: {{ bind: \"{web}\", protocol: http, routes: [{{ pool: web }}] }}\n  \
             echo: {{ bind: \"{echo}\", protocol: tcp, pool: web }}\npools:\n  web: {{ endpoints: {{ e: \"{endpoint}\" }} }}\n"
        )
    }

    fn start(&self, workers: u16) -> Node {
        let mut node = Node::copied(BINARY, &self.config(workers));
        node.arguments = ["--grace", "60s"].map(String::from).into();
        node.resume();
        node
    }
}

/// The event log's newest entry of this kind.
fn last_event(node: &Node, kind: &str) -> String {
    let told = node.verb(&["events", "-n", "1000", "-o", "json"]).out;
    let mut events = told.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let newest = events.rfind(|event| event["kind"] == kind);
    newest.map(|event| event["text"].to_string()).unwrap_or_default()
}

#[test]
fn five_upgrades_under_load_lose_nothing() {
    let plan = Plan::new();
    let mut node = plan.start(2);
    let mut clients = Clients::start(plan.web, plan.echo);
    let mut pids = vec![node.pid()];
    // Fewer workers than sockets, more of them, and as many.
    for workers in [2, 1, 3, 3, 2] {
        pause(Duration::from_millis(500));
        clients.open_more();
        node.write(&plan.config(workers));
        node.replace(Path::new(BINARY));
        node.upgrade();
        assert_eq!(node.status()["workers"], workers);
        clients.check_streams();
        pids.push(node.pid());
    }
    pids.dedup();
    assert_eq!(pids.len(), 6, "{pids:?}");
    pause(Duration::from_millis(500));
    clients.check_streams();
    clients.finish();
    for old in &pids[..5] {
        eventually(SOON, "old processes end with what they had open", || !node.is_alive(*old));
    }
    assert!(!node.log().contains("WARN"), "{}", node.log());
}

#[test]
fn what_is_known_stays_known() {
    let web = SocketAddr::new(address(), 8080);
    let well = [0, 1, 2]
        .map(|_| Scripted::start(address(), |_, peer| while peer.head().is_some() && peer.answer("ok") {}));
    let dead = SocketAddr::new(address(), 9);
    let config = format!(
        "listeners:\n  web: {{ bind: \"{web}\", protocol: http, routes: [{{ pool: web }}] }}\npools:\n  web:\n    \
         endpoints: {{ a: \"{}\", b: \"{}\", c: \"{}\", dead: \"{dead}\" }}\n    \
         healthCheck: {{ path: /, interval: 60s, fastInterval: 100ms, timeout: 1s }}\n",
        well[0].address, well[1].address, well[2].address,
    );
    let mut node = Node::copied(BINARY, &config);
    node.resume();
    for name in ["a", "b", "c"] {
        node.wait_health("web", name, "healthy", SOON);
    }
    node.wait_health("web", "dead", "unhealthy", SOON);
    for (verb, name) in [("drain", "b"), ("disable", "c")] {
        assert_eq!(node.verb(&["endpoint", verb, &format!("web/{name}")]).code, 0);
    }
    for _ in 0..50 {
        assert_eq!(get(web, "/").unwrap().status, 200);
    }
    let (before, since) = (node.status(), node.endpoint("web", "dead")["sinceMs"].as_u64().unwrap());
    let newest = |node: &Node| {
        let told = node.verb(&["events", "-n", "1", "-o", "json"]).out;
        serde_json::from_str::<Value>(&told).unwrap()["sequence"].as_u64().unwrap()
    };
    let events = newest(&node);
    for round in 1..=2 {
        node.upgrade();
        let after = node.status();
        assert_ne!(after["pid"], before["pid"]);
        let listener = |status: &Value, key: &str| status["listeners"][0][key].as_u64().unwrap();
        assert_eq!(listener(&after, "requests"), 50, "round {round}");
        assert_eq!(listener(&after, "accepted"), listener(&before, "accepted"));
        for (old, new) in before["pools"][0]["endpoints"]
            .as_array()
            .unwrap()
            .iter()
            .zip(after["pools"][0]["endpoints"].as_array().unwrap())
        {
            for key in [
                "name",
                "admin",
                "adminOrigin",
                "health",
                "serving",
                "requests",
                "statuses",
                "connects",
                "latency",
            ] {
                assert_eq!(new[key], old[key], "round {round}: {key} of {}", old["name"]);
            }
        }
        let dead = node.endpoint("web", "dead");
        let reason = dead["reason"].as_str().unwrap();
        assert!(reason.starts_with("carried over: ") && !reason[14..].contains("carried over"), "{reason}");
        assert!(dead["sinceMs"].as_u64().unwrap().abs_diff(since) <= 5, "since when, by the wall clock");
        assert!(newest(&node) > events, "numbers of events grow on");
        assert!(last_event(&node, "upgrade").contains("took over from process"));
    }
    // Nobody asks what is disabled or draining, and counters grow on.
    for _ in 0..10 {
        assert_eq!(get(web, "/").unwrap().status, 200);
    }
    assert_eq!(node.endpoint("web", "a")["requests"], 60);
}

#[test]
fn a_signal_upgrades_and_the_last_one_ends_as_any() {
    let plan = Plan::new();
    let mut node = plan.start(1);
    let first = node.pid();
    node.signal("USR2");
    eventually(SOON, "another process serves", || node.status()["pid"] != first);
    node.follow();
    eventually(SOON, "the first one ends", || !node.is_alive(first));
    assert_eq!(get(plan.web, "/small").unwrap().status, 200);
    let (socket, second) = (node.folder().join("admin.sock"), node.pid());
    assert!(socket.exists());
    node.signal("TERM");
    eventually(SOON, "the second one ends", || !node.is_alive(second));
    assert!(!socket.exists(), "the last one removes the socket's file");
}

#[test]
fn a_listener_that_the_config_has_besides_is_bound_and_one_it_has_no_more_is_left() {
    let plan = Plan::new();
    let mut node = plan.start(2);
    let other = SocketAddr::new(plan.web.ip(), 8081);
    node.write(&plan.config(2).replace(&plan.echo.to_string(), &other.to_string()));
    node.upgrade();
    node.wait_open(other);
    eventually(SOON, "nobody listens there any more", || {
        std::net::TcpStream::connect_timeout(&plan.echo, Duration::from_secs(1)).is_err()
    });
    assert_eq!(get(plan.web, "/small").unwrap().status, 200);
}
