//! Virtual routers that move together: the two sides of a gateway are of no use on two nodes.
//!
//! What keepalived's `vrrp_sync_group` does (keepalived.conf(5)): one at fault takes all out; all come back
//! together; one that must go takes the others along. And a group takes over only when *every* one of its
//! virtual routers may, so that two groups that each see half of the other don't pull at the addresses in
//! turns: the active stays where one of its virtual routers is heard.
//!
//! One thing is gentler: the others that go along say that they stop, but keep their addresses until each
//! hears its successor, as in a hand-over.

use std::borrow::Borrow;
use std::time::Duration;

use haechi_model::Moment;
use serde::{Deserialize, Serialize};

use crate::{Input, Output, Reason, Router, Settings, State};

/// Several virtual routers on one node, named by their place in the list.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Group {
    members: Vec<Router>,
    /// Empty between calls; kept for its memory.
    #[serde(skip)]
    scratch: Vec<Output>,
}

impl Group {
    /// A group that takes no part yet.
    pub fn new(settings: impl IntoIterator<Item = Settings>, now: Moment) -> Self {
        let held_back = |settings| {
            let mut member = Router::new(settings, now);
            member.hold_back();
            member
        };
        Self { members: settings.into_iter().map(held_back).collect(), scratch: Vec::new() }
    }

    /// Something happened to one member, or to the node: then it is for all, whichever member it names.
    ///
    /// Outputs of different members may be executed at the same time; those of one member in their order.
    pub fn handle(
        &mut self,
        now: Moment,
        member: usize,
        input: impl Borrow<Input>,
        out: &mut Vec<(usize, Output)>,
    ) {
        let input = input.borrow();
        for at in 0..self.members.len() {
            if at == member || is_for_all(input) {
                self.on(at, out, |router, out| router.handle(now, input, out));
            }
        }
        self.share_faults(now, out);
        self.go_along(now, out);
        if *input == Input::Timer {
            self.take_over_if_due(now, out);
        }
    }

    /// When the next [`Input::Timer`] is due.
    pub fn deadline(&self) -> Option<Moment> {
        let others = self.members.iter().filter_map(Router::other_deadline).min();
        [others, self.takeover_at()].into_iter().flatten().min()
    }

    /// Its virtual routers.
    pub fn members(&self) -> &[Router] {
        &self.members
    }

    /// When the last of them may take over; `None` while one of them may not at all.
    fn takeover_at(&self) -> Option<Moment> {
        let all: Option<Vec<Moment>> = self.members.iter().map(Router::takeover_at).collect();
        all?.into_iter().max()
    }

    fn take_over_if_due(&mut self, now: Moment, out: &mut Vec<(usize, Output)>) {
        let Some(due) = self.takeover_at().filter(|due| *due <= now) else { return };
        let late = now.since(due);
        let longest = self.members.iter().map(Router::learnt_interval).max().unwrap_or(Duration::ZERO);
        for at in 0..self.members.len() {
            self.on(at, out, |router, out| {
                if late > longest { router.wake(now, late, out) } else { router.take_over_now(now, out) }
            });
        }
    }

    /// A link that is down takes all out. What is tracked needs no sharing: it is told to all of them.
    fn share_faults(&mut self, now: Moment, out: &mut Vec<(usize, Output)>) {
        for at in 0..self.members.len() {
            let others = self.members.iter().enumerate().filter(|(other, _)| *other != at);
            let down = others.map(|(_, other)| other).find(|other| !other.is_link_up());
            let fault = down.map(|down| about(down, &Reason::LinkDown));
            self.on(at, out, |router, out| router.group_fault(now, fault.as_deref(), out));
        }
    }

    /// One that is active no more takes the others along.
    fn go_along(&mut self, now: Moment, out: &mut Vec<(usize, Output)>) {
        let gone = self.members.iter().find(|member| !member.state().holds());
        let Some(text) = gone.map(|gone| about(gone, gone.reason())) else { return };
        for at in 0..self.members.len() {
            if self.members[at].state() == State::Active {
                self.on(at, out, |router, out| router.follow_down(now, &text, out));
            }
        }
    }

    fn on(
        &mut self,
        at: usize,
        out: &mut Vec<(usize, Output)>,
        deed: impl FnOnce(&mut Router, &mut Vec<Output>),
    ) {
        deed(&mut self.members[at], &mut self.scratch);
        out.extend(self.scratch.drain(..).map(|output| (at, output)));
    }
}

/// What happens to the node happens to all of them.
fn is_for_all(input: &Input) -> bool {
    match input {
        Input::Start
        | Input::Stop
        | Input::Timer
        | Input::Track { .. }
        | Input::Yield { .. }
        | Input::Resumed
        | Input::TakeBack
        | Input::Paused { .. } => true,
        Input::Advertisement { .. }
        | Input::Claimed
        | Input::ClaimFailed { .. }
        | Input::Released
        | Input::Configure(_)
        | Input::LinkUp
        | Input::LinkDown => false,
    }
}

fn about(member: &Router, reason: &Reason) -> String {
    format!("virtual router {}: {reason}", member.settings().id)
}
