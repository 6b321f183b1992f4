//! What is kept over a change of targets, and what must hold after any sequence of events.

use std::num::NonZeroU16;
use std::time::Duration;

use haechi_health::{EjectionStep, FailureKind, ReturnCause, Start};
use haechi_model::Health;
use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits { network: 3, programs: 1 };

fn at(seconds: u64) -> Moment {
    Moment::ORIGIN + Duration::from_secs(seconds)
}

fn id(pool: &str, index: u8) -> EndpointId {
    EndpointId { pool: pool.into(), endpoint: format!("{pool}-{index}").into() }
}

fn check(probe: Probe, interval: u64) -> Arc<HealthCheck> {
    Arc::new(HealthCheck {
        probe,
        port: None,
        interval: Duration::from_secs(interval),
        timeout: Duration::from_secs(1),
        fast_interval: None,
        healthy_threshold: 2,
        unhealthy_threshold: 2,
        start_grace: Duration::ZERO,
        proxy_protocol: None,
    })
}

fn program() -> Probe {
    Probe::Exec { command: vec!["/bin/true".into()] }
}

fn passive() -> Option<PassiveCheck> {
    Some(PassiveCheck {
        consecutive_failures: 5,
        ejection_time: Duration::from_secs(30),
        max_ejection_time: Duration::from_secs(300),
        max_ejected: 50,
    })
}

fn target(index: u8, check: Option<Arc<HealthCheck>>) -> Target {
    Target {
        id: id("web", index),
        address: format!("10.0.1.{index}:80").parse().unwrap(),
        check,
        passive: passive(),
        start: Start::Assumed,
        ejection: None,
    }
}

fn good() -> ProbeOutcome {
    ProbeOutcome::success("status 200")
}

fn bad() -> ProbeOutcome {
    ProbeOutcome::failure(FailureKind::Refused, "connection refused")
}

/// Runs every probe that is due at `now` to the same end.
fn run_all(fleet: &mut Fleet, now: Moment, outcome: &ProbeOutcome) -> Vec<Verdict> {
    let mut verdicts = fleet.wake(now);
    while let Some(job) = fleet.launch(now) {
        fleet.landed(job.lane);
        verdicts.extend(fleet.finished(&job, outcome.clone(), now));
    }
    verdicts
}

fn health(fleet: &Fleet, index: u8) -> Health {
    fleet.report(&id("web", index)).unwrap().health.health
}

#[test]
fn new_targets_are_told_and_probed() {
    let mut fleet = Fleet::new(1, LIMITS);
    let verdicts = fleet.set_targets(vec![target(1, Some(check(Probe::Tcp, 10))), target(2, None)], at(0));
    assert_eq!(verdicts.iter().map(|verdict| verdict.change.is_none()).collect::<Vec<_>>(), [true, true]);
    assert!(verdicts.iter().all(|verdict| verdict.report.health.serving));
    let verdicts = run_all(&mut fleet, at(10), &bad());
    assert_eq!(verdicts.len(), 1);
    assert_eq!(
        verdicts[0].change.as_ref().unwrap().to_string(),
        "unknown to unhealthy: probe failed: connection refused"
    );
    assert_eq!((health(&fleet, 1), health(&fleet, 2)), (Health::Unhealthy, Health::Unknown));
}

#[test]
fn the_same_address_keeps_state_and_another_one_starts_anew() {
    let mut fleet = Fleet::new(1, LIMITS);
    let tcp = check(Probe::Tcp, 10);
    fleet.set_targets(vec![target(1, Some(tcp.clone()))], at(0));
    run_all(&mut fleet, at(10), &good());
    assert_eq!(fleet.set_targets(vec![target(1, Some(tcp.clone()))], at(11)), []);
    assert_eq!(health(&fleet, 1), Health::Healthy);

    let moved =
        Target { address: "10.9.9.9:80".parse().unwrap(), start: Start::Unproven, ..target(1, Some(tcp)) };
    let verdicts = fleet.set_targets(vec![moved], at(12));
    assert_eq!((verdicts.len(), verdicts[0].report.health.serving), (1, false));
    assert_eq!(fleet.slots.len(), 1);
}

#[test]
fn the_first_of_two_with_one_id_counts() {
    let mut fleet = Fleet::new(1, LIMITS);
    let other = Target { address: "10.9.9.9:80".parse().unwrap(), ..target(1, None) };
    fleet.set_targets(vec![target(1, None), other], at(0));
    assert_eq!(fleet.report(&id("web", 1)).unwrap().address, "10.0.1.1:80".parse().unwrap());
    assert_eq!(fleet.slots.len(), 1);
}

#[test]
fn a_check_may_name_another_port() {
    let mut fleet = Fleet::new(1, LIMITS);
    let ported = HealthCheck { port: NonZeroU16::new(8081), ..(*check(Probe::Tcp, 10)).clone() };
    fleet.set_targets(vec![target(1, Some(Arc::new(ported)))], at(0));
    fleet.wake(at(10));
    assert_eq!(fleet.launch(at(10)).unwrap().address, "10.0.1.1:8081".parse().unwrap());
}

#[test]
fn another_probe_voids_the_one_under_way_but_another_interval_does_not() {
    let mut fleet = Fleet::new(1, LIMITS);
    fleet.set_targets(vec![target(1, Some(check(Probe::Tcp, 10)))], at(0));
    fleet.wake(at(10));
    let old = fleet.launch(at(10)).unwrap();
    fleet.set_targets(vec![target(1, Some(check(Probe::Tcp, 5)))], at(11));
    assert!(fleet.take_void().is_empty());
    fleet.set_targets(vec![target(1, Some(check(program(), 5)))], at(11));
    assert_eq!(fleet.take_void(), HashSet::from([old.flight]));

    fleet.wake(at(12));
    let new = fleet.launch(at(12)).unwrap();
    assert_eq!(fleet.finished(&old, bad(), at(12)), [], "an old probe says nothing about the new check");
    assert_eq!(fleet.finished(&new, good(), at(12)).len(), 1);
    assert_eq!(health(&fleet, 1), Health::Healthy);
}

#[test]
fn a_removed_target_is_forgotten_even_in_line_and_under_way() {
    let mut fleet = Fleet::new(1, Limits { network: 1, programs: 1 });
    let tcp = check(Probe::Tcp, 10);
    fleet.set_targets(vec![target(1, Some(tcp.clone())), target(2, Some(tcp))], at(0));
    fleet.wake(at(10));
    let job = fleet.launch(at(10)).unwrap();
    assert!(fleet.launch(at(10)).is_none(), "its lane is full");
    assert_eq!(fleet.load(), Load { network: 1, programs: 0, waiting: 1 });
    fleet.set_targets(Vec::new(), at(11));
    assert_eq!(fleet.take_void(), HashSet::from([job.flight]));
    fleet.landed(job.lane);
    assert_eq!(fleet.finished(&job, bad(), at(11)), []);
    assert!(fleet.launch(at(11)).is_none());
    assert_eq!((fleet.load(), fleet.next_deadline()), (Load::default(), None));
    assert!(fleet.pools.is_empty() && fleet.slots.is_empty());
}

#[test]
fn programs_that_hang_do_not_hold_up_connects() {
    let mut fleet = Fleet::new(1, LIMITS);
    let programs = (1..=5).map(|index| target(index, Some(check(program(), 10))));
    fleet.set_targets(programs.chain([target(6, Some(check(Probe::Tcp, 10)))]).collect(), at(0));
    fleet.wake(at(10));
    let lanes: Vec<_> = std::iter::from_fn(|| fleet.launch(at(10))).map(|job| job.lane).collect();
    assert_eq!(lanes, [Lane::Network, Lane::Programs]);
    assert_eq!(fleet.load(), Load { network: 1, programs: 1, waiting: 4 });
}

#[test]
fn a_removed_check_lets_an_unproven_endpoint_serve() {
    let mut fleet = Fleet::new(1, LIMITS);
    let unproven = Target { start: Start::Unproven, ..target(1, Some(check(Probe::Tcp, 10))) };
    assert!(!fleet.set_targets(vec![unproven], at(0))[0].report.health.serving);
    let verdicts = fleet.set_targets(vec![target(1, None)], at(1));
    assert_eq!((verdicts.len(), verdicts[0].report.health.serving), (1, true));
    assert_eq!(verdicts[0].change, None, "unknown before and after");
    assert_eq!(fleet.next_deadline(), None);
}

fn steps(verdicts: &[Verdict]) -> Vec<(EndpointName, EjectionStep)> {
    let step = |verdict: &Verdict| match verdict.change {
        Some(Event::Ejection { step, .. }) => Some((verdict.id.endpoint.clone(), step)),
        _ => None,
    };
    verdicts.iter().filter_map(step).collect()
}

#[test]
fn ejections_end_by_time_by_a_probe_and_for_the_last_one() {
    let mut fleet = Fleet::new(1, LIMITS);
    fleet.set_targets(vec![target(1, None), target(2, Some(check(Probe::Tcp, 600)))], at(0));
    let verdicts = fleet.passive_failure(&id("web", 1), at(1));
    let until = at(31);
    assert_eq!(
        steps(&verdicts),
        [("web-1".into(), EjectionStep::Ejected { failures: 5, until, in_a_row: 1 })]
    );
    assert_eq!(verdicts[0].report.ejected_until, Some(until));
    assert_eq!(fleet.passive_failure(&id("web", 2), at(2)), [], "the cap");
    assert_eq!(fleet.passive_failure(&id("web", 9), at(2)), [], "unknown");
    assert_eq!(fleet.passive_failure(&id("other", 9), at(2)), [], "unknown pool");
    assert_eq!(fleet.next_deadline(), Some(until).min(fleet.due.next()));
    assert_eq!(fleet.wake(at(30)), []);
    let returned = |cause| EjectionStep::Returned(cause);
    assert_eq!(steps(&fleet.wake(until)), [("web-1".into(), returned(ReturnCause::TimeOver))]);

    // The endpoint that stays falls: the ejected one must come back.
    fleet.passive_failure(&id("web", 1), at(600));
    let verdicts = run_all(&mut fleet, at(600), &bad());
    assert_eq!(steps(&verdicts), [("web-1".into(), returned(ReturnCause::LastOne))]);
    assert_eq!(health(&fleet, 2), Health::Unhealthy);
}

#[test]
fn an_active_success_ends_an_ejection() {
    let mut fleet = Fleet::new(1, LIMITS);
    let tcp = check(Probe::Tcp, 10);
    fleet.set_targets(vec![target(1, Some(tcp.clone())), target(2, Some(tcp))], at(0));
    run_all(&mut fleet, at(10), &good());
    assert_eq!(steps(&fleet.passive_failure(&id("web", 1), at(11))).len(), 1);
    let verdicts = run_all(&mut fleet, at(22), &good());
    assert_eq!(steps(&verdicts), [("web-1".into(), EjectionStep::Returned(ReturnCause::ProbeSucceeded))]);
    assert_eq!(verdicts[0].report.ejected_until, None);
}

#[test]
fn a_pool_that_loses_its_passive_check_or_itself_ejects_nobody() {
    let mut fleet = Fleet::new(1, LIMITS);
    fleet.set_targets(vec![target(1, None), target(2, None)], at(0));
    fleet.passive_failure(&id("web", 1), at(1));
    let plain = |index| Target { passive: None, ..target(index, None) };
    let verdicts = fleet.set_targets(vec![plain(1), plain(2)], at(2));
    assert_eq!(steps(&verdicts), [("web-1".into(), EjectionStep::Returned(ReturnCause::TurnedOff))]);
    assert_eq!(fleet.next_deadline(), None);
}

#[derive(Clone, Debug)]
enum Step {
    Targets(Vec<(u8, u8)>),
    Wait(u64),
    Launch,
    Land { which: usize, success: bool },
    Passive(u8),
}

fn a_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => prop::collection::vec((0_u8..6, 0_u8..5), 0..6).prop_map(Step::Targets),
        3 => (0_u64..8).prop_map(Step::Wait),
        4 => Just(Step::Launch),
        4 => (0_usize..8, any::<bool>()).prop_map(|(which, success)| Step::Land { which, success }),
        1 => (0_u8..6).prop_map(Step::Passive),
    ]
}

fn variant(kind: u8) -> Option<Arc<HealthCheck>> {
    match kind {
        0 => None,
        1 => Some(check(Probe::Tcp, 5)),
        2 => Some(check(Probe::Tcp, 9)),
        3 => Some(check(program(), 5)),
        _ => Some(check(program(), 9)),
    }
}

proptest! {
    /// Whatever happens: no lane over its limit, no endpoint probed twice at a time, and none forgotten.
    #[test]
    fn nobody_is_lost_and_nothing_runs_wild(all in prop::collection::vec(a_step(), 1..80)) {
        let mut fleet = Fleet::new(7, LIMITS);
        let mut now = at(0);
        let mut flying: Vec<Job> = Vec::new();
        let mut wanted = BTreeMap::new();
        for step in all {
            match step {
                Step::Targets(list) => {
                    wanted = list.iter().rev().copied().collect();
                    fleet.set_targets(list.into_iter().map(|(index, kind)| target(index, variant(kind))).collect(), now);
                    fleet.take_void();
                }
                Step::Wait(seconds) => now = now + Duration::from_secs(seconds),
                Step::Launch => {
                    fleet.wake(now);
                    flying.extend(std::iter::from_fn(|| fleet.launch(now)));
                }
                Step::Land { which, success } if which < flying.len() => {
                    let job = flying.swap_remove(which);
                    fleet.landed(job.lane);
                    fleet.finished(&job, if success { good() } else { bad() }, now);
                }
                Step::Land { .. } => {}
                Step::Passive(index) => { fleet.passive_failure(&id("web", index), now); }
            }
            let count = |lane| flying.iter().filter(|job| job.lane == lane).count();
            prop_assert!(count(Lane::Network) <= LIMITS.network && count(Lane::Programs) <= LIMITS.programs);
            prop_assert_eq!(fleet.load().network, count(Lane::Network));
            prop_assert_eq!(fleet.load().programs, count(Lane::Programs));
            let ids: Vec<_> = fleet.reports().into_iter().map(|(id, _)| id).collect();
            prop_assert_eq!(ids, wanted.keys().map(|index| id("web", *index)).collect::<Vec<_>>());
            prop_assert_eq!(fleet.slots.len(), wanted.len());
            for slot in fleet.slots.values() {
                let live = flying.iter().filter(|job| slot.flight.is_some_and(|(flight, _)| flight == job.flight)).count();
                prop_assert_eq!(live, usize::from(slot.flight.is_some()));
                if slot.check.is_none() {
                    prop_assert!(slot.flight.is_none());
                    continue;
                }
                let key = fleet.keys[&slot.id];
                let in_line = fleet.network.ready.iter().chain(&fleet.programs.ready).filter(|other| **other == key).count();
                prop_assert_eq!(in_line, usize::from(slot.queued));
                let scheduled = slot.machine.next_probe().is_some();
                prop_assert_eq!(scheduled, slot.flight.is_none());
                if scheduled && !slot.queued {
                    prop_assert!(fleet.due.next() <= slot.machine.next_probe());
                }
            }
        }
    }
}
