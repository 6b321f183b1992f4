//! The figures of nginx' `ngx_http_stub_status_module`, counted as it counts them: every open connection is
//! active; it reads a head, answers, or waits for the next request.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

use super::Place;

#[derive(Default, Debug)]
pub(super) struct Figures {
    accepts: AtomicU64,
    requests: AtomicU64,
    /// Open connections by what they do, in the order of [`Phase`].
    phases: [AtomicU64; 3],
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Reading,
    Writing,
    Waiting,
}

impl Phase {
    const fn index(self) -> u8 {
        match self {
            Self::Reading => 0,
            Self::Writing => 1,
            Self::Waiting => 2,
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [reading, writing, waiting] = [0, 1, 2].map(|phase| self.phases[phase].load(Relaxed));
        let (accepts, requests) = (self.accepts.load(Relaxed), self.requests.load(Relaxed));
        // The spaces at the ends of lines are nginx'; programs that read this may rely on them. Every
        // connection accepted is handled here: where nginx runs out of them, this one does not accept.
        write!(
            f,
            "Active connections: {} \nserver accepts handled requests\n {accepts} {accepts} {requests} \n\
             Reading: {reading} Writing: {writing} Waiting: {waiting} \n",
            reading + writing + waiting,
        )
    }
}

/// One connection in the figures, until it is dropped.
pub(super) struct Visit {
    place: Arc<Place>,
    phase: AtomicU8,
}

impl Visit {
    pub(super) fn begin(place: Arc<Place>) -> Self {
        place.figures.accepts.fetch_add(1, Relaxed);
        // nginx counts a fresh connection as waiting until its first byte is there.
        place.figures.phases[usize::from(Phase::Waiting.index())].fetch_add(1, Relaxed);
        Self { place, phase: AtomicU8::new(Phase::Waiting.index()) }
    }

    /// Bytes came. While an answer is in the making they belong to the next request, or to this one's body.
    pub(super) fn heard(&self) {
        if self.phase.load(Relaxed) == Phase::Waiting.index() {
            self.enter(Phase::Reading);
        }
    }

    pub(super) fn answering(&self) {
        self.place.figures.requests.fetch_add(1, Relaxed);
        self.enter(Phase::Writing);
    }

    pub(super) fn answered(&self) {
        self.enter(Phase::Waiting);
    }

    fn enter(&self, next: Phase) {
        let was = self.phase.swap(next.index(), Relaxed);
        self.place.figures.phases[usize::from(was)].fetch_sub(1, Relaxed);
        self.place.figures.phases[usize::from(next.index())].fetch_add(1, Relaxed);
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let was = self.phase.load(Relaxed);
        self.place.figures.phases[usize::from(was)].fetch_sub(1, Relaxed);
    }
}
