//! The immutable value that workers pick from.

use haechi_model::Algorithm;

use crate::cycle::Cycle;
use crate::draw::Urn;
use crate::eligible::Eligible;
use crate::least::{self, Least};
use crate::rendezvous::Rendezvous;
use crate::response_time::ResponseTime;
use crate::{Ask, Empty, Loads, Member, Pick, Policy};

/// A pool as the workers see it between two changes.
#[derive(Clone, Debug)]
pub struct View {
    eligible: Eligible,
    /// Of the eligible members, warmth included, without a common divisor.
    weights: Box<[u32]>,
    chooser: Chooser,
}

#[derive(Clone, Debug)]
enum Chooser {
    Cycle(Cycle),
    Least(Least),
    ResponseTime(ResponseTime),
    Rendezvous(Rendezvous),
    Random(Urn),
}

impl View {
    /// Who is eligible, and whatever the algorithm can know beforehand.
    ///
    /// Costs O(members), and for round robin with mixed weights O(Σ weights). Every bound is in the module that
    /// needs it. `ipHash` above 64 members is by far the dearest (see `rendezvous`): gather changes before
    /// making a view of it.
    pub fn new(members: &[Member], policy: &Policy) -> Self {
        let eligible = Eligible::new(members, policy.panic_threshold);
        let chosen = || eligible.members.iter().map(|at| (*at, &members[*at as usize]));
        let full: Vec<u32> = chosen().map(|(_, member)| effective(member, policy.algorithm)).collect();
        let divisor = full.iter().copied().fold(0, gcd).max(1);
        let weights: Box<[u32]> = full.iter().map(|weight| weight / divisor).collect();
        let chooser = match policy.algorithm {
            Algorithm::RoundRobin | Algorithm::WeightedRoundRobin => {
                Chooser::Cycle(Cycle::new(&eligible.members, &weights))
            }
            Algorithm::LeastConnections => Chooser::Least(Least::new(&weights)),
            Algorithm::LeastResponseTime => Chooser::ResponseTime(ResponseTime::new(&weights)),
            Algorithm::Random => Chooser::Random(Urn::new(&weights)),
            Algorithm::IpHash => {
                // Undivided: the divisor depends on the others, and a client's endpoint must not.
                let keys = chosen().zip(&full).map(|((at, member), weight)| (at, member.hash_id, *weight));
                Chooser::Rendezvous(Rendezvous::new(keys, policy.seed))
            }
        };
        Self { eligible, weights, chooser }
    }

    /// Who gets this request.
    ///
    /// Members that were tried are left out as long as another one is eligible, even if that one is full: then
    /// the answer is [`Pick::AllFull`], for waiting beats failing in the same place again. When all eligible
    /// ones were tried, they are forgiven and picked from again.
    ///
    /// Constant time, or a bounded number of members; O(members) only while most of a big pool is full.
    pub fn pick<L: Loads + ?Sized>(&self, ask: &Ask<'_>, loads: &L) -> Pick {
        if self.eligible.members.is_empty() {
            return Pick::Nobody;
        }
        let found = if ask.tried.is_empty() || self.all_tried(ask) {
            self.choose(ask, loads, |member| !loads.full(member))
        } else {
            self.choose(ask, loads, |member| !ask.tried.contains(member) && !loads.full(member))
        };
        found.map_or(Pick::AllFull, Pick::Member)
    }

    /// Positions, in rising order, of the members that get work.
    pub fn eligible(&self) -> &[u32] {
        &self.eligible.members
    }

    /// Whether members get work that health would not let serve.
    pub const fn panicking(&self) -> bool {
        self.eligible.panicking
    }

    /// Why nobody gets work, when nobody does.
    pub const fn empty(&self) -> Option<Empty> {
        self.eligible.empty
    }

    fn all_tried(&self, ask: &Ask<'_>) -> bool {
        // `tried` may name members that are not eligible any more, so counting it is not enough.
        self.eligible.members.len() <= crate::Tried::CAPACITY
            && self.eligible.members.iter().all(|member| ask.tried.contains(*member as usize))
    }

    fn choose<L: Loads + ?Sized>(
        &self,
        ask: &Ask<'_>,
        loads: &L,
        usable: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let members = &*self.eligible.members;
        let pool = (members, &*self.weights);
        match &self.chooser {
            Chooser::Cycle(cycle) => cycle.pick(ask.ticket, ask.random, members, usable),
            Chooser::Least(least) => least.pick(ask, loads, pool, usable),
            Chooser::ResponseTime(time) => time.pick(ask, loads, pool, usable),
            Chooser::Rendezvous(rendezvous) => rendezvous.pick(ask.source, usable),
            Chooser::Random(urn) => least::random(urn, ask, loads, pool, usable),
        }
    }
}

/// Weight × warmth in percent. Warmth has a floor of 10: at 0 an endpoint would never warm up.
fn effective(member: &Member, algorithm: Algorithm) -> u32 {
    let weight = if algorithm == Algorithm::RoundRobin { 1 } else { u32::from(member.weight) };
    weight * u32::from(member.state.warmth.clamp(10, 100))
}

const fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}
