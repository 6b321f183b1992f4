//! Clients and endpoints that attack: what reaches the other side, and what is left of them afterwards.
//!
//! The bytes are those that took other proxies in: request smuggling, response splitting and queue poisoning,
//! forged fields, floods and slow peers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod patience;
mod requests;
mod responses;
mod smuggling;
mod storm;
mod uploads;

use std::net::SocketAddr;
use std::time::Duration;

use haechi_tests::{Node, Peer, Scripted, address, eventually, get};

const BINARY: &str = env!("CARGO_BIN_EXE_haechi");

/// A node in front of these endpoints.
struct Front {
    listen: SocketAddr,
    node: Node,
    config: String,
}

impl Front {
    /// `listener` and `pool` are more keys of each, as flow entries that begin with a comma.
    fn new(endpoints: &[&Scripted], workers: u16, listener: &str, pool: &str) -> Self {
        let listen = SocketAddr::new(address(), 80);
        let endpoints: Vec<String> =
            endpoints.iter().enumerate().map(|(n, it)| format!("e{n}: \"{}\"", it.address)).collect();
        let config = format!(
            "workers: {workers}\nlisteners:\n  web: {{ bind: \"{listen}\", protocol: http, routes: [{{ path: /, pool: web }}]{listener} }}\n\
             pools:\n  web: {{ endpoints: {{ {} }}{pool} }}\n",
            endpoints.join(", "),
        );
        Self { listen, node: Node::start(BINARY, &config), config }
    }

    /// Connections open and requests in flight or waiting.
    fn busy(&self) -> (u64, u64) {
        let status = self.node.status();
        let sum = |list: &serde_json::Value, key: &str| -> u64 {
            list.as_array().unwrap().iter().filter_map(|item| item[key].as_u64()).sum()
        };
        let pools = status["pools"].as_array().unwrap();
        let working =
            pools.iter().map(|pool| sum(&pool["endpoints"], "inFlight") + pool["waiting"].as_u64().unwrap());
        (sum(&status["listeners"], "open"), working.sum())
    }

    /// Waits until nothing is open, in flight or waiting, and sees that requests are served.
    #[track_caller]
    fn assert_calm(&self) {
        eventually(Duration::from_secs(15), "nothing is open or in flight", || self.busy() == (0, 0));
        let reply = get(self.listen, "/calm").unwrap();
        assert_eq!(reply.status, 200, "{reply:?}");
    }

    /// Processor time that the node takes while something is done.
    fn cpu_of(&self, what: impl FnOnce()) -> Duration {
        let ticks = || -> u64 {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.node.pid())).unwrap();
            // Behind the name in brackets, utime and stime are the 12th and 13th, in hundredths of a second.
            let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
            fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
        };
        let before = ticks();
        what();
        Duration::from_millis((ticks() - before) * 10)
    }

    fn connects(&self, endpoint: &str) -> u64 {
        self.node.endpoint("web", endpoint)["connects"].as_u64().unwrap()
    }
}

/// Reads one chunk; false after the last one, or when it is none.
fn chunk(peer: &mut Peer) -> bool {
    let mut line = Vec::new();
    while !line.ends_with(b"\n") {
        match peer.body(1).first() {
            Some(byte) => line.push(*byte),
            None => return false,
        }
    }
    let size = usize::from_str_radix(String::from_utf8_lossy(&line).trim(), 16).unwrap_or(0);
    peer.body(size + 2);
    size > 0
}

/// Answers every request whose body it can read, by the framing that the head announces.
fn framed() -> Scripted {
    Scripted::start(address(), |_, peer| {
        while let Some(head) = peer.head() {
            let lower = head.to_ascii_lowercase();
            if lower.contains("\ntransfer-encoding: chunked") {
                while chunk(peer) {}
            } else if let Some(length) = lower.split("\ncontent-length: ").nth(1) {
                peer.body(length.lines().next().unwrap().trim().parse().unwrap());
            }
            if !peer.answer("fine") {
                return;
            }
        }
    })
}

#[test]
fn the_harness_serves() {
    let endpoint = framed();
    let front = Front::new(&[&endpoint], 2, "", "");
    assert_eq!(get(front.listen, "/").unwrap().text(), "fine");
    front.assert_calm();
    assert!(
        endpoint.seen().starts_with("GET / HTTP/1.1\r\n")
            && endpoint.seen().contains("GET /calm HTTP/1.1\r\n")
    );
}
