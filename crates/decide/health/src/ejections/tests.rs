//! The table of ejections, and a property test of what must hold after any sequence of events.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const TIME: Duration = Duration::from_secs(30);

fn rules(max_ejected: u8) -> PassiveCheck {
    PassiveCheck {
        consecutive_failures: 5,
        ejection_time: TIME,
        max_ejection_time: Duration::from_secs(100),
        max_ejected,
    }
}

fn at(seconds: u64) -> Moment {
    Moment::ORIGIN + Duration::from_secs(seconds)
}

fn name(index: usize) -> EndpointName {
    format!("web-{index}").into()
}

fn pool(count: usize, max_ejected: u8) -> Ejections {
    let mut ejections = Ejections::default();
    let changes = ejections.reconfigure(Some(rules(max_ejected)), (0..count).map(name), at(0));
    assert_eq!(changes, []);
    ejections
}

fn all(_: &EndpointName) -> bool {
    true
}

fn returned(index: usize, cause: ReturnCause, now: Moment) -> EjectionChange {
    EjectionChange { endpoint: name(index), step: EjectionStep::Returned(cause), at: now }
}

#[test]
fn the_cap_follows_size_and_percentage() {
    // (endpoints, percent, how many may be out)
    let table = [
        (1, 100, 0),
        (2, 0, 1),
        (2, 10, 1),
        (2, 100, 1),
        (3, 34, 1),
        (3, 67, 2),
        (10, 10, 1),
        (10, 19, 1),
        (10, 20, 2),
        (10, 100, 9),
        (10, 255, 9),
        (100, 10, 10),
    ];
    for (count, percent, expected) in table {
        let mut ejections = pool(count, percent);
        let out =
            (0..count).filter(|index| ejections.failures_reached(&name(*index), all, at(1)).is_ok()).count();
        assert_eq!(out, expected, "{count} endpoints, {percent} %");
    }
}

#[test]
fn every_refusal_says_why() {
    let mut ejections = pool(3, 34);
    let two_down = |endpoint: &EndpointName| *endpoint == name(0);
    assert_eq!(ejections.failures_reached(&name(0), two_down, at(1)), Err(Refusal::LastOne));
    assert_eq!(ejections.failures_reached(&name(1), two_down, at(1)), Err(Refusal::NotServing));
    assert_eq!(ejections.failures_reached(&name(9), all, at(1)), Err(Refusal::NotAMember));
    assert!(ejections.failures_reached(&name(0), all, at(1)).is_ok());
    assert_eq!(ejections.failures_reached(&name(0), all, at(1)), Err(Refusal::AlreadyEjected));
    assert_eq!(ejections.failures_reached(&name(1), all, at(1)), Err(Refusal::AtCap { cap: 1 }));
    assert_eq!(Ejections::default().failures_reached(&name(0), all, at(1)), Err(Refusal::TurnedOff));
}

#[test]
fn an_ejection_ends_by_itself_and_grows_up_to_its_longest() {
    let mut ejections = pool(2, 50);
    let mut now = at(0);
    for (in_a_row, seconds) in [(1, 30), (2, 60), (3, 90), (4, 100), (5, 100)] {
        let until = now + Duration::from_secs(seconds);
        let change = ejections.failures_reached(&name(0), all, now).expect("may be ejected");
        assert_eq!(change.step, EjectionStep::Ejected { failures: 5, until, in_a_row });
        assert_eq!(ejections.next_deadline(), Some(until));
        assert_eq!(ejections.ejected_until(&name(0)), Some(until));
        assert_eq!(ejections.tick(until - Duration::from_nanos(1)), []);
        assert_eq!(ejections.tick(until), [returned(0, ReturnCause::TimeOver, until)]);
        assert_eq!((ejections.next_deadline(), ejections.ejected_until(&name(0))), (None, None));
        now = until;
    }
}

#[test]
fn quiet_time_forgives_one_ejection_at_a_time() {
    // (quiet seconds after the third ejection, which one in a row the next is)
    for (quiet, expected) in [(0, 4), (29, 4), (30, 3), (60, 2), (90, 1), (86_400, 1)] {
        let mut ejections = pool(2, 50);
        let mut now = at(0);
        for _ in 0..3 {
            ejections.failures_reached(&name(0), all, now).expect("may be ejected");
            now = ejections.next_deadline().expect("ejected");
            ejections.tick(now);
        }
        let change =
            ejections.failures_reached(&name(0), all, now + Duration::from_secs(quiet)).expect("again");
        assert!(
            matches!(change.step, EjectionStep::Ejected { in_a_row, .. } if in_a_row == expected),
            "{quiet}: {change:?}"
        );
    }
}

#[test]
fn a_probe_that_began_after_the_ejection_ends_it() {
    let mut ejections = pool(2, 50);
    ejections.failures_reached(&name(0), all, at(10)).expect("may be ejected");
    assert_eq!(ejections.probe_succeeded(&name(0), at(9), at(11)), None);
    assert_eq!(ejections.probe_succeeded(&name(1), at(11), at(11)), None);
    assert_eq!(
        ejections.probe_succeeded(&name(0), at(10), at(12)),
        Some(returned(0, ReturnCause::ProbeSucceeded, at(12)))
    );
    assert_eq!(ejections.next_deadline(), None);
}

#[test]
fn the_last_one_that_can_serve_comes_back() {
    let mut ejections = pool(3, 67);
    ejections.failures_reached(&name(0), all, at(1)).expect("may be ejected");
    ejections.failures_reached(&name(1), all, at(2)).expect("may be ejected");
    assert_eq!(ejections.health_changed(all, at(3)), None);
    let last_in_fell = |endpoint: &EndpointName| *endpoint != name(2);
    assert_eq!(ejections.health_changed(last_in_fell, at(4)), Some(returned(0, ReturnCause::LastOne, at(4))));
    assert_eq!(ejections.health_changed(last_in_fell, at(5)), None);
    let nobody = |_: &EndpointName| false;
    assert_eq!(ejections.health_changed(nobody, at(6)), None, "an unhealthy endpoint is no help");
}

#[test]
fn a_config_change_keeps_what_fits() {
    let mut ejections = pool(10, 30);
    for index in 0..3 {
        ejections.failures_reached(&name(index), all, at(index as u64)).expect("may be ejected");
    }
    // New times hold at once.
    let shorter = PassiveCheck { ejection_time: Duration::from_secs(5), ..rules(30) };
    assert_eq!(ejections.reconfigure(Some(shorter), (0..10).map(name), at(3)), []);
    assert_eq!(ejections.next_deadline(), Some(at(5)));
    // Four members may have one out: the two that would return first do; one ejected is gone.
    let changes = ejections.reconfigure(Some(rules(30)), [0, 1, 2, 9].map(name), at(4));
    assert_eq!(changes, [returned(0, ReturnCause::OverCap, at(4)), returned(1, ReturnCause::OverCap, at(4))]);
    assert_eq!(
        ejections.reconfigure(None, [2, 9].map(name), at(5)),
        [returned(2, ReturnCause::TurnedOff, at(5))]
    );
    assert_eq!(ejections.next_deadline(), None);
}

#[test]
fn odd_times_do_no_harm() {
    let mut ejections = Ejections::default();
    let zero = PassiveCheck { ejection_time: Duration::ZERO, max_ejection_time: Duration::ZERO, ..rules(50) };
    ejections.reconfigure(Some(zero), (0..2).map(name), at(0));
    ejections.failures_reached(&name(0), all, at(1)).expect("may be ejected");
    assert_eq!(ejections.tick(at(1)).len(), 1);
    ejections.failures_reached(&name(0), all, at(1)).expect("may be ejected");
    let endless =
        PassiveCheck { ejection_time: Duration::MAX, max_ejection_time: Duration::MAX, ..rules(50) };
    ejections.reconfigure(Some(endless), (0..2).map(name), at(2));
    assert_eq!(ejections.next_deadline(), Some(Moment::from_nanos(u64::MAX)));
}

proptest! {
    #[test]
    fn the_pool_is_never_emptied(
        percent in 0_u8..=100,
        events in prop::collection::vec((0_u8..6, 0_usize..6, 0_u64..60), 1..120),
    ) {
        let count = 6;
        let mut ejections = pool(count, percent);
        let mut out = BTreeSet::new();
        let mut down = BTreeSet::new();
        let mut now = at(0);
        for (event, index, step) in events {
            now = now + Duration::from_secs(step);
            let serving = |endpoint: &EndpointName| !down.contains(endpoint);
            let changes = match event {
                0..=2 => ejections.failures_reached(&name(index), serving, now).into_iter().collect(),
                3 => ejections.probe_succeeded(&name(index), now, now).into_iter().collect(),
                4 => {
                    if !down.remove(&name(index)) {
                        down.insert(name(index));
                    }
                    ejections.health_changed(|endpoint| !down.contains(endpoint), now).into_iter().collect()
                }
                _ => ejections.tick(now),
            };
            for change in changes {
                // Out and in take turns, and the changes alone tell who is out.
                match change.step {
                    EjectionStep::Ejected { until, .. } => {
                        prop_assert!(until > now);
                        prop_assert!(out.insert(change.endpoint));
                    }
                    EjectionStep::Returned(_) => prop_assert!(out.remove(&change.endpoint)),
                }
            }
            let told: BTreeSet<_> =
                (0..count).map(name).filter(|endpoint| ejections.ejected_until(endpoint).is_some()).collect();
            prop_assert_eq!(&told, &out);
            prop_assert!(out.len() <= (count * usize::from(percent) / 100).max(1));
            prop_assert_eq!(ejections.next_deadline().is_some(), !out.is_empty());
            let able = |endpoint: &EndpointName| !down.contains(endpoint);
            if (0..count).map(name).any(|endpoint| able(&endpoint)) {
                prop_assert!((0..count).map(name).any(|endpoint| able(&endpoint) && !out.contains(&endpoint)));
            }
        }
    }
}
