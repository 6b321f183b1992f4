//! Upgrades with a MAC of the virtual router's own, and of virtual routers that move together.

use std::time::Duration;

use haechi_tests::{Capture, Observer, eventually, now, pause};
use serde_json::Value;

use super::SOON;
use super::pair::{Pair, router, routers};

/// Neighbours ask every three milliseconds; the rest is this machine, which others use.
const SILENCE: Duration = Duration::from_millis(150);

/// The macvlan of virtual router 51 on `lb1`, with its number: another one would have another.
fn face(pair: &Pair) -> String {
    let told = pair.network.host("lb1").ip("-o link show type macvlan");
    told.split('@').next().unwrap().to_owned()
}

#[test]
fn the_interface_with_the_virtual_mac_stays_and_answers() {
    let mut pair = Pair::new(", virtualMac: true");
    let before = face(&pair);
    assert!(before.contains("hv4-51-"), "{before}");
    let observer = Observer::start(pair.network.host("client"), super::pair::VIRTUAL);
    observer.wait_for_one(SOON);
    let (since, owner) = (now(), router(&pair.better)["sinceMs"].as_u64().unwrap());
    for _ in 0..2 {
        pair.better.upgrade();
        pair.assert_served();
        assert_eq!(face(&pair), before, "the very same interface");
    }
    pause(Duration::from_millis(500));
    let heard = observer.since(since);
    let virtual_mac = haechi_sys::Mac::new([0x00, 0x00, 0x5e, 0x00, 0x01, 51]);
    let others: Vec<_> = heard.iter().filter(|it| it.mac != virtual_mac).collect();
    assert!(others.is_empty(), "nobody else answers: {others:?}");
    assert!(heard.len() > 100, "{} answers", heard.len());
    let longest = heard.windows(2).map(|pair| pair[1].at - pair[0].at).max().unwrap();
    assert!(longest < SILENCE, "nobody answered for {longest:?}");
    assert!(router(&pair.better)["sinceMs"].as_u64().unwrap().abs_diff(owner) < 10, "no change of owner");
    assert_eq!(router(&pair.worse)["transitions"], 1, "lb2 never took over");

    // The heir's to take away at last.
    pair.better.signal("TERM");
    eventually(SOON, "lb2 has it", || router(&pair.worse)["holdsAddresses"] == true);
    eventually(SOON, "the interface is gone", || {
        pair.network.host("lb1").ip("-o link show type macvlan").is_empty()
    });
}

#[test]
fn virtual_routers_that_move_together_stay_and_still_do() {
    let more = ", group: site }\n  inner: { id: 52, interface: eth0, addresses: [10.9.0.101/24], \
                priority: PRIORITY, group: site, drain: 20s";
    let mut pair = Pair::new(more);
    let both = |state: &str, node: &haechi_tests::Node| {
        let all = routers(node);
        all.len() == 2 && all.iter().all(|it| it["state"] == state)
    };
    eventually(SOON, "both settle", || both("active", &pair.better) && both("backup", &pair.worse));
    let capture = Capture::start(&pair.network, "lb2");
    let since = |all: Vec<Value>| all.iter().map(|it| it["sinceMs"].as_u64().unwrap()).collect::<Vec<_>>();
    let before = since(routers(&pair.better));
    let taken: Vec<Value> = routers(&pair.worse).iter().map(|it| it["transitions"].clone()).collect();
    for _ in 0..2 {
        pair.better.upgrade();
        pair.assert_served();
        pair.assert_unmoved();
        assert!(both("active", &pair.better) && both("backup", &pair.worse));
        let after = since(routers(&pair.better));
        assert!(before.iter().zip(&after).all(|(before, after)| before.abs_diff(*after) < 10), "{after:?}");
    }
    // A backup too.
    pair.worse.upgrade();
    pause(Duration::from_millis(500));
    assert!(capture.of("10.9.0.2").is_empty(), "the backup says nothing");
    assert!(capture.of("10.9.0.1").iter().all(|frame| frame.priority == 150));
    assert_eq!(
        routers(&pair.worse).iter().map(|it| it["transitions"].clone()).collect::<Vec<_>>(),
        taken,
        "lb2 never took over"
    );
    // And then one move is the move of both.
    assert_eq!(pair.better.verb(&["ha", "handover", "inner", "--wait", "10s"]).code, 0);
    eventually(SOON, "both moved", || both("backup", &pair.better) && both("active", &pair.worse));
}
