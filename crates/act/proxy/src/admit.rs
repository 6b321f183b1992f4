//! From a head's bytes to a request that knows its pool, or to a refusal with its reason. Runs to its end
//! while the bytes lie in the hot buffer; what is kept is what goes on to the endpoint.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use haechi_coding::Wish;
use haechi_filter::{Asked, Check, Filter, Questioned, Verdict};
use haechi_http1::{
    Apology, Body, Framing, HeadError, Method, Onward, Parsed, Persistence, Pieces, RequestHead, Version,
};
use haechi_model::{Destination, Fault, Moment, RequestIds, Route};
use haechi_route::{Headers, Query};
use haechi_trust::{ACME_PATH, Reply};

use crate::engine;
use crate::forwarding::{self, Told};
use crate::live::{Guard, LiveFilter, Question, Seat, TooMuch};
use crate::scene::{Local, Scene};
use crate::select::source_of;
use crate::who::Who;
use crate::worker::Worker;

/// A request on its way.
pub(crate) struct Request {
    pub(crate) scene: Rc<Scene>,
    /// Position of its pool in the scene.
    pub(crate) pool: usize,
    /// Position of its route in the listener.
    pub(crate) route: usize,
    /// Its `Origin`, where its answer depends on it; else empty.
    pub(crate) origin: Vec<u8>,
    pub(crate) facts: Facts,
    /// Who asks, as far as somebody is trusted to say so. Port 0 if that is not known.
    pub(crate) client: SocketAddr,
    /// Its `X-Request-ID`; empty if it is to have none.
    pub(crate) id: Vec<u8>,
    /// A login that somebody must look at before it goes on.
    pub(crate) question: Option<Box<Question>>,
    /// Beside other requests of its client.
    pub(crate) seat: Option<Seat>,
    /// What `ipHash` looks at.
    pub(crate) source: u64,
    /// The head for the endpoint, and as much of the body as has come: kept until the response begins, so
    /// that it can be sent again.
    pub(crate) sent: Vec<u8>,
    /// The whole head that somebody else is asked with before it goes on; else empty.
    pub(crate) inquiry: Vec<u8>,
    /// What is left of the body.
    pub(crate) body: Body,
    /// How the client takes answers, where they may be coded.
    pub(crate) wish: Option<Wish>,
    /// When the head was complete, or the try before this one had failed.
    pub(crate) began: Moment,
}

impl Request {
    /// Gives memory back to the worker.
    pub(crate) fn give_back(&mut self, worker: &Worker) {
        drop(self.seat.take());
        for vector in [&mut self.sent, &mut self.id, &mut self.origin, &mut self.inquiry] {
            worker.buffers.give_vector(std::mem::take(vector));
        }
    }

    /// What is done to its answer besides, if anything.
    #[inline]
    pub(crate) fn filter(&self) -> Option<&Filter> {
        self.scene.listener().filter(self.route).map(|live| &live.filter)
    }
}

/// What of the head matters after it was written on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    pub(crate) method: Method,
    pub(crate) version: Version,
    pub(crate) keep_alive: bool,
    pub(crate) upgrade: bool,
}

impl Facts {
    const fn of(head: &RequestHead) -> Self {
        Self {
            method: head.method,
            version: head.version,
            keep_alive: head.keep_alive,
            upgrade: head.upgrade,
        }
    }

    pub(crate) fn is_head(self) -> bool {
        self.method == Method::Head
    }
}

impl Request {
    /// The answer in an endpoint's place.
    pub(crate) fn apology(&self, fault: Fault) -> Apology<'_> {
        let live = self.scene.listener().filter(self.route);
        Apology { fault, id: &self.id, lines: challenge(live.and_then(LiveFilter::guard), fault) }
    }

    /// Its name, where each answer shows it.
    pub(crate) fn shown_id(&self) -> &[u8] {
        if shows_id(&self.scene) { &self.id } else { &[] }
    }
}

/// Whether each answer names its request.
fn shows_id(scene: &Scene) -> bool {
    let rules = scene.http().and_then(|http| http.forwarded.as_ref());
    rules.is_some_and(|rules| rules.request_id == RequestIds::Answered)
}

/// An answer in an endpoint's place.
pub(crate) struct Refused {
    pub(crate) fault: Fault,
    /// The broken rule, for the log.
    pub(crate) rule: Option<&'static str>,
    /// Whole lines that the answer has besides.
    pub(crate) lines: Vec<u8>,
    /// Its name, if it has one already.
    pub(crate) id: Vec<u8>,
    pub(crate) persistence: Persistence,
    pub(crate) head_only: bool,
}

impl Refused {
    /// One after which the bytes that follow can't be trusted.
    pub(crate) const fn new(fault: Fault, rule: &'static str) -> Self {
        Self {
            fault,
            rule: Some(rule),
            lines: Vec::new(),
            id: Vec::new(),
            persistence: Persistence::Close,
            head_only: false,
        }
    }
}

impl Refused {
    /// The answer, with its request's name.
    pub(crate) fn apology<'a>(&'a self, id: &'a [u8]) -> Apology<'a> {
        Apology { fault: self.fault, id, lines: &self.lines }
    }

    /// What it is called; a new name if nobody gave it one.
    pub(crate) fn id(&self, worker: &Worker, scene: &Scene) -> Cow<'_, [u8]> {
        match &*self.id {
            [] => forwarding::name(worker, scene.http().and_then(|http| http.forwarded.as_ref())).into(),
            id => id.into(),
        }
    }
}

/// An answer of ours that is no fault.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Whole lines of its head.
    pub(crate) lines: Vec<u8>,
    /// Nearly always empty.
    pub(crate) body: Arc<[u8]>,
    pub(crate) persistence: Persistence,
}

impl From<HeadError> for Refused {
    fn from(error: HeadError) -> Self {
        Self::new(error.fault, error.rule)
    }
}

/// What became of the bytes.
pub(crate) enum Admitted {
    /// A request, and how many bytes it took.
    Request(Request, usize),
    /// An answer at once, and how many bytes it concerns.
    Answered(Answer, usize),
    /// A refusal, and how many bytes it concerns.
    Refused(Refused, usize),
    /// The head is not complete.
    Partial,
}

/// Reads the head at the start of `bytes`, and as much of its body as is there.
pub(crate) fn admit(worker: &Worker, local: &Local, who: &Who, bytes: &[u8]) -> Admitted {
    let scene = local.scene();
    let Some(http) = scene.http() else {
        return Admitted::Refused(Refused::new(Fault::NoRoute, "not an HTTP listener"), bytes.len());
    };
    let mut scratch = worker.scratch.borrow_mut();
    let scratch = &mut *scratch;
    let head = &mut scratch.request;
    let len = match head.parse(bytes, &http.limits) {
        Ok(Parsed::Complete(len)) => len,
        Ok(Parsed::Partial) => return Admitted::Partial,
        Err(error) => {
            if let Some(limit) = error.limit {
                scene.listener().counters.of(worker.number).limit(limit);
            }
            return Admitted::Refused(error.into(), bytes.len());
        }
    };
    let counters = scene.listener().counters.of(worker.number);
    counters.requests.add(1);
    if worker.pressed.is_full() {
        let refused = Refused { persistence: Persistence::Close, ..unserved(Fault::Overloaded, head) };
        return Admitted::Refused(refused, bytes.len());
    }
    let began = engine::now();
    // Where the next request begins is known for sure only if this one has no body.
    let concerned = if has_body(head) { bytes.len() } else { len };
    if let Some(told) = issuer_asks(&scene, head, bytes) {
        return match told {
            Some(answer) => Admitted::Answered(answer, concerned),
            None => Admitted::Refused(unserved(Fault::NoRoute, head), concerned),
        };
    }
    let Some((route, to)) = find_route(&scene, head, bytes) else {
        return Admitted::Refused(unserved(Fault::NoRoute, head), concerned);
    };
    let authority = scene.listener().authority.as_bytes();
    let mut told = Told { client: who.peer, secure: who.secure, id: Vec::new() };
    let mut onward = Onward { authority, forwarding: who.forwarding(), ..Onward::default() };
    if let Some(rules) = &http.forwarded {
        told = forwarding::judge(worker, who, rules, head, bytes, authority, &mut scratch.lines);
        scratch.lines.extend_from_slice(who.identity());
        onward.forwarding = &scratch.lines;
    }
    let live = scene.listener().filter(route);
    let mut inquiry = Vec::new();
    let (mut seat, mut question) = (None, None);
    if let Some(LiveFilter { filter, .. }) = live {
        let client = told.client.ip();
        match live.map(|live| live.admit(client, began)) {
            Some(Err(TooMuch { fault, wait })) => {
                let lines = wait.map(retry_after).unwrap_or_default();
                return Admitted::Refused(Refused { lines, id: told.id, ..unserved(fault, head) }, concerned);
            }
            Some(Ok(taken)) => seat = taken,
            None => {}
        }
        scratch.out.clear();
        if let Some(check) = filter.check() {
            inquiry = worker.buffers.take_vector();
            let tells_host = http.forwarded.is_some();
            write_question(check, head, bytes, (&onward, tells_host), &mut inquiry);
        }
        let asked = asked(head, bytes, authority, &told);
        match filter.decide(&asked, &mut scratch.out) {
            Verdict::On { host, rewritten } => {
                let guard = live.and_then(LiveFilter::guard);
                if let Some(guard) = guard {
                    match guard.look(authorization(head, bytes), client, began) {
                        Ok(asked) => question = asked,
                        Err(fault) => {
                            let lines = challenge(Some(guard), fault).to_vec();
                            let refused = Refused { lines, id: told.id, ..unserved(fault, head) };
                            return Admitted::Refused(refused, concerned);
                        }
                    }
                }
                let (edits, keeps) = (filter.request(), guard.is_some_and(|guard| !guard.config.passes_on));
                let check = filter.check();
                let ours = |name: &[u8]| keeps && name.eq_ignore_ascii_case(b"authorization");
                head.cut(bytes, |name| {
                    edits.removes(name) || ours(name) || check.is_some_and(|check| check.copies(name))
                });
                onward.host = host;
                onward.target = rewritten.then_some(&*scratch.out);
                onward.lines = edits.lines();
            }
            Verdict::Refused(fault) => {
                return Admitted::Refused(Refused { id: told.id, ..unserved(fault, head) }, concerned);
            }
            Verdict::Answered(status) => {
                let mut lines = scratch.out.clone();
                if shows_id(&scene) {
                    for piece in [&b"X-Request-ID: "[..], &*told.id, b"\r\n"] {
                        lines.extend_from_slice(piece);
                    }
                }
                let persistence = persistence(head);
                return Admitted::Answered(
                    Answer { status, lines, body: Arc::default(), persistence },
                    concerned,
                );
            }
        }
    }
    let chosen = match &to.to {
        Destination::Nowhere => Err(Fault::NoRoute),
        Destination::Pool(pool) => Ok(pool.index()),
        Destination::Split(_) => split(&scene, route, &Fields { head, bytes }, told.client),
    };
    let pool = match chosen {
        Ok(pool) => pool,
        Err(fault) => return Admitted::Refused(unserved(fault, head), concerned),
    };
    let rules = scene.listener().coding(route);
    let wish = rules.map(|rules| rules.wish(head.fields(bytes), head.version == Version::Http11));
    let mut sent = worker.buffers.take_vector();
    head.write_upstream(bytes, &onward, &mut sent);
    let mut body = Body::new(head.framing, false);
    if let Some(most) = live.and_then(|live| live.filter.max_body()) {
        body.limit(most);
    }
    if live.is_some_and(|live| live.filter.check().is_some()) {
        body.drop_trailers();
    }
    let used = match take_body(&mut body, &bytes[len..], &mut scratch.pieces, &mut sent) {
        Ok(used) => len + used,
        Err(error) => return Admitted::Refused(error.into(), bytes.len()),
    };
    let mut from = Vec::new();
    if let Some(origin) = live.filter(|live| live.filter.wants_origin()).and_then(|_| origin(head, bytes)) {
        from = worker.buffers.take_vector();
        from.extend_from_slice(origin);
    }
    let source = source_of(scene.pool(pool), told.client);
    let facts = Facts::of(head);
    let Told { client, id, .. } = told;
    Admitted::Request(
        Request {
            scene,
            pool,
            route,
            origin: from,
            facts,
            client,
            id,
            inquiry,
            seat,
            source,
            sent,
            question,
            body,
            wish,
            began,
        },
        used,
    )
}

/// Appends to `out` what goes on of a body's next bytes; gives how many of them belong to it.
///
/// # Errors
/// Broken framing.
pub(crate) fn take_body(
    body: &mut Body,
    bytes: &[u8],
    pieces: &mut Pieces,
    out: &mut Vec<u8>,
) -> Result<usize, HeadError> {
    if body.is_done() {
        return Ok(0);
    }
    pieces.clear();
    let advance = body.advance(bytes, pieces)?;
    for range in pieces.ranges() {
        out.extend_from_slice(&bytes[range.clone()]);
    }
    if let Some(trailers) = body.take_trailers() {
        out.extend_from_slice(trailers.lines());
        out.extend_from_slice(b"\r\n");
    }
    Ok(advance.consumed)
}

fn asked<'a>(head: &RequestHead, bytes: &'a [u8], authority: &'a [u8], told: &Told) -> Asked<'a> {
    let host = head.host.map(|host| host.of(bytes)).filter(|host| !host.is_empty());
    Asked {
        host: host.unwrap_or(authority),
        path: head.path.of(bytes),
        query: head.query(bytes),
        client: told.client.ip(),
        origin: origin(head, bytes),
        preflight: head.method_name(bytes) == b"OPTIONS"
            && head.values(bytes, "access-control-request-method").next().is_some(),
        length: match head.framing {
            Framing::Length(length) => Some(length),
            Framing::None | Framing::Chunked | Framing::UntilClose => None,
        },
        over_tls: told.secure,
    }
}

/// None too if there are two, as with an origin.
fn authorization<'a>(head: &RequestHead, bytes: &'a [u8]) -> Option<&'a [u8]> {
    let mut values = head.spans(bytes, "authorization").map(|span| span.of(bytes));
    values.next().filter(|_| values.next().is_none())
}

/// Lines that an answer for this fault has besides.
fn challenge(guard: Option<&Guard>, fault: Fault) -> &[u8] {
    guard.filter(|_| fault == Fault::Unauthenticated).map_or(b"", Guard::challenge)
}

/// None too if there are two: nobody could say which is meant.
fn origin<'a>(head: &RequestHead, bytes: &'a [u8]) -> Option<&'a [u8]> {
    let mut values = head.spans(bytes, "origin").map(|span| span.of(bytes));
    values.next().filter(|value| !value.is_empty() && values.next().is_none())
}

/// Whether an issuer asks for a challenge at a name of ours, and what it is told; nothing if that is not pending.
fn issuer_asks(scene: &Scene, head: &RequestHead, bytes: &[u8]) -> Option<Option<Answer>> {
    let token = head.path.of(bytes).strip_prefix(ACME_PATH)?;
    let told = scene.live.challenge(head.host.map(|host| host.of(bytes))?, token);
    match told {
        Reply::NotOurs => None,
        Reply::Answer(body) if head.method_name(bytes) == b"GET" => {
            // RFC 8555 section 8.3 says no more of it than that these are its bytes.
            let lines = b"content-type: application/octet-stream\r\n".to_vec();
            Some(Some(Answer { status: 200, lines, body, persistence: persistence(head) }))
        }
        Reply::Answer(_) | Reply::Unknown => Some(None),
    }
}

/// What somebody else is asked about a request. `onward`: what goes with it, and whether that tells the host.
fn write_question(
    check: &Check,
    head: &RequestHead,
    bytes: &[u8],
    (onward, tells_host): (&Onward<'_>, bool),
    out: &mut Vec<u8>,
) {
    let host = head.host.map(|host| host.of(bytes)).filter(|host| !host.is_empty());
    let asked = Questioned {
        method: head.method_name(bytes),
        target: [head.path.of(bytes), head.query(bytes)],
        host: host.unwrap_or(onward.authority),
        forwarding: onward.forwarding,
        tells_host,
    };
    check.write(&asked, out);
    for name in check.sends() {
        for value in head.values(bytes, name) {
            [name.as_bytes(), b": ", value, b"\r\n"].iter().for_each(|piece| out.extend_from_slice(piece));
        }
    }
    out.extend_from_slice(b"\r\n");
}

fn find_route<'s>(scene: &'s Scene, head: &RequestHead, bytes: &[u8]) -> Option<(usize, &'s Route)> {
    let query = Query {
        host: head.host.map(|host| host.of(bytes)),
        path: head.path.of(bytes),
        method: head.method_name(bytes),
        headers: &Fields { head, bytes },
    };
    let route = scene.listener().routes.find(&query)?;
    Some((route, scene.http()?.routes.get(route)?))
}

/// Which of several pools gets a request.
fn split(scene: &Scene, route: usize, fields: &Fields<'_>, client: SocketAddr) -> Result<usize, Fault> {
    let split = scene.listener().split(route).ok_or(Fault::NoEndpoint)?;
    split.choose(fields, client.ip()).ok_or(Fault::NoEndpoint)
}

struct Fields<'a> {
    head: &'a RequestHead,
    bytes: &'a [u8],
}

impl Headers for Fields<'_> {
    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.head.values(self.bytes, name)
    }
}

/// In how many seconds it may ask again (RFC 9110 §10.2.3): rounded up, or a client that obeys would come too early.
fn retry_after(wait: Duration) -> Vec<u8> {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    format!("Retry-After: {seconds}\r\n").into_bytes()
}

fn has_body(head: &RequestHead) -> bool {
    head.framing != Framing::None
}

/// The connection goes on after an answer of ours, unless a body follows that nobody reads.
fn persistence(head: &RequestHead) -> Persistence {
    Persistence::of(head.version, head.keep_alive && !has_body(head))
}

/// Nobody serves this, but the connection may go on where the next request surely begins.
fn unserved(fault: Fault, head: &RequestHead) -> Refused {
    Refused {
        fault,
        rule: None,
        lines: Vec::new(),
        id: Vec::new(),
        persistence: persistence(head),
        head_only: head.method == Method::Head,
    }
}
