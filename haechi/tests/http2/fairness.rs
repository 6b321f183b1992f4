//! Many requests on one connection: none starves the others, fills memory, or has its endpoint blamed for its client.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use haechi_tests::{Http2, Node, address, eventually};

use crate::{BINARY, endpoint, front, large};

const SOON: Duration = Duration::from_secs(20);

/// Short enough to wait for.
const READ: Duration = Duration::from_secs(1);

#[expect(clippy::disallowed_methods, reason = "what must not happen meanwhile sends no event")]
fn pause(span: Duration) {
    std::thread::sleep(span);
}

fn failures(node: &Node) -> u64 {
    node.endpoint("web", "a")["failures"].as_u64().unwrap()
}

/// The oldest one filled the output again before any other looked.
#[test]
fn answers_to_a_slow_client_come_side_by_side() {
    let endpoint = endpoint();
    let (listen, _node) = front(endpoint.address, "");
    let mut client = Http2::wide(listen).unwrap();
    let all = [(); 4].map(|()| client.begin("GET", "/10485760", &[], true));
    let lengths = |client: &Http2| all.map(|stream| client.state(stream).body.len());
    client.until("half of all", |client| {
        // Slower than the endpoint, so that each answer has always more.
        pause(Duration::from_millis(2));
        lengths(client).iter().sum::<usize>() > 20 << 20
    });
    let came = lengths(&client);
    // An endpoint of a busy machine may fall behind for a while by itself.
    assert!(came.iter().all(|length| *length > 512 << 10), "{came:?}");
    for stream in all {
        assert!(client.answer(stream).body == large());
    }
}

/// What the client did not take was waited for as if the endpoint owed it.
#[test]
fn an_endpoint_is_not_blamed_for_a_client_that_reads_slowly() {
    let endpoint = endpoint();
    let (listen, node) = front(endpoint.address, &format!("    timeouts: {{ read: {}s }}\n", READ.as_secs()));
    let mut client = Http2::wide(listen).unwrap();
    let streams = [(); 2].map(|()| client.begin("GET", "/10485760", &[], true));
    client
        .until("both have begun", |client| streams.iter().all(|stream| client.state(*stream).status == 200));
    pause(READ * 3);
    assert_eq!(failures(&node), 0);
    for stream in streams {
        assert!(client.answer(stream).body == large());
    }
}

/// A few bytes ask for 2,500, and all that one read brought was answered before anything was sent.
#[test]
fn answers_at_once_are_made_as_they_are_taken() {
    const REQUESTS: u32 = 5_000;
    // 4,000 times `a` in five bits each (RFC 7541, appendix B).
    const EACH: usize = 2_500;
    let ip = address();
    let config = format!(
        "workers: 1\nlisteners:\n  web: {{ bind: \"{ip}:80\", protocol: http, routes: [{{ filters: {{ requestRedirect: {{ scheme: https }} }} }}] }}\n"
    );
    let node = Node::start(BINARY, &config);
    let listen = std::net::SocketAddr::new(ip, 80);
    assert_eq!(Http2::open(listen).unwrap().get("/").status, 302);
    let before = node.resident();
    let mut client = TcpStream::connect(listen).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    for at in 0..REQUESTS {
        // GET, http, and :authority `h`, which nobody is to keep.
        let mut block = b"\x82\x86\x01\x01h".to_vec();
        if at == 0 {
            // :path with 4,000 bytes, to be kept: 127 + 33 + 30 * 128 (RFC 7541 5.1 and 6.2.1).
            block.extend_from_slice(b"\x44\x7f\xa1\x1e/");
            block.resize(block.len() + 3_999, b'a');
        } else {
            // The same path.
            block.push(0x80 | 62);
        }
        bytes.extend_from_slice(&u32::try_from(block.len()).unwrap().to_be_bytes()[1..]);
        bytes.extend_from_slice(&[1, 5]);
        bytes.extend_from_slice(&(at * 2 + 1).to_be_bytes());
        bytes.extend_from_slice(&block);
    }
    client.write_all(&bytes).unwrap();
    eventually(SOON, "some are answered", || client.peek(&mut [0; 1]).is_ok());
    // All of them would have been answered in this time.
    pause(Duration::from_millis(500));
    let after = node.resident();
    assert!(after < before + (8 << 10), "{before} to {after} KiB, for 12 MB of answers");
    // Who reads gets them all.
    let mut taken = 0;
    let mut buf = vec![0; 1 << 20];
    while taken < REQUESTS as usize * EACH {
        match client.read(&mut buf) {
            Ok(0) | Err(_) => break,
            Ok(count) => taken += count,
        }
    }
    assert!(taken >= REQUESTS as usize * EACH, "{taken} bytes");
}

/// Only requests that went to an endpoint counted.
#[test]
fn who_is_redirected_again_and_again_is_not_idle() {
    let ip = address();
    let config = format!(
        "workers: 1\nlisteners:\n  web: {{ bind: \"{ip}:80\", protocol: http, timeouts: {{ keepAlive: 1s }}, routes: [{{ filters: {{ requestRedirect: {{ scheme: https }} }} }}] }}\n"
    );
    let _node = Node::start(BINARY, &config);
    let mut client = Http2::open(std::net::SocketAddr::new(ip, 80)).unwrap();
    for _ in 0..10 {
        assert_eq!(client.get("/").status, 302);
        pause(Duration::from_millis(200));
    }
    assert!(!client.left);
}
