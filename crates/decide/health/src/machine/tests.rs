//! The table of the machine, its schedule, and a property test against a list of results.

use std::num::NonZeroU16;

use haechi_model::Probe;
use proptest::prelude::*;

use super::*;
use crate::FailureKind;

const INTERVAL: Duration = Duration::from_secs(10);
const FAST: Duration = Duration::from_secs(1);

fn check(healthy: u16, unhealthy: u16) -> HealthCheck {
    HealthCheck {
        probe: Probe::Tcp,
        port: NonZeroU16::new(8080),
        interval: INTERVAL,
        timeout: Duration::from_secs(5),
        fast_interval: None,
        healthy_threshold: healthy,
        unhealthy_threshold: unhealthy,
        start_grace: Duration::ZERO,
        proxy_protocol: None,
    }
}

fn at(seconds: u64) -> Moment {
    Moment::ORIGIN + Duration::from_secs(seconds)
}

fn good() -> ProbeOutcome {
    ProbeOutcome::success("status 200")
}

fn bad() -> ProbeOutcome {
    ProbeOutcome::failure(FailureKind::Refused, "connection refused (10.0.1.11:80)")
}

fn local() -> ProbeOutcome {
    ProbeOutcome::failure(FailureKind::Local, "no file descriptor left")
}

fn known(health: Health) -> Inherited {
    Inherited {
        health,
        reason: "status 200".into(),
        since: at(0),
        successes: 0,
        failures: 0,
        flaps: 0,
        warming_from: None,
    }
}

fn inherited(health: Health) -> Start {
    Start::Inherited(known(health))
}

/// `+` success, `-` failure, `.` inconclusive; one second each, from second 1 on.
fn feed(machine: &mut Machine, results: &str) -> Vec<Option<Change>> {
    let outcome = |letter| match letter {
        '+' => good(),
        '-' => bad(),
        _ => local(),
    };
    results.chars().zip(1..).map(|(letter, second)| machine.probed(outcome(letter), at(second))).collect()
}

/// Every state × every result × thresholds: (start, results before, result, healthy and unhealthy
/// threshold, health after, serving after, whether that is a change).
#[test]
fn table() {
    use Health::{Healthy, Unhealthy, Unknown};
    type Row = (Start, &'static str, char, (u16, u16), Health, bool, bool);
    let table: &[Row] = &[
        // On probation: one result decides, whatever the thresholds.
        (Start::Assumed, "", '+', (1, 1), Healthy, true, true),
        (Start::Assumed, "", '+', (3, 3), Healthy, true, true),
        (Start::Assumed, "", '-', (1, 1), Unhealthy, false, true),
        (Start::Assumed, "", '-', (3, 3), Unhealthy, false, true),
        (Start::Assumed, "", '.', (1, 1), Unknown, true, false),
        // Added at run time: the same, but without traffic meanwhile.
        (Start::Unproven, "", '+', (1, 1), Healthy, true, true),
        (Start::Unproven, "", '+', (3, 3), Healthy, true, true),
        (Start::Unproven, "", '-', (1, 1), Unhealthy, false, true),
        (Start::Unproven, "", '-', (3, 3), Unhealthy, false, true),
        (Start::Unproven, "", '.', (3, 3), Unknown, false, false),
        // Healthy: full counters from the first success on.
        (Start::Assumed, "+", '+', (2, 3), Healthy, true, false),
        (Start::Assumed, "+", '-', (2, 1), Unhealthy, false, true),
        (Start::Assumed, "+", '-', (2, 3), Healthy, true, false),
        (Start::Assumed, "+", '.', (2, 1), Healthy, true, false),
        // Healthy and falling.
        (Start::Assumed, "+-", '-', (2, 3), Healthy, true, false),
        (Start::Assumed, "+--", '-', (2, 3), Unhealthy, false, true),
        (Start::Assumed, "+--", '+', (2, 3), Healthy, true, false),
        (Start::Assumed, "+--+", '-', (2, 3), Healthy, true, false),
        (Start::Assumed, "+--+-", '-', (2, 3), Healthy, true, false),
        (Start::Assumed, "+--", '.', (2, 3), Healthy, true, false),
        (Start::Assumed, "+--.", '-', (2, 3), Unhealthy, false, true),
        // Unhealthy.
        (Start::Assumed, "-", '-', (2, 3), Unhealthy, false, false),
        (Start::Assumed, "-", '+', (1, 3), Healthy, true, true),
        (Start::Assumed, "-", '+', (2, 3), Unhealthy, false, false),
        (Start::Assumed, "-", '.', (1, 3), Unhealthy, false, false),
        // Unhealthy and rising.
        (Start::Assumed, "-+", '+', (2, 3), Healthy, true, true),
        (Start::Assumed, "-+", '+', (3, 3), Unhealthy, false, false),
        (Start::Assumed, "-+", '-', (2, 3), Unhealthy, false, false),
        (Start::Assumed, "-+-", '+', (2, 3), Unhealthy, false, false),
        (Start::Assumed, "-+.", '+', (2, 3), Healthy, true, true),
        // Inherited verdicts need full counts to change.
        (inherited(Healthy), "", '-', (2, 2), Healthy, true, false),
        (inherited(Healthy), "-", '-', (2, 2), Unhealthy, false, true),
        (inherited(Unhealthy), "", '+', (2, 2), Unhealthy, false, false),
        (inherited(Unhealthy), "+", '+', (2, 2), Healthy, true, true),
        (inherited(Unknown), "", '-', (2, 2), Unhealthy, false, true),
        // A threshold of zero is one.
        (Start::Assumed, "+", '-', (0, 0), Unhealthy, false, true),
        (Start::Assumed, "-", '+', (0, 0), Healthy, true, true),
    ];
    for (start, before, result, (healthy, unhealthy), health, serving, changed) in table {
        let mut machine = Machine::new(Some(&check(*healthy, *unhealthy)), start.clone(), 1, at(0));
        feed(&mut machine, before);
        let from = machine.report().health;
        let change = feed(&mut machine, &result.to_string()).remove(0);
        let report = machine.report();
        let row = format!("{start:?} {before}{result} {healthy}/{unhealthy}");
        assert_eq!((report.health, report.serving), (*health, *serving), "{row}");
        assert_eq!(change.is_some(), *changed, "{row}");
        if let Some(change) = change {
            assert_eq!((change.from, change.to, change.reason), (from, *health, report.reason), "{row}");
        }
    }
}

#[test]
fn reports_say_why() {
    let mut machine = Machine::new(Some(&check(2, 3)), Start::Assumed, 1, at(0));
    assert_eq!(machine.report().reason.to_string(), "assumed good until its first probe");
    feed(&mut machine, "+---");
    let report = machine.report();
    assert_eq!(report.reason.to_string(), "3 probes in a row failed: connection refused (10.0.1.11:80)");
    assert_eq!((report.since, report.failures, report.successes, report.flaps), (at(4), 3, 0, 1));
    feed(&mut machine, "++");
    assert_eq!(machine.report().reason.to_string(), "2 probes in a row succeeded: status 200");
    assert_eq!(machine.report().flaps, 2);
}

#[test]
fn without_a_check_it_is_unknown_and_serves() {
    for start in [Start::Assumed, Start::Unproven, inherited(Health::Unhealthy)] {
        let mut machine = Machine::new(None, start, 1, at(0));
        assert_eq!(machine.probed(bad(), at(1)), None);
        machine.started(at(2));
        let report = machine.report();
        assert_eq!((report.health, report.serving, report.next_probe), (Health::Unknown, true, None));
        assert_eq!((report.reason, report.probing), (Reason::NotChecked, false));
    }
}

#[test]
fn failures_in_the_start_grace_do_not_count_until_a_success() {
    let graced = HealthCheck { start_grace: Duration::from_secs(20), ..check(2, 2) };
    for (start, serving) in [(Start::Assumed, true), (Start::Unproven, false)] {
        let mut machine = Machine::new(Some(&graced), start.clone(), 1, at(0));
        // The grace runs from the first probe, here at second 100.
        assert_eq!(machine.probed(bad(), at(100)), None);
        assert_eq!(machine.probed(bad(), at(119)), None);
        let report = machine.report();
        assert_eq!((report.health, report.serving, report.failures), (Health::Unknown, serving, 0));
        assert!(machine.clone().probed(bad(), at(120)).is_some(), "the grace is over");

        assert_eq!(machine.probed(good(), at(105)).map(|change| change.to), Some(Health::Healthy));
        assert_eq!(machine.probed(bad(), at(106)), None);
        assert_eq!(machine.probed(bad(), at(107)).map(|change| change.to), Some(Health::Unhealthy), "proven");
    }
}

#[test]
fn an_inherited_verdict_has_no_grace() {
    let graced = HealthCheck { start_grace: Duration::from_secs(20), ..check(1, 1) };
    let mut machine = Machine::new(Some(&graced), inherited(Health::Healthy), 1, at(0));
    assert!(machine.probed(bad(), at(1)).is_some());
}

#[test]
fn warms_up_after_down_and_after_being_added_but_never_at_process_start() {
    let warming = |start, results| {
        let mut machine = Machine::new(Some(&check(1, 1)), start, 1, at(0));
        feed(&mut machine, results);
        machine.report().warming_from
    };
    assert_eq!(warming(Start::Assumed, "+"), None);
    assert_eq!(warming(inherited(Health::Healthy), "+"), None);
    assert_eq!(warming(Start::Assumed, "-"), None);
    assert_eq!(warming(Start::Assumed, "-+"), Some(at(2)));
    assert_eq!(warming(Start::Assumed, "-+++"), Some(at(2)), "from the return on, not from the last success");
    assert_eq!(warming(Start::Assumed, "+-"), None);
    assert_eq!(warming(Start::Unproven, "+"), Some(at(1)));
    assert_eq!(Machine::new(None, Start::Unproven, 1, at(7)).report().warming_from, Some(at(7)));
}

fn paused(machine: &Machine, from: Moment) -> Duration {
    machine.next_probe().expect("scheduled").since(from)
}

fn near(pause: Duration, interval: Duration) -> bool {
    pause >= interval * 9 / 10 && pause <= interval * 11 / 10
}

#[test]
fn the_fast_interval_holds_while_in_doubt() {
    let fast = HealthCheck { fast_interval: Some(FAST), ..check(3, 3) };
    let table = [
        ("+", INTERVAL),
        ("+-", FAST),
        ("+--", FAST),
        ("+---", INTERVAL),
        ("+---+", FAST),
        ("+---++", FAST),
        ("+---++-", INTERVAL),
        ("+-+", INTERVAL),
        (".", FAST),
    ];
    for (results, interval) in table {
        let mut machine = Machine::new(Some(&fast), Start::Assumed, 5, at(0));
        feed(&mut machine, results);
        let last = at(results.len() as u64);
        assert!(near(paused(&machine, last), interval), "{results}: {:?}", paused(&machine, last));
    }
}

#[test]
fn the_pause_runs_from_the_start_of_a_probe() {
    let mut machine = Machine::new(Some(&check(1, 1)), Start::Assumed, 5, at(0));
    machine.started(at(100));
    assert_eq!((machine.next_probe(), machine.report().probing), (None, true));
    machine.probed(good(), at(104));
    assert!(near(paused(&machine, at(100)), INTERVAL));
    assert_eq!(machine.report().last_probe.map(|last| last.took), Some(Duration::from_secs(4)));

    // Slower than the interval: the next one is due at once, never in the past.
    machine.started(at(200));
    machine.probed(good(), at(230));
    assert_eq!(machine.next_probe(), Some(at(230)));
}

#[test]
fn first_probes_are_spread_over_the_interval_in_doubt() {
    let fast = HealthCheck { fast_interval: Some(Duration::from_secs(4)), ..check(1, 1) };
    let span = |start: Start, check: &HealthCheck| {
        let firsts: Vec<_> = (0..500)
            .map(|seed| paused(&Machine::new(Some(check), start.clone(), seed, at(0)), at(0)))
            .collect();
        (firsts.iter().min().copied().expect("some"), firsts.iter().max().copied().expect("some"))
    };
    for (start, check, longest) in [
        (Start::Assumed, &check(1, 1), INTERVAL),
        (Start::Assumed, &fast, Duration::from_secs(4)),
        (Start::Unproven, &fast, SOON),
        (inherited(Health::Healthy), &fast, INTERVAL),
    ] {
        let (min, max) = span(start, check);
        assert!(min < longest / 20 && max < longest && max > longest * 9 / 10, "{min:?} to {max:?}");
    }
}

#[test]
fn a_new_interval_holds_at_once() {
    let mut machine = Machine::new(Some(&check(2, 2)), Start::Assumed, 5, at(0));
    feed(&mut machine, "+");
    machine.started(at(100));
    machine.probed(good(), at(100));
    let quick = HealthCheck { interval: Duration::from_secs(2), ..check(2, 2) };
    assert_eq!(machine.reconfigure(Some(&quick), at(101)), None);
    assert!(near(paused(&machine, at(100)), Duration::from_secs(2)));
    assert_eq!(machine.report().health, Health::Healthy);

    // Already overdue by the new interval: now.
    machine.reconfigure(Some(&check(2, 2)), at(101));
    machine.reconfigure(Some(&quick), at(105));
    assert_eq!(machine.next_probe(), Some(at(105)));
}

#[test]
fn a_stream_of_changes_never_puts_a_probe_off() {
    for first in [None, Some(at(0))] {
        let mut machine = Machine::new(Some(&check(1, 1)), Start::Assumed, 5, at(0));
        if let Some(first) = first {
            machine.probed(good(), first);
        }
        let mut latest = Duration::ZERO;
        for second in 1..60 {
            let other = HealthCheck { interval: INTERVAL + Duration::from_millis(second % 2), ..check(1, 1) };
            machine.reconfigure(Some(&other), at(second));
            latest = latest.max(paused(&machine, at(0)));
            if machine.next_probe() <= Some(at(second)) {
                break;
            }
        }
        assert!(latest <= INTERVAL * 11 / 10 + Duration::from_secs(1), "{latest:?}");
    }
}

#[test]
fn a_new_threshold_holds_at_once_and_counters_are_kept() {
    let mut machine = Machine::new(Some(&check(3, 3)), Start::Assumed, 5, at(0));
    feed(&mut machine, "+--");
    assert_eq!(machine.reconfigure(Some(&check(3, 4)), at(10)), None);
    let change = machine.reconfigure(Some(&check(3, 2)), at(11)).expect("two failures are enough now");
    assert_eq!((change.from, change.to, change.at), (Health::Healthy, Health::Unhealthy, at(11)));
    assert_eq!(change.reason.to_string(), "2 probes in a row failed: connection refused (10.0.1.11:80)");
    assert_eq!(machine.reconfigure(Some(&check(3, 2)), at(12)), None);
}

#[test]
fn a_change_leaves_a_probe_under_way_alone() {
    let mut machine = Machine::new(Some(&check(1, 1)), Start::Assumed, 5, at(0));
    machine.started(at(1));
    machine.reconfigure(Some(&check(2, 2)), at(2));
    assert_eq!((machine.next_probe(), machine.report().probing), (None, true));
    machine.restart(at(3));
    assert!(!machine.report().probing);
    assert!(paused(&machine, at(3)) < SOON);
}

#[test]
fn a_removed_check_makes_it_unknown_and_a_new_one_puts_it_on_probation() {
    let mut machine = Machine::new(Some(&check(1, 1)), Start::Assumed, 5, at(0));
    feed(&mut machine, "-");
    let change = machine.reconfigure(None, at(5)).expect("unhealthy no more");
    assert_eq!((change.to, change.reason), (Health::Unknown, Reason::NotChecked));
    assert_eq!((machine.next_probe(), machine.serving()), (None, true));

    assert_eq!(machine.reconfigure(Some(&check(3, 3)), at(6)), None);
    assert_eq!(machine.report().reason, Reason::Assumed);
    assert!(paused(&machine, at(6)) < INTERVAL);
    assert!(machine.probed(bad(), at(7)).is_some(), "one failure is enough again");
}

#[test]
fn suspicion_brings_the_next_probe_forward_but_not_below_the_fast_interval() {
    let fast = HealthCheck { fast_interval: Some(FAST), ..check(1, 1) };
    let mut machine = Machine::new(Some(&fast), Start::Assumed, 5, at(0));
    machine.probed(good(), at(100));
    machine.suspect(at(100));
    assert_eq!(machine.next_probe(), Some(at(101)));
    machine.suspect(at(100));
    assert_eq!(machine.next_probe(), Some(at(101)));

    let mut slow = Machine::new(Some(&check(1, 1)), Start::Assumed, 5, at(0));
    slow.probed(good(), at(100));
    let before = slow.next_probe();
    slow.suspect(at(101));
    assert_eq!(slow.next_probe(), before, "no fast interval");
}

/// The machine told again, from nothing but the list of results.
fn model(start: &Start, results: &[bool], healthy: usize, unhealthy: usize) -> Health {
    let Some((last, before)) = results.split_last() else {
        return match start {
            Start::Inherited(known) => known.health,
            _ => Health::Unknown,
        };
    };
    let run = results.iter().rev().take_while(|result| *result == last).count();
    match (model(start, before, healthy, unhealthy), last) {
        (Health::Unknown, true) => Health::Healthy,
        (Health::Unknown, false) => Health::Unhealthy,
        (Health::Healthy, false) if run >= unhealthy => Health::Unhealthy,
        (Health::Unhealthy, true) if run >= healthy => Health::Healthy,
        (health, _) => health,
    }
}

fn starts() -> impl Strategy<Value = Start> {
    prop_oneof![
        Just(Start::Assumed),
        Just(Start::Unproven),
        Just(inherited(Health::Healthy)),
        Just(inherited(Health::Unhealthy)),
    ]
}

proptest! {
    #[test]
    fn agrees_with_the_list_of_results(
        start in starts(),
        results in prop::collection::vec(any::<bool>(), 0..40),
        healthy in 1_u16..5,
        unhealthy in 1_u16..5,
        seed: u64,
    ) {
        let mut machine = Machine::new(Some(&check(healthy, unhealthy)), start.clone(), seed, at(0));
        for (index, result) in results.iter().enumerate() {
            let before = machine.report();
            let change = machine.probed(if *result { good() } else { bad() }, at(index as u64));
            let after = machine.report();
            let expected = model(&start, &results[..=index], healthy.into(), unhealthy.into());
            prop_assert_eq!(after.health, expected);
            prop_assert_eq!(change.is_some(), before.health != after.health);
            prop_assert_eq!(after.serving, after.health == Health::Healthy);
            prop_assert!(near(paused(&machine, at(index as u64)), INTERVAL));
        }
    }

    /// Whatever comes in whatever order: never two probes at a time, never none, never in the past.
    #[test]
    fn the_schedule_holds_under_any_calls(
        start in starts(),
        calls in prop::collection::vec((0_u8..7, 0_u64..5_000, 0_u64..20_000), 1..60),
        seed: u64,
    ) {
        let mut now = at(0);
        let mut machine = Machine::new(Some(&check(2, 2)), start, seed, now);
        let mut checked = true;
        for (call, step, interval) in calls {
            now = now + Duration::from_millis(step);
            let other = HealthCheck { interval: Duration::from_millis(interval), fast_interval: (interval % 2 == 0).then_some(FAST), ..check(2, 1) };
            match call {
                0 => machine.started(now),
                1 => { machine.probed(good(), now); }
                2 => { machine.probed(bad(), now); }
                3 => { machine.reconfigure(Some(&other), now); checked = true; }
                4 => { machine.reconfigure(None, now); checked = false; }
                5 => machine.restart(now),
                _ => machine.suspect(now),
            }
            let report = machine.report();
            prop_assert_eq!(report.next_probe.is_some(), checked && !report.probing);
            prop_assert!(checked || !report.probing);
        }
    }
}

#[test]
fn what_a_former_process_counted_counts_on() {
    let failing = Inherited { successes: 0, failures: 1, flaps: 3, ..known(Health::Healthy) };
    let failing = Inherited { since: at(7), warming_from: Some(at(7)), ..failing };
    let mut machine = Machine::new(Some(&check(2, 2)), Start::Inherited(failing), 1, at(9));
    let report = machine.report();
    assert_eq!((report.since, report.warming_from, report.flaps), (at(7), Some(at(7)), 3));
    assert_eq!(report.reason.to_string(), "carried over: status 200");
    assert_eq!(&*report.reason.to_carry(), "status 200", "told once, however often it is carried");
    assert!(machine.probed(bad(), at(10)).is_some(), "the second failure in a row");
    assert_eq!(machine.report().flaps, 4);
}
