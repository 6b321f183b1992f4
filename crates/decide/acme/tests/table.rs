//! When to order, case by case.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use haechi_acme::{Blame, Held, History, Next, Place, Wait, Why, next, renew_at};

const DAY: i64 = 86_400;
/// Some second of 2026.
const NOW: i64 = 1_790_000_000;

const fn held(age: i64, left: i64) -> Held {
    Held { not_before: NOW - age, not_after: NOW + left, of_issuer: true, suggested: None }
}

fn failed(times: u32, blame: Blame) -> History {
    let mut history = History::default();
    (0..times).for_each(|_| history.fail(blame, None, NOW));
    history
}

#[test]
fn what_is_next() {
    let fresh = held(DAY, 89 * DAY);
    let other = Held { of_issuer: false, ..fresh };
    let due = held(61 * DAY, 29 * DAY);
    let suggested = Held { suggested: Some((NOW - 10, NOW)), ..fresh };
    let later = Held { suggested: Some((NOW + 10, NOW + 10)), ..due };
    let dead = held(100 * DAY, -10 * DAY);
    let backwards = Held { not_before: NOW + 5, not_after: NOW - 5, ..fresh };
    let (good, rows) = (
        |held: &Held| Next::Wait(renew_at(held, 7).0, Wait::Good),
        [
            (None, Next::Order(Why::Missing)),
            (Some(&other), Next::Order(Why::OtherIssuer)),
            (Some(&due), Next::Order(Why::Due)),
            (Some(&dead), Next::Order(Why::Due)),
            (Some(&suggested), Next::Order(Why::Suggested)),
            (Some(&later), Next::Wait(NOW + 10, Wait::Good)),
        ],
    );
    for (held, expected) in rows {
        assert_eq!(next(held, &History::default(), Place::Here, 7, NOW), expected, "{held:?}");
        let elsewhere = match expected {
            Next::Order(_) => Next::Wait(NOW + 1, Wait::Elsewhere),
            wait => wait,
        };
        assert_eq!(next(held, &History::default(), Place::Elsewhere, 7, NOW), elsewhere, "{held:?}");
    }
    assert_eq!(next(Some(&fresh), &History::default(), Place::Here, 7, NOW), good(&fresh));
    assert!(
        matches!(next(Some(&backwards), &History::default(), Place::Here, 7, NOW), Next::Wait(at, _) if at <= NOW + 5)
    );
}

#[test]
fn renewal_is_at_two_thirds_or_a_little_earlier() {
    for (life, earliest, latest) in
        [(90 * DAY, 60 * DAY - 90 * DAY / 24, 60 * DAY), (6 * DAY, 4 * DAY - DAY / 4, 4 * DAY), (30, 19, 20)]
    {
        let held = held(0, life);
        let times: std::collections::BTreeSet<i64> =
            (0..1000).map(|seed| renew_at(&held, seed).0 - NOW).collect();
        assert!(times.first().unwrap() >= &earliest && times.last().unwrap() <= &latest, "{life}: {times:?}");
        assert!(times.len() > 1, "they would all come at once");
    }
}

#[test]
fn what_the_issuer_suggests_is_obeyed_until_a_tenth_is_left() {
    let with = |from, to| {
        renew_at(&Held { suggested: Some((NOW + from, NOW + to)), ..held(0, 90 * DAY) }, 3).0 - NOW
    };
    assert!((10 * DAY..=12 * DAY).contains(&with(10 * DAY, 12 * DAY)));
    assert_eq!(with(-5, -5), -5);
    assert_eq!(with(400 * DAY, 500 * DAY), 81 * DAY);
    assert!(with(12 * DAY, 10 * DAY) <= 60 * DAY, "a window that ends before it begins is none");
}

#[test]
fn a_failure_is_waited_for_longer_each_time_up_to_a_bound() {
    for (blame, first, most) in [
        (Blame::Issuer, 10, 1_800),
        (Blame::Us, 10, 1_800),
        (Blame::Name, 10, 21_600),
        (Blame::Limit, 600, 21_600),
    ] {
        let wait = |times| match next(None, &failed(times, blame), Place::Here, 7, NOW) {
            Next::Wait(at, Wait::Failed) => at - NOW,
            other => panic!("{other:?}"),
        };
        assert!((first..=first * 5 / 4).contains(&wait(1)), "{blame:?} {}", wait(1));
        assert!((2 * first..=first * 5 / 2).contains(&wait(2)), "{blame:?} {}", wait(2));
        assert!((most..=most * 5 / 4).contains(&wait(100)), "{blame:?} {}", wait(100));
        assert!((most..=most * 5 / 4).contains(&wait(u32::from(u16::MAX))), "{blame:?}");
    }
}

#[test]
fn four_refusals_an_hour_and_no_more() {
    let mut history = History::default();
    for minute in 0..4 {
        history.fail(Blame::Name, None, NOW + minute * 60);
    }
    history.hurry();
    let at = |history: &History, now| next(None, history, Place::Here, 7, now);
    assert_eq!(
        at(&history, NOW + 300),
        Next::Wait(NOW + 3_600, Wait::Failed),
        "a reload does not change what is counted"
    );
    assert_eq!(at(&history, NOW + 3_599), Next::Wait(NOW + 3_600, Wait::Failed));
    assert_eq!(at(&history, NOW + 3_600), Next::Order(Why::Missing));
    history.succeed();
    assert_eq!(at(&history, NOW + 300), Next::Wait(NOW + 3_600, Wait::Failed), "nor does a success");
}

#[test]
fn an_issuers_word_is_kept_up_to_a_day() {
    for (told, obeyed) in [(120, 120), (DAY, DAY), (DAY + 1, DAY), (i64::MAX - NOW, DAY)] {
        let mut history = History::default();
        history.fail(Blame::Limit, Some(NOW + told), NOW);
        history.hurry();
        assert_eq!(next(None, &history, Place::Here, 7, NOW), Next::Wait(NOW + obeyed, Wait::Failed));
    }
}

#[test]
fn a_clock_that_was_set_back_keeps_nobody_waiting_for_years() {
    let mut history = failed(4, Blame::Name);
    history.told = Some(NOW + DAY);
    let long_ago = NOW - 3_650 * DAY;
    // Asked again and again, as the shell does: what moved along with now never came.
    let orders = (0..2 * 24)
        .any(|hour| matches!(next(None, &history, Place::Here, 7, long_ago + hour * 3_600), Next::Order(_)));
    assert!(orders);
}

#[test]
fn a_limit_without_a_time_outlives_a_reload() {
    let mut history = History::default();
    history.fail(Blame::Limit, None, NOW);
    history.hurry();
    assert!(
        matches!(next(None, &history, Place::Here, 7, NOW), Next::Wait(at, Wait::Failed) if at >= NOW + 600)
    );
}
