//! Clients that keep their connection while an address moves are asked to come anew, and meet no reset.

use std::net::SocketAddr;
use std::time::Duration;

use haechi_tests::{Connection, Load, Node, eventually, get, now, pause};

use super::{Rig, SOON, V4, V6, hand_over, wait_state};

/// A silent client is left after half of it.
const DRAIN: Duration = Duration::from_secs(2);

const SILENT: usize = 50;

fn pair(rig: &Rig, drain: Duration) -> (Node, Node) {
    let start = |host, priority| {
        let config = rig.config(priority).replace("drain: 20s", &format!("drain: {}s", drain.as_secs()));
        Node::start_in(rig.network.host(host), super::BINARY, &config)
    };
    let first = start("lb1", 150);
    wait_state(&first, "active");
    let second = start("lb2", 100);
    wait_state(&second, "backup");
    (first, second)
}

/// A connection that has had an answer and waits for nothing.
fn silent(rig: &Rig, to: SocketAddr) -> Connection {
    let mut connection = rig.network.host("client").run(|| Connection::open(to).unwrap());
    assert!(!asks(&mut connection));
    connection
}

/// Gets an answer; says whether it is told that this was the last.
#[track_caller]
fn asks(connection: &mut Connection) -> bool {
    let reply = connection.get("/small").expect("an answer");
    assert_eq!(reply.status, 200);
    reply.fields.get("connection").is_some_and(|value| value == "close")
}

fn nobody_is_reset(plan: &'static super::Plan) {
    let rig = Rig::new(plan);
    let (first, second) = pair(&rig, DRAIN);
    let at = |address: &str, port| SocketAddr::new(address.parse().unwrap(), port);
    let moving = at(plan.moving, 80);
    let mut silent_ones: Vec<_> = (0..SILENT).map(|_| silent(&rig, moving)).collect();
    // One that has not asked for anything yet, and one on the same listener whose address stays.
    let mut fresh = rig.network.host("client").run(|| Connection::open(moving).unwrap());
    let mut elsewhere = silent(&rig, at(plan.first, 80));
    let mut asking = silent(&rig, moving);
    let load = rig.network.host("client").run(|| Load::start(moving, "/small", 10, DRAIN / 100));
    pause(Duration::from_millis(300));

    hand_over(&first, &second);
    let moved = now();
    assert!(asks(&mut asking), "the next answer says that it was the last");
    assert_eq!(asking.rest().expect("no reset"), b"");
    assert_eq!(fresh.get("/small").expect("a first answer").status, 200);
    for (number, connection) in silent_ones.iter_mut().enumerate() {
        let left = DRAIN.saturating_sub(moved.elapsed());
        assert!(connection.answered(left), "connection {number} is left before the drain time is over");
        assert_eq!(connection.rest().unwrap_or_else(|error| panic!("connection {number}: {error}")), b"");
    }
    drop(silent_ones);
    pause((DRAIN * 2).saturating_sub(moved.elapsed()));
    let tally = load.stop();
    tally.assert_all_good();
    assert!(tally.opened >= 20, "each came anew: {tally:?}");
    assert!(!asks(&mut elsewhere), "an address that stays is not left");
    let served = rig.network.host("client").run(|| get(moving, "/small").unwrap());
    assert_eq!(served.status, 200);
    eventually(SOON, "nothing is passed on any more", || {
        let listed = rig.network.host("lb2").command("nft").args(["list", "ruleset"]).output().unwrap();
        listed.stdout.is_empty()
    });
}

#[test]
fn silent_clients_come_anew_and_nobody_is_reset() {
    nobody_is_reset(&V4);
}

#[test]
fn silent_clients_come_anew_over_ipv6() {
    nobody_is_reset(&V6);
}

#[test]
fn who_was_not_told_yet_stays_when_the_address_comes_back() {
    let rig = Rig::new(&V4);
    let drain = DRAIN * 3;
    let (first, second) = pair(&rig, drain);
    let moving = SocketAddr::new(V4.moving.parse().unwrap(), 80);
    let mut silent_ones: Vec<_> = (0..SILENT).map(|_| silent(&rig, moving)).collect();
    let begun = now();
    hand_over(&first, &second);
    let mut guest = silent(&rig, moving);
    hand_over(&second, &first);
    assert!(begun.elapsed() < drain / 2, "back before anybody is left: {:?}", begun.elapsed());
    let moved = now();
    assert!(asks(&mut guest), "who came to the other node meanwhile comes anew");
    pause((drain * 2 / 3).saturating_sub(moved.elapsed()));
    for connection in &mut silent_ones {
        assert!(!asks(connection), "it stays");
    }
}
