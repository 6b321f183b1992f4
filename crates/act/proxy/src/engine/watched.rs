//! A socket in the event loop, with what the loop has noted of it.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use haechi_sys::events::News;

use super::Core;
use super::slab::Key;

/// Which way bytes go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Way {
    In,
    Out,
}

/// What the event loop has noted of a socket, and who waits for more.
#[derive(Debug, Default)]
pub(super) struct Source {
    readable: Cell<bool>,
    writable: Cell<bool>,
    ended: Cell<bool>,
    reader: RefCell<Option<Waker>>,
    writer: RefCell<Option<Waker>>,
}

impl Source {
    fn note(&self, way: Way) -> &Cell<bool> {
        match way {
            Way::In => &self.readable,
            Way::Out => &self.writable,
        }
    }

    /// Notes news and wakes whom they concern.
    #[inline]
    pub(super) fn hear(&self, news: News) {
        if news.ended {
            self.ended.set(true);
        }
        if news.readable {
            self.readable.set(true);
            // It stays for the next time: nearly always the same task waits again.
            if let Some(reader) = &*self.reader.borrow() {
                reader.wake_by_ref();
            }
        }
        if news.writable {
            self.writable.set(true);
            let writer = self.writer.borrow_mut().take();
            if let Some(writer) = writer {
                writer.wake();
            }
        }
    }

    #[inline]
    fn wait(&self, way: Way, cx: &Context<'_>) {
        let mut waiter = match way {
            Way::In => self.reader.borrow_mut(),
            Way::Out => self.writer.borrow_mut(),
        };
        if !waiter.as_ref().is_some_and(|waiter| waiter.will_wake(cx.waker())) {
            *waiter = Some(cx.waker().clone());
        }
    }
}

/// A socket in the event loop of the thread that made it.
#[derive(Debug)]
pub(crate) struct Watched<S: AsFd> {
    core: Rc<Core>,
    source: Rc<Source>,
    key: Key,
    socket: S,
    /// Another descriptor may keep the same socket open, so closing this one is not enough.
    shared: Cell<bool>,
}

impl<S: AsFd> Watched<S> {
    /// `writable`: whether the first write is tried before the loop has said anything.
    ///
    /// # Errors
    /// The thread has no event loop, or the kernel refuses.
    pub(crate) fn new(socket: S, writable: bool) -> io::Result<Self> {
        let core = super::core().ok_or_else(|| io::Error::other("no event loop on this thread"))?;
        let source = Rc::new(Source { writable: Cell::new(writable), ..Source::default() });
        let key = core.sources.borrow_mut().insert_with(|_| Rc::clone(&source));
        let watched = Self { core, source, key, socket, shared: Cell::new(false) };
        watched.core.poller.add(&watched.socket, key.to_bits())?;
        Ok(watched)
    }

    /// Like [`Self::new`], for a socket that others have too.
    ///
    /// # Errors
    /// The same.
    pub(crate) fn shared(socket: S) -> io::Result<Self> {
        let watched = Self::new(socket, false)?;
        watched.is_shared();
        Ok(watched)
    }

    /// Says that others have the socket too from now on.
    pub(crate) fn is_shared(&self) {
        self.shared.set(true);
    }

    pub(crate) const fn socket(&self) -> &S {
        &self.socket
    }

    /// Whether the loop has noted that there is something this way. Costs no system call; what the kernel
    /// has but the loop has not seen yet is not noted.
    pub(crate) fn is_noted(&self, way: Way) -> bool {
        self.source.note(way).get()
    }

    /// Does `io` once if something is noted; blocks (`WouldBlock`) if not, or when it does, and then the note is
    /// gone until the loop hears of more.
    #[inline]
    pub(crate) fn try_io<T>(&self, way: Way, io: impl FnOnce(&S) -> io::Result<T>) -> io::Result<T> {
        if !self.is_noted(way) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let done = io(&self.socket);
        if done.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
            self.source.note(way).set(false);
        }
        done
    }

    /// Says that the last call took all there was, or filled all the room there was: the next would block, unless
    /// it finds the end.
    #[inline]
    pub(crate) fn exhausted(&self, way: Way) {
        if !self.source.ended.get() {
            self.source.note(way).set(false);
        }
    }

    /// Waits until something is noted this way.
    #[inline]
    pub(crate) fn poll_note(&self, way: Way, cx: &Context<'_>) -> Poll<()> {
        if self.is_noted(way) {
            return Poll::Ready(());
        }
        self.source.wait(way, cx);
        Poll::Pending
    }

    /// Does `io` as soon as it does not block. A task that has had its share of this turn waits for the next one.
    #[inline]
    pub(crate) fn poll_io<T>(
        &self,
        way: Way,
        cx: &Context<'_>,
        mut io: impl FnMut(&S) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        loop {
            if self.poll_note(way, cx).is_pending() {
                return Poll::Pending;
            }
            if !self.core.spend() {
                self.core.wake_later(cx.waker());
                return Poll::Pending;
            }
            match self.try_io(way, &mut io) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
        }
    }
}

impl<S: AsFd> Drop for Watched<S> {
    fn drop(&mut self) {
        if self.shared.get() {
            self.core.poller.remove(&self.socket);
        }
        let source = self.core.sources.borrow_mut().remove(self.key);
        drop(source);
    }
}
