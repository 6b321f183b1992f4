//! Encoders of one worker: lent up to a bound, and used again.

use std::cell::{Cell, RefCell};

use haechi_model::Coding;

use super::{Coder, cost};

/// Most memory that encoders of one worker take at a time. A client that reads slowly keeps its encoder, so without a
/// bound a few thousand of them would take gigabytes. It is what pipes of slow readers may hold, too.
const MOST: usize = 128 << 20;

/// Encoders kept for the next answer: as many as begin before others end on a busy worker. Making one costs a hundredth
/// of a millisecond, most of it for clearing its tables.
const KEPT: usize = 16;

/// Encoders of one worker.
#[derive(Default)]
pub(crate) struct Coders {
    idle: RefCell<Vec<Coder>>,
    /// Memory of those that are lent.
    lent: Cell<usize>,
}

impl Coders {
    /// An encoder; none when too many are lent, or no memory is left.
    pub(crate) fn take(&self, coding: Coding, level: u8) -> Option<Coder> {
        let lent = self.lent.get() + cost(coding, level);
        if lent > MOST {
            return None;
        }
        let mut idle = self.idle.borrow_mut();
        let fits = |coder: &Coder| coder.coding() == coding && coder.level == level;
        let coder = match idle.iter().rposition(fits) {
            Some(at) => idle.swap_remove(at),
            None => Coder::new(coding, level).ok()?,
        };
        self.lent.set(lent);
        Some(coder)
    }

    /// Gives one back, whatever became of its answer.
    pub(crate) fn give(&self, mut coder: Coder) {
        self.lent.set(self.lent.get().saturating_sub(coder.cost));
        let mut idle = self.idle.borrow_mut();
        if idle.len() < KEPT && coder.renew() {
            idle.push(coder);
        }
    }
}
