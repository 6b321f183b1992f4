//! The flows of one socket by their ends, and which of them may give way to a new one.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::{Rc, Weak};
use std::time::Duration;

use haechi_model::Moment;

use super::Ends;
use super::flow::Flow;

/// A flow of one datagram that is older has had its answer, or will hardly get one: resolvers ask again after a second
/// or more (RFC 1035 wants 2 to 5).
const ANSWERED: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct Table {
    by_ends: RefCell<HashMap<Ends, Rc<Flow>>>,
    /// In the order of their begin, with some that have ended or are past this.
    young: RefCell<VecDeque<Weak<Flow>>>,
}

impl Table {
    pub(super) fn is_empty(&self) -> bool {
        self.by_ends.borrow().is_empty()
    }

    pub(super) fn get(&self, ends: &Ends) -> Option<Rc<Flow>> {
        self.by_ends.borrow().get(ends).filter(|flow| !flow.has_ended()).cloned()
    }

    pub(super) fn insert(&self, ends: Ends, flow: &Rc<Flow>) {
        let mut by_ends = self.by_ends.borrow_mut();
        by_ends.insert(ends, Rc::clone(flow));
        let mut young = self.young.borrow_mut();
        // As many as there are flows may have gone: then looking at each costs each flow one look.
        if young.len() > by_ends.len() * 2 + 64 {
            young.retain(|flow| flow.upgrade().is_some_and(|flow| flow.is_young()));
        }
        young.push_back(Rc::downgrade(flow));
    }

    pub(super) fn all(&self) -> Vec<Rc<Flow>> {
        self.by_ends.borrow().values().filter(|flow| !flow.has_ended()).cloned().collect()
    }

    pub(super) fn end_all(&self) {
        self.by_ends.borrow().values().for_each(|flow| flow.end());
    }

    /// Unless another has its place by now.
    pub(super) fn remove(&self, flow: &Rc<Flow>) {
        let mut by_ends = self.by_ends.borrow_mut();
        if by_ends.get(&flow.ends).is_some_and(|known| Rc::ptr_eq(known, flow)) {
            by_ends.remove(&flow.ends);
        }
    }

    /// The oldest flow whose client sent a single datagram, and had the time for its answer. It is not here any more.
    pub(super) fn oldest_that_may_go(&self, now: Moment) -> Option<Rc<Flow>> {
        let mut young = self.young.borrow_mut();
        loop {
            let Some(flow) = young.front()?.upgrade().filter(|flow| flow.is_young()) else {
                young.pop_front();
                continue;
            };
            if now.since(flow.begun) < ANSWERED {
                return None;
            }
            young.pop_front();
            self.remove(&flow);
            return Some(flow);
        }
    }
}
