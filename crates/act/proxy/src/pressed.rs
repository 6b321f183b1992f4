//! What a worker does without while memory is short.
//!
//! High: each answer is the last on its connection, and who is silent is left, so that what connections hold comes back
//! and clients go to other nodes. Full: besides, nothing is accepted and requests are refused. What runs goes on.

use std::cell::Cell;

use haechi_model::{Moment, Pressure};

/// As the control plane told last.
#[derive(Debug, Default)]
pub(crate) struct Pressed {
    level: Cell<Pressure>,
    leaves_at: Cell<Option<Moment>>,
}

impl Pressed {
    /// Silent clients are left at `leaves_at`, if it was not short before. Says whether that begins now.
    pub(crate) fn change(&self, level: Pressure, leaves_at: Moment) -> bool {
        let was_high = self.is_high();
        self.level.set(level);
        let begins = self.is_high() && !was_high;
        if begins {
            self.leaves_at.set(Some(leaves_at));
        } else if !self.is_high() {
            self.leaves_at.set(None);
        }
        begins
    }

    /// Connections are to end soon.
    pub(crate) fn is_high(&self) -> bool {
        self.level.get() >= Pressure::High
    }

    /// Nothing new is to be taken on.
    pub(crate) fn is_full(&self) -> bool {
        self.level.get() >= Pressure::Full
    }

    /// When a client is left that has had an answer and asks nothing.
    pub(crate) fn leaves_at(&self) -> Option<Moment> {
        self.leaves_at.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_begins_once_and_ends_when_memory_is_back() {
        let at = Moment::from_nanos;
        let pressed = Pressed::default();
        assert!(!pressed.change(Pressure::None, at(1)));
        assert_eq!(pressed.leaves_at(), None);
        assert!(pressed.change(Pressure::High, at(2)));
        assert!(!pressed.change(Pressure::Full, at(3)));
        assert!((pressed.is_high(), pressed.is_full()) == (true, true));
        assert!(!pressed.change(Pressure::High, at(4)));
        assert_eq!((pressed.leaves_at(), pressed.is_full()), (Some(at(2)), false));
        assert!(!pressed.change(Pressure::None, at(5)));
        assert_eq!((pressed.leaves_at(), pressed.is_high()), (None, false));
        assert!(pressed.change(Pressure::Full, at(6)));
    }
}
