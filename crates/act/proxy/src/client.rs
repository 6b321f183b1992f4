//! A client's connection: one exchange after the other, until one of the sides has had enough.

use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use haechi_http1::{Apology, Persistence, write_answer, write_fault};
use haechi_model::{ClientTimeouts, Fault, HttpLimits, Moment};

use crate::admit::{Admitted, Answer, Refused, Request, admit};
use crate::away::Leaving;
use crate::buffers::HOT;
use crate::engine;
use crate::exchange;
use crate::forwarding;
use crate::handshake;
use crate::http2;
use crate::preface::Origin;
use crate::scene::Local;
use crate::stream::Stream;
use crate::timer::Timer;
use crate::unread::Unread;
use crate::who::Who;
use crate::worker::Worker;

/// How long a closing connection is read from, so that its last answer is not lost to a RST: what the
/// client still sends would cause one (nginx's `lingering_timeout` is 5 s).
const LINGER: Duration = Duration::from_secs(5);

/// The same when the process ends. A client that looks at its idle connections closes within a round trip; one that
/// does not look holds up the end no longer than this.
const LAST_LINGER: Duration = Duration::from_secs(1);

/// Bytes that a closing connection may still send. Enough for what is in flight on a fast path; a client
/// that sends more is not listening.
const LINGER_BYTES: usize = 1 << 20;

/// A connection from a client.
pub(crate) struct Client {
    pub(crate) stream: Stream,
    pub(crate) who: Who,
    pub(crate) timer: Timer,
    pub(crate) unread: Unread,
    leaving: Leaving,
    /// When the head that has begun must be complete.
    head_deadline: Option<Moment>,
    /// Since when the next request is waited for.
    idle_since: Option<Moment>,
    served: u64,
}

/// What happens to the connection after an exchange.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum After {
    /// The next request.
    Next,
    /// All was said and read.
    Close,
    /// All was said, but the client may still be sending.
    Linger,
    /// The client must notice that something was cut off.
    Reset,
}

enum Head {
    Request(Request),
    /// The client speaks HTTP/2.
    Http2,
    Refused(Refused),
    Answered(Answer),
    /// Nothing came for so long that we leave.
    Left,
    Gone,
}

/// Serves one connection to its end. No `async fn`, which would hold its arguments beside what is made of them for as long
/// as the connection lasts.
pub(crate) fn serve(
    worker: Rc<Worker>,
    local: Rc<Local>,
    stream: Stream,
    mut origin: Origin,
) -> impl Future<Output = ()> {
    let over_tls = local.scene().http().is_some_and(|http| http.tls.is_some());
    if origin.asked.is_none() && local.scene().http().is_some_and(|http| http.forwarded.is_some()) {
        origin.asked = stream.own_end();
    }
    let mut client = Client {
        stream,
        who: Who::new(origin, over_tls),
        timer: worker.timers.timer(),
        unread: Unread::default(),
        leaving: Leaving::new(&worker.away),
        head_deadline: None,
        idle_since: None,
        served: 0,
    };
    async move {
        if over_tls {
            if !handshake::shake_hands(&worker, &local, &mut client.stream, &client.timer).await {
                return;
            }
            if client.stream.was_asked_for_issuer() {
                // The handshake was the answer (RFC 8737 section 3).
                client.stream.say_farewell();
                return;
            }
            if let Some(certificate) = client.stream.peer_certificate() {
                client.who.identify(certificate);
            }
        }
        match client.serve_requests(&worker, &local).await {
            After::Linger => client.linger(&worker).await,
            After::Reset => client.stream.reset_on_close(),
            After::Next | After::Close => client.stream.say_farewell(),
        }
    }
}

impl Client {
    async fn serve_requests(&mut self, worker: &Rc<Worker>, local: &Rc<Local>) -> After {
        loop {
            let mut head = std::future::poll_fn(|cx| self.poll_head(cx, worker, local)).await;
            let after = match &mut head {
                Head::Request(request) => exchange::run(worker, self, local, request).await,
                Head::Http2 => http2::serve(worker, local, self).await,
                Head::Refused(refused) => self.refuse(worker, local, refused),
                Head::Answered(answer) => self.say(worker, local, answer),
                Head::Left => After::Linger,
                Head::Gone => After::Close,
            };
            if after != After::Next {
                return after;
            }
            self.count_request();
            if !self.unread.is_empty() {
                // Who sends many requests at once waits between them, as those do who send one at a time: answers
                // of our own come without a wait, so thousands of them would hold up everybody else.
                engine::yield_now().await;
            }
        }
    }

    fn poll_head(&mut self, cx: &mut Context<'_>, worker: &Worker, local: &Local) -> Poll<Head> {
        let scene = local.scene();
        let Some(http) = scene.http() else { return Poll::Ready(Head::Gone) };
        // A pipelined request: it came with the one before.
        if self.head_deadline.is_none() && !self.unread.is_empty() {
            if let Some(head) = self.take_unread(worker, local, &http.limits) {
                return Poll::Ready(head);
            }
            self.begin_head(&http.timeouts);
        }
        loop {
            let read = worker.buffers.with_hot(|hot| {
                // Not more than a buffer's worth is kept, but where a head may be larger.
                let room = HOT.checked_sub(self.unread.len()).filter(|room| *room > 0).unwrap_or(HOT);
                match self.stream.poll_read(cx, &mut hot[..room]) {
                    Poll::Pending => None,
                    Poll::Ready(Err(_) | Ok(0)) => Some(Some(Head::Gone)),
                    Poll::Ready(Ok(count)) => {
                        Some(self.take_bytes(&hot[..count], worker, local, &http.limits))
                    }
                }
            });
            match read {
                Some(Some(head)) => return Poll::Ready(head),
                Some(None) => {
                    self.begin_head(&http.timeouts);
                }
                None => break,
            }
        }
        self.poll_patience(cx, worker, local, &http.timeouts)
    }

    /// What waiting for a head comes to: more patience, an answer, or a quiet end.
    fn poll_patience(
        &mut self,
        cx: &Context<'_>,
        worker: &Worker,
        local: &Local,
        timeouts: &ClientTimeouts,
    ) -> Poll<Head> {
        let leaves_at = self.leaves_at(worker, local);
        let until = match self.head_deadline {
            Some(deadline) => deadline,
            // The first request has the time of a head, not that of an idle connection.
            None if self.served == 0 => self.begin_head(timeouts),
            // Waking up (for a new generation, say) is not a reason to wait anew.
            None => *self.idle_since.get_or_insert(self.timer.now()) + timeouts.keep_alive,
        };
        let silent = self.unread.is_empty();
        self.timer.set_at(leaves_at.filter(|_| silent).map_or(until, |leaves_at| leaves_at.min(until)));
        if !self.timer.has_passed(cx) {
            return Poll::Pending;
        }
        if leaves_at.is_some() && silent {
            return Poll::Ready(Head::Left);
        }
        self.head_deadline = None;
        if self.unread.is_empty() {
            return Poll::Ready(Head::Gone);
        }
        Poll::Ready(Head::Refused(Refused::new(Fault::HeaderTimeout, "head not complete in time")))
    }

    /// When a silent client is left, if no request more is wanted of it.
    pub(crate) fn leaves_at(&mut self, worker: &Worker, local: &Local) -> Option<Moment> {
        let moved = self.leaving.at(&worker.away, || self.stream.own_address());
        // Who was accepted although memory is short gets an answer first.
        let pressed = worker.pressed.leaves_at().filter(|_| self.served > 0);
        moved.into_iter().chain(pressed).chain(local.leaves_at()).min()
    }

    /// Whether no request more is wanted of it.
    pub(crate) fn is_leaving(&mut self, worker: &Worker, local: &Local) -> bool {
        worker.pressed.is_high() || self.leaves_at(worker, local).is_some()
    }

    /// One request more was begun here.
    pub(crate) fn count_request(&mut self) {
        self.served += 1;
    }

    /// Gives when it must be complete.
    fn begin_head(&mut self, timeouts: &ClientTimeouts) -> Moment {
        let deadline = self.timer.now() + timeouts.header;
        let deadline = *self.head_deadline.get_or_insert(deadline);
        self.timer.set_at(deadline);
        deadline
    }

    /// Bytes straight from the socket: parsed in place if nothing came before them.
    fn take_bytes(
        &mut self,
        bytes: &[u8],
        worker: &Worker,
        local: &Local,
        limits: &HttpLimits,
    ) -> Option<Head> {
        if self.served == 0
            && local.scene().http().is_some_and(|http| http.http2.is_some())
            && self.may_speak_http2(bytes)
        {
            self.unread.push(bytes);
            return (self.unread.len() >= http2::PREFACE.len()).then(|| self.begun(Head::Http2));
        }
        if !self.unread.is_empty() {
            self.unread.push(bytes);
            return self.take_unread(worker, local, limits);
        }
        let (head, used) = match admit(worker, local, &self.who, bytes) {
            Admitted::Request(request, used) => (Head::Request(request), used),
            Admitted::Refused(refused, used) => (Head::Refused(refused), used),
            Admitted::Answered(answer, used) => (Head::Answered(answer), used),
            Admitted::Partial => {
                self.unread.push(bytes);
                self.unread.note_partial();
                return None;
            }
        };
        self.unread.push(&bytes[used..]);
        Some(self.begun(head))
    }

    /// Whether all that came so far is the beginning of HTTP/2.
    fn may_speak_http2(&self, bytes: &[u8]) -> bool {
        match self.unread.rest() {
            [] => http2::may_begin(bytes),
            before => before.len() < http2::PREFACE.len() && http2::may_begin(&[before, bytes].concat()),
        }
    }

    /// Bytes that were kept: looked through once for the end of a head, then parsed once.
    fn take_unread(&mut self, worker: &Worker, local: &Local, limits: &HttpLimits) -> Option<Head> {
        if self.unread.is_still_partial(limits.head as usize) {
            return None;
        }
        // Complete, over its limit, or broken: the parser says which.
        let (head, used) = match admit(worker, local, &self.who, self.unread.rest()) {
            Admitted::Request(request, used) => (Head::Request(request), used),
            Admitted::Refused(refused, used) => (Head::Refused(refused), used),
            Admitted::Answered(answer, used) => (Head::Answered(answer), used),
            Admitted::Partial => {
                self.unread.note_partial();
                return None;
            }
        };
        if let Some(empty) = self.unread.consume(used) {
            worker.buffers.give_vector(empty);
        }
        Some(self.begun(head))
    }

    fn begun(&mut self, head: Head) -> Head {
        self.head_deadline = None;
        self.idle_since = None;
        head
    }

    /// Answers in an endpoint's place.
    fn refuse(&mut self, worker: &Worker, local: &Local, refused: &Refused) -> After {
        let scene = local.scene();
        scene.listener().counters.of(worker.number).fault(refused.fault);
        let id = refused.id(worker, &scene);
        if let Some(rule) = refused.rule {
            let (fault, id) = (refused.fault.name(), forwarding::shown(&id));
            tracing::debug!(peer = %self.who.peer, fault, rule, id, "request refused");
        }
        let persistence = self.settle(worker, local, refused.persistence);
        let mut out = worker.buffers.take_vector();
        write_fault(&refused.apology(&id), persistence, refused.head_only, &mut out);
        self.send_whole(worker, out, persistence)
    }

    /// Answers at once, because a filter says so.
    fn say(&mut self, worker: &Worker, local: &Local, answer: &Answer) -> After {
        let persistence = self.settle(worker, local, answer.persistence);
        let mut out = worker.buffers.take_vector();
        write_answer(answer.status, &answer.lines, &answer.body, persistence, &mut out);
        self.send_whole(worker, out, persistence)
    }

    /// What it is told of its connection: as it asked, unless no request more is wanted of it.
    fn settle(&mut self, worker: &Worker, local: &Local, asked: Persistence) -> Persistence {
        match asked {
            Persistence::Implied | Persistence::KeepAlive if self.is_leaving(worker, local) => {
                Persistence::Close
            }
            as_asked => as_asked,
        }
    }

    /// Sends haechi's own answer. It is small: if the socket does not take it at once, the client is not
    /// reading, and the connection ends.
    pub(crate) fn answer(
        &mut self,
        worker: &Worker,
        apology: &Apology<'_>,
        persistence: Persistence,
        head_only: bool,
    ) -> After {
        let mut out = worker.buffers.take_vector();
        write_fault(apology, persistence, head_only, &mut out);
        self.send_whole(worker, out, persistence)
    }

    fn send_whole(&mut self, worker: &Worker, out: Vec<u8>, persistence: Persistence) -> After {
        let written = self.stream.write_now(&out);
        let complete = written.is_ok_and(|count| count == out.len());
        worker.buffers.give_vector(out);
        match (complete, persistence) {
            (false, _) => After::Reset,
            (true, Persistence::Close | Persistence::Upgrade) => After::Linger,
            (true, Persistence::Implied | Persistence::KeepAlive) => After::Next,
        }
    }

    /// Ends our side and reads what still comes, so that the answer reaches its reader.
    async fn linger(&mut self, worker: &Worker) {
        self.stream.end_writing();
        let mut until = self.timer.now() + LINGER;
        let mut left = LINGER_BYTES;
        std::future::poll_fn(|cx| {
            if worker.is_stopping() {
                until = until.min(self.timer.now() + LAST_LINGER);
            }
            self.timer.set_at(until);
            loop {
                match worker.buffers.with_hot(|hot| self.stream.poll_read(cx, hot)) {
                    Poll::Ready(Ok(count)) if count > 0 && count < left => left -= count,
                    Poll::Ready(_) => return Poll::Ready(()),
                    Poll::Pending if self.timer.has_passed(cx) => return Poll::Ready(()),
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await;
    }
}
