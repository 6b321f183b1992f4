//! A machine that another process goes on with is the same machine: nothing is claimed, announced or let go, and the
//! peers hear no gap.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use haechi_vrrp::{Effect, Group, Input, Output, Router, State};
use proptest::prelude::*;

use common::{at, failed, lower, ms, paused, said, settings, track, words};

/// Through plain data, as from one process to another.
fn passed_on(group: &Group) -> Group {
    serde_json::from_str(&serde_json::to_string(group).unwrap()).unwrap()
}

fn feed(group: &mut Group, now: haechi_model::Moment, input: &Input) -> Vec<Output> {
    let mut out = Vec::new();
    group.handle(now, 0, input, &mut out);
    out.into_iter().map(|(_, output)| output).collect()
}

fn inputs() -> Vec<Input> {
    vec![
        Input::Start,
        Input::Stop,
        said(9, 200),
        said(9, 50),
        said(9, 0),
        said(1, 100),
        track("a", Effect::Fault),
        track("a", lower(30)),
        track("a", Effect::Clear),
        Input::Claimed,
        failed(),
        Input::Released,
        Input::LinkDown,
        Input::LinkUp,
        Input::Yield { to: None },
        paused(100),
    ]
}

#[test]
fn an_active_goes_on_though_it_comes_late() {
    let mut group = Group::new([settings(2, 100)], at(0));
    feed(&mut group, at(0), &Input::Start);
    feed(&mut group, at(361), &Input::Timer);
    feed(&mut group, at(362), &Input::Claimed);
    feed(&mut group, at(461), &Input::Timer);
    // More than its lease of 300 ms: any other input would say that it did not run, and let go.
    let (mut late, mut suspicious) = (passed_on(&group), passed_on(&group));
    assert_eq!(words(&feed(&mut late, at(900), &Input::Resumed)), "say 100");
    feed(&mut late, at(900), &Input::Timer);
    assert_eq!(late.deadline(), Some(at(1_000)), "and then in its interval");
    assert_eq!(late.members()[0].state(), State::Active);
    assert!(late.members()[0].holds_addresses());
    assert!(words(&feed(&mut suspicious, at(900), &Input::Timer)).contains("release"));
}

#[test]
fn what_is_under_way_is_no_time_to_pass_on() {
    let mut router = Router::new(settings(2, 100), at(0));
    let mut settled = |millis, input: &Input| {
        router.handle(at(millis), input, &mut Vec::new());
        router.is_settled().err()
    };
    assert_eq!(settled(0, &Input::Start), None, "a backup");
    assert_eq!(settled(361, &Input::Timer), Some("it claims its addresses"));
    assert_eq!(settled(362, &Input::Claimed), None, "an active");
    assert_eq!(settled(400, &Input::Yield { to: None }), Some("it hands over"));
    let quiet = "it still serves open flows of addresses that it handed over";
    assert_eq!(settled(450, &said(9, 50)), Some(quiet));
    assert_eq!(settled(40_000, &Input::Timer), None, "its flows have ended");
}

proptest! {
    /// Wherever it is passed on, it stands where it stood, and says at most what it would have said anyway.
    #[test]
    fn a_machine_that_is_passed_on_is_the_same(
        steps in prop::collection::vec((0_u64..400, 0_usize..16), 0..60),
        pause in 0_u64..500,
    ) {
        let (mut now, inputs) = (at(1_000), inputs());
        let mut group = Group::new([settings(2, 100)], now);
        for (millis, which) in steps {
            let then = now + ms(millis);
            while let Some(due) = group.deadline().filter(|due| *due <= then) {
                feed(&mut group, due.max(now), &Input::Timer);
                now = due.max(now);
            }
            now = then;
            feed(&mut group, now, &inputs[which]);
        }
        let mut next = passed_on(&group);
        prop_assert_eq!(&next, &group);
        now = now + ms(pause);
        let said = feed(&mut next, now, &Input::Resumed);
        let (before, after) = (&group.members()[0], &next.members()[0]);
        prop_assert_eq!(before.state(), after.state());
        prop_assert_eq!(before.reason(), after.reason());
        prop_assert_eq!(before.since(), after.since());
        prop_assert_eq!(before.priority(), after.priority());
        prop_assert_eq!(before.learnt_interval(), after.learnt_interval());
        prop_assert_eq!(before.holds_addresses(), after.holds_addresses());
        prop_assert_eq!(before.active(now), after.active(now));
        let words = words(&said);
        match before.state() {
            State::Active => prop_assert_eq!(words, format!("say {}", before.priority())),
            State::Yielding => prop_assert_eq!(words, "say 0"),
            State::Initialize | State::Backup => {
                prop_assert_eq!(words, "-");
                prop_assert_eq!(next.deadline(), group.deadline());
            }
        }
    }
}
