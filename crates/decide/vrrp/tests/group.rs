//! Virtual routers that move together, against a peer that has the same ones.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which clippy takes for more")]

mod common;

use std::num::NonZeroU8;
use std::time::Duration;

use haechi_model::Moment;
use haechi_vrrp::{Effect, Group, Input, Output, Settings, State};
use proptest::prelude::*;

use common::{advertisement, at, failed, ip, lower, ms, paused, settings, track, word};

/// Two virtual routers, 51 and 52, whose claims succeed.
struct Pair {
    group: Group,
    now: Moment,
}

impl Pair {
    fn new(priority: u8) -> Self {
        let inner = Settings { id: NonZeroU8::new(52).unwrap(), ..settings(2, priority) };
        Self { group: Group::new([settings(2, priority), inner], at(1_000)), now: at(1_000) }
    }

    fn started(priority: u8) -> Self {
        let mut pair = Self::new(priority);
        pair.feed(0, &Input::Start);
        pair
    }

    fn active(priority: u8) -> Self {
        let mut pair = Self::started(priority);
        pair.run(Duration::from_secs(10));
        assert_eq!(pair.states(), [State::Active; 2]);
        pair
    }

    fn feed(&mut self, member: usize, input: &Input) -> Vec<String> {
        let mut out = Vec::new();
        self.group.handle(self.now, member, input, &mut out);
        let claims: Vec<usize> =
            out.iter().filter(|(_, output)| *output == Output::Claim).map(|(member, _)| *member).collect();
        for member in claims {
            self.group.handle(self.now, member, &Input::Claimed, &mut out);
        }
        out.iter().map(|(member, output)| format!("{member}: {}", word(output))).collect()
    }

    fn hear(&mut self, member: usize, node: u8, priority: u8) -> Vec<String> {
        let mut said = advertisement(priority);
        said.id = self.group.members()[member].settings().id.get();
        self.feed(member, &Input::Advertisement { source: ip(node), advertisement: said })
    }

    /// Only what changes.
    fn run(&mut self, duration: Duration) -> Vec<(u128, String)> {
        let (began, end) = (self.now, self.now + duration);
        let mut told = Vec::new();
        while let Some(due) = self.group.deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            let after = self.now.since(began).as_millis();
            let out = self.feed(0, &Input::Timer);
            assert!(self.group.deadline() != Some(due) || !out.is_empty(), "a deadline without a deed");
            told.extend(out.into_iter().filter(|word| word.contains('>')).map(|word| (after, word)));
        }
        self.now = end;
        told
    }

    fn states(&self) -> Vec<State> {
        self.group.members().iter().map(haechi_vrrp::Router::state).collect()
    }
}

fn told(rows: &[(u128, &str)]) -> Vec<(u128, String)> {
    rows.iter().map(|(at, words)| (*at, (*words).to_owned())).collect()
}

#[test]
fn they_take_over_together() {
    let mut pair = Pair::started(100);
    assert_eq!(
        pair.run(ms(400)),
        told(&[(360, "0: backup > active (nobody is heard)"), (360, "1: backup > active (nobody is heard)")])
    );
}

#[test]
fn one_waits_for_the_other() {
    let mut pair = Pair::started(100);
    for _ in 0..20 {
        pair.hear(1, 9, 200);
        assert_eq!(pair.run(ms(100)), [], "0 hears nobody, 1 does");
    }
    let all = pair.run(ms(400));
    let expected =
        [(260, "0: backup > active (nobody is heard)"), (260, "1: backup > active (10.0.0.9 is silent)")];
    assert_eq!(all, told(&expected));
}

#[test]
fn each_has_its_own_reason_and_its_own_chain() {
    let mut pair = Pair::started(100);
    for _ in 0..5 {
        pair.hear(0, 9, 50);
        pair.hear(1, 9, 200);
        pair.run(ms(100));
    }
    pair.hear(0, 9, 50);
    pair.hear(1, 9, 0);
    let mut out = Vec::new();
    pair.group.handle(pair.now + ms(61), 0, Input::Timer, &mut out);
    let words: Vec<_> = out.iter().map(|(member, output)| format!("{member}: {}", word(output))).collect();
    assert_eq!(
        words,
        [
            "0: say 100",
            "0: chain 10.0.0.9",
            "0: claim",
            "0: backup > active (better than 10.0.0.9, which advertises priority 50)",
            "1: say 100",
            "1: chain 10.0.0.9",
            "1: claim",
            "1: backup > active (10.0.0.9 stopped being active)",
        ]
    );
}

#[test]
fn one_that_is_outranked_takes_the_other_along_gently() {
    let mut pair = Pair::active(100);
    let out = pair.hear(0, 9, 200);
    let along = "moves with its group: virtual router 51: 10.0.0.9 advertises priority 200";
    assert_eq!(
        out,
        [
            "0: demote 10.0.0.9".to_owned(),
            "0: active > backup (10.0.0.9 advertises priority 200)".to_owned(),
            "1: say 0".to_owned(),
            format!("1: active > yielding ({along})"),
        ]
    );
    let out = pair.hear(1, 9, 200);
    assert_eq!(out, ["1: demote 10.0.0.9", "1: yielding > backup (handed over to 10.0.0.9)"]);
    // No operator wished it: whoever is better takes it back.
    pair.feed(0, &track("a", Effect::Clear));
    for _ in 0..5 {
        pair.hear(0, 9, 50);
        pair.hear(1, 9, 50);
        pair.run(ms(100));
    }
    assert_eq!(pair.states(), [State::Active; 2]);
}

#[test]
fn nobody_comes_for_the_other_so_it_goes_alone_and_they_stay_together() {
    let mut pair = Pair::active(100);
    pair.hear(0, 9, 200);
    let mut all = Vec::new();
    for _ in 0..30 {
        pair.hear(0, 9, 200);
        all.extend(pair.run(ms(100)));
    }
    let words: Vec<_> = all.into_iter().map(|row| row.1).collect();
    let along = "moves with its group: virtual router 51: 10.0.0.9 advertises priority 200";
    assert_eq!(
        words,
        [
            "1: yielding > active (nobody came to take over)".to_owned(),
            format!("1: active > backup ({along})")
        ]
    );
    assert_eq!(pair.states(), [State::Backup; 2]);
}

#[test]
fn who_once_waited_in_vain_still_goes_gently() {
    let mut pair = Pair::active(100);
    pair.feed(0, &Input::Yield { to: None });
    pair.run(Duration::from_secs(2));
    assert_eq!(pair.states(), [State::Active; 2], "taken back");
    pair.hear(0, 9, 200);
    assert_eq!(pair.states(), [State::Backup, State::Yielding]);
}

#[test]
fn a_link_that_is_down_takes_all_out_until_it_is_back() {
    let mut pair = Pair::active(100);
    assert_eq!(
        pair.feed(1, &Input::LinkDown),
        [
            "1: release",
            "1: active > initialize (its interface is down)",
            "0: say 0",
            "0: release",
            "0: active > initialize (moves with its group: virtual router 52: its interface is down)",
        ]
    );
    assert_eq!(pair.run(Duration::from_secs(5)), []);
    let back = pair.feed(1, &Input::LinkUp);
    assert_eq!(back, ["1: initialize > backup (takes part)", "0: initialize > backup (takes part)"]);
}

#[test]
fn what_is_tracked_is_tracked_for_all() {
    let mut pair = Pair::active(100);
    pair.run(ms(50));
    pair.feed(1, &track("a", lower(30)));
    assert_eq!(pair.group.members().iter().map(haechi_vrrp::Router::priority).collect::<Vec<_>>(), [70, 70]);
    pair.feed(1, &track("b", Effect::Fault));
    assert_eq!(pair.states(), [State::Initialize; 2]);
    let well = pair.feed(0, &track("b", Effect::Clear));
    assert_eq!(well, ["0: initialize > backup (takes part)", "1: initialize > backup (takes part)"]);
}

#[test]
fn a_failed_claim_holds_all_back() {
    let mut pair = Pair::active(100);
    pair.feed(1, &failed());
    assert_eq!(pair.states(), [State::Yielding, State::Backup]);
    // Nobody comes for 0; then both try again.
    pair.run(Duration::from_secs(4));
    assert_eq!(pair.states(), [State::Active; 2]);
}

#[test]
fn a_hand_over_and_a_pause_are_for_all() {
    let mut pair = Pair::active(100);
    pair.feed(0, &Input::Yield { to: None });
    assert_eq!(pair.states(), [State::Yielding; 2]);
    pair.hear(0, 9, 50);
    assert_eq!(pair.states(), [State::Backup, State::Yielding]);
    pair.hear(1, 9, 50);
    for _ in 0..50 {
        pair.hear(0, 9, 50);
        pair.hear(1, 9, 50);
        assert_eq!(pair.run(ms(100)), [], "an operator wants it so");
    }

    let mut pair = Pair::active(100);
    pair.feed(0, &paused(400));
    assert_eq!(pair.states(), [State::Backup; 2]);
    // Late without being told: what has come must be read first.
    pair.now = pair.now + Duration::from_secs(1);
    assert_eq!(pair.feed(0, &Input::Timer), [] as [&str; 0]);
    assert_eq!(pair.run(ms(400)).len(), 2);
}

#[test]
fn one_alone_is_a_router_that_happens_to_have_a_group() {
    let mut group = Group::new([settings(2, 100)], at(1_000));
    let mut out = Vec::new();
    group.handle(at(1_000), 0, Input::Start, &mut out);
    let due = group.deadline().unwrap();
    assert_eq!(due.since(at(1_000)).as_micros(), 360_937);
    group.handle(due, 0, Input::Timer, &mut out);
    assert_eq!(group.members()[0].state(), State::Active);
    assert_eq!(Group::new([], at(0)).deadline(), None);
}

proptest! {
    /// A group of one does what a router does, whatever happens to it.
    #[test]
    fn a_group_of_one_is_a_router(steps in prop::collection::vec((0_u64..400, 0_usize..14), 0..80)) {
        let mut now = at(1_000);
        let mut router = haechi_vrrp::Router::new(settings(2, 100), now);
        let mut group = Group::new([settings(2, 100)], now);
        for (millis, which) in steps {
            let inputs = [
                Input::Start, Input::Stop, Input::Timer, common::said(9, 200), common::said(9, 50),
                common::said(9, 0), common::said(1, 100), track("a", Effect::Fault),
                track("a", Effect::Clear), Input::Claimed, failed(), Input::LinkDown, Input::LinkUp,
                Input::Yield { to: None },
            ];
            let then = now + ms(millis);
            while let Some(due) = router.deadline().filter(|due| *due <= then) {
                prop_assert_eq!(group.deadline(), Some(due));
                prop_assert_eq!(both(&mut router, &mut group, due, &Input::Timer), Ok(()));
            }
            now = then;
            prop_assert_eq!(both(&mut router, &mut group, now, &inputs[which]), Ok(()));
        }
    }

    /// Whatever happens, they are never long apart: all serve, or none does, but for a hand-over's time.
    #[test]
    fn they_are_together(steps in prop::collection::vec((0_u64..200, 0_usize..2, 0_usize..9), 0..80)) {
        let mut pair = Pair::started(100);
        for (millis, member, which) in steps {
            pair.run(ms(millis));
            let input = match which {
                0..=2 => {
                    pair.hear(member, 9, [200, 50, 0][which]);
                    continue;
                }
                3 => track("a", Effect::Fault),
                4 => track("a", Effect::Clear),
                5 => failed(),
                6 => Input::LinkDown,
                7 => Input::LinkUp,
                _ => Input::Yield { to: None },
            };
            pair.feed(member, &input);
            let states = pair.states();
            let active = states.iter().filter(|state| **state == State::Active).count();
            prop_assert!(active == 0 || active == 2, "{:?} after {:?}", states, input);
        }
    }
}

fn both(
    router: &mut haechi_vrrp::Router,
    group: &mut Group,
    now: Moment,
    input: &Input,
) -> Result<(), String> {
    let (mut alone, mut grouped) = (Vec::new(), Vec::new());
    router.handle(now, input, &mut alone);
    group.handle(now, 0, input, &mut grouped);
    let mut grouped: Vec<_> = grouped.into_iter().map(|(_, output)| output).collect();
    // Only when alarms end may differ: a group's takeover comes after what its members do by themselves.
    let is_word = |output: &Output| matches!(output, Output::AlarmOver { .. });
    grouped.sort_by_key(is_word);
    alone.sort_by_key(is_word);
    if alone == grouped { Ok(()) } else { Err(format!("{input:?}: {alone:?} and {grouped:?}")) }
}
