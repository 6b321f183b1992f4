//! Each rule of the election in time: what a node asks for, and when, to the millisecond.
//!
//! This node is 10.0.0.2 with priority 100: it takes over 360.9 ms after an active's last word, and 60.9 ms
//! after an active said that it stops.

mod common;

use std::time::Duration;

use haechi_model::Announcing;
use haechi_vrrp::packet::{Advertisement, Version};
use haechi_vrrp::timing::GONE;
use haechi_vrrp::{AlarmKind, Effect, Input, Output, Reason, Router, Settings, State};

use common::{INTERVAL, Node, advertisement, failed, ip, lower, ms, paused, said, settings, track, words};

const SECOND: Duration = Duration::from_secs(1);

fn told(rows: &[(u128, &str)]) -> Vec<(u128, String)> {
    rows.iter().map(|(at, words)| (*at, (*words).to_owned())).collect()
}

/// Without what repeats.
fn changes(mut all: Vec<(u128, String)>) -> Vec<(u128, String)> {
    all.retain(|(_, words)| !matches!(words.as_str(), "say 100" | "announce" | "say 100, announce"));
    all
}

const TAKES: &str = "say 100, claim, backup > active (nobody is heard), announce";

#[test]
fn alone_it_waits_and_takes_over() {
    let mut node = Node::started(settings(2, 100));
    let all = node.run(ms(1_000));
    let (first, rest) = all.split_first().unwrap();
    assert_eq!(*first, (360, TAKES.to_owned()));
    let says: Vec<u128> =
        rest.iter().filter(|(_, words)| words.contains("say 100")).map(|row| row.0).collect();
    assert_eq!(says, [460, 560, 660, 760, 860, 960]);
    assert_eq!(node.router.active(node.now), Some(ip(2)));
}

#[test]
fn a_dead_active_is_replaced_after_the_active_down_interval() {
    let mut node = Node::started(settings(2, 100));
    assert_eq!(node.run_hearing(9, 200, ms(2_000)), []);
    assert_eq!(node.router.active(node.now), Some(ip(9)));
    // The last word came 100 ms ago.
    let expected = (260, "say 100, claim, backup > active (10.0.0.9 is silent), announce".to_owned());
    assert_eq!(node.run(ms(300)).first(), Some(&expected));
}

#[test]
fn an_active_that_stops_is_replaced_after_the_skew_and_passed_on_what_is_not_known() {
    let mut node = Node::started(settings(2, 100));
    node.run_hearing(9, 200, ms(500));
    assert_eq!(node.hear(9, 0), "-");
    assert_eq!(node.router.active(node.now), None);
    let takes = "say 100, chain 10.0.0.9, claim, backup > active (10.0.0.9 stopped being active), announce";
    assert_eq!(node.run(ms(90)), told(&[(60, takes)]));
}

/// A node whose keeper speaks for it serves nothing: a way to it would only delay the claim.
#[test]
fn a_dead_active_is_replaced_after_the_skew_without_a_way_to_it() {
    let mut node = Node::started(settings(2, 100));
    node.run_hearing(9, 200, ms(500));
    let mut farewell = advertisement(0);
    farewell.interval = GONE;
    node.feed(&Input::Advertisement { source: ip(9), advertisement: farewell.clone() });
    let takes =
        "say 100, claim, backup > active (10.0.0.9 died or stands still, and its keeper said so), announce";
    assert_eq!(node.run(ms(90)), told(&[(60, takes)]));

    let mut node = Node::started(Settings { interval: GONE, ..settings(2, 100) });
    node.feed(&Input::Advertisement {
        source: ip(9),
        advertisement: Advertisement { priority: 200, ..farewell.clone() },
    });
    node.feed(&Input::Advertisement { source: ip(9), advertisement: farewell });
    let taken = node.run(ms(9));
    assert!(taken[0].1.contains("chain 10.0.0.9"), "at this interval it may be a hand-over: {taken:?}");
}

#[test]
fn the_only_other_node_does_not_wait_for_anybody_when_the_active_stops() {
    let mut node = Node::started(Settings { sole_peer: true, ..settings(2, 1) });
    node.run_hearing(9, 200, ms(500));
    node.hear(9, 0);
    let takes = "say 1, chain 10.0.0.9, claim, backup > active (10.0.0.9 stopped being active), announce";
    assert_eq!(node.run(ms(1)), told(&[(0, takes)]));
    let mut node = Node::started(Settings { sole_peer: true, ..settings(2, 100) });
    node.run_hearing(9, 200, ms(2_000));
    assert_eq!(node.run(ms(300))[0].0, 260, "silence is waited for as ever");
}

#[test]
fn that_it_stops_may_be_said_often_and_does_not_postpone() {
    let mut node = Node::started(settings(2, 1));
    node.run_hearing(9, 200, ms(500));
    node.hear(9, 0);
    assert_eq!(node.run(ms(90)), []);
    node.hear(9, 0);
    let soon = node.run(ms(20));
    assert_eq!(soon.len(), 1, "{soon:?}");
    assert_eq!(soon[0].0, 9, "99.6 ms after the first word");
}

#[test]
fn who_stopped_too_long_ago_is_no_chain() {
    let mut late = Node::started(Settings { startup_delay: 3 * SECOND, ..settings(2, 100) });
    late.hear(9, 200);
    late.hear(9, 0);
    let takes = "say 100, claim, backup > active (10.0.0.9 stopped being active), announce";
    assert_eq!(late.run(3 * SECOND), told(&[(3_000, takes)]));
}

#[test]
fn only_the_followed_can_say_that_it_stops() {
    let mut node = Node::started(settings(2, 100));
    node.run_hearing(9, 200, ms(500));
    node.hear(8, 0);
    assert_eq!(node.run(ms(200)), [], "a stranger's word");
    node.hear(9, 200);
    assert_eq!(node.router.active(node.now), Some(ip(9)));
}

#[test]
fn the_interval_is_learnt() {
    let mut node = Node::started(settings(2, 100));
    let mut slow = advertisement(200);
    slow.interval = SECOND;
    node.feed(&Input::Advertisement { source: ip(9), advertisement: slow });
    assert_eq!(node.router.learnt_interval(), SECOND);
    let taken = node.run(4 * SECOND);
    assert_eq!(taken[0].0, 3_609, "3 s and a skew of 156/256 s");
    assert_eq!(taken[1].0, 3_709, "and then its own interval counts");
    assert_eq!(node.router.learnt_interval(), INTERVAL);
}

#[test]
fn a_better_node_takes_over_from_a_living_one_as_rfc_9568_times_it() {
    let mut node = Node::started(settings(2, 100));
    let all = changes(node.run_hearing(9, 50, ms(700)));
    let takes = "say 100, chain 10.0.0.9, claim, \
        backup > active (better than 10.0.0.9, which advertises priority 50), announce";
    let (at, words) = &all[0];
    assert_eq!((*at, words.as_str()), (360, takes), "the active-down interval from the start");
}

#[test]
fn an_active_that_becomes_worse_has_the_rest_of_its_time() {
    let mut node = Node::started(settings(2, 100));
    node.run_hearing(9, 200, ms(500));
    // Last accepted word 100 ms ago.
    let all = changes(node.run_hearing(9, 99, ms(500)));
    assert_eq!(all[0].0, 260);
    assert!(all[0].1.contains("better than 10.0.0.9"));
}

#[test]
fn without_preemption_a_worse_one_stays() {
    let mut node = Node::started(Settings { preempt: false, ..settings(2, 100) });
    assert_eq!(node.run_hearing(9, 50, ms(3_000)), []);
    assert_eq!(node.router.state(), State::Backup);
    assert!(node.run(ms(261))[0].1.contains("10.0.0.9 is silent"), "until it dies");
}

#[test]
fn an_owner_preempts_whatever_its_settings_say_and_does_not_wait() {
    let owner = Settings { preempt: false, preempt_delay: 9 * SECOND, ..settings(2, 255) };
    let mut node = Node::new(owner.clone());
    let started = words(&node.feed(&Input::Start));
    assert_eq!(started, "release, say 255, claim, initialize > active (owns the addresses)");

    let mut node = Node::started(Settings { startup_delay: SECOND, ..owner });
    assert_eq!(node.router.state(), State::Backup);
    let all = node.run_hearing(9, 254, ms(1_100));
    assert_eq!(all[0].0, 1_000);
    assert!(all[0].1.contains("better than 10.0.0.9"), "{all:?}");
}

#[test]
fn an_owner_yields_to_another_owner() {
    let mut node = Node::active(settings(2, 255));
    assert!(node.hear(1, 255).contains("alarm duplicateActive"), "the lesser address");
    assert!(node.hear(9, 255).starts_with("demote 10.0.0.9"), "the greater one");
}

#[test]
fn the_preempt_delay_counts_from_the_first_worse_word() {
    let mut node = Node::started(Settings { preempt_delay: 2 * SECOND, ..settings(2, 100) });
    let all = changes(node.run_hearing(9, 50, 3 * SECOND));
    assert_eq!(all[0].0, 2_000);

    // A better one in between: the delay begins anew.
    let mut node = Node::started(Settings { preempt_delay: 2 * SECOND, ..settings(2, 100) });
    assert_eq!(node.run_hearing(9, 50, SECOND), []);
    assert_eq!(node.run_hearing(9, 200, SECOND), []);
    let all = changes(node.run_hearing(9, 50, 3 * SECOND));
    assert_eq!(all[0].0, 2_000);
}

#[test]
fn the_preempt_delay_never_protects_a_dead_active() {
    let mut node = Node::started(Settings { preempt_delay: 60 * SECOND, ..settings(2, 100) });
    node.run_hearing(9, 50, SECOND);
    assert_eq!(node.run(SECOND)[0].0, 260);
    let mut node = Node::started(Settings { preempt_delay: 60 * SECOND, ..settings(2, 100) });
    node.run_hearing(9, 50, SECOND);
    node.hear(9, 0);
    assert_eq!(node.run(SECOND)[0].0, 60);
}

#[test]
fn the_startup_delay_comes_before_any_claim() {
    let mut node = Node::started(Settings { startup_delay: 5 * SECOND, ..settings(2, 100) });
    let all = changes(node.run(6 * SECOND));
    assert_eq!(all[0], (5_000, TAKES.to_owned()));
    // Not again when a link comes back.
    node.feed(&Input::LinkDown);
    node.feed(&Input::LinkUp);
    assert_eq!(changes(node.run(SECOND))[0].0, 360);
}

#[test]
fn a_tie_is_broken_by_the_greater_address_and_an_alarm_tells() {
    let mut node = Node::active(settings(2, 100));
    node.run(ms(50));
    assert!(node.hear(1, 100).starts_with("say 100, alarm duplicateActive"));
    assert!(node.router.alarms().any(|(kind, alarm)| {
        kind == AlarmKind::EqualPriority && alarm.source == Some(ip(1)) && alarm.text.contains("priority 100")
    }));
    assert!(node.hear(3, 100).starts_with("demote 10.0.0.3"));
}

#[test]
fn a_backup_never_preempts_an_equal_and_the_alarm_stays_until_it_is_gone() {
    let mut node = Node::started(settings(2, 100));
    assert_eq!(node.run_hearing(1, 100, 2 * SECOND), told(&[(0, "alarm equalPriority")]), "once");
    assert_eq!(node.hear(1, 101), "over equalPriority");
    assert_eq!(node.hear(1, 100), "alarm equalPriority");
    let gone = node.run(ms(400));
    assert!(gone[0].1.contains("over equalPriority"), "{gone:?}");
    assert!(gone[0].1.contains("10.0.0.1 is silent"), "{gone:?}");
}

#[test]
fn priority_is_lowered_by_what_is_tracked_and_told_at_once() {
    let mut node = Node::active(settings(2, 100));
    node.run(ms(50));
    assert_eq!(words(&node.feed(&track("a", lower(30)))), "say 70");
    node.now = node.now + ms(3);
    assert_eq!(words(&node.feed(&track("b", lower(30)))), "-", "a word 3 ms ago is enough");
    assert_eq!(node.run(ms(50)), told(&[(7, "say 40")]), "and another after a centisecond");
    assert_eq!(node.router.priority(), 40);
    assert_eq!(words(&node.feed(&track("b", lower(250)))), "say 1");
    assert_eq!(node.hear(9, 2).split(',').next(), Some("demote 10.0.0.9"));
}

#[test]
fn a_worse_node_never_takes_over_from_a_living_one() {
    let mut node = Node::started(settings(2, 100));
    assert_eq!(node.run_hearing(9, 80, ms(300)), [], "about to preempt");
    node.feed(&track("a", lower(30)));
    assert_eq!(node.run_hearing(9, 80, 2 * SECOND), []);
    node.feed(&track("a", Effect::Clear));
    let all = changes(node.run_hearing(9, 80, 2 * SECOND));
    assert_eq!(all[0].0, 272, "well again: the rest of the active's time, with the skew of priority 70");
}

#[test]
fn a_fault_says_that_it_stops_and_coming_back_starts_over() {
    let mut node = Node::active(settings(2, 100));
    let fault = words(&node.feed(&track("proxy", Effect::Fault)));
    assert_eq!(fault, "say 0, release, active > initialize (proxy: broken)");
    assert_eq!(node.run(10 * SECOND), []);
    let well = words(&node.feed(&track("proxy", Effect::Clear)));
    assert_eq!(well, "initialize > backup (takes part)");
    assert_eq!(node.run(ms(400))[0].0, 360);
}

#[test]
fn the_reason_of_a_fault_follows_what_is_in_the_way() {
    let mut node = Node::new(settings(2, 100));
    node.feed(&Input::LinkDown);
    assert_eq!(words(&node.feed(&Input::Start)), "release, initialize > initialize (its interface is down)");
    node.feed(&track("proxy", Effect::Fault));
    assert_eq!(node.router.reason(), &Reason::LinkDown);
    assert_eq!(words(&node.feed(&Input::LinkUp)), "initialize > initialize (proxy: broken)");
    assert_eq!(words(&node.feed(&Input::Stop)), "initialize > initialize (stopped)");
    assert_eq!(words(&node.feed(&track("proxy", Effect::Clear))), "-", "nobody started it");
    assert_eq!(words(&node.feed(&Input::Start)), "release, initialize > backup (takes part)");
}

#[test]
fn a_losing_word_is_answered_at_once_but_a_flood_is_not() {
    let mut node = Node::active(settings(2, 100));
    node.run(ms(50));
    let mut answers = 0;
    for _ in 0..1_000 {
        node.now = node.now + Duration::from_micros(100);
        let out = node.feed(&said(9, 50));
        answers += out.iter().filter(|output| matches!(output, Output::Advertise { .. })).count();
        if node.router.deadline().is_some_and(|due| due <= node.now) {
            let out = node.feed(&Input::Timer);
            answers += out.iter().filter(|output| matches!(output, Output::Advertise { .. })).count();
        }
    }
    assert_eq!(answers, 10, "one each centisecond of 100 ms");
}

#[test]
fn a_flood_of_stopping_words_makes_no_flood_of_announcements() {
    let mut node = Node::active(settings(2, 100));
    let mut announced = 0;
    for _ in 0..1_000 {
        node.now = node.now + Duration::from_micros(100);
        for input in [said(9, 0), said(9, 50), Input::Timer] {
            announced += node.feed(&input).iter().filter(|output| **output == Output::Announce).count();
        }
    }
    assert_eq!(announced, 1, "a burst has one each 100 ms");
}

#[test]
fn when_a_rival_stops_the_neighbours_are_told_again() {
    let mut node = Node::active(settings(2, 100));
    let first = node.run_hearing(9, 50, ms(2_000));
    assert!(first[0].1.contains("alarm duplicateActive, announce"), "{first:?}");
    let silent = node.run(ms(1_000));
    let over: Vec<_> = silent.iter().filter(|row| row.1.contains("over duplicateActive, announce")).collect();
    assert_eq!(over.len(), 1, "{silent:?}");
    let again = silent.iter().filter(|row| row.1.contains("announce")).count();
    assert_eq!(again, 5, "a whole burst");
    // Likewise when it says so.
    node.run(SECOND);
    node.hear(9, 50);
    node.run(SECOND);
    assert!(node.hear(9, 0).contains("announce"));
}

#[test]
fn announcements_follow_a_claim_that_succeeded() {
    let mut node = Node::started(settings(2, 100));
    node.claims_succeed = false;
    let all = node.run(SECOND);
    assert!(all.iter().all(|row| !row.1.contains("announce")), "nothing to announce yet: {all:?}");
    assert!(!node.router.holds_addresses());
    assert_eq!(words(&node.feed(&Input::Claimed)), "announce");
    assert!(node.router.holds_addresses());
    let all = node.run(125 * SECOND);
    let announced: Vec<u128> = all.iter().filter(|row| row.1.contains("announce")).map(|row| row.0).collect();
    let bursts = [100, 200, 300, 400, 5_000, 5_100, 5_200, 5_300, 5_400];
    assert_eq!(announced, [&bursts[..], &[60_000, 120_000]].concat());
}

#[test]
fn no_refresh_if_none_is_wanted() {
    let announce = Announcing { refresh: Duration::ZERO, again: Duration::ZERO, ..Announcing::default() };
    let mut node = Node::started(Settings { announce, ..settings(2, 100) });
    let all = node.run(300 * SECOND);
    assert_eq!(all.iter().filter(|row| row.1.contains("announce")).count(), 5);
}

#[test]
fn after_a_pause_the_addresses_go_before_any_word() {
    for (input, state) in [
        (paused(301), "did not run for 301ms"),
        // Nobody told it, but it is late; whatever happens first.
        (Input::Timer, "did not run for 301ms"),
        (said(9, 50), "did not run for 301ms"),
        (Input::Claimed, "did not run for 301ms"),
        (track("a", lower(1)), "did not run for 301ms"),
    ] {
        let mut node = Node::active(settings(2, 100));
        // Said something just now.
        node.run(node.next().unwrap());
        node.now = node.now + ms(301);
        let out = words(&node.feed(&input));
        assert!(out.starts_with(&format!("release, active > backup ({state})")), "{input:?}: {out}");
        assert!(!out.contains("say"), "{input:?}: {out}");
        assert_eq!(node.run(ms(360)), [], "others have the whole active-down interval");
    }
    let mut node = Node::active(settings(2, 100));
    node.now = node.now + SECOND;
    assert!(node.hear(9, 0).starts_with("release, active > backup"));
    assert_eq!(node.run(ms(61))[0].0, 60, "unless somebody says that it needs less");
}

#[test]
fn a_pause_within_the_lease_changes_nothing() {
    let mut node = Node::active(settings(2, 100));
    node.run(node.next().unwrap());
    node.now = node.now + ms(299);
    assert_eq!(words(&node.feed(&paused(299))), "-");
    assert_eq!(words(&node.feed(&Input::Timer)), "say 100");
    assert_eq!(node.router.state(), State::Active);
}

#[test]
fn a_backup_that_slept_listens_first() {
    let mut node = Node::started(settings(2, 100));
    node.run_hearing(9, 200, SECOND);
    // A second late: the active's words wait to be read.
    node.now = node.now + SECOND;
    assert_eq!(words(&node.feed(&Input::Timer)), "-");
    assert_eq!(node.router.state(), State::Backup);
    assert_eq!(node.run(ms(400))[0].0, 360);

    let mut node = Node::started(settings(2, 100));
    node.run_hearing(9, 200, SECOND);
    node.feed(&paused(101));
    assert_eq!(node.run(ms(400))[0].0, 360);
}

#[test]
fn a_backup_that_is_a_little_late_takes_over_all_the_same() {
    let mut node = Node::started(settings(2, 100));
    node.run_hearing(9, 200, SECOND);
    node.now = node.now + ms(350);
    assert!(words(&node.feed(&Input::Timer)).contains("10.0.0.9 is silent"));
}

#[test]
fn a_failed_claim_is_tried_again_less_and_less_often() {
    let mut node = Node::started(settings(2, 100));
    node.claims_succeed = false;
    let mut pauses = Vec::new();
    for _ in 0..9 {
        let before = node.now;
        node.until_active();
        pauses.push(node.now.since(before).as_millis());
        let out = words(&node.feed(&failed()));
        assert!(out.starts_with("say 0, release, active > backup (could not claim the addresses: no room)"));
    }
    assert_eq!(pauses, [360, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
    assert!(node.router.alarms().any(|(kind, alarm)| {
        kind == AlarmKind::ClaimFailed && &*alarm.text == "the addresses could not be claimed: no room"
    }));
    node.until_active();
    let claimed = words(&node.feed(&Input::Claimed));
    assert_eq!(claimed, "over claimFailed, announce");
    assert!(words(&node.feed(&failed())).contains("could not claim"), "the next failure");
    let before = node.now;
    node.until_active();
    assert_eq!(node.now.since(before).as_millis(), 1_000, "begins at one second again");
}

#[test]
fn a_failed_claim_does_not_fight_a_living_active() {
    let mut node = Node::started(settings(2, 100));
    node.claims_succeed = false;
    node.until_active();
    node.feed(&failed());
    let all = node.run_hearing(9, 50, ms(900));
    assert_eq!(all, [], "the first second");
    let all = node.run_hearing(9, 50, ms(200));
    assert_eq!(all[0].0, 100);
    assert!(all[0].1.contains("better than 10.0.0.9"), "{all:?}");
}

#[test]
fn an_address_that_somebody_took_is_put_back() {
    let mut node = Node::active(settings(2, 100));
    assert_eq!(words(&node.feed(&Input::Released)), "claim");
    assert_eq!(words(&node.feed(&Input::Released)), "-", "that claim is under way");
    assert_eq!(words(&node.feed(&Input::Claimed)), "announce");
}

#[test]
fn a_peer_that_takes_over_alive_leaves_us_our_open_flows() {
    let mut node = Node::active(settings(2, 100));
    assert!(node.hear(9, 200).starts_with("demote 10.0.0.9"));
    assert_eq!(node.run_hearing(9, 200, 31 * SECOND), told(&[(30_000, "release")]));

    let mut none = Node::active(Settings { drain: Duration::ZERO, ..settings(2, 100) });
    assert!(none.hear(9, 200).starts_with("release, active > backup"));
    assert_eq!(none.run_hearing(9, 200, 31 * SECOND), []);
}

#[test]
fn quiet_addresses_are_claimed_again_when_the_peer_dies() {
    let mut node = Node::active(settings(2, 100));
    node.hear(9, 200);
    let all = changes(node.run(40 * SECOND));
    let takes = "say 100, claim, backup > active (10.0.0.9 is silent), announce";
    assert_eq!(all, told(&[(360, takes)]), "and are not released when the drain would have been over");
}

#[test]
fn a_hand_over_keeps_the_addresses_until_the_successor_is_heard() {
    let mut node = Node::active(settings(2, 100));
    node.run(node.next().unwrap());
    let out = words(&node.feed(&Input::Yield { to: Some(ip(9)) }));
    assert_eq!(out, "say 0, active > yielding (hands over, if possible to 10.0.0.9)");
    let waiting = node.run(ms(250));
    assert_eq!(waiting, told(&[(100, "say 0"), (200, "say 0")]), "one word may be lost");
    assert_eq!(node.hear(9, 50), "demote 10.0.0.9, yielding > backup (handed over to 10.0.0.9)");
    assert_eq!(node.run_hearing(9, 50, 29 * SECOND), [], "although it is worse: an operator wants it so");
}

#[test]
fn what_was_handed_over_is_left_alone_while_the_successor_lives() {
    let handed_over = || {
        let mut node = Node::active(settings(2, 100));
        node.feed(&Input::Yield { to: None });
        node.hear(9, 50);
        node.run_hearing(9, 50, SECOND);
        node
    };
    assert_eq!(handed_over().run(ms(400))[0].0, 260, "it dies");
    let mut node = handed_over();
    node.hear(9, 0);
    assert_eq!(node.run(ms(400))[0].0, 60, "it stops");
    let mut node = handed_over();
    node.run(ms(250));
    let all = changes(node.run_hearing(8, 60, SECOND));
    assert!(all[0].1.contains("better than 10.0.0.8"), "another follows it: {all:?}");
    let mut node = handed_over();
    node.feed(&track("a", lower(1)));
    node.feed(&track("a", Effect::Clear));
    assert_eq!(node.run_hearing(9, 50, SECOND), [], "not even when its own worth changes");
}

#[test]
fn what_was_handed_over_is_taken_back_on_an_operators_word() {
    for preempt in [true, false] {
        let mut node = Node::active(Settings { preempt, ..settings(2, 100) });
        node.feed(&Input::Yield { to: None });
        node.hear(9, 50);
        node.feed(&Input::TakeBack);
        let all = node.run(ms(0));
        assert!(changes(all.clone())[0].1.contains("better than 10.0.0.9"), "{preempt}: {all:?}");
    }
    let mut node = Node::active(settings(2, 100));
    node.feed(&Input::Yield { to: None });
    node.hear(9, 150);
    node.feed(&Input::TakeBack);
    assert_eq!(node.run_hearing(9, 150, SECOND), [], "a better one stays");
    let mut node = Node::active(settings(2, 100));
    assert_eq!(words(&node.feed(&Input::TakeBack)), "-", "there is nothing to take back");
}

#[test]
fn a_hand_over_to_nobody_is_taken_back() {
    let mut node = Node::active(settings(2, 100));
    node.run(node.next().unwrap());
    node.feed(&Input::Yield { to: None });
    let all = node.run(ms(1_310));
    let back = all.last().unwrap();
    assert_eq!(
        back,
        &(
            1_300,
            "say 100, yielding > active (nobody came to take over), alarm successorMissing, announce"
                .to_owned()
        )
    );
    assert!(all[..all.len() - 1].iter().all(|row| row.1 == "say 0"));
    let all = node.run(61 * SECOND);
    assert!(all.iter().any(|row| row.1.contains("over successorMissing")));
}

#[test]
fn too_many_takeovers_cost_patience_with_the_living_only() {
    let mut node = Node::started(settings(2, 100));
    let mut out = String::new();
    for _ in 0..4 {
        node.until_active();
        out = words(&node.feed(&said(9, 200)));
    }
    assert!(out.starts_with("demote"));
    assert!(node.router.alarms().any(|(kind, _)| kind == AlarmKind::Flapping));
    assert_eq!(node.router.preempt_delay(node.now), SECOND);
    node.feed(&said(9, 200));
    let all = changes(node.run_hearing(9, 50, 2 * SECOND));
    assert_eq!(all[0].0, 1_000, "a living one");
    node.feed(&said(9, 200));
    assert_eq!(node.router.preempt_delay(node.now), 2 * SECOND);
    assert_eq!(node.run(SECOND)[0].0, 360, "a dead one");
    let calm = node.run(10 * 60 * SECOND);
    assert!(calm.iter().any(|row| row.1.contains("over flapping")));
    assert_eq!(node.router.preempt_delay(node.now), Duration::ZERO);
}

#[test]
fn an_old_router_is_never_preempted_because_it_would_not_notice() {
    let mut old = advertisement(50);
    old.version = Version::V2;
    old.interval = SECOND;
    let heard = Input::Advertisement { source: ip(9), advertisement: old };
    let mut node = Node::started(settings(2, 100));
    assert_eq!(words(&node.feed(&heard)), "alarm oldVersion");
    for _ in 0..20 {
        assert_eq!(node.run(SECOND), []);
        assert_eq!(words(&node.feed(&heard)), "-");
    }
    let all = node.run(4 * SECOND);
    assert_eq!(all[0].0, 3_609, "until it dies");
    assert!(words(&node.feed(&heard)).starts_with("demote 10.0.0.9"), "and when it is back");
    // One that speaks both hears us.
    let mut node = Node::started(settings(2, 100));
    node.run_hearing(9, 50, ms(200));
    assert_eq!(words(&node.feed(&heard)), "-");
    assert!(changes(node.run_hearing(9, 50, SECOND))[0].1.contains("better than 10.0.0.9"));
}

#[test]
fn of_two_actives_the_better_one_is_followed_and_both_keep_us_quiet() {
    let mut node = Node::started(settings(2, 100));
    for _ in 0..20 {
        node.hear(9, 200);
        node.hear(8, 150);
        assert_eq!(node.router.active(node.now), Some(ip(9)));
        assert_eq!(node.run(INTERVAL), []);
    }
    assert_eq!(node.run_hearing(8, 150, SECOND), [], "the better one dies");
    assert_eq!(node.router.active(node.now), Some(ip(8)));
    node.hear(8, 50);
    node.hear(9, 200);
    assert_eq!(node.router.active(node.now), Some(ip(9)), "and comes back");
    assert_eq!(node.run_hearing(9, 200, SECOND), []);
}

#[test]
fn a_word_of_ours_that_comes_back_is_not_heard() {
    let mut node = Node::active(settings(2, 100));
    node.feed(&Input::Yield { to: None });
    node.hear(9, 50);
    assert_eq!(node.hear(2, 0), "-", "our own stopping word must not make us doubt the successor");
    assert_eq!(node.run(ms(340)), []);
    node.hear(9, 50);
    node.run_hearing(9, 50, 2 * SECOND);
    assert_eq!(node.hear(2, 100), "alarm sourceClash", "but this can't be an echo");
}

#[test]
fn settings_come_into_force_at_once() {
    let mut node = Node::active(settings(2, 100));
    node.run(node.next().unwrap());
    let fast = Settings { interval: ms(10), ..settings(2, 100) };
    assert_eq!(words(&node.feed(&Input::Configure(Box::new(fast)))), "say 100");
    assert_eq!(node.run(ms(50)).len(), 5);
    // A longer one than the lease was: told at once, and no reason to suspect itself.
    let slow = Settings { interval: SECOND, ..settings(2, 100) };
    assert_eq!(words(&node.feed(&Input::Configure(Box::new(slow)))), "say 100");
    assert_eq!(changes(node.run(5 * SECOND)), []);

    let mut backup = Node::started(settings(2, 100));
    assert_eq!(backup.run_hearing(9, 150, SECOND), []);
    backup.feed(&Input::Configure(Box::new(settings(2, 160))));
    let all = backup.run_hearing(9, 150, SECOND);
    assert_eq!(all[0].0, 260);
    assert!(all[0].1.contains("better than 10.0.0.9"));
}

#[test]
fn numbers_that_no_codec_gives_do_no_harm() {
    let wild = Settings { interval: Duration::MAX, preempt_delay: Duration::MAX, ..settings(2, 100) };
    let mut node = Node::started(wild);
    let mut endless = advertisement(50);
    endless.interval = Duration::MAX;
    node.feed(&Input::Advertisement { source: ip(9), advertisement: endless });
    node.feed(&paused(u64::MAX));
    assert!(node.router.deadline().is_some());
    let mut none = advertisement(200);
    none.interval = Duration::ZERO;
    node.feed(&Input::Advertisement { source: ip(9), advertisement: none });
    assert_eq!(node.router.learnt_interval(), ms(10));
    let rushed = Router::new(Settings { interval: Duration::ZERO, ..settings(2, 1) }, node.now);
    assert_eq!(rushed.settings().interval, ms(10));
}
