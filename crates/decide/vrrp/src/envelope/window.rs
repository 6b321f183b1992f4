//! What was heard last of each sender, so that nothing is heard twice.
//!
//! A message must be newer than all before it: one that was overtaken on its way is old news, and refusing it
//! costs nothing, because the next one is an interval away. So two numbers per sender are enough.
//!
//! What this can't know: whether the first message after *our* start is a fresh one. Who recorded the last
//! message of a dead node can make us wait for it once, for one active-down interval. So the window is plain data, and
//! whoever keeps it over a restart closes that gap.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Stamp;

/// Most senders that are remembered: far more than a group has nodes. Only holders of a key can fill it.
pub const MAX_SENDERS: usize = 64;

/// The newest message of each sender.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Window(BTreeMap<Box<str>, (u64, u64)>);

/// Why a message of a known sender does not count.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Stale {
    /// Not newer than one that was heard: sent again by somebody, overtaken, or the sender's epoch went back.
    Replayed,
    /// Too many senders, and this one is new.
    TooMany,
}

impl Stale {
    /// As a counter's label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Replayed => "replayed",
            Self::TooMany => "tooManySenders",
        }
    }
}

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replayed => f.write_str("not newer than what its sender said before"),
            Self::TooMany => write!(f, "more than {MAX_SENDERS} senders"),
        }
    }
}

impl std::error::Error for Stale {}

impl Window {
    /// Takes a message in if it is new. Ask only about what was [opened](super::open), and once: anybody can
    /// write a stamp, and what was taken in is not new any more.
    ///
    /// # Errors
    /// It is not new, or there is no room to remember its sender.
    pub fn admit(&mut self, stamp: Stamp<'_>) -> Result<(), Stale> {
        let now = (stamp.epoch, stamp.sequence);
        let full = self.0.len() >= MAX_SENDERS;
        match self.0.get_mut(stamp.sender) {
            Some(newest) if now > *newest => *newest = now,
            Some(_) => return Err(Stale::Replayed),
            None if full => return Err(Stale::TooMany),
            None => drop(self.0.insert(stamp.sender.into(), now)),
        }
        Ok(())
    }

    /// Forgets all but the senders whose lives began last, at most this many.
    pub fn keep_newest(&mut self, most: usize) {
        let mut lives: Vec<(u64, u64)> = self.0.values().copied().collect();
        lives.sort_unstable_by(|one, other| other.cmp(one));
        if let Some(last) = lives.get(most) {
            self.0.retain(|_, life| *life > *last);
        }
    }

    /// Forgets a sender that is no peer any more.
    pub fn forget(&mut self, sender: &str) {
        self.0.remove(sender);
    }
}
