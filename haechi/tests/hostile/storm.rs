//! All attacks at once, under reloads and drains: honest clients notice nothing, and nothing is left of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use haechi_tests::{Connection, Load, now, pause};

use super::Front;
use super::patience::faces;

/// How each attacker begins; it then reads a little or nothing, and breaks off or leaves.
const BEGINNINGS: &[&str] = &[
    "",
    "G",
    "GET / HTTP/1.1\r\nHost: h\r\nA",
    "GET /large HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /chunks HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /chunks HTTP/1.0\r\n\r\n",
    "GET /hang HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /slow HTTP/1.1\r\nHost: h\r\n\r\nGET /slow HTTP/1.1\r\nHost: h\r\n\r\nGET /",
    "POST /hang HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc",
    "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\nabc",
    "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "GET /hang HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n\0\x01",
    "HEAD /large HTTP/1.1\r\nHost: h\r\n\r\n",
];

/// One attacker after the other until `stop`; `seed` makes it the same each time.
fn attack(front: std::net::SocketAddr, mut seed: usize, stop: &AtomicBool, made: &AtomicUsize) {
    while !stop.load(Ordering::Relaxed) {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (how, wait) = (seed >> 33, Duration::from_millis((seed >> 50) as u64 % 40));
        let Ok(mut connection) = Connection::open(front) else { continue };
        let _ = connection.send(BEGINNINGS[how % BEGINNINGS.len()].as_bytes());
        pause(wait);
        if how & 0x100 != 0 {
            connection.answered(Duration::from_millis(1));
        }
        if how & 0x200 != 0 {
            connection.end_writing();
            pause(wait / 2);
        }
        if how & 0x400 != 0 {
            connection.reset();
        }
        made.fetch_add(1, Ordering::Relaxed);
    }
}

fn storm(front: &Front, length: Duration, round: usize) {
    let (stop, made) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let attackers: Vec<_> = (0..8)
        .map(|number| {
            let (to, stop, made) = (front.listen, Arc::clone(&stop), Arc::clone(&made));
            std::thread::spawn(move || attack(to, number * 1000 + round, &stop, &made))
        })
        .collect();
    let honest = Load::start(front.listen, "/", 4, Duration::from_millis(1));
    let began = now();
    for step in 0.. {
        if began.elapsed() > length {
            break;
        }
        match step % 4 {
            0 => drop(
                front.node.change(
                    &front
                        .config
                        .replace("path: /,", &format!("path: /, methods: [GET, POST, HEAD, \"X{step}\"],")),
                ),
            ),
            1 => drop(front.node.verb(&["endpoint", "drain", "web/e0"])),
            2 => drop(front.node.change(&front.config.replace("read: 1s", "read: 1100ms"))),
            _ => drop(front.node.verb(&["endpoint", "enable", "web/e0"])),
        }
        pause(Duration::from_millis(100));
    }
    drop(front.node.verb(&["endpoint", "enable", "web/e0"]));
    stop.store(true, Ordering::Relaxed);
    attackers.into_iter().for_each(|attacker| attacker.join().unwrap());
    honest.stop().assert_all_good();
    assert!(made.load(Ordering::Relaxed) > 100, "it was no storm: {made:?}");
    front.assert_calm();
}

#[test]
fn a_storm_leaves_nothing_behind_and_honest_clients_notice_nothing() {
    let (one, other) = (faces(), faces());
    let front = Front::new(
        &[&one, &other],
        2,
        ", timeouts: { header: 1s, body: 1s, send: 1s, keepAlive: 2s }",
        ", timeouts: { read: 1s }, drain: { timeout: 1s }, retry: { tries: 2 }",
    );
    storm(&front, Duration::from_secs(4), 1);
    let warm = front.node.resident();
    storm(&front, Duration::from_secs(4), 2);
    let after = front.node.resident();
    assert!(after < warm + (12 << 10), "{warm} KiB grew to {after} KiB in a second storm like the first");
}

#[test]
fn a_stop_in_a_storm_ends_in_time() {
    let endpoint = faces();
    let mut front = Front::new(
        &[&endpoint],
        2,
        ", timeouts: { header: 1s, body: 1s, send: 1s }",
        ", timeouts: { read: 1s }",
    );
    let (stop, made) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let attackers: Vec<_> = (0..4)
        .map(|number| {
            let (to, stop, made) = (front.listen, Arc::clone(&stop), Arc::clone(&made));
            std::thread::spawn(move || attack(to, number, &stop, &made))
        })
        .collect();
    haechi_tests::eventually(Duration::from_secs(10), "it is a storm", || made.load(Ordering::Relaxed) > 100);
    front.node.signal("TERM");
    let code = front.node.wait_end(Duration::from_secs(15));
    stop.store(true, Ordering::Relaxed);
    attackers.into_iter().for_each(|attacker| attacker.join().unwrap());
    assert_eq!(code, 0, "{}", front.node.log());
}
