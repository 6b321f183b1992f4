//! `ipHash`: who moves, who agrees.

use haechi_model::Algorithm;
use proptest::prelude::*;

use super::{Fake, ask, idle, member, tried, view};
use crate::hash::mix;
use crate::{Member, Pick, Policy, Tried, View};

const ASKS: u64 = 2_000;

/// The id that each of many sources gets.
fn homes(members: &[Member], view: &View) -> Vec<u64> {
    (0..ASKS)
        .map(|n| match view.pick(&ask(n, &Tried::new()), &idle()) {
            Pick::Member(at) => members[at].hash_id,
            other => panic!("{other:?}"),
        })
        .collect()
}

fn all(members: &[Member]) -> Vec<u64> {
    homes(members, &view(members, Algorithm::IpHash))
}

fn ids(count: u64) -> Vec<Member> {
    (0..count).map(|id| member(mix(id), if id % 5 == 0 { 3 } else { 1 })).collect()
}

/// Sizes around the limit between scores and table (64), where another function would move everybody.
const SIZES: [u64; 6] = [2, 3, 63, 64, 65, 66];

#[test]
fn only_the_lost_ones_clients_move_and_they_come_home() {
    for size in SIZES {
        let members = ids(size);
        let before = all(&members);
        for lost in [0, size / 2, size - 1] {
            let lost = usize::try_from(lost).unwrap();
            let gone = members[lost].hash_id;
            let mut removed = members.clone();
            removed.remove(lost);
            let mut failed = members.clone();
            failed[lost].state.serving = false;
            let after = all(&removed);
            assert_eq!(after, all(&failed), "removed or failed: the same");
            for (home, now) in before.iter().zip(&after) {
                assert!(if *home == gone { *now != gone } else { now == home }, "{size}");
            }
        }
        assert_eq!(before, all(&members));
    }
}

#[test]
fn more_weight_takes_clients_and_shifts_none_among_the_others() {
    for size in SIZES {
        let mut members = ids(size);
        let before = all(&members);
        members[1].weight += 2;
        let id = members[1].hash_id;
        assert!(before.iter().zip(all(&members)).all(|(old, new)| *old == new || new == id));
    }
}

#[test]
fn full_and_tried_send_a_client_where_loss_would() {
    // Each loss in a big pool makes a table, so those see fewer clients.
    for (size, clients) in [(2, 200), (3, 200), (64, 200), (66, 5)] {
        let members = ids(size);
        let view = view(&members, Algorithm::IpHash);
        for n in 0..clients {
            let mut left = members.clone();
            let mut used: Vec<usize> = Vec::new();
            for _ in 0..size.min(5) {
                let expected = super::view(&left, Algorithm::IpHash).pick(&ask(n, &Tried::new()), &idle());
                let full = (0..members.len()).map(|m| used.contains(&m)).collect();
                assert_eq!(view.pick(&ask(n, &Tried::new()), &Fake { full, ..idle() }), expected);
                assert_eq!(view.pick(&ask(n, &tried(&used)), &idle()), expected);
                let Pick::Member(at) = expected else { panic!("{expected:?}") };
                left[at].state.ejected = true;
                used.push(at);
            }
        }
    }
}

#[test]
fn another_seed_is_another_placement() {
    let members = ids(10);
    let other = View::new(&members, &Policy { algorithm: Algorithm::IpHash, panic_threshold: 0, seed: 2 });
    let same = all(&members).iter().zip(homes(&members, &other)).filter(|(a, b)| **a == *b).count();
    assert!(same < 600, "{same} of {ASKS}");
}

#[test]
fn these_places_for_ever() {
    // A change here moves clients of running clusters when their nodes are upgraded one by one. Computed by a
    // program of its own, written from the definition.
    let members = ids(10);
    let view = view(&members, Algorithm::IpHash);
    let found: Vec<Pick> = (0..12).map(|n| view.pick(&ask(n, &Tried::new()), &idle())).collect();
    assert_eq!(found, [0, 0, 5, 7, 5, 4, 6, 0, 7, 5, 7, 5].map(Pick::Member));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nodes_agree_whatever_their_order(
        (members, shuffled) in prop::collection::hash_map(any::<u64>(), 1_u16.., 1..100)
            .prop_map(|map| map.into_iter().map(|(id, weight)| member(id, weight)).collect::<Vec<_>>())
            .prop_flat_map(|members| (Just(members.clone()), Just(members).prop_shuffle())),
    ) {
        prop_assert_eq!(all(&members), all(&shuffled));
    }

    #[test]
    fn one_less_moves_only_its_own(
        weights in prop::collection::hash_map(any::<u64>(), 1_u16..300, 2..90),
        lost: prop::sample::Index,
    ) {
        let members: Vec<Member> = weights.into_iter().map(|(id, weight)| member(id, weight)).collect();
        let mut fewer = members.clone();
        let gone = fewer.remove(lost.index(members.len())).hash_id;
        for (home, now) in all(&members).into_iter().zip(all(&fewer)) {
            prop_assert!(home == now || home == gone);
        }
    }
}
