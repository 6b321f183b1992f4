//! Changes under load: nothing that they do not concern is touched.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::time::Duration;

use haechi_tests::{Connection, Load, Nginx, Node, Scripted, address, eventually, get, now, pause};

const BINARY: &str = env!("CARGO_BIN_EXE_haechi");

fn endpoints(servers: &[&Nginx]) -> String {
    servers.iter().map(|server| format!("      {}: \"{}\"\n", server.name, server.address)).collect()
}

/// How long the storm lasts and how many changes it makes (the promise: 1,000 in 60 s).
const STORM: Duration = Duration::from_secs(60);
const CHANGES: u32 = 1000;

#[test]
fn a_storm_of_a_thousand_changes_fails_no_request() {
    let (first, second) = (address(), address());
    let servers: Vec<Nginx> = (1..=4).map(|n| Nginx::demo(&format!("web-{n}"), address())).collect();
    let algorithms =
        ["roundRobin", "weightedRoundRobin", "leastConnections", "ipHash", "leastResponseTime", "random"];
    let config = |step: usize| {
        // Each step differs from the one before in weights, algorithm, health check, routes, one endpoint
        // of three that come and go, and a second listener that comes and goes.
        let mut members: Vec<&Nginx> = servers.iter().collect();
        if step % 4 < 3 {
            members.remove(1 + step % 3);
        }
        let endpoints: String = (members.iter().enumerate())
            .map(|(at, server)| {
                format!(
                    "      {}: {{ address: \"{}\", weight: {} }}\n",
                    server.name,
                    server.address,
                    1 + (step + at) % 5
                )
            })
            .collect();
        let extra = match step % 2 {
            0 => String::new(),
            _ => format!("  extra: {{ bind: \"{second}:81\", protocol: http, routes: [{{ pool: web }}] }}\n"),
        };
        format!(
            "listeners:\n  web:\n    bind: \"{first}:80\"\n    protocol: http\n    routes:\n      - {{ path: /step-{step}, pool: web }}\n      - {{ pool: web }}\n{extra}\
             pools:\n  web:\n    algorithm: {}\n    endpoints:\n{endpoints}\
             \x20   healthCheck: {{ path: /health, interval: {}ms, timeout: 150ms, healthyThreshold: 1 }}\n    drain: {{ timeout: 5s }}\n",
            algorithms[step % algorithms.len()],
            200 + step % 7,
        )
    };
    let node = Node::start(BINARY, &config(0));
    let listen = SocketAddr::new(first, 80);
    let load = Load::start(listen, "/", 8, Duration::from_millis(1));
    let started = now();
    let pace = STORM / CHANGES;
    for step in 1..=CHANGES {
        node.change(&config(step as usize));
        let due = pace * step;
        pause(due.saturating_sub(started.elapsed()));
    }
    let took = started.elapsed();
    let tally = load.stop();
    tally.assert_all_good();
    assert_eq!(tally.opened, 8, "no connection was closed: {tally:?}");
    let status = node.status();
    assert_eq!(status["generation"], CHANGES + 1);
    assert!(took < STORM * 3, "{CHANGES} changes took {took:?}");
}

#[test]
fn a_removed_endpoint_finishes_what_it_has() {
    let ip = address();
    let slow = Scripted::start(address(), |_, peer| {
        while peer.head().is_some() {
            pause(Duration::from_millis(600));
            if !peer.answer("late") {
                return;
            }
        }
    });
    let other = Nginx::demo("other", address());
    let with = |endpoints: &str| {
        format!(
            "listeners:\n  web: {{ bind: \"{ip}:80\", protocol: http, routes: [{{ pool: web }}] }}\npools:\n  web:\n    endpoints:\n{endpoints}"
        )
    };
    let node = Node::start(BINARY, &with(&format!("      slow: \"{}\"\n", slow.address)));
    let listen = SocketAddr::new(ip, 80);
    let asking = std::thread::spawn(move || get(listen, "/").unwrap());
    eventually(Duration::from_secs(5), "the request is in flight", || {
        node.endpoint("web", "slow")["inFlight"] == 1
    });
    node.change(&with(&endpoints(&[&other])));
    assert_eq!(get(listen, "/").unwrap().json("pod").unwrap(), "other");
    assert_eq!(asking.join().unwrap().text(), "late");
}

#[test]
fn a_drained_endpoint_finishes_takes_nothing_new_and_comes_back() {
    let ip = address();
    let slow = Scripted::start(address(), |_, peer| {
        while let Some(head) = peer.head() {
            if head.starts_with("GET /slow") {
                pause(Duration::from_millis(700));
            }
            if !peer.answer("a") {
                return;
            }
        }
    });
    let other = Nginx::demo("b", address());
    let node = Node::start(
        BINARY,
        &format!(
            "listeners:\n  web: {{ bind: \"{ip}:80\", protocol: http, routes: [{{ pool: web }}] }}\npools:\n  web:\n    endpoints:\n      a: \"{}\"\n      b: \"{}\"\n",
            slow.address, other.address
        ),
    );
    let listen = SocketAddr::new(ip, 80);
    let mut both: Vec<_> =
        (0..2).map(|_| std::thread::spawn(move || get(listen, "/slow").unwrap().text())).collect();
    eventually(Duration::from_secs(5), "a has a request", || node.endpoint("web", "a")["inFlight"] == 1);
    let drained = node.verb(&["endpoint", "drain", "web/a", "--wait", "10s"]);
    assert_eq!(drained.code, 0, "{drained:?}");
    assert_eq!(node.endpoint("web", "a")["inFlight"], 0);
    assert_eq!(node.endpoint("web", "a")["adminOrigin"], "operator");
    assert!(both.drain(..).any(|asking| asking.join().unwrap() == "a"), "the running request was finished");
    for _ in 0..10 {
        assert_eq!(get(listen, "/").unwrap().json("pod").unwrap(), "b");
    }
    assert_eq!(node.verb(&["endpoint", "enable", "web/a"]).code, 0);
    let texts: Vec<String> = (0..2).map(|_| get(listen, "/").unwrap().text()).collect();
    assert!(texts.iter().any(|text| text == "a"), "{texts:?}");
    let unknown = node.verb(&["endpoint", "drain", "web/aa"]);
    assert_eq!(unknown.code, 1);
    assert!(unknown.err.contains("did you mean"), "{unknown:?}");
}

#[test]
fn a_drain_that_takes_too_long_says_how_much_is_left_and_the_timeout_cuts_it() {
    let ip = address();
    let hung = Scripted::start(address(), |_, peer| {
        peer.head();
        peer.body(1);
    });
    let node = Node::start(
        BINARY,
        &format!(
            "listeners:\n  web: {{ bind: \"{ip}:80\", protocol: http, routes: [{{ pool: web }}] }}\npools:\n  web:\n    endpoints: {{ a: \"{}\" }}\n    drain: {{ timeout: 2s }}\n",
            hung.address
        ),
    );
    let listen = SocketAddr::new(ip, 80);
    let asking = std::thread::spawn(move || get(listen, "/").unwrap());
    eventually(Duration::from_secs(5), "the request is in flight", || {
        node.endpoint("web", "a")["inFlight"] == 1
    });
    let drained = node.verb(&["endpoint", "drain", "web/a", "--wait", "300ms"]);
    assert_eq!(drained.code, 1, "{drained:?}");
    assert!(drained.err.contains('1'), "{drained:?}");
    let reply = asking.join().unwrap();
    assert_eq!(
        (reply.status, reply.fields["haechi-fault"].as_str()),
        (503, "noEndpoint"),
        "{}",
        reply.text()
    );
}

#[test]
fn a_refused_change_leaves_the_old_generation_and_stays_visible() {
    let ip = address();
    let server = Nginx::demo("web-1", address());
    let good = format!(
        "listeners:\n  web: {{ bind: \"{ip}:80\", protocol: http, routes: [{{ pool: web }}] }}\npools:\n  web:\n    endpoints:\n{}",
        endpoints(&[&server])
    );
    let node = Node::start(BINARY, &good);
    let listen = SocketAddr::new(ip, 80);
    let taken = std::net::TcpListener::bind(SocketAddr::new(ip, 99)).unwrap();
    let bad = [
        good.replace("pool: web }", "pool: wbe }"),
        good.replace("protocol: http", "protocol: htp"),
        "listeners: [".to_owned(),
        good.replace(":80\"", &format!(":{}\"", taken.local_addr().unwrap().port())),
    ];
    for text in bad {
        node.write(&text);
        let output = node.verb(&["reload"]);
        assert_eq!(output.code, 1, "{output:?}");
        let status = node.status();
        assert_eq!(status["generation"], 1);
        assert!(status["config"]["refused"]["message"].is_string(), "{status}");
        assert!(node.verb(&["status"]).out.contains("refused"));
        assert_eq!(get(listen, "/").unwrap().status, 200);
    }
    node.change(&good.replace("pool: web }", "pool: web, path: / }"));
    assert!(node.status()["config"]["refused"].is_null());
}

#[test]
fn sighup_reloads_too_and_a_dry_run_changes_nothing() {
    let (ip, moved) = (address(), address());
    let server = Nginx::demo("web-1", address());
    let config = |ip| {
        format!(
            "listeners:\n  web: {{ bind: \"{ip}:80\", protocol: http, routes: [{{ pool: web }}] }}\npools:\n  web:\n    endpoints:\n{}",
            endpoints(&[&server])
        )
    };
    let node = Node::start(BINARY, &config(ip));
    assert_eq!(get(SocketAddr::new(ip, 80), "/").unwrap().status, 200);
    node.write(&config(moved));
    let planned = node.verb(&["reload", "--dry-run"]);
    assert_eq!(planned.code, 0, "{planned:?}");
    assert!(planned.out.contains("rebinds"), "{planned:?}");
    assert_eq!(node.status()["generation"], 1, "a dry run changes nothing");
    node.signal("HUP");
    node.wait_open(SocketAddr::new(moved, 80));
    eventually(Duration::from_secs(5), "the old address is left", || {
        Connection::open(SocketAddr::new(ip, 80)).is_err()
    });
}

#[test]
fn a_stop_finishes_what_runs_and_ends_with_zero() {
    let ip = address();
    let slow = Scripted::start(address(), |_, peer| {
        while peer.head().is_some() {
            pause(Duration::from_millis(500));
            peer.answer("late");
        }
    });
    let mut node = Node::start(
        BINARY,
        &format!(
            "listeners:\n  web: {{ bind: \"{ip}:80\", protocol: http, routes: [{{ pool: web }}] }}\npools:\n  web:\n    endpoints: {{ a: \"{}\" }}\n",
            slow.address
        ),
    );
    let listen = SocketAddr::new(ip, 80);
    let mut idle = Connection::open(listen).unwrap();
    assert_eq!(idle.get("/").unwrap().status, 200);
    let asking = std::thread::spawn(move || get(listen, "/").unwrap());
    eventually(Duration::from_secs(5), "the request is in flight", || {
        node.endpoint("web", "a")["inFlight"] == 1
    });
    node.signal("TERM");
    let reply = asking.join().unwrap();
    assert_eq!((reply.text().as_str(), reply.fields["connection"].as_str()), ("late", "close"));
    assert_eq!(node.wait_end(Duration::from_secs(10)), 0, "{}", node.log());
    assert!(!node.folder().join("admin.sock").exists());
}
