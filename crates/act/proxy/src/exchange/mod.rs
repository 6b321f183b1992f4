//! One request and its response: the tries, what may be tried again, and what is said when all failed.

mod aside;
mod callee;
mod caller;
mod check;
mod coded;
mod download;
mod flow;
mod over_http1;
mod retry;
mod splice;
mod upload;

use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use haechi_balance::Tried;
use haechi_model::{Algorithm, Fault, PoolProtocol, Side};
use haechi_preface::Ends;

pub(crate) use self::callee::Callee;
pub(crate) use self::caller::{Caller, Gone, Outbox, Part};
use self::flow::{End, Flow};
pub(crate) use self::retry::Stage;
use self::retry::{Failure, Told, may_retry};
use crate::admit::Request;
use crate::client::After;
use crate::engine;
use crate::forwarding;
use crate::http2;
use crate::live::{LiveEndpoint, LivePool, Question};
use crate::scene::Local;
use crate::select::{Noise, Place, select};
use crate::tunnel;
use crate::upstream::Upstream;
use crate::worker::{Signal, Worker};

/// How long a login may wait for somebody to look at it. People go on waiting for that long.
const LOGIN: Duration = Duration::from_secs(10);

/// Serves one request, if nobody who is asked has something against it.
pub(crate) async fn run<C: Caller>(
    worker: &Rc<Worker>,
    client: &mut C,
    local: &Rc<Local>,
    request: &mut Request,
) -> After {
    if let Some(question) = request.question.take()
        // Boxed because it is rare, and every connection's memory would hold room for it.
        && let Err(fault) = Box::pin(prove(client, *question)).await
    {
        return leave(worker, client, request, |client, request| {
            give_up(worker, client, local, request, fault, Told::Nothing)
        });
    }
    if !request.inquiry.is_empty() {
        // Boxed because it is rare, and every connection's memory would hold room for it.
        let judged = Box::pin(check::judge(worker, client, local, request)).await;
        if let Some(after) = judged {
            request.give_back(worker);
            return after;
        }
    }
    serve(worker, client, local, request).await
}

/// Picks, connects, moves the bytes, and tries again where that is safe.
async fn serve<C: Caller>(
    worker: &Rc<Worker>,
    client: &mut C,
    local: &Local,
    request: &mut Request,
) -> After {
    let scene = Rc::clone(&request.scene);
    let mut tried = Tried::new();
    let mut tries = 0u8;
    let mut fresh = false;
    let after = loop {
        let place = match select(worker, &scene, request.pool, request.source, &tried, client).await {
            Ok(place) => place,
            Err(fault) => break give_up(worker, client, local, request, fault, Told::Nothing),
        };
        let pool = place.pool();
        let last = tries.saturating_add(1) >= pool.config.retry.tries;
        let how = Try { fresh, last, again: !tried.is_empty() };
        match attempt(worker, client, local, request, &place, how).await {
            Ok(after) => break after,
            Err(failure) => {
                record_failure(worker, &place, &failure);
                let stale = failure.is_no_try() && !fresh;
                if (last && !stale)
                    || !may_retry(&failure, request, &pool.config.retry)
                    || !(stale || afford(worker, pool, &failure))
                {
                    break give_up(worker, client, local, request, failure.fault, failure.told);
                }
                if stale {
                    // It says nothing of the endpoint, so it is no try; and it does not happen twice.
                    fresh = true;
                    worker.idle.purge(place.endpoint().serial);
                } else {
                    tries = tries.saturating_add(1);
                    tried.insert(place.member);
                    // The next endpoint is not charged for the time that this one took.
                    request.began = engine::now();
                }
            }
        }
    };
    leave(worker, client, request, |_, _| after)
}

/// Says the last word of a request, and gives back what it had.
fn leave<C: Caller>(
    worker: &Worker,
    client: &mut C,
    request: &mut Request,
    last: impl FnOnce(&mut C, &Request) -> After,
) -> After {
    let after = last(client, request);
    client.timer().works_with(0);
    request.give_back(worker);
    after
}

/// Waits until somebody has looked at a login.
///
/// # Errors
/// It is not right, or nobody has time for it, or the client went away.
async fn prove<C: Caller>(client: &mut C, question: Question) -> Result<(), Fault> {
    let now = client.timer().now();
    let mut answer = question.ask(now)?;
    client.timer().set_at(now + LOGIN);
    client.watch();
    let mut heard = false;
    std::future::poll_fn(|cx| {
        if let Poll::Ready(right) = Pin::new(&mut answer).poll(cx) {
            // Who looks at them is gone only when all is.
            let right = right.map_err(|_| Fault::LoginsBusy)?;
            return Poll::Ready(right.then_some(()).ok_or(Fault::Unauthenticated));
        }
        if client.timer().has_passed(cx) {
            return Poll::Ready(Err(Fault::LoginsBusy));
        }
        // What it says meanwhile is for later, and would be found again and again.
        if !heard {
            match client.noise(cx) {
                Noise::Gone => return Poll::Ready(Err(Fault::ClientGone)),
                noise => heard = noise == Noise::Spoke,
            }
        }
        Poll::Pending
    })
    .await
}

/// How one try goes about it.
#[derive(Clone, Copy)]
struct Try {
    /// On a new connection, because an idle one was found closed.
    fresh: bool,
    /// No try is left after it.
    last: bool,
    /// Another endpoint has failed the request.
    again: bool,
}

/// One try at one endpoint.
///
/// # Errors
/// What failed, with all that decides whether to try again.
async fn attempt<C: Caller>(
    worker: &Rc<Worker>,
    client: &mut C,
    local: &Local,
    request: &mut Request,
    place: &Place,
    how: Try,
) -> Result<After, Failure> {
    let (pool, endpoint) = (place.pool(), place.endpoint());
    let counters = endpoint.counters(worker.number);
    counters.requests.add(1);
    counters.retries.add(u64::from(how.again));
    client.timer().works_with(endpoint.serial);
    let told = pool.config.proxy_protocol.map(|_| Ends { client: request.client, ..client.ends() });
    if pool.config.protocol == PoolProtocol::Http2 {
        // Boxed, because each connection of a client holds room for it.
        return Box::pin(attempt_http2(worker, client, local, request, place, told, how)).await;
    }
    let strict = !request.facts.method.is_idempotent();
    let take = || worker.idle.take(endpoint, pool, worker.timers.now(), strict, told);
    let mut upstream = match (!how.fresh).then(take).flatten() {
        Some(upstream) => upstream,
        None => {
            Upstream::connect(worker, client.timer(), endpoint, pool, told).await.map_err(Failure::connect)?
        }
    };
    let end = converse(worker, client, local, &mut upstream, request, place, how).await?;
    if end.upgraded {
        let idle = tunnel_idle(request, pool);
        client.tunnel(worker, &mut upstream.stream, endpoint, idle).await;
        return Ok(After::Close);
    }
    let keeps = pool.config.keep_alive.idle > 0 && endpoint.keeps_connections();
    if end.reusable && keeps && is_live(local, request, endpoint) {
        worker.idle.give(upstream, endpoint, &pool.config, worker.timers.now());
    }
    Ok(end.after())
}

/// The same on a stream of a connection that others use too.
async fn attempt_http2<C: Caller>(
    worker: &Rc<Worker>,
    client: &mut C,
    local: &Local,
    request: &mut Request,
    place: &Place,
    told: Option<Ends>,
    how: Try,
) -> Result<After, Failure> {
    let call = http2::call(worker, client.timer(), place, told, how.fresh).await;
    let mut call = call.map_err(Failure::connect)?;
    let end = converse(worker, client, local, &mut call, request, place, how).await?;
    if end.upgraded
        && let Some(mut upstream) = call.mouth()
    {
        client.tunnel(worker, &mut upstream, place.endpoint(), tunnel_idle(request, place.pool())).await;
        return Ok(After::Close);
    }
    Ok(end.after())
}

/// How long what was agreed on instead of HTTP may be silent.
fn tunnel_idle(request: &Request, pool: &LivePool) -> Duration {
    let http = request.scene.http().map(|http| http.timeouts.keep_alive);
    http.unwrap_or(pool.config.timeouts.read).max(tunnel::UPGRADED_IDLE)
}

/// Moves the bytes, and counts what came of it.
async fn converse<C: Caller, E: Callee>(
    worker: &Worker,
    client: &mut C,
    local: &Local,
    upstream: &mut E,
    request: &mut Request,
    place: &Place,
    how: Try,
) -> Result<End, Failure> {
    let counters = place.endpoint().counters(worker.number);
    let mut flow = Flow::new(worker, client, local, upstream, request, place.pool(), how.last);
    let end = std::future::poll_fn(|cx| flow.poll(cx)).await;
    let (bytes_out, bytes_in) = flow.bytes();
    flow.give_back();
    client.rest();
    counters.bytes_out.add(bytes_out);
    counters.bytes_in.add(bytes_in);
    let end = end?;
    record_success(worker, request, place, &end);
    Ok(end)
}

/// Whether the endpoint was not taken away while the request ran: nobody would come for its connection.
fn is_live(local: &Local, request: &Request, endpoint: &LiveEndpoint) -> bool {
    let now = local.scene();
    Rc::ptr_eq(&now, &request.scene)
        || now.live.endpoint(&endpoint.id).is_some_and(|live| live.serial == endpoint.serial)
}

fn record_success(worker: &Worker, request: &Request, place: &Place, end: &End) {
    let now = engine::now();
    let endpoint = place.endpoint();
    endpoint.counters(worker.number).answered(end.status, now.since(request.began));
    // What a gateway says when its own endpoint is gone counts as a failure; an application's 500 does not.
    let failed = matches!(end.status, 502..=504);
    if place.pool().config.algorithm == Algorithm::LeastResponseTime {
        endpoint.observe(end.head_at.unwrap_or(now).since(request.began), failed, now);
    }
    note_outcome(worker, place.pool(), endpoint, failed);
}

fn record_failure(worker: &Worker, place: &Place, failure: &Failure) {
    let endpoint = place.endpoint();
    if failure.fault.side() != Side::Endpoint || failure.is_no_try() {
        return;
    }
    tracing::debug!(endpoint = %endpoint.id, fault = failure.fault.name(), "request failed at endpoint");
    endpoint.counters(worker.number).failures.add(1);
    // Or clients that ask for something large could have a healthy endpoint ejected.
    if failure.fault == Fault::ResponseTooLarge {
        return;
    }
    if place.pool().config.algorithm == Algorithm::LeastResponseTime {
        endpoint.observe(Duration::ZERO, true, engine::now());
    }
    note_outcome(worker, place.pool(), endpoint, true);
}

/// Counts failures in a row, and tells the control plane when they reach the pool's bound.
pub(crate) fn note_outcome(worker: &Worker, pool: &LivePool, endpoint: &LiveEndpoint, failed: bool) {
    use std::sync::atomic::Ordering::Relaxed;
    let Some(passive) = &pool.config.passive else { return };
    if !failed {
        if endpoint.failures_in_a_row.load(Relaxed) != 0 {
            endpoint.failures_in_a_row.store(0, Relaxed);
        }
        return;
    }
    let failures = endpoint.failures_in_a_row.fetch_add(1, Relaxed) + 1;
    if failures == u32::from(passive.consecutive_failures) {
        endpoint.failures_in_a_row.store(0, Relaxed);
        worker.tell(Signal::FailuresInARow(endpoint.id.clone()));
    }
}

/// Whether the pool's retry budget has room. What reached no endpoint costs nothing there, so it is free.
fn afford(worker: &Worker, pool: &LivePool, failure: &Failure) -> bool {
    match failure.stage {
        Stage::Connect | Stage::Stale | Stage::Unseen => true,
        // Paid before the response was thrown away.
        Stage::Status => true,
        Stage::Sent => take_from_budget(worker, pool),
    }
}

fn take_from_budget(worker: &Worker, pool: &LivePool) -> bool {
    let requests = pool.shared.ticket.load(std::sync::atomic::Ordering::Relaxed);
    pool.shared.retries.take(&pool.config.retry, requests, worker.timers.now())
}

/// Ends the exchange without an endpoint's answer. A response that has begun can only be cut off.
fn give_up(
    worker: &Worker,
    client: &mut impl Caller,
    local: &Local,
    request: &Request,
    fault: Fault,
    told: Told,
) -> After {
    if !client.is_aside() {
        request.scene.listener().counters.of(worker.number).fault(fault);
    }
    let id = forwarding::shown(&request.id);
    tracing::debug!(client = %request.client.ip(), fault = fault.name(), ?told, id, "no answer from an endpoint");
    if told == Told::Part || fault == Fault::ClientGone {
        return After::Reset;
    }
    let goes_on = request.body.is_done()
        && (fault.side() != Side::Client || fault == Fault::Unauthenticated)
        && !client.is_leaving(worker, local);
    client.refuse(worker, fault, request, goes_on)
}
