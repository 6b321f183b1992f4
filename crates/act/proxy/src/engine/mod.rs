//! What a worker's thread runs on: tasks that wait for sockets, for time, and for other threads.
//!
//! It replaces a general runtime on these threads alone. One thread needs no atomics to wake its own tasks, no timer
//! wheel (deadlines stand in `timer`), no lock around what a socket is ready for: measured, that was a quarter of
//! the instructions of a request. It refuses to be a library: no join handles, no tasks that move, no I/O but
//! sockets. Channels and [`tokio::sync::Notify`] work here as everywhere, because they only know wakers.

mod slab;
mod tasks;
#[cfg(test)]
mod tests;
mod watched;

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use haechi_model::Moment;
use haechi_sys::clock;
use haechi_sys::events::{Alarm, Events, News, Poller};

pub(crate) use watched::{Watched, Way};

use slab::{Key, Slab};
use tasks::{Mailbox, Tasks};
use watched::Source;

/// Tasks that go on between two looks at the sockets. Fewer, and hundreds of busy connections cost more looks than
/// they have news; 256 turns of about 10 µs keep a look every few milliseconds.
const TURNS: u32 = 256;

/// Reads and writes that a task may do in one turn before the others go on: tokio's 128. A transfer between two
/// fast sides would otherwise never wait.
const SHARE: u32 = 128;

/// The alarm's key: no slab is so large.
const ALARM: u64 = u64::MAX;

thread_local! {
    static HERE: RefCell<Option<Rc<Core>>> = const { RefCell::new(None) };
}

/// The event loop of one thread.
pub(crate) struct Engine(Rc<Core>);

struct Core {
    poller: Poller,
    sources: RefCell<Slab<Rc<Source>>>,
    tasks: RefCell<Tasks>,
    mailbox: Arc<Mailbox>,
    /// Who goes on after the next look at the sockets.
    later: RefCell<Vec<Waker>>,
    sleepers: RefCell<BinaryHeap<Reverse<Sleeper>>>,
    /// What the running task may still do in this turn.
    share: Cell<u32>,
    /// When the sockets were looked at last.
    looked: Cell<Moment>,
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core").finish_non_exhaustive()
    }
}

impl Engine {
    /// # Errors
    /// Out of descriptors.
    pub(crate) fn new() -> io::Result<Self> {
        let (poller, alarm) = (Poller::new()?, Alarm::new()?);
        poller.add(&alarm, ALARM)?;
        Ok(Self(Rc::new(Core {
            poller,
            sources: RefCell::default(),
            tasks: RefCell::default(),
            mailbox: Arc::new(Mailbox::new(alarm)),
            later: RefCell::default(),
            sleepers: RefCell::default(),
            share: Cell::new(0),
            looked: Cell::new(clock::now()),
        })))
    }

    /// Runs `life` to its end on this thread; tasks that are left then are dropped.
    ///
    /// # Errors
    /// The kernel refuses to wait, which it does for no valid loop.
    pub(crate) fn run<T: 'static>(self, life: impl Future<Output = T> + 'static) -> io::Result<T> {
        HERE.set(Some(Rc::clone(&self.0)));
        let result = Rc::new(Cell::new(None));
        let slot = Rc::clone(&result);
        spawn(async move { slot.set(Some(life.await)) });
        let mut events = Events::default();
        let outcome = loop {
            self.0.turn();
            if let Some(value) = result.take() {
                break Ok(value);
            }
            if let Err(error) = self.0.look(&mut events) {
                break Err(error);
            }
        };
        let left = self.0.tasks.borrow_mut().clear();
        drop(left);
        HERE.set(None);
        outcome
    }
}

impl Core {
    /// Lets queued tasks go on.
    fn turn(&self) {
        for _ in 0..TURNS {
            let Some((key, mut task)) = self.tasks.borrow_mut().next() else { break };
            self.share.set(SHARE);
            let waker = &task.waker;
            match task.future.as_mut().poll(&mut Context::from_waker(waker)) {
                Poll::Pending => self.tasks.borrow_mut().put_back(key, task),
                Poll::Ready(()) => {
                    self.tasks.borrow_mut().end(key);
                    drop(task);
                }
            }
        }
    }

    /// Looks at the sockets and the clock: waits if nobody is to go on.
    fn look(&self, events: &mut Events) -> io::Result<()> {
        for waker in self.later.borrow_mut().drain(..) {
            waker.wake();
        }
        let busy = self.tasks.borrow().any_queued();
        let most = if busy { Some(Duration::ZERO) } else { self.until_next_sleeper() };
        self.poller.wait(events, most)?;
        self.looked.set(clock::now());
        for news in events.iter() {
            self.hear(news);
        }
        self.wake_sleepers();
        Ok(())
    }

    #[inline]
    fn hear(&self, news: News) {
        if news.key == ALARM {
            let woken = self.mailbox.empty();
            let mut tasks = self.tasks.borrow_mut();
            woken.into_iter().for_each(|key| tasks.wake(key));
            return;
        }
        let mut sources = self.sources.borrow_mut();
        if let Some(source) = sources.get_mut(Key::from_bits(news.key)) {
            source.hear(news);
        }
    }

    fn until_next_sleeper(&self) -> Option<Duration> {
        self.sleepers.borrow().peek().map(|Reverse(next)| next.until.since(clock::now()))
    }

    fn wake_sleepers(&self) {
        let mut sleepers = self.sleepers.borrow_mut();
        let now = self.looked.get();
        while let Some(Reverse(next)) = sleepers.peek()
            && next.until <= now
        {
            if let Some(Reverse(sleeper)) = sleepers.pop() {
                sleeper.waker.wake();
            }
        }
    }

    /// Whether the running task may do one thing more in this turn.
    #[inline]
    fn spend(&self) -> bool {
        let left = self.share.get();
        self.share.set(left.saturating_sub(1));
        left > 0
    }

    fn wake_later(&self, waker: &Waker) {
        self.later.borrow_mut().push(waker.clone());
    }
}

/// A task that waits for a moment.
struct Sleeper {
    until: Moment,
    waker: Waker,
}

impl Ord for Sleeper {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.until.cmp(&other.until)
    }
}

impl PartialOrd for Sleeper {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Sleeper {
    fn eq(&self, other: &Self) -> bool {
        self.until == other.until
    }
}

impl Eq for Sleeper {}

fn core() -> Option<Rc<Core>> {
    HERE.with_borrow(Clone::clone)
}

/// Lets a task of this thread's loop go on; false if it is another's.
#[inline]
fn wake_here(mailbox: &Arc<Mailbox>, key: Key) -> bool {
    HERE.with_borrow(|here| match here {
        Some(core) if Arc::ptr_eq(&core.mailbox, mailbox) => {
            core.tasks.borrow_mut().wake(key);
            true
        }
        _ => false,
    })
}

/// When this thread's loop looked at its sockets last: the time of whatever they brought. It costs no call, and
/// what is measured with it counts from when something came, not from when its turn was.
#[inline]
pub(crate) fn now() -> Moment {
    HERE.with_borrow(|here| here.as_ref().map_or_else(clock::now, |core| core.looked.get()))
}

/// Starts a task on this thread's loop. On a thread without one it never runs.
pub(crate) fn spawn(task: impl Future<Output = ()> + 'static) {
    if let Some(core) = core() {
        core.tasks.borrow_mut().add(Box::pin(task), &core.mailbox);
    }
}

/// Lets the others go on first, and the loop look at its sockets.
pub(crate) async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        go_on_later(cx);
        Poll::Pending
    })
    .await;
}

/// Lets the running task go on after the others, and after a look at the sockets.
pub(crate) fn go_on_later(cx: &Context<'_>) {
    HERE.with_borrow(|here| {
        if let Some(core) = here {
            core.wake_later(cx.waker());
        }
    });
}

/// Waits so long, or a millisecond more.
pub(crate) async fn sleep(span: Duration) {
    let until = clock::now() + span;
    let mut waits = false;
    std::future::poll_fn(|cx| {
        if clock::now() >= until {
            return Poll::Ready(());
        }
        if !std::mem::replace(&mut waits, true) {
            HERE.with_borrow(|here| {
                if let Some(core) = here {
                    core.sleepers.borrow_mut().push(Reverse(Sleeper { until, waker: cx.waker().clone() }));
                }
            });
        }
        Poll::Pending
    })
    .await;
}
