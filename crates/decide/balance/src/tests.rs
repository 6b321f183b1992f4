//! The whole view against small models: share, disruption, and who must never be picked.

mod build;
mod hash;
mod rules;
mod share;

use haechi_model::{Algorithm, EndpointState};

use crate::{Ask, Loads, Member, Policy, Tried, View};

const ALGORITHMS: [Algorithm; 6] = [
    Algorithm::RoundRobin,
    Algorithm::WeightedRoundRobin,
    Algorithm::LeastConnections,
    Algorithm::IpHash,
    Algorithm::LeastResponseTime,
    Algorithm::Random,
];

/// Loads as plain lists; members beyond their end are idle.
#[derive(Default, Debug)]
struct Fake {
    in_flight: Vec<u32>,
    cost: Vec<Option<u64>>,
    full: Vec<bool>,
}

impl Loads for Fake {
    fn in_flight(&self, member: usize) -> u32 {
        self.in_flight.get(member).copied().unwrap_or(0)
    }

    fn cost_nanos(&self, member: usize) -> Option<u64> {
        self.cost.get(member).copied().flatten()
    }

    fn full(&self, member: usize) -> bool {
        self.full.get(member).copied().unwrap_or(false)
    }
}

fn idle() -> Fake {
    Fake::default()
}

fn member(hash_id: u64, weight: u16) -> Member {
    Member { hash_id, weight, tier: 0, state: EndpointState::default() }
}

/// Members with these weights and ids 0, 1, 2 …
fn weighted(weights: &[u16]) -> Vec<Member> {
    (0..).zip(weights).map(|(id, weight)| member(id, *weight)).collect()
}

fn view(members: &[Member], algorithm: Algorithm) -> View {
    View::new(members, &Policy { algorithm, panic_threshold: 0, seed: 1 })
}

fn tried(members: &[usize]) -> Tried {
    let mut tried = Tried::new();
    members.iter().for_each(|member| tried.insert(*member));
    tried
}

/// An ask whose every number is `n`, spread.
fn ask(n: u64, tried: &Tried) -> Ask<'_> {
    Ask { ticket: n, source: crate::hash::mix(n), random: crate::hash::mix(!n), tried }
}
