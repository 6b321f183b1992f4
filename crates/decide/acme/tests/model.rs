//! A year of orders against what may never happen, whatever comes of them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use haechi_acme::{Blame, Held, History, Next, Place, next};
use proptest::prelude::*;

#[derive(Clone, Copy, Debug)]
enum Came {
    Given(i64),
    Failed(Blame, Option<i64>),
    Reload,
    Elsewhere,
}

fn came() -> impl Strategy<Value = Came> {
    let blame = prop_oneof![Just(Blame::Issuer), Just(Blame::Limit), Just(Blame::Name), Just(Blame::Us)];
    prop_oneof![
        1 => (100..10_000_000_i64).prop_map(Came::Given),
        4 => (blame, proptest::option::of(any::<i64>())).prop_map(|(blame, until)| Came::Failed(blame, until)),
        1 => Just(Came::Reload),
        1 => Just(Came::Elsewhere),
    ]
}

proptest! {
    #[test]
    fn it_always_goes_on_and_never_too_fast(
        events in proptest::collection::vec(came(), 1..200),
        seed in any::<u64>(),
        start in -1_000_000_000..4_000_000_000_i64,
    ) {
        let (mut now, mut held, mut history) = (start, None::<Held>, History::default());
        let (mut refused, mut until): (Vec<i64>, _) = (Vec::new(), i64::MIN);
        for event in events {
            if let Came::Reload = event {
                history.hurry();
                continue;
            }
            let place = if let Came::Elsewhere = event { Place::Elsewhere } else { Place::Here };
            let decided = next(held.as_ref(), &history, place, seed, now);
            match decided {
                Next::Wait(at, _) => {
                    prop_assert!(at > now, "it would look for ever: {:?}", decided);
                    // The longest waits: a day that an issuer asked for, or two thirds of a life.
                    prop_assert!(at - now <= 86_400_i64.max(held.map_or(0, |held| held.not_after - now)), "{:?}", decided);
                    now = at;
                    continue;
                }
                Next::Order(_) => {}
            }
            prop_assert_eq!(place, Place::Here);
            prop_assert!(now >= until, "the issuer asked for a pause");
            prop_assert!(refused.iter().filter(|at| now - **at < 3_600).count() < 4, "Let's Encrypt would block the name");
            match event {
                Came::Given(life) => {
                    held = Some(Held { not_before: now, not_after: now + life, of_issuer: true, suggested: None });
                    history.succeed();
                    until = i64::MIN;
                }
                Came::Failed(blame, told) => {
                    history.fail(blame, told, now);
                    until = told.map_or(i64::MIN, |told| told.min(now + 86_400));
                    if blame == Blame::Name {
                        refused.push(now);
                    }
                }
                Came::Reload | Came::Elsewhere => {}
            }
        }
    }
}
