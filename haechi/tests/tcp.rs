//! `tcp` listeners: bytes both ways, ends and breaks passed on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use haechi_tests::{Node, address, eventually, kernel_asks, now, pause};

const BINARY: &str = env!("CARGO_BIN_EXE_haechi");

/// Answers each connection with what it sent, back to front of the connection: reads to the end, then
/// writes. That needs half-close.
fn reversing() -> SocketAddr {
    let listener = TcpListener::bind(SocketAddr::new(address(), 8080)).unwrap();
    let at = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let mut all = Vec::new();
                let _ = stream.read_to_end(&mut all);
                all.reverse();
                let _ = stream.write_all(&all);
            });
        }
    });
    at
}

fn front(ip: IpAddr, endpoints: &[SocketAddr], more: &str) -> Node {
    let endpoints: String =
        endpoints.iter().enumerate().map(|(n, at)| format!("      e{n}: \"{at}\"\n")).collect();
    Node::start(
        BINARY,
        &format!(
            "listeners:\n  db: {{ bind: \"{ip}:5432\", protocol: tcp, pool: db{more} }}\npools:\n  db:\n    endpoints:\n{endpoints}    drain: {{ timeout: 1s }}\n"
        ),
    )
}

fn exchange(to: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut writer = stream.try_clone().unwrap();
    let sent = bytes.to_vec();
    let writing = std::thread::spawn(move || {
        writer.write_all(&sent).unwrap();
        writer.shutdown(std::net::Shutdown::Write).unwrap();
    });
    let mut back = Vec::new();
    stream.read_to_end(&mut back).unwrap();
    writing.join().unwrap();
    back
}

#[test]
fn small_and_large_streams_come_back_whole_through_half_close() {
    let ip = address();
    let node = front(ip, &[reversing()], "");
    let listen = SocketAddr::new(ip, 5432);
    for size in [0, 1, 100, 70_000, 5_000_000] {
        let bytes: Vec<u8> = (0..size).map(|n: u32| n.wrapping_mul(2_654_435_761).to_be_bytes()[1]).collect();
        let mut expected = bytes.clone();
        expected.reverse();
        assert!(exchange(listen, &bytes) == expected, "{size} bytes");
    }
    eventually(Duration::from_secs(5), "all connections are accounted for", || {
        node.endpoint("db", "e0")["inFlight"] == 0 && node.status()["listeners"][0]["open"] == 0
    });
}

#[test]
fn a_dead_endpoint_is_passed_over_and_ipv6_works() {
    let (ip, dead) = (address(), SocketAddr::new(address(), 8080));
    let node = front(ip, &[dead, reversing()], "");
    for _ in 0..4 {
        assert_eq!(exchange(SocketAddr::new(ip, 5432), b"abc"), b"cba");
    }
    assert!(node.endpoint("db", "e0")["failures"].as_u64().unwrap() >= 1);
    let six = "[::1]:25432".parse().unwrap();
    let node = Node::start(
        BINARY,
        &format!(
            "listeners:\n  db: {{ bind: \"{six}\", protocol: tcp, pool: db }}\npools:\n  db:\n    endpoints: {{ e: \"{}\" }}\n",
            reversing()
        ),
    );
    assert_eq!(exchange(six, b"abc"), b"cba");
    drop(node);
}

#[test]
fn nobody_to_connect_to_is_a_reset_and_idle_connections_end() {
    let ip = address();
    let _node = front(ip, &[SocketAddr::new(address(), 8080)], "");
    let mut stream = TcpStream::connect(SocketAddr::new(ip, 5432)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    assert!(stream.read(&mut [0]).is_err(), "an orderly end would look like an empty answer");
    let ip = address();
    let _node = front(ip, &[reversing()], ", idleTimeout: 200ms");
    let mut stream = TcpStream::connect(SocketAddr::new(ip, 5432)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    assert!(stream.read(&mut [0]).is_err());
}

#[test]
fn a_drained_endpoint_keeps_its_connection_until_the_timeout() {
    let ip = address();
    let node = front(ip, &[reversing()], "");
    let mut stream = TcpStream::connect(SocketAddr::new(ip, 5432)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(b"abc").unwrap();
    eventually(Duration::from_secs(5), "it is connected", || node.endpoint("db", "e0")["inFlight"] == 1);
    assert_eq!(node.verb(&["endpoint", "drain", "db/e0"]).code, 0);
    assert_eq!(node.endpoint("db", "e0")["inFlight"], 1, "draining does not cut");
    assert!(stream.read(&mut [0]).is_err(), "its time is over after the drain timeout");
}

/// A connection with both of its ends in our hands: the client's, and the endpoint's.
fn pair(more: &str) -> (Node, TcpStream, TcpStream) {
    let (ip, listener) = (address(), TcpListener::bind(SocketAddr::new(address(), 8080)).unwrap());
    let node = front(ip, &[listener.local_addr().unwrap()], more);
    let client = TcpStream::connect(SocketAddr::new(ip, 5432)).unwrap();
    // A client that stays silent is handed over after a second.
    (&client).write_all(b"!").unwrap();
    let (mut endpoint, _) = listener.accept().unwrap();
    endpoint.read_exact(&mut [0]).unwrap();
    for stream in [&client, &endpoint] {
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    }
    (node, client, endpoint)
}

#[test]
fn a_side_that_has_ended_still_reads_for_as_long_as_the_other_one_speaks() {
    let (_node, mut client, mut endpoint) = pair(", halfClosedTimeout: 1s");
    client.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(endpoint.read(&mut [0]).unwrap(), 0, "the end is passed on");
    // Twice as long as the limit in all, with a byte now and then.
    for n in 0..10_u8 {
        pause(Duration::from_millis(200));
        endpoint.write_all(&[n]).unwrap();
        let mut byte = [0xff];
        client.read_exact(&mut byte).unwrap();
        assert_eq!(byte, [n]);
    }
    let silent_since = now();
    assert!(client.read(&mut [0]).is_err(), "cut off, not ended");
    assert!((now() - silent_since) < Duration::from_secs(4), "not idleTimeout, which is an hour");
    assert!(endpoint.read(&mut [0]).is_err() || endpoint.write_all(&[0; 9]).is_err());
}

#[test]
fn a_side_that_takes_nothing_is_not_kept_by_what_it_sends() {
    let (node, client, endpoint) = pair(", idleTimeout: 1s");
    let (mut speaks, mut reads) = (client.try_clone().unwrap(), endpoint.try_clone().unwrap());
    // The endpoint sends more than all buffers hold, and the client reads none of it, but speaks on.
    let sending = std::thread::spawn(move || (&endpoint).write_all(&vec![0; 64 << 20]).is_err());
    let reading = std::thread::spawn(move || {
        let mut bytes = [0; 1024];
        while reads.read(&mut bytes).is_ok_and(|count| count > 0) {}
    });
    let began = now();
    while speaks.write_all(b"still here").is_ok() {
        assert!(now() - began < Duration::from_secs(10), "it is kept");
        pause(Duration::from_millis(100));
    }
    assert!(sending.join().unwrap(), "what waited is given up");
    reading.join().unwrap();
    eventually(Duration::from_secs(5), "nothing is open", || node.status()["listeners"][0]["open"] == 0);
}

#[test]
fn the_kernel_asks_silent_sides_where_that_is_wanted() {
    for (more, asks) in [(", tcpKeepAlive: 600s", true), ("", false)] {
        let (_node, client, endpoint) = pair(more);
        for side in [&client, &endpoint] {
            let ends = (side.peer_addr().unwrap(), side.local_addr().unwrap());
            assert_eq!(kernel_asks(ends), asks, "{more}: {ends:?}");
        }
    }
}
