//! Deadlines by the thousand: setting one is a store, and one coarse tick per worker looks at all.
//!
//! Every request sets several deadlines and nearly none is reached. A timer wheel pays for each; a scan
//! pays a few nanoseconds per connection and tick (0.2 % of a core for 10,000 connections).

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Duration;

use haechi_model::Moment;

/// Time between two looks at all deadlines: a timeout is late by at most this, and never early.
pub(crate) const TICK: Duration = Duration::from_millis(20);

/// No deadline.
pub(crate) const NEVER: Moment = Moment::from_nanos(u64::MAX);

/// All deadlines of one worker.
pub(crate) struct Timers {
    entries: RefCell<Vec<Rc<Entry>>>,
    /// Tells the time at the cost of a load: that of the loop's last look at its sockets.
    now: fn() -> Moment,
}

struct Entry {
    position: Cell<usize>,
    deadline: Cell<Moment>,
    /// Serial of the endpoint that the connection works with; 0 is none.
    endpoint: Cell<u64>,
    cut: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Entry {
    fn wake(&self) {
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }
}

/// One connection's deadline.
pub(crate) struct Timer {
    timers: Rc<Timers>,
    entry: Rc<Entry>,
}

impl Timers {
    pub(crate) fn new(now: fn() -> Moment) -> Rc<Self> {
        Rc::new(Self { entries: RefCell::new(Vec::new()), now })
    }

    pub(crate) fn timer(self: &Rc<Self>) -> Timer {
        let mut entries = self.entries.borrow_mut();
        let entry = Rc::new(Entry {
            position: Cell::new(entries.len()),
            deadline: Cell::new(NEVER),
            endpoint: Cell::new(0),
            cut: Cell::new(false),
            waker: RefCell::new(None),
        });
        entries.push(Rc::clone(&entry));
        Timer { timers: Rc::clone(self), entry }
    }

    /// When the loop looked last.
    pub(crate) fn now(&self) -> Moment {
        (self.now)()
    }

    /// Wakes every connection whose deadline has passed.
    pub(crate) fn tick(&self, now: Moment) {
        for entry in self.entries.borrow().iter().filter(|entry| entry.deadline.get() <= now) {
            entry.wake();
        }
    }

    /// Cuts off every connection that works with this endpoint.
    pub(crate) fn cut(&self, endpoint: u64) {
        for entry in self.entries.borrow().iter().filter(|entry| entry.endpoint.get() == endpoint) {
            entry.cut.set(true);
            entry.wake();
        }
    }

    /// Wakes every connection, so that it looks anew at whether it may go on.
    pub(crate) fn wake_all(&self) {
        for entry in self.entries.borrow().iter() {
            entry.wake();
        }
    }

    /// Connections that have a timer.
    pub(crate) fn len(&self) -> usize {
        self.entries.borrow().len()
    }
}

/// Cuts one connection off, from outside of its task.
pub(crate) struct Cutter(Rc<Entry>);

impl Cutter {
    pub(crate) fn cut(&self) {
        self.0.cut.set(true);
        self.0.wake();
    }
}

impl Timer {
    /// A handle for whoever may have to cut this connection off.
    pub(crate) fn cutter(&self) -> Cutter {
        Cutter(Rc::clone(&self.entry))
    }

    pub(crate) fn set(&self, after: Duration) {
        self.entry.deadline.set(self.now() + after);
    }

    /// A deadline that was computed before, such as one that is not renewed.
    pub(crate) fn set_at(&self, deadline: Moment) {
        self.entry.deadline.set(deadline);
    }

    /// Which endpoint the connection works with from now on; 0 is none.
    pub(crate) fn works_with(&self, endpoint: u64) {
        self.entry.endpoint.set(endpoint);
        self.entry.cut.set(false);
    }

    /// Wakes the task that looks at it.
    pub(crate) fn wake(&self) {
        self.entry.wake();
    }

    /// Whether the endpoint that it works with was taken away.
    pub(crate) fn is_cut(&self) -> bool {
        self.entry.cut.get()
    }

    /// Whether the deadline has passed. If not, the task is woken when it has, or when it is cut.
    #[inline]
    pub(crate) fn has_passed(&self, cx: &Context<'_>) -> bool {
        if self.entry.deadline.get() <= self.now() {
            return true;
        }
        let mut waker = self.entry.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        false
    }

    /// When the loop looked last.
    pub(crate) fn now(&self) -> Moment {
        self.timers.now()
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let mut entries = self.timers.entries.borrow_mut();
        let position = self.entry.position.get();
        entries.swap_remove(position);
        if let Some(moved) = entries.get(position) {
            moved.position.set(position);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::Wake;

    use super::*;

    thread_local! {
        static NOW: Cell<Moment> = const { Cell::new(Moment::ORIGIN) };
    }

    /// Timers of a loop that looks when the test says so.
    fn timers() -> Rc<Timers> {
        Timers::new(|| NOW.get())
    }

    fn look(timers: &Timers, now: Moment) {
        NOW.set(now);
        timers.tick(now);
    }

    #[derive(Default)]
    struct Counting(AtomicU32);

    impl Wake for Counting {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_deadline_wakes_once_it_has_passed_and_not_before() {
        let timers = timers();
        let (first, second) = (timers.timer(), timers.timer());
        let woken = Arc::new(Counting::default());
        let waker = Waker::from(Arc::clone(&woken));
        let cx = Context::from_waker(&waker);
        second.set(Duration::from_secs(2));
        assert!(!second.has_passed(&cx));
        drop(first);
        look(&timers, Moment::ORIGIN + Duration::from_secs(1));
        assert_eq!(woken.0.load(Ordering::Relaxed), 0);
        look(&timers, Moment::ORIGIN + Duration::from_secs(2));
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
        assert!(second.has_passed(&cx));
        drop(second);
        assert_eq!(timers.len(), 0);
    }

    /// It counted from the last tick: a worker that did not run for a while timed out who had just come.
    #[test]
    fn a_deadline_counts_from_the_look_that_brought_its_cause() {
        let timers = timers();
        let timer = timers.timer();
        let cx = Context::from_waker(Waker::noop());
        NOW.set(Moment::ORIGIN + Duration::from_secs(5));
        timer.set(Duration::from_secs(1));
        assert!(!timer.has_passed(&cx));
        look(&timers, Moment::ORIGIN + Duration::from_millis(5_999));
        assert!(!timer.has_passed(&cx));
        NOW.set(Moment::ORIGIN + Duration::from_secs(6));
        assert!(timer.has_passed(&cx), "whoever looks for another reason sees it before the tick");
    }

    #[test]
    fn a_cut_reaches_only_who_works_with_that_endpoint() {
        let timers = timers();
        let (one, other) = (timers.timer(), timers.timer());
        one.works_with(7);
        other.works_with(8);
        timers.cut(7);
        assert!(one.is_cut() && !other.is_cut());
        one.works_with(0);
        assert!(!one.is_cut());
    }
}
