//! What happened, from the lab and from the node, in one order.

use std::collections::VecDeque;

use haechi_admin::api::Event;

use crate::status::Told;

/// Kept for the screen and for `haechi lab status`; the node itself keeps 10,000.
const KEPT: usize = 100;

#[derive(Default, Debug)]
pub(crate) struct Story {
    told: VecDeque<Told>,
    /// Counts all that were ever told.
    count: usize,
}

impl Story {
    /// The lab did something.
    pub(crate) fn tell(&mut self, at_ms: u64, subject: &str, text: &str) {
        self.push(Told { at_ms, subject: subject.to_owned(), text: text.to_owned() });
    }

    /// The node noticed something.
    pub(crate) fn hear(&mut self, event: Event) {
        self.push(Told { at_ms: event.at_ms, subject: event.subject, text: event.text });
    }

    fn push(&mut self, told: Told) {
        if self.told.len() == KEPT {
            self.told.pop_front();
        }
        self.told.push_back(told);
        self.count += 1;
    }

    /// All that are kept, ascending.
    pub(crate) fn all(&self) -> Vec<Told> {
        self.told.iter().cloned().collect()
    }

    /// Those that `seen` of before did not count, and the count now.
    pub(crate) fn since(&self, seen: usize) -> (impl Iterator<Item = &Told>, usize) {
        let fresh = self.count.saturating_sub(seen).min(self.told.len());
        (self.told.range(self.told.len() - fresh..), self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_kept_and_each_is_new_once() {
        let mut story = Story::default();
        story.tell(1, "lab", "a");
        let (fresh, seen) = story.since(0);
        assert_eq!(fresh.count(), 1);
        assert_eq!(story.since(seen).0.count(), 0);
        for number in 0..2 * KEPT {
            story.tell(2, "lab", &number.to_string());
        }
        assert_eq!(story.all().len(), KEPT);
        let (fresh, _) = story.since(seen);
        assert_eq!(fresh.last().unwrap().text, (2 * KEPT - 1).to_string());
    }
}
