//! `ipHash`: weighted rendezvous, exact in integers, with one definition and two ways to compute it.
//!
//! A key falls into one of 2¹⁸ slots. In each slot every member has a score of its own: its rank in the slot (a
//! permutation of the slots by the member's id, so a member is first somewhere, second somewhere …), made
//! exponential and divided by its weight. The lowest score wins, so a member wins by weight, as with −ln(u)/w
//! (Schindelhauer and Schomaker 2005). A score depends on slot, id, weight and seed only: who comes or goes
//! takes or leaves its own slots, everything else stays, and nodes agree whatever the order of their config.
//!
//! Small pools compute the scores of a slot when asked. Big ones look the winner up in a table. A hash of each
//! pair would make that table cost slots × members; but as ranks are a permutation, which can be run backwards,
//! each member's best slots can be listed in order, and slots × ln slots visits fill it. Since both ways give
//! the same answers, a pool that grows past the limit (or a view that shrinks below it when endpoints fail) moves
//! nobody: this is why not Maglev for big pools and rendezvous for small ones.
//!
//! With 10,000 members a slot is 1/26 of a member, so shares scatter by 20 %; with 1,000 by 6 %, as a ketama
//! ring of 160 points does with any number. Clients per endpoint scatter more than that at such sizes.

use crate::hash::mix;
use crate::log2::exponential;

/// 18 bits: an even number, so that the shift in `permute` is half of it and undoes itself.
const SLOT_BITS: u32 = 18;
const SLOTS: u32 = 1 << SLOT_BITS;
const SLOT_MASK: u32 = SLOTS - 1;

/// Up to so many members the scores are computed when asked, at 5 to 10 ns each: half a microsecond at most.
/// Above, a table of 2 MiB is made with the view, in 100 ms of an unshared core, whatever the number of members:
/// time of the control plane, which should gather changes that come close together.
const DIRECT: usize = 64;

/// How deep the table's listing goes, in levels that each halve the number of slots without a winner: to one in
/// 2¹⁶. What is left without a second, some fifty slots, is computed one by one.
const DEPTH: u128 = 16;

/// Rendezvous among the eligible members of a view.
#[derive(Clone, Debug)]
pub(crate) struct Rendezvous {
    seed: u64,
    keys: Box<[Key]>,
    /// By slot: positions in `keys` of the best and the second, where a key goes when the best is lost.
    table: Box<[[u32; 2]]>,
}

/// All that scores depend on.
#[derive(Clone, Copy, Debug)]
struct Key {
    id: u64,
    /// 2⁴⁰ / weight.
    inverse: u64,
    member: u32,
}

impl Rendezvous {
    /// Position, id and weight of each; weights are above 0 and in a unit that the other members have no part in.
    pub(crate) fn new(members: impl Iterator<Item = (u32, u64, u32)>, seed: u64) -> Self {
        let seed = mix(seed);
        let keys: Box<[Key]> = members
            .map(|(member, id, weight)| Key {
                id: mix(id ^ seed),
                inverse: (1 << 40) / u64::from(weight),
                member,
            })
            .collect();
        let table = if keys.len() > DIRECT { resolve(&keys) } else { Box::default() };
        Self { seed, keys, table }
    }

    /// The usable member with the lowest score in this source's slot.
    pub(crate) fn pick(&self, source: u64, usable: impl Fn(usize) -> bool) -> Option<usize> {
        let slot = slot(source, self.seed);
        if let Some(known) = self.table.get(slot as usize) {
            let mut known = known.iter().map(|at| self.keys[*at as usize].member as usize);
            if let Some(found) = known.find(|member| usable(*member)) {
                return Some(found);
            }
        }
        best(&self.keys, slot, usable)
    }
}

fn slot(source: u64, seed: u64) -> u32 {
    (mix(source ^ seed) >> (64 - SLOT_BITS)) as u32
}

/// The member of the lowest score in a slot among the usable, which is asked only of those that would win.
fn best(keys: &[Key], slot: u32, usable: impl Fn(usize) -> bool) -> Option<usize> {
    let mut best = Place::NONE;
    for (at, key) in (0_u32..).zip(keys) {
        let place = Place { score: key.score(slot), at };
        if place.beats(best, keys) && usable(key.member as usize) {
            best = place;
        }
    }
    keys.get(best.at as usize).map(|key| key.member as usize)
}

impl Key {
    fn score(&self, slot: u32) -> u64 {
        self.score_at(slot, permute(slot, self.id))
    }

    fn score_at(&self, slot: u32, rank: u32) -> u64 {
        // Between one rank and the next: else members would often tie, and the one with the lower id would win
        // all of these.
        let jitter = (mix(self.id ^ u64::from(slot)) >> (32 + SLOT_BITS)) as u32;
        self.weigh((rank << (32 - SLOT_BITS)) | jitter)
    }

    fn weigh(&self, point: u32) -> u64 {
        // 2³⁷·⁰⁵ × 2⁴⁰ / 2¹⁷ < 2⁶¹: the largest score fits.
        let score = (u128::from(exponential(point)) * u128::from(self.inverse)) >> 17;
        u64::try_from(score).unwrap_or(u64::MAX)
    }
}

/// Whose score in a slot.
#[derive(Clone, Copy, Debug)]
struct Place {
    score: u64,
    at: u32,
}

impl Place {
    const NONE: Self = Self { score: u64::MAX, at: u32::MAX };

    /// The rare tie goes to the lower id; never to the lower position, which differs between nodes.
    fn beats(self, other: Self, keys: &[Key]) -> bool {
        let id = |place: Self| keys.get(place.at as usize).map(|key| key.id);
        self.score < other.score || (self.score == other.score && id(self) < id(other))
    }
}

/// The two best of every slot.
///
/// Listed level by level, over all members: what an earlier level settled, which is almost everything soon, is
/// passed over by one look into 32 KiB of bits instead of 8 MiB of places. That makes it several times faster.
fn resolve(keys: &[Key]) -> Box<[[u32; 2]]> {
    let mut listing = Listing {
        keys,
        places: vec![[Place::NONE; 2]; SLOTS as usize],
        done: vec![0; SLOTS as usize / 64],
        settled: 0,
    };
    let weights: u128 = keys.iter().map(|key| (1 << 40) / u128::from(key.inverse)).sum();
    let mut ranks = vec![0; keys.len()];
    for level in 1..=DEPTH {
        // In the unit of scores: 32 fractional bits of the exponential, 40 of the inverse, less 17.
        let limit = u64::try_from((level << 55) / weights).unwrap_or(u64::MAX);
        for (at, rank) in (0_u32..).zip(&mut ranks) {
            listing.list(at, rank, limit);
        }
        listing.settled = limit;
    }
    (0..SLOTS).map(|slot| listing.two_best(slot)).collect()
}

struct Listing<'a> {
    keys: &'a [Key],
    /// The two best so far.
    places: Vec<[Place; 2]>,
    /// One bit per slot in which nothing can change any more.
    done: Vec<u64>,
    /// Every score up to this one has been listed.
    settled: u64,
}

impl Listing<'_> {
    /// Goes on through the slots of one member, best first, as long as its scores are within the limit.
    fn list(&mut self, at: u32, rank: &mut u32, limit: u64) {
        let key = self.keys[at as usize];
        while *rank < SLOTS && key.weigh(*rank << (32 - SLOT_BITS)) <= limit {
            let slot = unpermute(*rank, key.id);
            let (word, bit) = (slot as usize / 64, 1 << (slot % 64));
            if self.done[word] & bit == 0 {
                let known = &mut self.places[slot as usize];
                if known[1].score <= self.settled {
                    self.done[word] |= bit;
                } else {
                    enter(known, Place { score: key.score_at(slot, *rank), at }, self.keys);
                }
            }
            *rank += 1;
        }
    }

    fn two_best(&self, slot: u32) -> [u32; 2] {
        let known = self.places[slot as usize];
        if known[1].score <= self.settled {
            return known.map(|place| place.at);
        }
        let mut known = [Place::NONE; 2];
        for (at, key) in (0_u32..).zip(self.keys) {
            enter(&mut known, Place { score: key.score(slot), at }, self.keys);
        }
        known.map(|place| place.at)
    }
}

fn enter(known: &mut [Place; 2], place: Place, keys: &[Key]) {
    if place.beats(known[1], keys) {
        known[1] = place;
        if place.beats(known[0], keys) {
            known.swap(0, 1);
        }
    }
}

/// Odd multipliers (the golden ratio's and two of murmur3's constants, cut to 18 bits), and their
/// inverses modulo 2¹⁸.
const FACTORS: [(u32, u32); 3] = [(0x3_79b9, 0x0_bc89), (0x3_ca6b, 0x3_9243), (0x2_ae35, 0x1_b41d)];

/// The member's rank in a slot: three rounds of add, multiply and shift, each of which can be undone.
fn permute(slot: u32, id: u64) -> u32 {
    let mut value = slot;
    for (round, (factor, _)) in (0..3_u8).zip(FACTORS) {
        value = value.wrapping_add(round_key(id, round)).wrapping_mul(factor) & SLOT_MASK;
        value ^= value >> (SLOT_BITS / 2);
    }
    value
}

/// The slot where a member has this rank.
fn unpermute(rank: u32, id: u64) -> u32 {
    let mut value = rank;
    for (round, (_, inverse)) in (0..3_u8).zip(FACTORS).rev() {
        value ^= value >> (SLOT_BITS / 2);
        value = value.wrapping_mul(inverse).wrapping_sub(round_key(id, round)) & SLOT_MASK;
    }
    value
}

fn round_key(id: u64, round: u8) -> u32 {
    u32::try_from((id >> (u32::from(round) * SLOT_BITS)) & u64::from(SLOT_MASK)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendezvous(count: u32) -> Rendezvous {
        Rendezvous::new((0..count).map(|n| (n, u64::from(n), 1 + n * n % 300)), 9)
    }

    #[test]
    fn ranks_are_a_permutation() {
        for id in [0, 1, u64::MAX, mix(7), mix(8)] {
            assert!((0..SLOTS).all(|slot| unpermute(permute(slot, id), id) == slot));
        }
    }

    #[test]
    fn the_table_holds_what_the_scores_say() {
        for count in [65, 400] {
            let made = rendezvous(count);
            for slot in (0..SLOTS).step_by(if count == 65 { 1 } else { 37 }) {
                let mut order: Vec<(u64, u64, u32)> =
                    (0_u32..).zip(&made.keys).map(|(at, key)| (key.score(slot), key.id, at)).collect();
                order.sort_unstable();
                assert_eq!(made.table[slot as usize], [order[0].2, order[1].2], "slot {slot} of {count}");
            }
        }
    }

    #[test]
    fn who_takes_over_is_spread_by_weight_too() {
        // The slots of each member of 20, by who is second there: a weak permutation would favour some pairs.
        let made = Rendezvous::new((0..20).map(|n| (n, u64::from(n), 100)), 3);
        let mut heirs = [[0_u32; 20]; 20];
        for slot in 0..SLOTS {
            let first = best(&made.keys, slot, |_| true).unwrap();
            let second = best(&made.keys, slot, |member| member != first).unwrap();
            heirs[first][second] += 1;
        }
        let wanted = f64::from(SLOTS) / 20.0 / 19.0;
        for (first, row) in heirs.iter().enumerate() {
            for (second, count) in row.iter().enumerate().filter(|(second, _)| *second != first) {
                let off = (f64::from(*count) - wanted).abs() / wanted.sqrt();
                assert!(off < 5.0, "{second} after {first}: {count} for {wanted}");
            }
        }
    }

    #[test]
    fn scores_of_the_heaviest_and_the_lightest_fit() {
        let made = Rendezvous::new([(0, 1, 1), (1, 2, u32::MAX)].into_iter(), 0);
        assert!(made.keys[0].weigh(u32::MAX) < u64::MAX && made.keys[0].weigh(u32::MAX) > 1 << 59);
        assert!(made.keys[1].weigh(u32::MAX) > 0);
    }
}
