//! A process that is told to stop fails no client that keeps its connection.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use haechi_tests::{Connection, Node, Scripted, address, now, pause};

const BINARY: &str = env!("CARGO_BIN_EXE_haechi");

const SOON: Duration = Duration::from_secs(20);

fn endpoint() -> Scripted {
    Scripted::start(address(), |_, peer| while peer.head().is_some() && peer.answer("ok") {})
}

fn node(listen: SocketAddr, endpoint: SocketAddr) -> Node {
    Node::start(
        BINARY,
        &format!(
            "workers: 2\nlisteners: {{ web: {{ bind: \"{listen}\", protocol: http, routes: [{{ pool: web }}] }} }}\n\
             pools: {{ web: {{ endpoints: {{ e: \"{endpoint}\" }} }} }}\n"
        ),
    )
}

/// Asks every so often until it is told that this was the last time; gives how often that went well.
fn ask_until_told(to: SocketAddr, pace: Duration) -> Result<u32, String> {
    let mut connection = Connection::open(to).map_err(|error| format!("open: {error}"))?;
    for asked in 1.. {
        let reply =
            connection.get("/").map_err(|error| format!("request {asked}, {pace:?} apart: {error}"))?;
        assert_eq!(reply.status, 200);
        if reply.fields.get("connection").is_some_and(|value| value == "close") {
            return connection
                .rest()
                .map(|_| asked)
                .map_err(|error| format!("after the last answer: {error}"));
        }
        pause(pace);
    }
    unreachable!("a process that stops says so");
}

#[test]
fn a_stop_fails_no_client_that_keeps_its_connection() {
    let endpoint = endpoint();
    let listen = SocketAddr::new(address(), 8080);
    let mut node = node(listen, endpoint.address);
    let paces = (0..60).map(|number| Duration::from_millis(number * 25));
    let clients: Vec<_> = paces.map(|pace| thread::spawn(move || ask_until_told(listen, pace))).collect();
    // One that never asks again sees an end, and no reset.
    let mut silent = Connection::open(listen).unwrap();
    silent.get("/").unwrap();
    pause(Duration::from_secs(1));

    let since = now();
    node.signal("TERM");
    let failed: Vec<String> = clients.into_iter().filter_map(|it| it.join().unwrap().err()).collect();
    assert!(failed.is_empty(), "{} of 60 failed: {failed:?}", failed.len());
    assert_eq!(silent.rest().expect("an end without a reset"), b"");
    drop(silent);
    assert_eq!(node.wait_end(SOON), 0, "{}", node.log());
    assert!(
        since.elapsed() < Duration::from_secs(5),
        "silent clients hold up the end: {:?}",
        since.elapsed()
    );
}

#[test]
fn a_request_that_crosses_the_end_of_its_connection_meets_no_reset() {
    let endpoint = endpoint();
    let listen = SocketAddr::new(address(), 8080);
    let mut node = node(listen, endpoint.address);
    let mut client = Connection::open(listen).unwrap();
    client.get("/").unwrap();
    node.signal("TERM");
    // It notices the end, and sends all the same: as one does whose request is under way.
    assert!(client.answered(SOON), "the end");
    client.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
    pause(Duration::from_millis(50));
    assert_eq!(client.rest().expect("no reset"), b"");
    drop(client);
    assert_eq!(node.wait_end(SOON), 0, "{}", node.log());
}
