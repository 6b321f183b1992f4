//! What the task of a connection and those of its requests share. All of them run on one thread.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Waker};

use bytes::Bytes;
use haechi_http3::{Broken, Code, Messages};
use quinn_proto::{Connection, StreamId, VarInt};

use super::read::{Read, read};

/// One connection.
pub(super) struct Shared {
    pub(super) core: RefCell<Connection>,
    requests: RefCell<Vec<Rc<Request>>>,
    /// Its own task, which sends what is there.
    task: RefCell<Option<Waker>>,
    /// A rule was broken on one of the streams, for all of them.
    broken: Cell<Option<Broken>>,
    /// Streams that ended before their time since somebody looked.
    pub(super) cut: Cell<u32>,
}

/// A request under way.
pub(super) struct Request {
    pub(super) id: StreamId,
    pub(super) messages: RefCell<Messages>,
    /// Read behind its head already.
    pub(super) ahead: RefCell<Bytes>,
    /// The client does not want it any more, or is gone.
    pub(super) gone: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

/// A code on the wire. All of ours fit 32 bits.
pub(super) fn wire(code: Code) -> VarInt {
    VarInt::from_u64(code.0).unwrap_or_default()
}

impl Shared {
    pub(super) fn new(core: Connection) -> Rc<Self> {
        Rc::new(Self {
            core: RefCell::new(core),
            requests: RefCell::default(),
            task: RefCell::default(),
            broken: Cell::new(None),
            cut: Cell::new(0),
        })
    }

    /// Reads a stream once.
    pub(super) fn read(&self, id: StreamId, most: usize) -> Read {
        let (came, tell) = read(&self.core, id, most);
        if tell {
            self.wake();
        }
        came
    }

    pub(super) fn add(&self, id: StreamId, messages: Messages, ahead: Bytes) -> Rc<Request> {
        let request = Rc::new(Request {
            id,
            messages: RefCell::new(messages),
            ahead: RefCell::new(ahead),
            gone: Cell::new(false),
            waker: RefCell::default(),
        });
        self.requests.borrow_mut().push(Rc::clone(&request));
        request
    }

    pub(super) fn remove(&self, id: StreamId) {
        let mut requests = self.requests.borrow_mut();
        if let Some(at) = requests.iter().position(|request| request.id == id) {
            requests.swap_remove(at);
        }
    }

    /// There are a hundred at most, and nearly always the newest is meant.
    pub(super) fn find(&self, id: StreamId) -> Option<Rc<Request>> {
        self.requests.borrow().iter().rev().find(|request| request.id == id).cloned()
    }

    /// Whether no request runs.
    pub(super) fn is_idle(&self) -> bool {
        self.requests.borrow().is_empty()
    }

    /// Nothing reaches the client any more.
    pub(super) fn end_all(&self) {
        self.requests.borrow().iter().for_each(|request| request.end());
    }

    /// The task that calls this is the connection's.
    pub(super) fn runs(&self, cx: &Context<'_>) {
        let mut task = self.task.borrow_mut();
        if !task.as_ref().is_some_and(|task| task.will_wake(cx.waker())) {
            *task = Some(cx.waker().clone());
        }
    }

    /// There is something to be sent, or something came.
    pub(super) fn wake(&self) {
        if let Some(task) = &*self.task.borrow() {
            task.wake_by_ref();
        }
    }

    /// Ends a stream whose client broke a rule.
    pub(super) fn give_up(&self, id: StreamId, code: Code) {
        let mut core = self.core.borrow_mut();
        // It may have ended on one side.
        let _ = core.send_stream(id).reset(wire(code));
        let _ = core.recv_stream(id).stop(wire(code));
        drop(core);
        self.cut.set(self.cut.get().saturating_add(1));
        self.wake();
    }

    /// The whole connection is to end for what a stream of it brought.
    pub(super) fn fail(&self, broken: Broken) {
        self.broken.set(Some(broken));
        self.wake();
    }

    pub(super) fn take_broken(&self) -> Option<Broken> {
        self.broken.take()
    }
}

impl Request {
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
