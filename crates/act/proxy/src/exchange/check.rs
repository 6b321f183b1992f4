//! Whether somebody else lets a request go on: the question is asked aside, and its answer goes into the request or to
//! the client.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Poll;

use haechi_filter::{Check, Ruling};
use haechi_http1::{Body, Downstream, Framing, Method, Parsed, ResponseHead, Version, head_end};
use haechi_model::{ExternalAuth, Fault, HttpLimits, Side};

use super::aside::{Awaited, Taker, send};
use super::caller::{Caller, Outbox, Part};
use crate::admit::{Facts, Request};
use crate::client::After;
use crate::engine;
use crate::live::Ruled;
use crate::scene::{Local, Scene};
use crate::select::source_of;
use crate::worker::Worker;

/// What an answer that goes back to a client measures: it was an endpoint's, whose head was measured when it came, and
/// got a `Content-Length`.
const LIMITS: HttpLimits = HttpLimits { request_line: 8 << 10, head: 65 << 10, fields: 101 };

/// What came of a question.
enum Answer {
    /// The request goes on with these lines.
    Allowed(Vec<u8>),
    /// The client gets this whole answer, as HTTP/1 has it.
    Denied(Vec<u8>),
    Failed,
}

/// Who takes the answer.
struct Judge {
    scene: Rc<Scene>,
    route: usize,
    answer: Awaited<Answer>,
    ruling: Cell<Option<Ruling>>,
    head: RefCell<Vec<u8>>,
    body: RefCell<Vec<u8>>,
}

impl Judge {
    fn check(&self) -> Option<&Check> {
        self.scene.listener().filter(self.route)?.filter.check()
    }
}

impl Taker for Judge {
    fn head(&self, head: &ResponseHead, bytes: &[u8]) {
        let ruling = Ruling::of(head.status);
        self.ruling.set(Some(ruling));
        let mut lines = self.head.borrow_mut();
        let Some(check) = self.check() else { return };
        for (name, value) in head.fields(bytes) {
            let goes = match ruling {
                Ruling::Allowed => check.copies(name),
                Ruling::Denied => !name.eq_ignore_ascii_case(b"content-length"),
                Ruling::None => false,
            };
            if goes {
                [name, b": ", value, b"\r\n"].iter().for_each(|piece| lines.extend_from_slice(piece));
            }
        }
        match ruling {
            // The rest of it is of no interest; it is read so that the connection can be used again.
            Ruling::Allowed => self.answer.give(Answer::Allowed(std::mem::take(&mut lines))),
            Ruling::Denied => {
                let mut whole = format!("HTTP/1.1 {} Denied\r\n", head.status).into_bytes();
                whole.append(&mut lines);
                *lines = whole;
            }
            Ruling::None => self.answer.give(Answer::Failed),
        }
    }

    fn body(&self, bytes: &[u8]) {
        if self.ruling.get() == Some(Ruling::Denied) {
            self.body.borrow_mut().extend_from_slice(bytes);
        }
    }

    fn end(&self, whole: bool) {
        match self.ruling.replace(Some(Ruling::None)) {
            None => self.answer.give(Answer::Failed),
            Some(Ruling::Denied) if !whole => self.answer.give(Answer::Failed),
            Some(Ruling::Denied) => {
                let mut answer = self.head.take();
                let body = self.body.take();
                answer.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
                answer.extend_from_slice(&body);
                self.answer.give(Answer::Denied(answer));
            }
            Some(Ruling::Allowed | Ruling::None) => {}
        }
    }
}

/// Asks, and waits for the answer. `Some`: the client has an answer, and that is all.
pub(super) async fn judge<C: Caller>(
    worker: &Rc<Worker>,
    client: &mut C,
    local: &Rc<Local>,
    request: &mut Request,
) -> Option<After> {
    let scene = Rc::clone(&request.scene);
    let live = scene.listener().auth(request.route)?;
    let answer = ask(worker, client, local, request, &live.config).await;
    let ruled = match &answer {
        Answer::Allowed(_) => Ruled::Allowed,
        Answer::Denied(_) => Ruled::Denied,
        Answer::Failed if live.config.allow_on_failure => Ruled::Unjudged,
        Answer::Failed => Ruled::Failed,
    };
    live.count(ruled);
    match answer {
        Answer::Allowed(lines) => insert(&mut request.sent, &lines),
        Answer::Denied(answer) => return Some(pass_back(worker, client, local, request, &answer).await),
        Answer::Failed if live.config.allow_on_failure => {}
        Answer::Failed => {
            let fault = Fault::AuthFailed;
            scene.listener().counters.of(worker.number).fault(fault);
            tracing::debug!(client = %request.client.ip(), fault = fault.name(), "no answer to the question");
            let goes_on =
                request.body.is_done() && fault.side() != Side::Client && !client.is_leaving(worker, local);
            return Some(client.refuse(worker, fault, request, goes_on));
        }
    }
    // The endpoint is not charged for the time that this took.
    request.began = engine::now();
    None
}

async fn ask<C: Caller>(
    worker: &Rc<Worker>,
    client: &C,
    local: &Rc<Local>,
    request: &mut Request,
    auth: &ExternalAuth,
) -> Answer {
    let scene = Rc::clone(&request.scene);
    let pool = auth.pool.index();
    let question = Request {
        pool,
        // No filter of the route is for it.
        route: usize::MAX,
        origin: Vec::new(),
        facts: Facts { method: Method::Get, version: Version::Http11, keep_alive: true, upgrade: false },
        client: request.client,
        id: Vec::new(),
        source: source_of(scene.pool(pool), request.client),
        sent: std::mem::take(&mut request.inquiry),
        inquiry: Vec::new(),
        question: None,
        seat: None,
        wish: None,
        body: Body::new(Framing::None, false),
        began: engine::now(),
        scene,
    };
    let judge = Rc::new(Judge {
        scene: Rc::clone(&request.scene),
        route: request.route,
        answer: Awaited::default(),
        ruling: Cell::new(None),
        head: RefCell::default(),
        body: RefCell::default(),
    });
    send(worker, local, question, client.ends(), auth.timeout, Rc::clone(&judge));
    std::future::poll_fn(|cx| judge.answer.poll(cx)).await
}

/// Puts lines behind the others of the head that stands at the beginning.
fn insert(sent: &mut Vec<u8>, lines: &[u8]) {
    // We wrote it, so it has an end.
    if let Ok(Some(end)) = head_end(sent, 0) {
        let at = end - 2;
        sent.splice(at..at, lines.iter().copied());
    }
}

/// The answer of who was asked, as the client's own.
async fn pass_back<C: Caller>(
    worker: &Worker,
    client: &mut C,
    local: &Local,
    request: &Request,
    answer: &[u8],
) -> After {
    let facts = request.facts;
    let to = Downstream {
        version: facts.version,
        keep_alive: facts.keep_alive && request.body.is_done() && !client.is_leaving(worker, local),
        head: facts.is_head(),
        upgrade: false,
        own_framing: client.frames_itself(),
    };
    let mut head = ResponseHead::default();
    let Ok(Parsed::Complete(len)) = head.parse(answer, &LIMITS, &to) else { return After::Reset };
    if !request.shown_id().is_empty() {
        head.show_id(answer, request.shown_id());
    }
    let body = 0..if to.head { 0 } else { answer.len() - len };
    let pieces = if body.is_empty() { &[][..] } else { std::slice::from_ref(&body) };
    let (mut outbox, mut out) = (Outbox::default(), Vec::new());
    let part =
        Part::Head { head: &head, bytes: answer, len, body: pieces, trailers: &[], last: true, lines: &[] };
    let patience = request.scene.http().map(|http| http.timeouts.send).unwrap_or_default();
    client.timer().set(patience);
    let mut sent = client.put(worker, &mut outbox, &mut out, part).is_ok();
    if sent {
        let mut moved = false;
        sent = std::future::poll_fn(|cx| match client.poll_flush(cx, &mut outbox, &mut moved) {
            Poll::Ready(flushed) => Poll::Ready(flushed.is_ok()),
            Poll::Pending if std::mem::take(&mut moved) => {
                client.timer().set(patience);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Pending if client.timer().has_passed(cx) => Poll::Ready(false),
            Poll::Pending => Poll::Pending,
        })
        .await;
    }
    outbox.give_back(worker);
    match sent {
        false => After::Reset,
        true if head.keep_alive => After::Next,
        true => After::Linger,
    }
}
