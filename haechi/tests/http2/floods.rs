//! Clients that make us work with few bytes: what a connection may cost, by the name of the limit that bites, and what
//! it did cost. Figures are printed (`--nocapture`); bounds are some times what they are on an unoptimised build.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use haechi_tests::{Http2, Node, Scripted, eventually, now};

use crate::{endpoint, front_with};

const SOON: Duration = Duration::from_secs(20);

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Types of frames (RFC 9113 §6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// GET of a path, in the clear.
fn get(path: &str) -> Vec<u8> {
    let path = path.as_bytes();
    [&[0x82, 0x86, 0x01, 0x04][..], b"test", &[0x04, u8::try_from(path.len()).unwrap()], path].concat()
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, high, middle, low] = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&[high, middle, low, kind, flags][..], &stream.to_be_bytes(), payload].concat()
}

/// An attack: what is sent first, what is sent again and again, and which limit it is to meet.
struct Attack {
    name: &'static str,
    limit: &'static str,
    first: Vec<u8>,
    again: fn(u32) -> Vec<u8>,
    /// Only when something has come.
    paced: bool,
    /// Most that it may cost: KiB of memory, and CPU for each KiB that was sent.
    most_memory: u64,
    most_cpu: Duration,
}

/// The id of the client's `turn`th stream.
const fn id(turn: u32) -> u32 {
    2 * turn + 1
}

fn open(turn: u32, path: &str, flags: u8) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | flags, id(turn), &get(path))
}

/// A field that is put in the table once, and then stands for 4,000 bytes with each byte.
fn bomb() -> Vec<u8> {
    let long = [&[0x40, 1, b'x', 0x7f, 0xa1, 0x1e][..], &[b'a'; 4000]].concat();
    let first = [get("/3"), long].concat();
    [frame(HEADERS, END_STREAM | END_HEADERS, 1, &first)].concat()
}

fn attacks() -> Vec<Attack> {
    let none = Vec::new;
    let attack = |name, limit, first, again| Attack {
        name,
        limit,
        first,
        again,
        paced: false,
        most_memory: 8 << 10,
        most_cpu: Duration::from_millis(5),
    };
    vec![
        Attack {
            // Each stream is a task and a connection to the endpoint before it is given up.
            most_memory: 32 << 10,
            most_cpu: Duration::from_millis(100),
            ..attack("rapid reset (CVE-2023-44487)", "resets", none(), |turn| {
                [open(turn, "/hold", END_STREAM), frame(RST_STREAM, 0, id(turn), &8u32.to_be_bytes())]
                    .concat()
            })
        },
        Attack {
            most_memory: 32 << 10,
            most_cpu: Duration::from_millis(100),
            ..attack("MadeYouReset (CVE-2025-8671)", "ownResets", none(), |turn| {
                [open(turn, "/hold", END_STREAM), frame(WINDOW_UPDATE, 0, id(turn), &[0; 4])].concat()
            })
        },
        attack(
            "CONTINUATION of nothing (CVE-2024-27316)",
            "continuations",
            frame(HEADERS, 0, 1, &get("/")),
            |_| frame(CONTINUATION, 0, 1, &[]),
        ),
        attack("CONTINUATION of much", "block", frame(HEADERS, 0, 1, &get("/")), |_| {
            frame(CONTINUATION, 0, 1, &[0; 16 << 10])
        }),
        attack("HPACK bomb (CVE-2026-49975)", "listWork", bomb(), |turn| {
            frame(HEADERS, END_STREAM | END_HEADERS, id(turn + 1), &[get("/3"), vec![0xbe; 16_000]].concat())
        }),
        attack("SETTINGS (CVE-2019-9515)", "settings", none(), |_| frame(SETTINGS, 0, 0, &[])),
        attack("PING (CVE-2019-9512)", "pings", none(), |_| frame(PING, 0, 0, &[7; 8])),
        attack("PRIORITY (CVE-2019-9513)", "priorities", none(), |_| frame(PRIORITY, 0, 1, &[0, 0, 0, 3, 9])),
        attack("WINDOW_UPDATE", "windowUpdates", none(), |_| frame(WINDOW_UPDATE, 0, 0, &1u32.to_be_bytes())),
        attack("DATA of nothing (CVE-2019-9518)", "emptyFrames", open(0, "/hold", 0), |_| {
            frame(DATA, 0, 1, &[])
        }),
        attack("unknown frames", "unknownFrames", none(), |_| frame(0xbb, 0, 0, b"grease")),
        Attack {
            // A window of nothing, and then a byte for each frame (CVE-2019-9511).
            most_cpu: Duration::from_millis(100),
            paced: true,
            ..attack(
                "windows of one byte (CVE-2019-9511)",
                "tinyWindows",
                [frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]), open(0, "/1000000", END_STREAM)].concat(),
                |_| frame(WINDOW_UPDATE, 0, 1, &1u32.to_be_bytes()),
            )
        },
        Attack {
            most_cpu: Duration::from_millis(20),
            ..attack(
                "more streams than allowed",
                "refused",
                (0..100).flat_map(|turn| open(turn, "/hold", 0)).collect(),
                |turn| open(turn + 100, "/hold", 0),
            )
        },
    ]
}

/// What an attack came to.
struct Outcome {
    sent: usize,
    /// The last frame that came was GOAWAY with this code.
    code: Option<u32>,
}

/// Sends until the connection is ended by the other side, and reads all the while.
fn run(listen: SocketAddr, attack: &Attack) -> Outcome {
    let mut stream = TcpStream::connect_timeout(&listen, SOON).unwrap();
    stream.set_nonblocking(true).unwrap();
    let (mut waiting, mut came) = (PREFACE.to_vec(), Vec::new());
    waiting.extend(frame(SETTINGS, 0, 0, &[]));
    waiting.extend(&attack.first);
    let (mut turn, mut sent, mut heard) = (0, 0, true);
    let deadline = now() + SOON;
    let mut block = vec![0; 64 << 10];
    loop {
        assert!(now() < deadline, "{}: nothing bites after {sent} bytes", attack.name);
        match stream.read(&mut block) {
            Ok(0) => break,
            Ok(count) => {
                came.extend_from_slice(&block[..count]);
                heard = true;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => break,
        }
        while waiting.len() < 4096 && (!attack.paced || std::mem::take(&mut heard)) {
            waiting.extend((attack.again)(turn));
            turn += 1;
        }
        match stream.write(&waiting) {
            Ok(count) => {
                waiting.drain(..count);
                sent += count;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            // What came before the end is still to be read.
            Err(_) => waiting.clear(),
        }
    }
    Outcome { sent, code: last_goaway(&came) }
}

fn last_goaway(mut bytes: &[u8]) -> Option<u32> {
    let mut code = None;
    while let Some((head, rest)) = bytes.split_first_chunk::<9>() {
        let len = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let payload = rest.get(..len)?;
        code = (head[3] == 7).then(|| u32::from_be_bytes(payload[4..8].try_into().unwrap()));
        bytes = &rest[len..];
    }
    code
}

/// How often it bit.
fn bites(node: &Node, limit: &str) -> u64 {
    node.status()["listeners"][0]["limits"][limit].as_u64().unwrap_or(0)
}

fn requests(node: &Node) -> u64 {
    node.status()["listeners"][0]["requests"].as_u64().unwrap()
}

#[test]
fn each_flood_meets_its_limit_and_costs_little() {
    let endpoint = Scripted::start(haechi_tests::address(), |_, peer| {
        while let Some(head) = peer.head() {
            if head.starts_with("GET /hold") {
                // Until haechi closes.
                peer.body(1);
                return;
            }
            if !crate::serve(peer, &head) {
                return;
            }
        }
    });
    let (listen, node) = front_with(endpoint.address, "", "");
    let mut honest = Http2::open(listen).unwrap();
    assert_eq!(honest.get("/1000000").body.len(), 1_000_000);
    println!(
        "{:<42} {:>15} {:>9} {:>9} {:>11} {:>9}",
        "attack", "limit", "sent", "CPU", "CPU per KiB", "memory"
    );
    for attack in attacks() {
        let (memory, cpu, before) = (node.resident(), node.cpu(), bites(&node, attack.limit));
        let Outcome { sent, code } = run(listen, &attack);
        eventually(
            SOON,
            &format!("{} bites: {}", attack.limit, node.status()["listeners"][0]["limits"]),
            || bites(&node, attack.limit) > before,
        );
        let cpu = node.cpu() - cpu;
        let grown = node.resident().saturating_sub(memory);
        let per_kib = cpu * 1024 / u32::try_from(sent.max(1024)).unwrap();
        println!(
            "{:<42} {:>15} {:>9} {:>9.1?} {:>11.1?} {:>5} KiB",
            attack.name, attack.limit, sent, cpu, per_kib, grown
        );
        // The code is lost where the other side resets because we go on sending.
        assert!(code.is_none_or(|code| code == 0xb), "{}: {code:?}", attack.name);
        assert!(grown < attack.most_memory, "{}: {grown} KiB", attack.name);
        assert!(per_kib < attack.most_cpu, "{}: {per_kib:?} for a KiB", attack.name);
        assert_eq!(honest.get("/3").body.len(), 3, "after {}", attack.name);
    }
    eventually(SOON, "no request is left at the endpoint", || node.endpoint("web", "a")["inFlight"] == 0);
    let metrics = node.metrics();
    for attack in attacks() {
        let sample = format!("haechi_listener_limits_total{{listener=\"web\",limit=\"{}\"}} ", attack.limit);
        let count = metrics.lines().find_map(|line| line.strip_prefix(&sample)).unwrap();
        assert_ne!(count, "0", "{sample}");
    }
}

#[test]
fn a_window_that_stays_shut_loses_its_streams_and_holds_little() {
    let endpoint = endpoint();
    let (listen, node) = front_with(endpoint.address, "http2: { stallTimeout: 1s },", "");
    let mut honest = Http2::open(listen).unwrap();
    assert_eq!(honest.get("/10485760").body.len(), 10 << 20);
    let (memory, cpu) = (node.resident(), node.cpu());
    let mut stream = TcpStream::connect(listen).unwrap();
    let mut bytes = [PREFACE, &frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0])].concat();
    (0..100).for_each(|turn| bytes.extend(open(turn, "/10485760", END_STREAM)));
    stream.write_all(&bytes).unwrap();
    eventually(SOON, "all are there", || node.endpoint("web", "a")["inFlight"] == 100);
    let grown = node.resident().saturating_sub(memory);
    eventually(SOON, "all are given up", || bites(&node, "stall") >= 100);
    eventually(SOON, "their places are free", || node.endpoint("web", "a")["inFlight"] == 0);
    let cpu = node.cpu() - cpu;
    println!("100 streams of 10 MiB whose window stays shut: {grown} KiB, {cpu:.1?} of CPU");
    // Each may hold one small read; the sockets' own buffers are the kernel's.
    assert!(grown < 8 << 10, "{grown} KiB");
    assert!(cpu < Duration::from_secs(2), "{cpu:?}");
    assert_eq!(honest.get("/3").body.len(), 3);
}

#[test]
fn limits_are_those_of_the_listener() {
    let endpoint = endpoint();
    let (listen, node) = front_with(
        endpoint.address,
        "http2: { maxConcurrentStreams: 3, resetsPerSecond: 5 }, limits: { head: 1KiB, requestLine: 512B, fields: 20 },",
        "",
    );
    let mut client = Http2::open(listen).unwrap();
    let first = client.begin("POST", "/echo", &[], false);
    client.until("settings", |client| client.most_streams() == 3);
    let long = "x".repeat(1100);
    let stream = client.begin("GET", "/3", &[("x-long", &long)], true);
    assert_eq!(client.answer(stream).status, 431);
    let many: Vec<_> = (0..30).map(|at| (format!("x-{at}"), "1")).collect();
    let many: Vec<_> = many.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let stream = client.begin("GET", "/3", &many, true);
    assert_eq!(client.answer(stream).status, 431);
    let stream = client.begin("GET", &format!("/{}", "p".repeat(600)), &[], true);
    assert_eq!(client.answer(stream).status, 414);
    assert_eq!((bites(&node, "list"), bites(&node, "requestLine")), (2, 1));
    client.send(first, b"goes on");
    assert_eq!(client.answer(first).body, b"goes on");
    let before = requests(&node);
    run(listen, attacks().iter().find(|attack| attack.limit == "resets").unwrap());
    eventually(SOON, "resets are counted", || bites(&node, "resets") == 1);
    // Ten at once and five a second; the default would take two hundred.
    let came = requests(&node) - before;
    assert!((10..100).contains(&came), "{came}");
}

#[test]
fn a_listener_without_it_speaks_http1_alone() {
    let endpoint = endpoint();
    let (listen, _node) = front_with(endpoint.address, "http2: { enabled: false },", "");
    let reply = haechi_tests::raw(listen, PREFACE).unwrap();
    assert!(
        reply.starts_with(b"HTTP/1.1 505 ") || reply.starts_with(b"HTTP/1.1 400 "),
        "{}",
        reply.escape_ascii()
    );
    assert_eq!(haechi_tests::get(listen, "/3").unwrap().body.len(), 3);
}

#[test]
fn limits_of_http1_are_counted_by_name_too() {
    let endpoint = endpoint();
    let (listen, node) = front_with(
        endpoint.address,
        "limits: { head: 1KiB, requestLine: 512B, fields: 8 }, timeouts: { header: 200ms, body: 200ms },",
        "",
    );
    let line = format!("GET /{} HTTP/1.1\r\n", "p".repeat(600));
    let head = format!("GET / HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n", "x".repeat(1100));
    let fields = format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "X: y\r\n".repeat(9));
    for (bytes, limit) in [
        (line.as_str(), "requestLine"),
        (&head, "head"),
        (&fields, "fields"),
        ("GET / HTTP/1.1\r\nHo", "headerTimeout"),
        ("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhe", "bodyTimeout"),
    ] {
        let mut client = haechi_tests::Connection::open(listen).unwrap();
        client.send(bytes.as_bytes()).unwrap();
        assert!(client.reply(false).unwrap().status >= 400, "{limit}");
        eventually(SOON, limit, || bites(&node, limit) == 1);
    }
}
