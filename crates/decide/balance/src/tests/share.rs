//! Who gets how much.

use haechi_model::Algorithm;
use proptest::prelude::*;

use super::{Fake, ask, idle, member, view, weighted};
use crate::{Loads, Member, Pick, Tried, View};

fn picked(view: &View, n: u64, loads: &Fake) -> usize {
    match view.pick(&ask(n, &Tried::new()), loads) {
        Pick::Member(member) => member,
        other => panic!("{other:?}"),
    }
}

fn counts(view: &View, tickets: impl Iterator<Item = u64>, members: usize, loads: &Fake) -> Vec<u32> {
    let mut counts = vec![0; members];
    tickets.for_each(|n| counts[picked(view, n, loads)] += 1);
    counts
}

#[test]
fn smooth_order_by_ticket() {
    let view = view(&weighted(&[5, 1, 1]), Algorithm::WeightedRoundRobin);
    let order: Vec<usize> = (0..14).map(|n| picked(&view, n, &idle())).collect();
    assert_eq!(order, [0, 0, 1, 0, 2, 0, 0, 0, 0, 1, 0, 2, 0, 0]);
}

#[test]
fn round_robin_ignores_weights_but_0() {
    let view = view(&weighted(&[9, 0, 1]), Algorithm::RoundRobin);
    let order: Vec<usize> = (0..6).map(|n| picked(&view, n, &idle())).collect();
    assert_eq!(order, [0, 2, 0, 2, 0, 2]);
}

#[test]
fn warmth_scales_the_weight_and_has_a_floor() {
    for (warmth, share) in [(100, 10), (50, 5), (10, 1), (0, 1), (255, 10)] {
        for algorithm in [Algorithm::RoundRobin, Algorithm::WeightedRoundRobin] {
            let mut members = weighted(&[1, 1]);
            members[1].state.warmth = warmth;
            let counts = counts(&view(&members, algorithm), 0..(10 + share) * 10, 2, &idle());
            assert_eq!(u64::from(counts[1]), share * 10, "{algorithm:?} {warmth}");
        }
    }
}

#[test]
fn least_connections_by_weight_and_ties_at_random() {
    // Weights, in flight, the members that have the lowest (in flight + 1) / weight.
    type Row = (&'static [u16], &'static [u32], &'static [usize]);
    let rows: &[Row] = &[
        (&[1, 1, 1], &[2, 1, 3], &[1]),
        (&[1, 1, 1], &[1, 1, 3], &[0, 1]),
        (&[4, 1], &[2, 0], &[0]),
        (&[4, 1], &[3, 0], &[0, 1]),
        (&[4, 1], &[4, 0], &[1]),
        (&[1, u16::MAX], &[u32::MAX, u32::MAX], &[1]),
        (&[1, 1, 1, 1], &[0, 0, 0, 0], &[0, 1, 2, 3]),
    ];
    for (weights, in_flight, best) in rows {
        let view = view(&weighted(weights), Algorithm::LeastConnections);
        let loads = Fake { in_flight: in_flight.to_vec(), ..idle() };
        let counts = counts(&view, 0..1000, weights.len(), &loads);
        for (member, count) in counts.iter().enumerate() {
            // An even share of the ties, by five standard deviations at least.
            let fair = 1000 / u32::try_from(best.len()).unwrap();
            let wanted = if best.contains(&member) { fair.saturating_sub(80)..=fair + 80 } else { 0..=0 };
            assert!(wanted.contains(count), "{weights:?} {in_flight:?}: {counts:?}");
        }
    }
}

#[test]
fn least_response_time_table() {
    const MS: u64 = 1_000_000;
    // Costs, in flight, weights, the members that may win.
    type Row = (&'static [Option<u64>], &'static [u32], &'static [u16], &'static [usize]);
    let rows: &[Row] = &[
        (&[Some(20 * MS), Some(10 * MS)], &[0, 0], &[1, 1], &[1]),
        // In flight and weight count as in leastConnections.
        (&[Some(20 * MS), Some(10 * MS)], &[0, 2], &[1, 1], &[0]),
        (&[Some(20 * MS), Some(10 * MS)], &[0, 0], &[4, 1], &[0]),
        // Within 10 % is equal; just beyond is not.
        (&[Some(11 * MS), Some(10 * MS)], &[0, 0], &[1, 1], &[0, 1]),
        (&[Some(11 * MS + 1), Some(10 * MS)], &[0, 0], &[1, 1], &[1]),
        // Below 1 ms all are equally fast.
        (&[Some(900_000), Some(10)], &[0, 0], &[1, 1], &[0, 1]),
        (&[Some(900_000), Some(10)], &[0, 1], &[1, 1], &[0]),
        // Unmeasured: the median of the others, so neither first choice nor last.
        (&[Some(10 * MS), None, Some(50 * MS), Some(40 * MS)], &[0, 0, 0, 0], &[1; 4], &[0]),
        (&[Some(10 * MS), None, Some(50 * MS), Some(40 * MS)], &[4, 0, 0, 0], &[1; 4], &[1, 3]),
        (&[None, None], &[0, 0], &[1, 1], &[0, 1]),
        (&[None, None], &[1, 0], &[1, 1], &[1]),
        (&[Some(u64::MAX), Some(u64::MAX)], &[u32::MAX, u32::MAX], &[1, u16::MAX], &[1]),
    ];
    for (cost, in_flight, weights, best) in rows {
        let view = view(&weighted(weights), Algorithm::LeastResponseTime);
        let loads = Fake { in_flight: in_flight.to_vec(), cost: cost.to_vec(), ..idle() };
        let counts = counts(&view, 0..500, weights.len(), &loads);
        for (member, count) in counts.iter().enumerate() {
            assert_eq!(*count > 0, best.contains(&member), "{cost:?} {in_flight:?}: {counts:?}");
        }
    }
}

#[test]
fn two_choices_shun_the_slow_and_the_busy() {
    let n = 100;
    let slow = |member: usize| member % 2 == 1;
    for algorithm in [Algorithm::LeastConnections, Algorithm::LeastResponseTime, Algorithm::Random] {
        let loads = Fake {
            in_flight: (0..n).map(|m| if slow(m) { 50 } else { 5 }).collect(),
            cost: (0..n).map(|m| Some(if slow(m) { 90_000_000 } else { 10_000_000 })).collect(),
            ..idle()
        };
        let counts = counts(&view(&weighted(&vec![1; n]), algorithm), 0..20_000, n, &loads);
        let to_slow: u32 = counts.iter().enumerate().filter(|(m, _)| slow(*m)).map(|(_, count)| count).sum();
        // Both draws must be slow: a quarter.
        assert!((4_500..5_500).contains(&to_slow), "{algorithm:?}: {to_slow}");
        assert!(counts.iter().all(|count| *count > 0));
    }
}

/// Requests that stay as long as their endpoint takes: each gets by its weight in the long run.
#[test]
fn least_connections_shares_by_weight_under_load() {
    let weights: Vec<u16> = (0..100).map(|m| if m < 10 { 10 } else { 1 }).collect();
    for (members, algorithm) in [(20, Algorithm::LeastConnections), (100, Algorithm::LeastConnections)] {
        let view = view(&weighted(&weights[..members]), algorithm);
        let mut loads = Fake { in_flight: vec![0; members], ..idle() };
        for n in 0..20_000 {
            let member = picked(&view, n, &loads);
            loads.in_flight[member] += 1;
        }
        let heavy: u32 = loads.in_flight[..10].iter().sum();
        let wanted = 20_000 * 100 / (100 + u32::try_from(members).unwrap() - 10);
        assert!(heavy.abs_diff(wanted) < wanted / 50, "{members}: {heavy} for {wanted}");
    }
}

#[test]
fn random_shares_by_weight_when_idle() {
    let view = view(&weighted(&[1, 2, 7]), Algorithm::Random);
    let counts = counts(&view, 0..100_000, 3, &idle());
    for (count, wanted) in counts.iter().zip([10_000_u32, 20_000, 70_000]) {
        assert!(count.abs_diff(wanted) < 600, "{counts:?}");
    }
}

#[test]
fn a_full_member_leaves_its_share_to_the_next_in_turn() {
    let view = view(&weighted(&[1, 1, 1]), Algorithm::RoundRobin);
    let loads = Fake { full: vec![false, true, false], ..idle() };
    let order: Vec<usize> = (0..6).map(|n| picked(&view, n, &loads)).collect();
    assert_eq!(order, [0, 2, 2, 0, 2, 2]);
    assert!(loads.full(1));
}

proptest! {
    #[test]
    fn every_window_of_the_sum_is_exact(
        weights in prop::collection::vec(0_u16..40, 1..20),
        start in 0..u64::MAX / 2,
    ) {
        let sum: u64 = weights.iter().map(|w| u64::from(*w)).sum();
        prop_assume!(sum > 0);
        let view = view(&weighted(&weights), Algorithm::WeightedRoundRobin);
        let found = counts(&view, start..start + sum, weights.len(), &idle());
        let wanted: Vec<u32> = weights.iter().map(|w| u32::from(*w)).collect();
        prop_assert_eq!(found, wanted);
    }

    #[test]
    fn a_hash_shares_by_weight(
        ids in prop::collection::hash_set(any::<u64>(), 2..40),
        weight in prop::sample::select(vec![1_u16, 2, 10]),
    ) {
        let mut members: Vec<Member> = ids.iter().map(|id| member(*id, 1)).collect();
        members[0].weight = weight;
        let asks = 40_000_u32;
        let found = counts(&view(&members, Algorithm::IpHash), 0..u64::from(asks), members.len(), &idle());
        let sum: f64 = members.iter().map(|m| f64::from(m.weight)).sum();
        for (member, count) in members.iter().zip(&found) {
            let share = f64::from(member.weight) / sum;
            let wanted = f64::from(asks) * share;
            // Slots and asks both scatter; six standard deviations, as hundreds of cases are looked at.
            let band = 6.0 * (wanted * (1.0 - share) * (1.0 + f64::from(asks) / 262_144.0)).sqrt();
            prop_assert!((f64::from(*count) - wanted).abs() < band + 1.0, "{} for {}", count, wanted);
        }
    }
}
