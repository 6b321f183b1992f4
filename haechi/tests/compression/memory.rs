//! What clients that do not read, or go, cost.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use haechi_tests::{Connection, Node, Scripted, address, eventually, pause};
use socket2::{Domain, Socket, Type};

use super::front;

/// Letters of which no decoder's window has seen a part before: what becomes of them fills sockets soon.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut letter = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        b'A' + state.to_be_bytes()[0] % 58
    };
    std::iter::repeat_with(&mut letter).take(len).collect()
}

/// Bodies without end, and small ones.
fn endpoint() -> Scripted {
    Scripted::start(address(), |_, peer| {
        let piece = noise(300_000);
        while let Some(head) = peer.head() {
            peer.send("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n");
            let mut more = true;
            while more {
                more = peer.send(format!("{:x}\r\n", piece.len())) && peer.send(&piece) && peer.send("\r\n");
                more &= !head.contains("/small");
            }
            if !peer.send("0\r\n\r\n") {
                return;
            }
        }
    })
}

fn ask(to: SocketAddr, path: &str, coding: &str) -> Connection {
    let mut client = Connection::open(to).unwrap();
    let asked = format!("GET {path} HTTP/1.1\r\nHost: h\r\nAccept-Encoding: {coding}\r\n\r\n");
    client.send(asked.as_bytes()).unwrap();
    client
}

/// A client that has begun to read, with little room for what comes.
fn slow(to: SocketAddr, coding: &str) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(8 << 10).unwrap();
    socket.connect(&to.into()).unwrap();
    let mut client = TcpStream::from(socket);
    client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(client, "GET /endless HTTP/1.1\r\nHost: h\r\nAccept-Encoding: {coding}\r\n\r\n").unwrap();
    client.read_exact(&mut [0; 100]).unwrap();
    client
}

/// Until what comes of it stands still, by the bytes that were coded.
fn wait_until_stuck(node: &Node) {
    let mut before = 0;
    eventually(Duration::from_secs(60), "all are stuck", || {
        pause(Duration::from_millis(500));
        let metrics = node.metrics();
        let lines = metrics.lines().filter(|line| line.starts_with("haechi_listener_coded_bytes_total"));
        let coded: u64 = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum();
        std::mem::replace(&mut before, coded) == coded
    });
}

/// Each holds an encoder, what a socket did not take, and buffers of its endpoint's connection; the kernel's are not
/// counted.
#[test]
fn clients_that_do_not_read_take_what_the_reference_says() {
    // In KiB: 200 encoders of gzip, or all of the 128 MiB that there are; and 100 KiB for each client.
    for (coding, level, count, most) in
        [("gzip", 9, 200, 96_800), ("br", 4, 80, 139_000), ("zstd", 6, 80, 139_000)]
    {
        let endpoint = endpoint();
        let (to, node) =
            front(endpoint.address, &format!("codings: {coding}, levels: {{ {coding}: {level} }}"));
        ask(to, "/small", coding).reply(false).unwrap();
        let before = node.resident();
        let clients: Vec<TcpStream> = (0..count).map(|_| slow(to, coding)).collect();
        wait_until_stuck(&node);
        let grown = node.resident().saturating_sub(before);
        println!("{coding} at {level}: {} clients took {grown} KiB", clients.len());
        assert!(grown < most, "{coding}: {grown} KiB");
        // Others are served meanwhile, coded or not.
        let reply = ask(to, "/small", coding).reply(false).unwrap();
        assert!(reply.status == 200 && reply.body.len() <= 300_000);
    }
}

/// Four hundred encoders would be more than a worker lends.
#[test]
fn clients_that_go_give_their_encoders_back() {
    let endpoint = endpoint();
    let (to, _node) = front(endpoint.address, "codings: gzip");
    for _ in 0..400 {
        let mut client = ask(to, "/endless", "gzip");
        assert!(client.answered(Duration::from_secs(20)));
        client.reset();
    }
    eventually(Duration::from_secs(20), "an answer is coded", || {
        ask(to, "/small", "gzip").reply(false).unwrap().fields.contains_key("content-encoding")
    });
}
