//! What outlives a reload, a rename and an upgrade.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use haechi_tests::{Node, address, eventually, pause};

use crate::rig::{BINARY, Client, Echo, SOON, config, free};

/// Clients that go on asking; each must get each answer, and from the endpoint that it began with.
struct Talk {
    ends: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<usize>,
}

impl Talk {
    fn start(clients: Vec<Client>) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&ends);
        let first: Vec<u8> = clients.iter().map(|client| client.ask(b"first")).collect();
        let thread = std::thread::spawn(move || {
            let mut asked = 0;
            while !over.load(Ordering::Relaxed) {
                for (client, first) in clients.iter().zip(&first) {
                    assert_eq!(client.ask(b"again"), *first, "it stays where it was");
                    asked += 1;
                }
                pause(Duration::from_millis(1));
            }
            asked
        });
        Self { ends, thread }
    }

    fn end(self) -> usize {
        self.ends.store(true, Ordering::Relaxed);
        self.thread.join().expect("no answer is lost")
    }
}

#[test]
fn a_storm_of_reloads_loses_no_flow() {
    let echoes = [b'a', b'b', b'c'].map(Echo::new);
    let listen = free(address());
    let node = Node::start(BINARY, &config(listen, &echoes.each_ref(), "", ""));
    let talk = Talk::start((0..200).map(|_| Client::new(listen)).collect());
    for round in 0..30 {
        // Another algorithm and another idle time each time; flows that are there go on.
        let algorithm = ["random", "ipHash", "leastConnections"][round % 3];
        node.change(&config(
            listen,
            &echoes.each_ref(),
            &format!(", idleTimeout: {}s", 30 + round),
            &format!(", algorithm: {algorithm}"),
        ));
    }
    let asked = talk.end();
    assert!(asked > 200, "{asked}");
    assert_eq!(node.status()["listeners"][0]["open"], 200);
}

#[test]
fn a_listener_that_is_renamed_serves_on_and_one_that_is_gone_lets_flows_end() {
    let echo = Echo::new(b'a');
    let (listen, other) = (free(address()), free(address()));
    let one = config(listen, &[&echo], ", idleTimeout: 1s", "");
    let node = Node::start(BINARY, &one);
    let client = Client::new(listen);
    assert_eq!(client.ask(b"1"), b'a');
    node.change(&one.replace("  udp: { bind", "  new: { bind"));
    for _ in 0..20 {
        assert_eq!(client.ask_until_answered(b"2"), b'a');
        assert_eq!(Client::new(listen).ask_until_answered(b"3"), b'a');
    }
    node.change(&config(other, &[&echo], ", idleTimeout: 1s", ""));
    assert_eq!(client.ask(b"4"), b'a', "the flow is still served");
    let late = Client::new(listen);
    late.wait_no_longer_than(Duration::from_millis(200));
    late.say(b"x");
    assert!(late.hear().is_err(), "and no other is");
    assert_eq!(Client::new(other).ask(b"5"), b'a');
    // Back, while the old socket still has its flow.
    node.change(&one);
    for _ in 0..20 {
        assert_eq!(Client::new(listen).ask(b"6"), b'a');
    }
}

#[test]
fn a_stop_waits_for_flows_no_longer_than_they_speak() {
    let echo = Echo::new(b'a');
    let listen = free(address());
    let mut node = Node::start(BINARY, &config(listen, &[&echo], ", idleTimeout: 1h", ""));
    assert_eq!(Client::new(listen).ask(b"1"), b'a');
    let began = haechi_tests::now();
    node.signal("TERM");
    node.wait_end(SOON);
    assert!(haechi_tests::now() - began < Duration::from_secs(8), "{}", node.log());
}

#[test]
fn upgrades_lose_no_flow() {
    let echoes = [b'a', b'b', b'c'].map(Echo::new);
    let listen = free(address());
    let text = config(listen, &echoes.each_ref(), "", "");
    let mut node = Node::copied(BINARY, &text);
    node.resume();
    let talk = Talk::start((0..100).map(|_| Client::new(listen)).collect());
    for workers in [1, 3, 2] {
        node.write(&text.replace("workers: 2", &format!("workers: {workers}")));
        node.replace(Path::new(BINARY));
        node.upgrade();
        pause(Duration::from_millis(200));
    }
    talk.end();
    eventually(SOON, "all of them are counted", || node.status()["listeners"][0]["open"] == 100);
}
