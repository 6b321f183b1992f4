//! Both checksum forms of IPv4 (RFC 5798 with the pseudo-header, RFC 9568 without), as bytes by hand and between two
//! nodes: Debian's keepalived knows the first one only.

use haechi_tests::{Capture, eventually, now};

use crate::hostile::{Stranger, dropped, message};
use crate::{Rig, SOON, hears};

/// Whether tcpdump, which reckons with the pseudo-header, finds the checksum right.
fn has_pseudo_header(capture: &Capture, source: &str) -> bool {
    let frames = capture.more_of(source, 3);
    let wrong = frames.iter().filter(|frame| frame.text.contains("bad vrrp cksum")).count();
    assert!(wrong == 0 || wrong == frames.len(), "one form at a time: {frames:?}");
    wrong == 0
}

#[test]
fn a_node_follows_the_form_without_the_pseudo_header_and_goes_over_to_it() {
    let rig = Rig::new();
    let node = rig.start("lb1", "priority: 100");
    rig.wait_for("lb1");
    let capture = Capture::start(&rig.network, "lb1");
    assert!(has_pseudo_header(&capture, "10.0.0.1"), "keepalived's form, until others say otherwise");
    let stranger = Stranger::on(&rig.network);
    let said = message(51, 200, 1);
    eventually(SOON, "it makes room for a better one", || {
        stranger.say(255, &said);
        node.router("edge")["state"] == "backup"
    });
    let silent = now();
    node.wait_state("edge", "active");
    assert!(silent.elapsed() >= crate::INTERVAL * 2, "a silent one is waited for: {:?}", silent.elapsed());
    assert!(!has_pseudo_header(&capture, "10.0.0.1"), "the form of the others");
}

#[test]
fn nodes_with_the_same_form_hear_each_other_and_count_the_other_one() {
    let rig = Rig::new();
    let capture = Capture::start(&rig.network, "lb1");
    let _better = rig.start("lb1", "priority: 150, checksum: plain");
    rig.wait_for("lb1");
    assert!(!has_pseudo_header(&capture, "10.0.0.1"));
    let worse = rig.start("lb2", "priority: 100, checksum: plain");
    hears(&worse, 10);
    assert_eq!(worse.router("edge")["state"], "backup");
    assert_eq!(dropped(&worse, "otherChecksum"), 0);
    drop(worse);
    let deaf = rig.start("lb2", "priority: 100, checksum: pseudoHeader");
    eventually(SOON, "it counts what it does not hear", || dropped(&deaf, "otherChecksum") > 3);
    assert_eq!(deaf.router("edge")["heard"], 0);
}
