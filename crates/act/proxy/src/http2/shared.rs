//! What the task of a connection and those of its requests share. All of them run on one thread.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::Write;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use haechi_http1::Trailers;
use haechi_http2::{Connection, StreamId};
use haechi_model::Moment;

use super::websocket::Accept;
use crate::stream::Stream as Socket;

/// Output that waits beyond this keeps requests from reading more from their endpoints: a hot buffer's worth, as in
/// HTTP/1, for all of them together.
pub(super) const BACKLOG: usize = crate::buffers::HOT;

/// One connection.
pub(super) struct Shared {
    pub(super) core: RefCell<Connection>,
    streams: RefCell<Vec<Rc<Stream>>>,
    /// Its own task, which writes what is there.
    writer: RefCell<Option<Waker>>,
    /// Requests that wait until the output is smaller, in the order in which they came: each has something to add, and
    /// whose endpoint is fastest would fill it again before any other looks.
    queue: RefCell<VecDeque<StreamId>>,
    sent: Cell<u64>,
}

/// What came on a stream and was not taken yet. The peer's windows bound it.
#[derive(Default)]
pub(super) struct Inbox {
    /// What HTTP/1 has before them: the head of a response.
    pub(super) head: Vec<u8>,
    /// They go on in chunks.
    pub(super) chunked: bool,
    /// How many of them were taken.
    taken: usize,
    pub(super) bytes: Vec<u8>,
    /// Behind them.
    pub(super) trailers: Trailers,
    /// Nothing follows.
    pub(super) ended: bool,
}

impl Inbox {
    /// Gives what fits of the head; how much that is.
    pub(super) fn give_head(&mut self, buf: &mut [u8]) -> usize {
        let count = self.head.len().min(buf.len());
        if let (Some(to), Some(from)) = (buf.get_mut(..count), self.head.get(..count)) {
            to.copy_from_slice(from);
        }
        self.head.drain(..count);
        count
    }

    pub(super) fn has_no_head(&self) -> bool {
        self.head.is_empty()
    }

    /// Gives what fits of the body, in a chunk if it is to be in chunks; how many of its bytes, and of all.
    pub(super) fn give_body(&mut self, buf: &mut [u8], around: usize) -> (usize, usize) {
        let rest = self.rest();
        let room = if self.chunked { buf.len().saturating_sub(around) } else { buf.len() };
        let count = rest.len().min(room);
        if count == 0 {
            return (0, 0);
        }
        let data = rest.get(..count).unwrap_or_default();
        let mut left = &mut *buf;
        let whole = left.len();
        // Writing to a slice fails only where it is too small, and there is room for it.
        let _ = if self.chunked {
            write!(left, "{count:x}\r\n")
                .and_then(|()| left.write_all(data))
                .and_then(|()| left.write_all(b"\r\n"))
        } else {
            left.write_all(data)
        };
        let written = whole - left.len();
        self.note_taken(count);
        (count, written)
    }

    /// Gives what fits of the body, as it came; how much that is.
    pub(super) fn give_bytes(&mut self, buf: &mut [u8]) -> usize {
        let rest = self.rest();
        let count = rest.len().min(buf.len());
        if let (Some(to), Some(from)) = (buf.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        self.note_taken(count);
        count
    }

    /// Bytes of the body that were not taken.
    fn rest(&self) -> &[u8] {
        self.bytes.get(self.taken..).unwrap_or_default()
    }

    fn note_taken(&mut self, count: usize) {
        self.taken += count;
        if self.taken > self.bytes.len() / 2 {
            // Moving less than was taken costs less than taking it did.
            self.bytes.drain(..self.taken);
            self.taken = 0;
        }
    }

    /// Whether only the last chunk is to follow.
    pub(super) fn ends_chunks(&self) -> bool {
        self.ended && self.chunked && self.bytes.is_empty() && self.head.is_empty()
    }
}

/// One request.
pub(super) struct Stream {
    pub(super) id: StreamId,
    pub(super) inbox: RefCell<Inbox>,
    /// The other side does not want it any more, or is gone.
    pub(super) gone: Cell<bool>,
    /// An endpoint did not look at it.
    pub(super) refused: Cell<bool>,
    /// Its response has no body, whatever its head says.
    pub(super) head_only: Cell<bool>,
    /// An endpoint was asked for a tunnel on it, and this is how that it agrees is said in HTTP/1.
    pub(super) accept: Cell<Option<Accept>>,
    waker: RefCell<Option<Waker>>,
}

impl Shared {
    pub(super) fn new(core: Connection) -> Self {
        Self {
            core: RefCell::new(core),
            streams: RefCell::default(),
            writer: RefCell::default(),
            queue: RefCell::default(),
            sent: Cell::new(0),
        }
    }

    pub(super) fn add(&self, id: StreamId, ended: bool) -> Rc<Stream> {
        let stream = Rc::new(Stream {
            id,
            inbox: RefCell::new(Inbox { ended, ..Inbox::default() }),
            gone: Cell::new(false),
            refused: Cell::new(false),
            head_only: Cell::new(false),
            accept: Cell::new(None),
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
        drop(streams);
        self.leave_queue(id);
    }

    /// There are a hundred at most, and mostly one that began not long ago is meant.
    pub(super) fn find(&self, id: StreamId) -> Option<Rc<Stream>> {
        self.streams.borrow().iter().rev().find(|stream| stream.id == id).cloned()
    }

    /// Whether no request runs.
    pub(super) fn is_idle(&self) -> bool {
        self.streams.borrow().is_empty()
    }

    /// Keeps bytes of a body for whoever takes them. `false`: nobody does.
    pub(super) fn take_data(&self, stream: StreamId, bytes: &[u8], end: bool) -> bool {
        let Some(open) = self.find(stream) else { return false };
        let mut inbox = open.inbox.borrow_mut();
        inbox.bytes.extend_from_slice(bytes);
        inbox.ended |= end;
        drop(inbox);
        open.wake();
        true
    }

    /// Whether all is said, and how much of it waits to be sent.
    pub(super) fn outlook(&self) -> (bool, usize) {
        let core = self.core.borrow();
        (core.is_finished(), core.output().len())
    }

    /// Writes what is there; what the socket does not take goes when it does. `stuck_until`: by when it must have
    /// taken some, which is `patience` from now on if it begins now.
    ///
    /// # Errors
    /// The connection is broken.
    pub(super) fn flush(
        &self,
        to: &mut Socket,
        cx: &mut Context<'_>,
        stuck_until: &mut Option<Moment>,
        patience: Moment,
    ) -> Result<(), ()> {
        let mut sent = false;
        loop {
            let mut core = self.core.borrow_mut();
            if core.output().is_empty() {
                *stuck_until = None;
                break;
            }
            match to.poll_write(cx, core.output()) {
                Poll::Pending => {
                    *stuck_until = stuck_until.filter(|_| !sent).or(Some(patience));
                    break;
                }
                Poll::Ready(Ok(count)) if count > 0 => {
                    core.sent(count);
                    self.sent.set(self.sent.get() + count as u64);
                    sent = true;
                }
                Poll::Ready(_) => return Err(()),
            }
        }
        self.thin_out();
        Ok(())
    }

    /// Nothing reaches the other side any more.
    pub(super) fn end_all(&self) {
        for stream in self.streams.borrow().iter() {
            stream.end();
        }
    }

    /// Lets every request look again whether it may send. Who goes first may use up what there is room for, so each
    /// time it is another one.
    pub(super) fn wake_all(&self) {
        let mut streams = self.streams.borrow_mut();
        if !streams.is_empty() {
            streams.rotate_left(1);
        }
        streams.iter().for_each(|stream| stream.wake());
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

    /// Whether this request is to add nothing now, because so much waits to be written, or because others wait to add
    /// something. If so, it is woken when it is its turn.
    /// What it waits for is [`Self::leave_queue`]d by whoever turns to something else.
    pub(super) fn is_crowded(&self, id: StreamId) -> bool {
        let mut queue = self.queue.borrow_mut();
        let first = queue.front().is_none_or(|first| *first == id);
        if first && self.core.borrow().output().len() <= BACKLOG {
            drop(queue);
            self.leave_queue(id);
            return false;
        }
        if !queue.contains(&id) {
            queue.push_back(id);
        }
        true
    }

    /// Whoever has had its turn may have added nothing, so the next one looks.
    pub(super) fn leave_queue(&self, id: StreamId) {
        let mut queue = self.queue.borrow_mut();
        let Some(at) = queue.iter().position(|waiting| *waiting == id) else { return };
        queue.remove(at);
        drop(queue);
        self.thin_out();
    }

    /// Lets the first go on that waited for the output to become smaller.
    fn thin_out(&self) {
        if self.core.borrow().output().len() > BACKLOG {
            return;
        }
        loop {
            let Some(first) = self.queue.borrow().front().copied() else { return };
            // Whoever has ended sends nothing, and may live on for as long as its answer is read.
            if let Some(stream) = self.find(first).filter(|stream| !stream.gone.get()) {
                return stream.wake();
            }
            self.queue.borrow_mut().pop_front();
        }
    }

    /// Bytes that went so far.
    pub(super) const fn sent(&self) -> u64 {
        self.sent.get()
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;
    use std::sync::atomic::Ordering::Relaxed;
    use std::task::Wake;

    use haechi_http2::{Config, Request, Role};

    use super::*;

    /// Who always left a byte kept all that came before it.
    #[test]
    fn what_was_taken_is_given_back_although_some_is_always_left() {
        let mut inbox = Inbox { chunked: true, ..Inbox::default() };
        let (mut came, mut went, mut most) = (Vec::new(), Vec::new(), 0);
        let mut buf = [0; 1000];
        for at in 0..2000 {
            let block = vec![b'a'; if at == 0 { 3000 } else { 984 }];
            inbox.bytes.extend_from_slice(&block);
            came.extend_from_slice(&block);
            let (taken, written) = inbox.give_body(&mut buf[..], 16);
            let start = buf.iter().position(|byte| *byte == b'\n').unwrap() + 1;
            assert_eq!(written - 2 - start, taken);
            went.extend_from_slice(&buf[start..written - 2]);
            most = most.max(inbox.bytes.len());
        }
        assert!(went.len() > 1_700_000 && came.starts_with(&went));
        assert!(most < 10_000, "{most}");
    }

    #[test]
    fn a_chunk_fits_and_the_last_one_comes_when_all_is_taken() {
        let mut inbox = Inbox { chunked: true, ended: true, bytes: b"hello".to_vec(), ..Inbox::default() };
        let mut buf = [0; 64];
        assert!(!inbox.ends_chunks());
        let (taken, written) = inbox.give_body(&mut buf, 16);
        assert_eq!((taken, &buf[..written]), (5, &b"5\r\nhello\r\n"[..]));
        assert!(inbox.ends_chunks());
        assert_eq!(inbox.give_body(&mut buf, 16), (0, 0));
        inbox.head = b"HTTP/1.1 200 ".to_vec();
        assert_eq!((inbox.give_head(&mut buf[..5]), inbox.give_head(&mut buf[..5])), (5, 5));
        assert!(!inbox.has_no_head());
    }

    /// Whoever had its answer before its body was sent stood in the way of all others until somebody read it.
    #[test]
    fn who_has_ended_keeps_nobody_waiting() {
        let core = Connection::new(Role::Client, Config::default(), Moment::ORIGIN);
        let shared = Shared::new(core);
        let request =
            Request { method: b"POST", scheme: b"http", authority: b"a", path: b"/", protocol: None };
        let ids = [(); 2].map(|()| {
            let mut core = shared.core.borrow_mut();
            let (id, head) = core.request(&request).unwrap();
            head.finish(false);
            id
        });
        let [first, second] = ids.map(|id| shared.add(id, false));
        let woken = Arc::new(Woken::default());
        second.wait(&Context::from_waker(&Waker::from(Arc::clone(&woken))));
        let written = shared.core.borrow().output().len();
        shared.core.borrow_mut().sent(written);
        assert!(!shared.is_crowded(first.id));
        shared.queue.borrow_mut().extend(ids);
        assert!(shared.is_crowded(second.id) && !woken.0.load(Relaxed));
        first.gone.set(true);
        shared.thin_out();
        assert!(woken.0.load(Relaxed) && !shared.is_crowded(second.id));
        assert!(shared.queue.borrow().is_empty());
    }

    #[derive(Default)]
    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Relaxed);
        }
    }
}
