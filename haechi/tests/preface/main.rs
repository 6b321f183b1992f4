//! The PROXY protocol, in from HAProxy and out to nginx, and what must not be taken for one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod peers;

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use haechi_tests::{Node, Scripted, address, eventually};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_haechi");
pub(crate) const SOON: Duration = Duration::from_secs(10);

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Answers each request with its head.
fn mirror() -> Scripted {
    Scripted::start(address(), |_, peer| {
        while let Some(head) = peer.head() {
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{head}", head.len());
            if !peer.send(answer.as_bytes()) {
                return;
            }
        }
    })
}

struct Front {
    listen: SocketAddr,
    node: Node,
    _mirror: Scripted,
}

impl Front {
    fn new(preface: &str) -> Self {
        let (mirror, listen) = (mirror(), SocketAddr::new(address(), 8080));
        let config = format!(
            "listeners:\n  web: {{ bind: \"{listen}\", protocol: http, routes: [{{ pool: web }}], proxyProtocol: {preface} }}\n\
             pools:\n  web: {{ endpoints: {{ e: \"{}\" }} }}\n",
            mirror.address
        );
        Self { listen, node: Node::start(BINARY, &config), _mirror: mirror }
    }

    fn faults(&self, name: &str) -> u64 {
        self.node.status()["listeners"][0]["faults"][name].as_u64().unwrap_or(0)
    }

    fn connect(&self) -> TcpStream {
        self.connect_from("127.0.0.1".parse().unwrap())
    }

    fn connect_from(&self, ip: IpAddr) -> TcpStream {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::new(ip, 0).into()).unwrap();
        socket.connect(&self.listen.into()).unwrap();
        let stream = TcpStream::from(socket);
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream
    }

    /// What the endpoint saw of a request behind these bytes; empty if the connection was broken.
    fn seen(&self, mut stream: TcpStream, preface: &[u8]) -> String {
        let request = b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        if stream.write_all(&[preface, request].concat()).is_err() {
            return String::new();
        }
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all);
        String::from_utf8_lossy(&all).into_owned()
    }
}

fn two(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family], &length, body].concat()
}

const FOUR: [u8; 12] = [192, 0, 2, 1, 198, 51, 100, 2, 0xde, 0xad, 0, 80];

#[test]
fn the_client_is_the_one_that_the_preface_names() {
    let front = Front::new("{ from: 127.0.0.1 }");
    let mut six = [0; 36];
    six[..2].copy_from_slice(&[0x20, 0x01]);
    six[15] = 7;
    let rows: Vec<(Vec<u8>, &str)> = vec![
        (b"PROXY TCP4 192.0.2.1 198.51.100.2 57005 80\r\n".to_vec(), "192.0.2.1"),
        (b"PROXY TCP6 2001:db8::9 ::1 57005 80\r\n".to_vec(), "2001:db8::9"),
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
        (two(0x21, 0x11, &FOUR), "192.0.2.1"),
        (two(0x21, 0x21, &six), "2001::7"),
        (two(0x21, 0x11, &[&FOUR[..], &[4, 0, 1, 0]].concat()), "192.0.2.1"),
        (two(0x20, 0x00, &[]), "127.0.0.1"),
        (two(0x21, 0x31, &[0; 216]), "127.0.0.1"),
    ];
    for (preface, client) in rows {
        let wanted = format!("X-Forwarded-For: {client}\r\n");
        let seen = front.seen(front.connect(), &preface);
        assert!(seen.contains(&wanted), "{}: {seen}", preface.escape_ascii());
        // A byte at a time it is the same.
        let mut slow = front.connect();
        preface.iter().for_each(|byte| slow.write_all(&[*byte]).unwrap());
        let seen = front.seen(slow, b"");
        assert!(seen.contains(&wanted), "{}: {seen}", preface.escape_ascii());
    }
}

#[test]
fn who_must_send_one_and_does_not_is_reset() {
    let front = Front::new("{ from: 127.0.0.1, timeout: 500ms }");
    let rows: [Vec<u8>; 6] = [
        Vec::new(),
        b"PROXY TCP4 192.0.2.1 198.51.100.2 57005\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.1 198.51.100.2 57005 80\n".to_vec(),
        two(0x21, 0x11, &FOUR[..8]),
        [SIGNATURE, &[0x21, 0x11, 0xff, 0xff]].concat(),
        two(0x21, 0x11, &[&FOUR[..], &[1, 0xff, 0xff]].concat()),
    ];
    let count = u64::try_from(rows.len()).unwrap();
    for preface in rows {
        assert_eq!(front.seen(front.connect(), &preface), "", "{}", preface.escape_ascii());
    }
    assert_eq!(front.faults("badPreface"), count);
    // Slowly is not at all.
    let mut slow = front.connect();
    slow.write_all(b"PROXY TCP4 192").unwrap();
    assert!(slow.read(&mut [0]).is_err());
    let mut ended = front.connect();
    ended.write_all(b"PROXY TCP4 192").unwrap();
    ended.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(ended.read(&mut [0]).is_err());
    assert_eq!(front.faults("headerTimeout"), 1);
    eventually(SOON, "nothing is open", || front.node.status()["listeners"][0]["open"] == 0);
}

#[test]
fn a_stranger_says_for_whom_it_is_in_vain() {
    let front = Front::new("{ from: 127.0.0.0/24 }");
    let stranger = || front.connect_from("127.0.9.9".parse().unwrap());
    let preface = b"PROXY TCP4 192.0.2.1 198.51.100.2 57005 80\r\n";
    assert_eq!(front.seen(stranger(), preface), "");
    assert_eq!(front.seen(stranger(), b""), "");
    assert_eq!(front.faults("notAProxy"), 2);
    let front = Front::new("{ from: 127.0.0.0/24, others: serve }");
    let stranger = || front.connect_from("127.0.9.9".parse().unwrap());
    assert!(front.seen(stranger(), b"").contains("X-Forwarded-For: 127.0.9.9\r\n"));
    assert!(front.seen(stranger(), preface).starts_with("HTTP/1.1 400 "), "to HTTP it is a bad request");
    assert!(front.seen(front.connect(), preface).contains("X-Forwarded-For: 192.0.2.1\r\n"));
}
