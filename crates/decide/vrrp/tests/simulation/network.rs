//! Who hears whom, how late, and since when without a loss.

use std::time::Duration;

use haechi_model::Moment;

use crate::chance::Chance;

/// From every node to every other one, each direction for itself.
pub(crate) struct Network {
    ways: Vec<Vec<Way>>,
    /// Longest time that a message takes.
    pub(crate) slowest: Duration,
}

#[derive(Clone)]
struct Way {
    open: bool,
    /// Percent of messages that get lost.
    loss: u64,
    /// Nothing was lost, and nobody stopped listening, since then.
    sound_since: Moment,
}

impl Network {
    pub(crate) fn new(nodes: usize, slowest: Duration) -> Self {
        let way = Way { open: true, loss: 0, sound_since: Moment::ORIGIN };
        Self { ways: vec![vec![way; nodes]; nodes], slowest }
    }

    /// When a message that is sent now arrives: at times not, at times twice.
    pub(crate) fn carry(&mut self, now: Moment, from: usize, to: usize, chance: &mut Chance) -> Vec<Moment> {
        let way = &mut self.ways[from][to];
        if !way.open || chance.percent(way.loss) {
            way.sound_since = now;
            return Vec::new();
        }
        let copies = if chance.percent(2) { 2 } else { 1 };
        (0..copies).map(|_| now + chance.time(self.slowest)).collect()
    }

    pub(crate) fn set_open(&mut self, now: Moment, from: usize, to: usize, open: bool) {
        let way = &mut self.ways[from][to];
        way.open = open;
        way.sound_since = now;
    }

    pub(crate) fn set_loss(&mut self, from: usize, to: usize, loss: u64) {
        self.ways[from][to].loss = loss;
    }

    /// A node that does not listen hears nothing, whatever arrives.
    pub(crate) fn disturbed(&mut self, now: Moment, node: usize) {
        for other in 0..self.ways.len() {
            self.ways[node][other].sound_since = now;
            self.ways[other][node].sound_since = now;
        }
    }

    /// Since when each of two hears all that the other says.
    pub(crate) fn both_hear_since(&self, one: usize, other: usize) -> Option<Moment> {
        let (there, back) = (&self.ways[one][other], &self.ways[other][one]);
        (there.open && back.open).then(|| there.sound_since.max(back.sound_since))
    }

    pub(crate) fn heal(&mut self, now: Moment) {
        for way in self.ways.iter_mut().flatten() {
            if !way.open {
                way.sound_since = now;
            }
            (way.open, way.loss) = (true, 0);
        }
    }
}
