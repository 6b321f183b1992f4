//! Four real nginx servers behind the config that the failover lab's Service stands for: round robin, HTTP
//! `/health` every 10 s, timeout 5 s, 2 healthy, 3 unhealthy.
//!
//! Times are divided by [`SCALE`], the one knob; nothing else differs from what an operator would write.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use haechi_tests::{Connection, Load, Nginx, Node, address, eventually, now, pause};

const BINARY: &str = env!("CARGO_BIN_EXE_haechi");

/// What 10 s in the Service are divided by here, so that the test takes seconds.
const SCALE: u32 = 20;

struct Lab {
    servers: Vec<Nginx>,
    listen: SocketAddr,
    node: Node,
}

fn config(ip: IpAddr, servers: &[Nginx], interval: Duration, unhealthy: u32) -> String {
    let timeout = interval.as_millis() / 2;
    let endpoints: String =
        servers.iter().map(|server| format!("      {}: \"{}\"\n", server.name, server.address)).collect();
    format!(
        "listeners:\n  ha-demo: {{ bind: \"{ip}:80\", protocol: http, routes: [{{ pool: ha-demo }}] }}\n\
         pools:\n  ha-demo:\n    algorithm: roundRobin\n    endpoints:\n{endpoints}\
         \x20   healthCheck: {{ protocol: http, path: /health, interval: {}ms, timeout: {timeout}ms, healthyThreshold: 2, unhealthyThreshold: {unhealthy} }}\n",
        interval.as_millis()
    )
}

const fn interval() -> Duration {
    Duration::from_secs(10).checked_div(SCALE).unwrap()
}

fn lab() -> Lab {
    let ip = address();
    let servers: Vec<Nginx> = (1..=4).map(|n| Nginx::demo(&format!("web-{n}"), address())).collect();
    let node = Node::start(BINARY, &config(ip, &servers, interval(), 3));
    let lab = Lab { servers, listen: SocketAddr::new(ip, 80), node };
    for server in &lab.servers {
        lab.node.wait_health("ha-demo", &server.name, "healthy", Duration::from_secs(10));
    }
    lab
}

#[test]
fn a_hundred_requests_are_twenty_five_each() {
    let lab = lab();
    for kept in [false, true] {
        let mut counts = std::collections::BTreeMap::<String, u32>::new();
        let mut open = Connection::open(lab.listen).unwrap();
        for _ in 0..100 {
            if !kept {
                open = Connection::open(lab.listen).unwrap();
            }
            let reply = open.get("/").unwrap();
            assert_eq!(reply.status, 200);
            *counts.entry(reply.json("pod").unwrap()).or_default() += 1;
        }
        let expected: Vec<(String, u32)> = (1..=4).map(|n| (format!("web-{n}"), 25)).collect();
        assert_eq!(counts.into_iter().collect::<Vec<_>>(), expected, "kept open: {kept}");
    }
}

#[test]
fn stopping_a_server_loses_no_request_and_starting_it_brings_it_back() {
    let mut lab = lab();
    let load = Load::start(lab.listen, "/", 8, Duration::from_millis(1));
    pause(Duration::from_millis(300));
    lab.servers[1].kill();
    lab.node.wait_health("ha-demo", "web-2", "unhealthy", interval() * 6);
    let reason = lab.node.endpoint("ha-demo", "web-2")["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("3 probes in a row failed") && reason.contains("refused"), "{reason}");
    lab.servers[1].resume();
    lab.node.wait_health("ha-demo", "web-2", "healthy", interval() * 5);
    let reason = lab.node.endpoint("ha-demo", "web-2")["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("2 probes in a row succeeded"), "{reason}");
    let before = lab.node.endpoint("ha-demo", "web-2")["requests"].as_u64().unwrap();
    eventually(Duration::from_secs(5), "web-2 gets work again", || {
        lab.node.endpoint("ha-demo", "web-2")["requests"].as_u64().unwrap() > before + 10
    });
    load.stop().assert_all_good();
    let events = lab.node.verb(&["events"]).out;
    assert!(events.contains("ha-demo/web-2") && events.contains("refused"), "{events}");
}

#[test]
fn a_shorter_interval_and_threshold_hold_at_once_and_close_no_connection() {
    let mut lab = lab();
    // An interval at which three failures would take far longer than the test waits.
    lab.node.change(&config(lab.listen.ip(), &lab.servers, Duration::from_secs(60), 3));
    let pid = lab.node.pid();
    let mut kept = Connection::open(lab.listen).unwrap();
    assert_eq!(kept.get("/").unwrap().status, 200);
    let load = Load::start(lab.listen, "/", 4, Duration::from_millis(1));
    lab.servers[3].kill();
    let changed = now();
    lab.node.change(&config(lab.listen.ip(), &lab.servers, interval(), 2));
    lab.node.wait_health("ha-demo", "web-4", "unhealthy", interval() * 5);
    assert!(changed.elapsed() < Duration::from_secs(30));
    let reason = lab.node.endpoint("ha-demo", "web-4")["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("2 probes in a row failed"), "{reason}");
    assert_eq!(kept.get("/").unwrap().status, 200, "the connection from before the change still serves");
    let tally = load.stop();
    tally.assert_all_good();
    assert_eq!(tally.opened, 4, "no connection was closed: {tally:?}");
    assert_eq!(lab.node.pid(), pid);
}
