//! `udp` listeners: flows that stay where they are, move when they must, and bounds that hold.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod addresses;
mod hostile;
mod lasting;
mod names;
mod rig;

use std::sync::atomic::Ordering;
use std::time::Duration;

use haechi_tests::eventually;
use rig::{Client, Echo, Front, SOON};

#[test]
fn two_thousand_flows_stay_with_their_endpoints_and_end_when_they_are_idle() {
    let echoes = [b'a', b'b', b'c', b'd'].map(Echo::new);
    let front = Front::start(&echoes.each_ref(), ", idleTimeout: 3s", "");
    let clients: Vec<Client> = (0..2000).map(|_| Client::new(front.listen)).collect();
    let first: Vec<u8> = clients.iter().map(|client| client.ask(b"1")).collect();
    for letter in b'a'..=b'd' {
        let share = first.iter().filter(|it| **it == letter).count();
        assert_eq!(share, 500, "round robin over all workers is exact: {}", char::from(letter));
    }
    assert_eq!(front.listener()["open"], 2000);
    for round in [b"2", b"3"] {
        let next: Vec<u8> = clients.iter().map(|client| client.ask(round)).collect();
        assert!(next == first, "each flow stays where it is");
    }
    let listener = front.listener();
    assert_eq!((&listener["accepted"], &listener["protocol"]), (&2000.into(), &"udp".into()));
    assert_eq!(
        (&listener["datagrams"]["received"], &listener["datagrams"]["sent"]),
        (&6000.into(), &6000.into())
    );
    assert_eq!(front.node.endpoint("udp", "e0")["requests"], 500);
    assert_eq!(front.node.endpoint("udp", "e0")["bytesOut"], 1500);
    assert_eq!(front.node.endpoint("udp", "e0")["bytesIn"], 3000);
    eventually(SOON, "idle flows end", || {
        front.listener()["open"] == 0 && front.node.endpoint("udp", "e0")["inFlight"] == 0
    });
    assert_eq!(clients[0].ask(b"4"), first[0], "and begin anew, in turn");
}

#[test]
fn a_client_is_one_endpoints_by_its_address_and_each_flow_by_its_port() {
    let echoes = [b'a', b'b', b'c', b'd'].map(Echo::new);
    let letters = |front: &Front| {
        let clients: Vec<Client> = (0..32).map(|_| Client::new(front.listen)).collect();
        let mut all: Vec<u8> = clients.iter().map(|client| client.ask(b"x")).collect();
        all.sort_unstable();
        all.dedup();
        all.len()
    };
    let by_address = Front::start(&echoes.each_ref(), "", ", algorithm: ipHash");
    assert_eq!(letters(&by_address), 1);
    let by_port = Front::start(&echoes.each_ref(), "", ", algorithm: ipHash, sourceMask: { port: true }");
    assert!(letters(&by_port) > 1);
}

#[test]
fn when_an_endpoint_dies_its_flows_go_elsewhere_with_the_next_datagram() {
    let mut echoes = vec![Echo::new(b'a'), Echo::new(b'b')];
    let front = Front::start(
        &[&echoes[0], &echoes[1]],
        "",
        ", passive: { consecutiveFailures: 5, ejectionTime: 1m }",
    );
    let clients: Vec<Client> = (0..20).map(|_| Client::new(front.listen)).collect();
    let before: Vec<u8> = clients.iter().map(|client| client.ask(b"1")).collect();
    echoes.remove(0);
    for (client, before) in clients.iter().zip(before) {
        if before == b'b' {
            assert_eq!(client.ask(b"2"), b'b', "what is well stays");
        } else {
            // The first one finds the closed port; the kernel tells with the next call.
            assert_eq!(client.ask_until_answered(b"2"), b'b');
        }
    }
    let dead = front.node.endpoint("udp", "e0");
    assert!(dead["failures"].as_u64().unwrap() >= 5, "{dead}");
    assert_eq!(dead["ejected"], true);
    assert_eq!(front.listener()["open"], 20, "a flow that moved is one flow");
    assert_eq!(Client::new(front.listen).ask(b"3"), b'b');
}

#[test]
fn a_health_check_by_datagrams_finds_who_is_mute_and_moves_its_flows() {
    let echoes = [Echo::new(b'a'), Echo::new(b'b')];
    let check = ", healthCheck: { protocol: udp, send: \"hex:01 02\", answer: \"hex:0102\", interval: 200ms, timeout: 100ms, \
                 healthyThreshold: 1, unhealthyThreshold: 2 }";
    let front = Front::start(&echoes.each_ref(), "", check);
    let healthy = |name: &str| front.node.endpoint("udp", name)["health"] == "healthy";
    eventually(SOON, "both are found well", || healthy("e0") && healthy("e1"));
    let clients: Vec<Client> = (0..10).map(|_| Client::new(front.listen)).collect();
    let first: Vec<u8> = clients.iter().map(|client| client.ask(b"1")).collect();
    assert!(first.contains(&b'a') && first.contains(&b'b'));
    echoes[0].be_mute();
    eventually(SOON, "silence is a failure", || front.node.endpoint("udp", "e0")["health"] == "unhealthy");
    let reason = front.node.endpoint("udp", "e0")["lastProbe"].to_string();
    assert!(reason.contains("no answer within"), "{reason}");
    for client in &clients {
        assert_eq!(client.ask(b"2"), b'b');
    }
}

#[test]
fn a_drained_endpoint_keeps_its_flows_until_its_time_is_over() {
    let echoes = [Echo::new(b'a'), Echo::new(b'b')];
    let front = Front::start(&echoes.each_ref(), "", ", drain: { timeout: 3s }");
    let clients: Vec<Client> = (0..10).map(|_| Client::new(front.listen)).collect();
    let before: Vec<u8> = clients.iter().map(|client| client.ask(b"1")).collect();
    assert_eq!(front.node.verb(&["endpoint", "drain", "udp/e0"]).code, 0);
    let during: Vec<u8> = clients.iter().map(|client| client.ask(b"2")).collect();
    assert_eq!(before, during);
    for _ in 0..4 {
        assert_eq!(Client::new(front.listen).ask(b"new"), b'b');
    }
    eventually(SOON, "its flows end", || front.node.endpoint("udp", "e0")["inFlight"] == 0);
    for client in &clients {
        assert_eq!(client.ask(b"3"), b'b');
    }
    assert_eq!(echoes[0].got.load(Ordering::Relaxed), 10);
}

#[test]
fn nobody_to_send_to_is_told_in_status_and_metrics() {
    let echo = Echo::new(b'a');
    let front = Front::start(&[&echo], "", ", connectionLimit: 1");
    assert_eq!(Client::new(front.listen).ask(b"1"), b'a');
    let second = Client::new(front.listen);
    second.wait_no_longer_than(Duration::from_millis(100));
    second.say(b"2");
    assert!(second.hear().is_err());
    eventually(SOON, "the limit is told", || front.dropped("endpointFull") == 1);
    let metrics = front.node.metrics();
    let sample = "haechi_listener_datagrams_dropped_total{listener=\"udp\",reason=\"endpointFull\"} 1";
    assert!(metrics.contains(sample), "{metrics}");
    assert!(front.node.verb(&["status"]).out.contains("endpointFull 1"));
}
