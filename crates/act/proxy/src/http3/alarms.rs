//! When connections are to be looked at again: losses and acknowledgements want milliseconds, which the worker's tick
//! does not give.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use haechi_model::Moment;

use crate::engine;

/// Longest sleep: the loop keeps each until its end, also of those that an earlier one replaced.
const LONGEST: Duration = Duration::from_secs(1);

/// The next moment of each connection of a socket.
#[derive(Default)]
pub(super) struct Alarms {
    order: RefCell<BTreeSet<(Moment, usize)>>,
    moments: RefCell<HashMap<usize, Moment>>,
    /// Who rings, and from when on it does so by itself.
    ringer: RefCell<Option<Waker>>,
    armed: Cell<Option<Moment>>,
}

/// Sleeps until a moment.
pub(super) struct Sleep(Option<(Moment, Sleeping)>);

type Sleeping = Pin<Box<dyn Future<Output = ()>>>;

impl Sleep {
    pub(super) const fn new() -> Self {
        Self(None)
    }
}

impl Alarms {
    /// The connection is to be looked at then; never, if none.
    pub(super) fn set(&self, connection: usize, at: Option<Moment>) {
        let mut moments = self.moments.borrow_mut();
        let before = match at {
            Some(at) => moments.insert(connection, at),
            None => moments.remove(&connection),
        };
        if before == at {
            return;
        }
        let mut order = self.order.borrow_mut();
        if let Some(before) = before {
            order.remove(&(before, connection));
        }
        let Some(at) = at else { return };
        order.insert((at, connection));
        if self.armed.get().is_none_or(|armed| at < armed) {
            self.look();
        }
    }

    /// Lets the ringer look again.
    pub(super) fn look(&self) {
        if let Some(ringer) = &*self.ringer.borrow() {
            ringer.wake_by_ref();
        }
    }

    /// Gives the next connection whose moment has come; waits for it.
    pub(super) fn poll_ring(&self, cx: &mut Context<'_>, sleep: &mut Sleep) -> Poll<usize> {
        *self.ringer.borrow_mut() = Some(cx.waker().clone());
        loop {
            let next = self.order.borrow().first().copied();
            let Some((at, connection)) = next else {
                self.armed.set(None);
                return Poll::Pending;
            };
            // The loop's time, as whoever is woken asks for: by the clock it might be due here and not there.
            let now = engine::now();
            if at <= now {
                self.set(connection, None);
                return Poll::Ready(connection);
            }
            if sleep.0.as_ref().is_none_or(|(until, _)| at < *until) {
                sleep.0 = Some((at, Box::pin(engine::sleep(at.since(now).min(LONGEST)))));
            }
            let Some((until, future)) = &mut sleep.0 else { return Poll::Pending };
            self.armed.set(Some(*until));
            match future.as_mut().poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(()) => sleep.0 = None,
            }
        }
    }
}
