//! Addresses that this node gave to another one: whoever is connected to one is asked to come anew, and then gets to
//! the node that has it now. What this one still serves there ends some time after.
//!
//! A connection looks at its own address once for each change and not for each request, so that a move costs a system
//! call for each connection, and nothing while nothing moves.

use std::cell::{Cell, RefCell};
use std::net::IpAddr;

use haechi_model::Moment;

/// What a worker knows of them.
#[derive(Debug, Default)]
pub(crate) struct Away {
    changes: Cell<u32>,
    addresses: RefCell<Vec<(IpAddr, Moment)>>,
}

/// What a connection knows of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leaving {
    seen: u32,
    at: Option<Moment>,
}

impl Away {
    /// Connections to these should be left; silent ones at `leaves_at`.
    pub(crate) fn give(&self, addresses: &[IpAddr], leaves_at: Moment) {
        self.forget(addresses);
        self.addresses.borrow_mut().extend(addresses.iter().map(|address| (*address, leaves_at)));
        self.changes.set(self.changes.get().wrapping_add(1));
    }

    /// Connections to these may stay, but for those that were told by now.
    pub(crate) fn take_back(&self, addresses: &[IpAddr]) {
        self.forget(addresses);
        self.changes.set(self.changes.get().wrapping_add(1));
    }

    /// Nothing comes in for these any more. What was to be left still is.
    pub(crate) fn forget(&self, addresses: &[IpAddr]) {
        self.addresses.borrow_mut().retain(|(address, _)| !addresses.contains(address));
    }
}

impl Leaving {
    /// For a connection that begins: it need not look while nothing is away.
    pub(crate) fn new(away: &Away) -> Self {
        let changes = away.changes.get();
        let looks = !away.addresses.borrow().is_empty();
        Self { seen: changes.wrapping_sub(u32::from(looks)), at: None }
    }

    /// When the connection should be left, if it should be. `own` gives the address that its client came to.
    #[inline]
    pub(crate) fn at(&mut self, away: &Away, own: impl FnOnce() -> Option<IpAddr>) -> Option<Moment> {
        if self.seen != away.changes.get() {
            self.look(away, own());
        }
        self.at
    }

    fn look(&mut self, away: &Away, own: Option<IpAddr>) {
        self.seen = away.changes.get();
        let addresses = away.addresses.borrow();
        self.at = addresses.iter().find(|(address, _)| Some(*address) == own).map(|(_, at)| *at);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const MOVING: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 1));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 2));

    fn at(seconds: u64) -> Moment {
        Moment::ORIGIN + Duration::from_secs(seconds)
    }

    #[test]
    fn who_came_to_what_is_away_leaves_and_nobody_else() {
        let away = Away::default();
        let (mut one, mut other) = (Leaving::new(&away), Leaving::new(&away));
        assert_eq!(one.at(&away, || panic!("nothing has moved")), None);
        away.give(&[MOVING], at(2));
        assert_eq!(one.at(&away, || Some(MOVING)), Some(at(2)));
        assert_eq!(one.at(&away, || panic!("it has looked")), Some(at(2)));
        assert_eq!(other.at(&away, || Some(OTHER)), None);
        let mut late = Leaving::new(&away);
        assert_eq!(late.at(&away, || Some(MOVING)), Some(at(2)), "whose packet went astray");

        away.give(&[OTHER], at(3));
        assert_eq!(other.at(&away, || Some(OTHER)), Some(at(3)));
        assert_eq!(one.at(&away, || Some(MOVING)), Some(at(2)));
        away.take_back(&[MOVING]);
        assert_eq!(one.at(&away, || Some(MOVING)), None, "it may stay");
        assert_eq!(other.at(&away, || Some(OTHER)), Some(at(3)));
        away.forget(&[OTHER]);
        assert_eq!(other.at(&away, || Some(OTHER)), Some(at(3)), "it was told");
        assert_eq!(Leaving::new(&away).at(&away, || panic!("nothing is away")), None);
    }
}
