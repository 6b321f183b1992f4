//! Outputs that wait until packets of unknown flows have their way: a claim before that would reset them.

use std::collections::VecDeque;

use haechi_model::Moment;
use haechi_vrrp::Output;

/// What waits, in its order.
#[derive(Default)]
pub(crate) struct Held {
    waiting: Option<(u64, Moment)>,
    outputs: VecDeque<(usize, Output)>,
}

impl Held {
    /// From now on outputs wait, for the result of this number or until then.
    pub(crate) fn wait(&mut self, ticket: u64, until: Moment) {
        self.waiting = Some((ticket, until));
    }

    pub(crate) fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    pub(crate) fn waits_for(&self, ticket: u64) -> bool {
        self.waiting.is_some_and(|(number, _)| number == ticket)
    }

    pub(crate) fn deadline(&self) -> Option<Moment> {
        self.waiting.map(|(_, until)| until)
    }

    /// Whether an output has to wait. An advertisement has not: silence looks like death. Nor has what lets go
    /// of the addresses; it takes back the claim that waits, which must not come after it.
    pub(crate) fn keeps(&mut self, at: usize, output: &Output) -> bool {
        match output {
            Output::Advertise { .. } => false,
            Output::Release | Output::Demote { .. } => {
                let taken_back = |it: &Output| matches!(it, Output::Claim | Output::Announce);
                self.outputs.retain(|(member, waiting)| *member != at || !taken_back(waiting));
                false
            }
            _ => self.is_waiting(),
        }
    }

    pub(crate) fn push(&mut self, at: usize, output: Output) {
        self.outputs.push_back((at, output));
    }

    /// Nothing waits any more: gives what did.
    pub(crate) fn take(&mut self) -> VecDeque<(usize, Output)> {
        self.waiting = None;
        std::mem::take(&mut self.outputs)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn waiting() -> Held {
        let mut held = Held::default();
        held.wait(7, Moment::ORIGIN + Duration::from_secs(1));
        held
    }

    #[test]
    fn nothing_waits_before_there_is_something_to_wait_for() {
        let mut held = Held::default();
        for output in [Output::Claim, Output::Announce, Output::Release, Output::Advertise { priority: 1 }] {
            assert!(!held.keeps(0, &output), "{output:?}");
        }
        assert_eq!(held.deadline(), None);
        assert!(!held.waits_for(7));
    }

    #[test]
    fn claims_wait_and_advertisements_do_not() {
        let mut held = waiting();
        assert!(held.keeps(0, &Output::Claim) && held.keeps(0, &Output::Announce));
        assert!(!held.keeps(0, &Output::Advertise { priority: 100 }));
        assert!(held.waits_for(7) && !held.waits_for(6));
        assert_eq!(held.deadline(), Some(Moment::ORIGIN + Duration::from_secs(1)));
    }

    #[test]
    fn letting_go_takes_back_the_claim_of_that_member_only() {
        for letting_go in [Output::Release, Output::Demote { to: [10, 0, 0, 1].into() }] {
            let mut held = waiting();
            for at in [0, 1] {
                held.push(at, Output::Claim);
            }
            assert!(!held.keeps(0, &letting_go));
            assert_eq!(held.take(), [(1, Output::Claim)]);
            assert!(!held.is_waiting());
        }
    }
}
