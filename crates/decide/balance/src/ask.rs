//! What a worker says when it asks, and what it hears.

/// One question to a [`View`](crate::View).
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The pool's counter, shared by all workers and raised by one per pick; that makes round robin exact over
    /// workers. Let it start at a random value: else every node of a group begins with its first endpoint.
    pub ticket: u64,
    /// From [`source_key`](crate::source_key); looked at by `ipHash` only.
    pub source: u64,
    /// Uniform random bits; they break ties and make the draws of two choices.
    pub random: u64,
    /// Who failed this request already.
    pub tried: &'a Tried,
}

/// What the workers know of the endpoints at this moment. `member` is a position in the slice that the view
/// was made from; each call should be one or two relaxed loads.
pub trait Loads {
    /// Requests (`http`) or connections (`tcp`) running at or queued for it, counted from the pick on.
    fn in_flight(&self, member: usize) -> u32;
    /// What a response takes, in ns: [`EwmaState::cost`](crate::EwmaState::cost). `None` while nothing was
    /// measured.
    fn cost_nanos(&self, member: usize) -> Option<u64>;
    /// At its connection limit.
    fn full(&self, member: usize) -> bool;
}

/// The answer to an [`Ask`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pick {
    /// This position in the slice that the view was made from.
    Member(usize),
    /// There are eligible members, but each that was not tried is at its connection limit: wait in the queue.
    AllFull,
    /// No member is eligible: answer 503. [`View::empty`](crate::View::empty) says why.
    Nobody,
}

/// Who was tried for one request.
///
/// Holds the last [`Tried::CAPACITY`] without allocating. A request that is tried more often than that may meet
/// its first endpoint again; by then others had as many chances as anyone has patience for (the default is 3
/// tries in all).
#[derive(Clone, Copy, Debug, Default)]
pub struct Tried {
    members: [u32; Self::CAPACITY],
    count: u32,
}

impl Tried {
    /// With its count it fills little more than half a cache line, and is searched faster than any set.
    pub const CAPACITY: usize = 8;

    /// Nobody yet.
    pub const fn new() -> Self {
        Self { members: [0; Self::CAPACITY], count: 0 }
    }

    /// Remembers a member; forgets the oldest one when there is no room.
    pub fn insert(&mut self, member: usize) {
        if self.contains(member) {
            return;
        }
        let Ok(member) = u32::try_from(member) else { return };
        self.members[self.count as usize % Self::CAPACITY] = member;
        self.count = self.count.wrapping_add(1);
    }

    /// Whether this member was tried.
    pub fn contains(&self, member: usize) -> bool {
        self.known().iter().any(|known| *known as usize == member)
    }

    /// Whether this is the first try.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn known(&self) -> &[u32] {
        &self.members[..(self.count as usize).min(Self::CAPACITY)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_the_last_eight() {
        let mut tried = Tried::new();
        assert!(tried.is_empty() && !tried.contains(0));
        for member in 0..8 {
            tried.insert(member);
            tried.insert(member);
        }
        assert!((0..8).all(|member| tried.contains(member)) && !tried.contains(8));
        tried.insert(8);
        assert!(!tried.contains(0) && (1..=8).all(|member| tried.contains(member)));
        assert!(!tried.is_empty());
    }

    #[test]
    fn a_position_beyond_u32_is_never_taken_for_another() {
        let mut tried = Tried::new();
        tried.insert(1 << 32);
        assert!(!tried.contains(0) && tried.is_empty());
    }
}
