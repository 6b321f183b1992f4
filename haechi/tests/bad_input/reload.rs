//! Bad files while haechi runs: refused, visible, without effect, and forgotten at the next good one.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use haechi_tests::{Connection, Nginx, Node, address, eventually, get};
use serde_json::Value;

use crate::files::{CASES, Case, good};
use crate::{BINARY, clear, json, verb};

const SOON: Duration = Duration::from_secs(5);

fn refused(node: &Node) -> Value {
    node.status()["config"]["refused"].clone()
}

#[test]
fn each_bad_file_is_refused_and_the_old_generation_serves_on() {
    let nginx = Nginx::demo("web-1", address());
    let listen = SocketAddr::new(address(), 80);
    let good = good(listen, nginx.address);
    let node = Node::start(BINARY, &good);
    // One connection for all of it: none of this concerns a client.
    let mut client = Connection::open(listen).unwrap();
    for case in CASES {
        let Case { name, says, .. } = case;
        assert_eq!(client.get("/").unwrap().status, 200, "before {name}");
        case.put(&node.config(), &good);

        let dry = verb(&node, &["reload", "--dry-run"]);
        assert!(dry.code == 1 && dry.err.contains(says), "{name}: {dry:?}");
        assert!(refused(&node).is_null(), "{name}: asking is not changing");
        let output = verb(&node, &["reload"]);
        assert!(output.code == 1 && output.err.contains(says), "{name}: {output:?}");
        let output = verb(&node, &["reload", "-o", "json"]);
        assert_eq!(output.code, 1, "{name}");
        assert!(json(&output)["error"].is_string(), "{name}: {output:?}");

        let status = node.status();
        assert_eq!(status["generation"], 1, "{name}");
        let refused = &status["config"]["refused"];
        let reason =
            format!("{}{}", refused["message"].as_str().unwrap(), refused["rendered"].as_str().unwrap());
        assert!(reason.contains(says), "{name}: {status}");
        let screen = verb(&node, &["status"]).out;
        assert!(screen.starts_with("config refused ") && screen.contains(says), "{name}: {screen}");
        assert_eq!(client.get("/").unwrap().status, 200, "after {name}");

        clear(&node.config());
        node.write(&good);
        assert_eq!(verb(&node, &["reload"]).code, 0, "{name}");
        assert!(self::refused(&node).is_null(), "{name}: a good file clears it");
    }
    let events = verb(&node, &["events", "-n", "1000", "-o", "json"]);
    let refusals = events.out.lines().filter(|line| line.contains("\"configRefused\"")).count();
    assert_eq!(refusals, CASES.len() * 2, "each reload that was refused is an event");
}

#[test]
fn a_signal_with_a_bad_file_is_refused_as_visibly() {
    let nginx = Nginx::demo("web-1", address());
    let listen = SocketAddr::new(address(), 80);
    let good = good(listen, nginx.address);
    let node = Node::start(BINARY, &good);
    node.write(&good.replace("path: /health", "path: health"));
    node.signal("HUP");
    eventually(SOON, "the refusal is in status", || !refused(&node).is_null());
    assert!(refused(&node)["rendered"].as_str().unwrap().contains("HCH0310"), "{}", refused(&node));
    eventually(SOON, "and in the log", || node.log().contains("1 error; generation 1 stays in force"));
    assert_eq!(get(listen, "/").unwrap().status, 200);
    node.write(&good.replace("path: /health", "path: /ready"));
    node.signal("HUP");
    eventually(SOON, "the good file is in force", || node.status()["generation"] == 2);
    assert!(refused(&node).is_null());
    assert_eq!(get(listen, "/").unwrap().status, 200);
}

#[test]
fn an_address_that_is_taken_changes_nothing() {
    let nginx = Nginx::demo("web-1", address());
    let listen = SocketAddr::new(address(), 80);
    let good = good(listen, nginx.address);
    let node = Node::start(BINARY, &good);
    let taken = TcpListener::bind(SocketAddr::new(listen.ip(), 99)).unwrap();
    let both = format!("bind: [\"{}:98\", \"{}\"]", listen.ip(), taken.local_addr().unwrap());
    let wanted = good.replace(&format!("bind: \"{listen}\""), &both);
    node.write(&wanted);
    assert_eq!(verb(&node, &["check", "-c", "haechi.yaml"]).code, 0, "the file is fine, this host is not");
    let output = verb(&node, &["reload"]);
    let says = format!("listener web can't stand on {}:99: ", listen.ip());
    assert!(output.code == 1 && output.err.contains(&says) && output.err.contains("ss -ltnp"), "{output:?}");
    assert!(refused(&node)["message"].as_str().unwrap().contains(&says));
    assert_eq!(get(listen, "/").unwrap().status, 200);
    assert!(Connection::open(SocketAddr::new(listen.ip(), 98)).is_err(), "not half of it");
    drop(taken);
    node.change(&wanted);
    assert_eq!(get(SocketAddr::new(listen.ip(), 99), "/").unwrap().status, 200);
    eventually(SOON, "the old address is left", || Connection::open(listen).is_err());
}

/// What the config says of an endpoint has the same effect as an operator's word.
#[test]
fn an_endpoint_that_the_file_disables_is_closed() {
    let echo = haechi_tests::Scripted::start(address(), |_, peer| {
        while !peer.body(1).is_empty() {
            peer.send("x");
        }
    });
    let listen = SocketAddr::new(address(), 81);
    let config = |admin: &str, timeout: &str| {
        format!(
            "listeners:\n  t: {{ bind: \"{listen}\", protocol: tcp, pool: t }}\npools:\n  t:\n    drain: {{ timeout: {timeout} }}\n    \
             endpoints: {{ a: {{ address: \"{}\", admin: {admin} }} }}\n",
            echo.address
        )
    };
    for (admin, timeout) in [("disabled", "60s"), ("draining", "100ms")] {
        let node = Node::start(BINARY, &config("enabled", timeout));
        let mut client = Connection::open(listen).unwrap();
        client.send(b"1").unwrap();
        assert_eq!(client.bytes(1).unwrap(), b"x");
        node.change(&config(admin, timeout));
        assert_eq!(node.endpoint("t", "a")["admin"], admin);
        // Reads until the connection ends, or fails after its patience.
        let end = client.rest();
        assert!(
            !end.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock),
            "{admin} is not closed"
        );
    }
}
