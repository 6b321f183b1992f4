//! What must never be seen, looked at after every event.

use std::time::Duration;

use haechi_model::Moment;
use haechi_vrrp::timing::{lease, successor_bound};
use haechi_vrrp::{Output, State};

use crate::network::Network;
use crate::node::{Kernel, Node};

/// A shell needs a moment for everything.
const SLACK: Duration = Duration::from_millis(5);

pub(crate) struct Promises {
    /// Longest interval of all nodes: anybody may have learnt it.
    longest: Duration,
    /// Since when nobody holds the addresses.
    nobody_since: Option<Moment>,
}

impl Promises {
    pub(crate) fn new(longest: Duration) -> Self {
        Self { longest, nobody_since: None }
    }

    /// Somebody said that it is active: those who hear it wait anew, even if it is so for that moment only.
    pub(crate) fn somebody_said(&mut self) {
        self.nobody_since = None;
    }

    pub(crate) fn check(&mut self, now: Moment, nodes: &[Node], network: &Network) {
        self.one_at_most(now, nodes, network);
        self.one_at_least(now, nodes, network);
        for node in nodes {
            kernel_agrees(node);
        }
    }

    /// Two that heard all that the other said for an interval can't both hold the addresses. One that is
    /// frozen holds nothing back; what it does when it runs again is checked by `after_a_pause`. Two that hand
    /// over at the same time, because a cut is over that had made both active, wait for a third one, and for
    /// no longer than any hand-over does.
    fn one_at_most(&self, now: Moment, nodes: &[Node], network: &Network) {
        for one in 0..nodes.len() {
            for other in one + 1..nodes.len() {
                let both = [one, other].iter().all(|at| nodes[*at].holds() && nodes[*at].is_running());
                if !both {
                    continue;
                }
                let router = |at: usize| nodes[at].router.as_ref().unwrap();
                let since = |at: usize| router(at).since();
                let yielding = |at: usize| router(at).state() == State::Yielding;
                let waits = if yielding(one) && yielding(other) {
                    successor_bound(self.longest)
                } else {
                    self.longest
                };
                let bound = waits + network.slowest + SLACK;
                if let Some(heard) = network.both_hear_since(one, other) {
                    let since = heard.max(since(one)).max(since(other));
                    assert!(now.since(since) <= bound, "{one} and {other} both hold the addresses");
                }
            }
        }
    }

    /// Nobody waits longer for a dead active than three intervals and a skew, which is less than one more.
    fn one_at_least(&mut self, now: Moment, nodes: &[Node], network: &Network) {
        if nodes.iter().any(Node::holds) {
            self.nobody_since = None;
            return;
        }
        let nobody = *self.nobody_since.get_or_insert(now);
        let eligible = nodes.iter().filter_map(|node| node.eligible_since).min();
        if let Some(eligible) = eligible {
            let since = nobody.max(eligible);
            let bound = self.longest * 4 + network.slowest + SLACK * 2;
            assert!(
                now.since(since) <= bound,
                "nobody holds the addresses since {since:?}, and somebody could"
            );
        }
    }

    /// The first thing that a node does after a pause longer than its lease is to let go.
    pub(crate) fn after_a_pause(now: Moment, node: &Node, held: bool, out: &[Output]) {
        let silent = now.since(node.last_said);
        if held && silent > lease(node.settings.interval) {
            assert_eq!(out.first(), Some(&Output::Release), "after {silent:?} of silence");
        }
    }
}

/// Who does not hold the addresses does not answer for them, and who announces them has them.
fn kernel_agrees(node: &Node) {
    let Some(router) = &node.router else { return };
    if !router.state().holds() && node.claims_pending == 0 {
        assert_ne!(node.kernel, Kernel::On, "left on a node that is {:?}", router.state());
    }
    if router.state() == State::Active && router.holds_addresses() {
        assert_eq!(node.kernel, Kernel::On, "held, but not there");
    }
}
