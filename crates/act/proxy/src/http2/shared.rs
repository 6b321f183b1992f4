//! What the task of a connection and those of its requests share. All of them run on one thread.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Waker};

use haechi_http1::Trailers;
use haechi_http2::{Connection, StreamId};

/// Output that waits beyond this keeps requests from reading more from their endpoints: a hot buffer's worth, as in
/// HTTP/1, for all of them together.
pub(super) const BACKLOG: usize = crate::buffers::HOT;

/// One connection.
pub(super) struct Shared {
    pub(super) core: RefCell<Connection>,
    streams: RefCell<Vec<Rc<Stream>>>,
    /// Its own task, which writes what is there.
    writer: RefCell<Option<Waker>>,
    /// A request waits until the output is smaller.
    crowded: Cell<bool>,
}

/// What came for a request and was not taken yet. The peer's windows bound it.
#[derive(Default)]
pub(super) struct Inbox {
    pub(super) bytes: Vec<u8>,
    /// Behind them.
    pub(super) trailers: Trailers,
    /// Nothing follows.
    pub(super) ended: bool,
}

/// One request.
pub(super) struct Stream {
    pub(super) id: StreamId,
    pub(super) inbox: RefCell<Inbox>,
    /// The client does not want it any more, or is gone.
    pub(super) gone: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Shared {
    pub(super) fn new(core: Connection) -> Self {
        Self {
            core: RefCell::new(core),
            streams: RefCell::default(),
            writer: RefCell::default(),
            crowded: Cell::new(false),
        }
    }

    pub(super) fn add(&self, id: StreamId, ended: bool) -> Rc<Stream> {
        let stream = Rc::new(Stream {
            id,
            inbox: RefCell::new(Inbox { ended, ..Inbox::default() }),
            gone: Cell::new(false),
            waker: RefCell::default(),
        });
        self.streams.borrow_mut().push(Rc::clone(&stream));
        stream
    }

    pub(super) fn remove(&self, id: StreamId) {
        let mut streams = self.streams.borrow_mut();
        if let Some(at) = streams.iter().position(|stream| stream.id == id) {
            streams.swap_remove(at);
        }
    }

    /// There are a hundred at most, and nearly always the newest is meant.
    pub(super) fn find(&self, id: StreamId) -> Option<Rc<Stream>> {
        self.streams.borrow().iter().rev().find(|stream| stream.id == id).cloned()
    }

    /// Whether no request runs.
    pub(super) fn is_idle(&self) -> bool {
        self.streams.borrow().is_empty()
    }

    /// Nothing reaches the client any more.
    pub(super) fn end_all(&self) {
        for stream in self.streams.borrow().iter() {
            stream.end();
        }
    }

    /// Lets every request look again whether it may send.
    pub(super) fn wake_all(&self) {
        self.streams.borrow().iter().for_each(|stream| stream.wake());
    }

    /// The connection's task is to write what is there, after those that run now.
    pub(super) fn flush_soon(&self) {
        if let Some(writer) = &*self.writer.borrow() {
            writer.wake_by_ref();
        }
    }

    /// The task that calls this is the one that writes.
    pub(super) fn writes(&self, cx: &Context<'_>) {
        let mut writer = self.writer.borrow_mut();
        if !writer.as_ref().is_some_and(|writer| writer.will_wake(cx.waker())) {
            *writer = Some(cx.waker().clone());
        }
    }

    /// Whether so much waits to be written that nothing should be added. If so, all requests are woken when it is less.
    pub(super) fn is_crowded(&self) -> bool {
        let crowded = self.core.borrow().output().len() > BACKLOG;
        self.crowded.set(self.crowded.get() | crowded);
        crowded
    }

    /// Lets those go on that waited for the output to become smaller.
    pub(super) fn thin_out(&self) {
        if self.crowded.get() && self.core.borrow().output().len() <= BACKLOG {
            self.crowded.set(false);
            self.wake_all();
        }
    }
}

impl Stream {
    /// It ended before its time.
    pub(super) fn end(&self) {
        self.gone.set(true);
        self.wake();
    }

    pub(super) fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    /// The task that calls this is the request's.
    pub(super) fn wait(&self, cx: &Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
    }
}
