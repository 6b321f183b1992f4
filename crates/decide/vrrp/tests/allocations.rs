//! Ten times a second, for years: advertising and hearing the active allocates nothing.

mod common;

use std::alloc::System;

use haechi_vrrp::packet::{Advertisement, Carrier, Cover};
use haechi_vrrp::{Input, State};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

use common::{INTERVAL, Node, advertisement, ip, said, settings};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// One test only in this program: another thread would be counted too.
#[test]
fn the_steady_state_allocates_nothing() {
    let mut active = Node::active(settings(2, 100));
    let mut backup = Node::started(settings(1, 90));
    let mut heard = said(2, 100);
    let (mut out, mut message) = (Vec::with_capacity(4), Vec::with_capacity(64));
    let cover = Cover::PseudoHeader { source: ip(2), destination: ip(1) };
    let carrier = Carrier::Ip { source: ip(2), destination: ip(1), hop_limit: 255 };
    backup.feed(&heard);

    let region = Region::new(ALLOCATOR);
    for _ in 0..1_000 {
        active.now = active.router.deadline().unwrap();
        active.router.handle(active.now, Input::Timer, &mut out);
        out.clear();
        backup.now = backup.now + INTERVAL;
        if let Input::Advertisement { advertisement, .. } = &mut heard {
            advertisement.encode(cover, &mut message).unwrap();
            advertisement.decode_into(&message, carrier).unwrap();
        }
        backup.router.handle(backup.now, &heard, &mut out);
        assert!(out.is_empty());
    }
    let change = region.change();
    assert_eq!((change.allocations, change.reallocations), (0, 0));
    assert_eq!((active.router.state(), backup.router.state()), (State::Active, State::Backup));

    let region = Region::new(ALLOCATOR);
    assert_eq!(Advertisement::empty().decode_into(&message, carrier).is_ok(), advertisement(100).id == 51);
    assert!(region.change().allocations > 0, "the counter counts");
}
