//! Who may be picked, for every algorithm: eligibility, tried, full.

use haechi_model::{AdminState, Algorithm, EndpointState};
use proptest::prelude::*;

use super::{ALGORITHMS, Fake, ask, idle, tried, view, weighted};
use crate::{Empty, Member, Pick, Policy, Tried, View};

#[test]
fn a_view_can_be_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<View>();
}

#[test]
fn tried_and_full_table() {
    use Pick::{AllFull, Member as M, Nobody};
    // Members, tried, full, the picks that are allowed.
    type Row = (&'static [u16], &'static [usize], &'static [usize], &'static [Pick]);
    let rows: &[Row] = &[
        (&[], &[], &[], &[Nobody]),
        (&[0], &[], &[], &[Nobody]),
        (&[1], &[], &[], &[M(0)]),
        (&[1], &[0], &[], &[M(0)]),
        (&[1], &[], &[0], &[AllFull]),
        (&[1], &[0], &[0], &[AllFull]),
        (&[1, 1], &[0], &[], &[M(1)]),
        (&[1, 1], &[], &[1], &[M(0)]),
        // The only untried one is full: wait for it rather than fail again.
        (&[1, 1], &[0], &[1], &[AllFull]),
        // All were tried: forgiven, but still not the full one.
        (&[1, 1], &[0, 1], &[0], &[M(1)]),
        (&[1, 1], &[0, 1], &[], &[M(0), M(1)]),
        (&[1, 1], &[0, 1], &[0, 1], &[AllFull]),
        // Weight 0 is nobody's last resort; a tried stranger does not count.
        (&[1, 0], &[0], &[], &[M(0)]),
        (&[1, 0, 1], &[0, 1], &[], &[M(2)]),
    ];
    for algorithm in ALGORITHMS {
        for (weights, tries, full, allowed) in rows {
            let view = view(&weighted(weights), algorithm);
            let loads = Fake { full: (0..3).map(|m| full.contains(&m)).collect(), ..idle() };
            let tried = tried(tries);
            for n in 0..50 {
                let pick = view.pick(&ask(n, &tried), &loads);
                assert!(allowed.contains(&pick), "{algorithm:?} {weights:?} {tries:?} {full:?}: {pick:?}");
            }
        }
    }
}

#[test]
fn a_big_pool_that_is_nearly_full_finds_the_one_that_is_not() {
    for algorithm in ALGORITHMS {
        let view = view(&weighted(&vec![3; 500]), algorithm);
        for free in [0, 250, 499] {
            let loads = Fake { full: (0..500).map(|m| m != free).collect(), ..idle() };
            for n in 0..20 {
                assert_eq!(view.pick(&ask(n, &Tried::new()), &loads), Pick::Member(free), "{algorithm:?}");
            }
        }
        let loads = Fake { full: vec![true; 500], ..idle() };
        assert_eq!(view.pick(&ask(1, &Tried::new()), &loads), Pick::AllFull);
    }
}

#[test]
fn an_empty_view_says_why() {
    let policy = Policy { algorithm: Algorithm::RoundRobin, panic_threshold: 0, seed: 0 };
    assert_eq!(View::new(&[], &policy).empty(), Some(Empty::NoEndpoints));
    let fine = View::new(&weighted(&[1]), &policy);
    assert_eq!((fine.empty(), fine.panicking(), fine.eligible()), (None, false, &[0][..]));
}

fn any_member() -> impl Strategy<Value = Member> {
    let admin = prop_oneof![
        6 => Just(AdminState::Enabled),
        1 => Just(AdminState::Draining),
        1 => Just(AdminState::Disabled),
    ];
    let weight = prop_oneof![4 => 1_u16..4, 1 => Just(0), 1 => Just(u16::MAX), 1 => any::<u16>()];
    (any::<u64>(), weight, 0_u8..3, admin, prop::bool::weighted(0.7), prop::bool::weighted(0.1), any::<u8>())
        .prop_map(|(hash_id, weight, tier, admin, serving, ejected, warmth)| Member {
            hash_id,
            weight,
            tier,
            state: EndpointState { admin, serving, ejected, warmth },
        })
}

fn any_load() -> impl Strategy<Value = (u32, Option<u64>, bool)> {
    let count = prop_oneof![4 => 0_u32..5, 1 => Just(u32::MAX), 1 => any::<u32>()];
    let cost =
        prop_oneof![2 => Just(None), 4 => (0_u64..50_000_000).prop_map(Some), 1 => Just(Some(u64::MAX))];
    (count, cost, prop::bool::weighted(0.2))
}

/// What a pick may answer, written as the documentation says it.
fn allowed(view: &View, tried: &Tried, loads: &Fake) -> Vec<Pick> {
    let eligible: Vec<usize> = view.eligible().iter().map(|m| *m as usize).collect();
    if eligible.is_empty() {
        return vec![Pick::Nobody];
    }
    let untried: Vec<usize> = eligible.iter().copied().filter(|m| !tried.contains(*m)).collect();
    let wanted = if untried.is_empty() { eligible } else { untried };
    let open: Vec<Pick> = wanted
        .into_iter()
        .filter(|m| !loads.full.get(*m).is_some_and(|full| *full))
        .map(Pick::Member)
        .collect();
    if open.is_empty() { vec![Pick::AllFull] } else { open }
}

proptest! {
    #[test]
    fn only_who_may_be_picked_is(
        pool in prop::collection::vec((any_member(), any_load()), 0..60),
        panic_threshold in prop_oneof![Just(0_u8), any::<u8>()],
        seed: u64,
        tries in prop::collection::vec(0_usize..60, 0..4),
        n: u64,
    ) {
        let members: Vec<Member> = pool.iter().map(|(member, _)| *member).collect();
        let loads = Fake {
            in_flight: pool.iter().map(|(_, load)| load.0).collect(),
            cost: pool.iter().map(|(_, load)| load.1).collect(),
            full: pool.iter().map(|(_, load)| load.2).collect(),
        };
        let tried = tried(&tries);
        // Cycles of random weights are long; one algorithm per case keeps this quick.
        let at = usize::try_from(n % 6).unwrap();
        let view = View::new(&members, &Policy { algorithm: ALGORITHMS[at], panic_threshold, seed });
        let allowed = allowed(&view, &tried, &loads);
        for n in [n, n.wrapping_add(1), n.wrapping_mul(3), 0, u64::MAX] {
            let pick = view.pick(&ask(n, &tried), &loads);
            prop_assert!(allowed.contains(&pick), "{:?} not in {:?}", pick, allowed);
        }
    }
}
