//! How much of one client at a time: connections, requests that run, and what all of that takes of memory.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use haechi_tests::{Connection, Http2, Node, Scripted, address, eventually};

use super::{BINARY, front, front_with, mirror};

const SOON: Duration = Duration::from_secs(10);

/// A connection from this address, and whether it is served.
fn connect(from: &str, to: SocketAddr, ahead: &str) -> (TcpStream, bool) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&format!("{from}:0").parse::<SocketAddr>().unwrap().into()).unwrap();
    socket.connect(&to.into()).unwrap();
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(SOON)).unwrap();
    let asked = stream.write_all(format!("{ahead}GET / HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes());
    let mut answer = [0; 12];
    let served = asked.is_ok() && stream.read_exact(&mut answer).is_ok() && &answer == b"HTTP/1.1 200";
    (stream, served)
}

fn refused(node: &Node) -> u64 {
    node.status()["listeners"][0]["faults"]["tooManyConnections"].as_u64().unwrap_or(0)
}

#[test]
fn a_client_has_so_many_connections_and_others_are_not_disturbed() {
    let mirror = mirror();
    let routes = "      - { pool: web }\n";
    let (listen, node) = front_with("    maxConnectionsPerClient: 2\n", mirror.address, routes);
    let (one, other) = ("127.0.9.1", "127.0.9.2");
    let mut held: Vec<_> = (0..2).map(|_| connect(one, listen, "")).collect();
    assert!(held.iter().all(|(_, served)| *served));
    for _ in 0..5 {
        assert!(!connect(one, listen, "").1, "one too many");
    }
    assert_eq!(refused(&node), 5);
    assert!(connect(other, listen, "").1);
    held.pop();
    eventually(SOON, "a place is free again", || connect(one, listen, "").1);
    assert!(node.metrics().contains("fault=\"tooManyConnections\",side=\"client\"} "));
}

#[test]
fn a_preface_says_whose_connections_are_counted() {
    let mirror = mirror();
    let lines = "    maxConnectionsPerClient: 1\n    proxyProtocol: { from: 127.0.0.0/8 }\n";
    let (listen, node) = front_with(lines, mirror.address, "      - { pool: web }\n");
    let preface = |client: &str| format!("PROXY TCP4 {client} 192.0.2.1 5000 80\r\n");
    let held = connect("127.0.9.3", listen, &preface("198.51.100.1"));
    assert!(held.1);
    assert!(!connect("127.0.9.4", listen, &preface("198.51.100.1")).1, "the same client by another proxy");
    assert!(connect("127.0.9.3", listen, &preface("198.51.100.2")).1, "another client by the same proxy");
    assert_eq!(refused(&node), 1);
}

#[test]
fn a_tcp_listener_counts_too() {
    let mirror = mirror();
    let listen = SocketAddr::new(address(), 80);
    let config = format!(
        "workers: 2\nlisteners:\n  db: {{ bind: \"{listen}\", protocol: tcp, pool: web, maxConnectionsPerClient: 3 }}\n\
         pools:\n  web: {{ endpoints: {{ a: \"{}\" }} }}\n",
        mirror.address
    );
    let node = Node::start(BINARY, &config);
    let held: Vec<_> = (0..3).map(|_| connect("127.0.9.5", listen, "")).collect();
    assert!(held.iter().all(|(_, served)| *served), "over all workers");
    assert!(!connect("127.0.9.5", listen, "").1);
    assert_eq!(refused(&node), 1);
}

/// Says nothing before it is told to, once for each request.
fn patient() -> (Scripted, Sender<()>) {
    let (go, wait): (Sender<()>, Receiver<()>) = channel();
    let wait = Arc::new(Mutex::new(wait));
    let endpoint = Scripted::start(address(), move |_, peer| {
        while peer.head().is_some() {
            if wait.lock().unwrap().recv().is_err() || !peer.answer("done") {
                return;
            }
        }
    });
    (endpoint, go)
}

#[test]
fn a_client_has_so_many_requests_that_run() {
    let (endpoint, go) = patient();
    let routes = "
      - { path: /few, pool: web, filters: { maxConcurrentRequests: 2 } }
      - { pool: web }
";
    let (listen, node) = front(endpoint.address, routes);
    let mut client = Http2::open(listen).unwrap();
    let running = [client.begin("GET", "/few", &[], true), client.begin("GET", "/few", &[], true)];
    eventually(SOON, "both run", || endpoint.seen().matches("/few").count() == 2);
    let answer = client.get("/few");
    assert_eq!((answer.status, answer.fields["haechi-fault"].as_str()), (429, "tooManyAtOnce"));
    assert!(!answer.fields.contains_key("retry-after"), "nobody knows");
    let reply = haechi_tests::get(listen, "/few").unwrap();
    assert_eq!(reply.status, 429, "another connection is no other client");
    // One that the client gives up makes room.
    client.cancel(running[0]);
    let mut next = Connection::open(listen).unwrap();
    eventually(SOON, "there is room", || {
        next.send(b"GET /few HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        !next.answered(Duration::from_millis(100)) || next.reply(false).unwrap().status != 429
    });
    for _ in 0..3 {
        go.send(()).unwrap();
    }
    assert_eq!(client.answer(running[1]).text(), "done");
    assert_eq!(next.reply(false).unwrap().text(), "done");
    go.send(()).unwrap();
    assert_eq!(client.get("/few").status, 200, "all of them ended");
    assert!(node.status()["listeners"][0]["faults"]["tooManyAtOnce"].as_u64().unwrap() >= 2);
}

/// Requests of this many clients, named by a trusted proxy: 64 at once.
fn flood(listen: SocketAddr, clients: std::ops::Range<u32>) {
    let mut connection = Connection::open(listen).unwrap();
    let clients: Vec<u32> = clients.collect();
    for some in clients.chunks(64) {
        let asked: String = some
            .iter()
            .map(|at| {
                let client = std::net::Ipv6Addr::from(0x2001_0db8_u128 << 96 | u128::from(*at) << 64);
                format!("GET /slow HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: {client}\r\n\r\n")
            })
            .collect();
        connection.send(asked.as_bytes()).unwrap();
        for _ in some {
            assert_eq!(connection.reply(false).unwrap().status, 302);
        }
    }
}

#[test]
fn a_flood_of_clients_takes_no_more_memory_than_the_table_has() {
    let mirror = mirror();
    let routes = "
      - { path: /slow, filters: { rateLimit: { requests: 1, per: 1h }, requestRedirect: { hostname: a.example } } }
      - { pool: web }
";
    let trust = "    forwarded: { trust: 127.0.0.0/8 }\n";
    let (listen, node) = front_with(trust, mirror.address, routes);
    // Four times as many as it knows.
    flood(listen, 0..65_536);
    let before = node.resident();
    flood(listen, 65_536..262_144);
    let after = node.resident();
    assert!(after < before + (2 << 10), "{before} to {after} KiB");
    println!("262,144 clients: {} KiB resident, {} KiB after the first 65,536", after, before);
}
