//! Connections to endpoints that speak HTTP/2, of one worker: few, each for many requests.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::rc::Rc;
use std::task::Poll;

use haechi_model::Fault;
use haechi_preface::Ends;

use super::call::Call;
use super::link::{Link, State, live};
use crate::engine;
use crate::live::LivePool;
use crate::select::Place;
use crate::timer::Timer;
use crate::upstream::SerialHasher;
use crate::worker::Worker;

/// By the serial of their endpoint.
#[derive(Default)]
pub(crate) struct Links(RefCell<HashMap<u64, Vec<Rc<Link>>, BuildHasherDefault<SerialHasher>>>);

impl Links {
    /// The first one that takes a request now, or that may soon. Those that speak as the pool did before end.
    fn find(&self, serial: u64, pool: &LivePool, told: Option<Ends>) -> Option<Rc<Link>> {
        let links = self.0.borrow();
        let links = links.get(&serial)?;
        links.iter().filter(|link| !link.suits(pool)).for_each(|link| link.retire());
        // As many wait for one that connects as the others allow: an endpoint may allow one at a time.
        let most = links.iter().map(|link| link.most()).min().unwrap_or(0);
        let soon =
            |link: &&Rc<Link>| link.state() == State::Connecting && link.waiting() < most && link.suits(pool);
        let mut fit = links.iter().filter(|link| link.is_for(told));
        fit.clone().find(|link| link.has_room()).or_else(|| fit.find(soon)).cloned()
    }

    /// Of those that are idle, the first ends if there are more than the pool keeps: with `proxyProtocol`, each client
    /// that was there once has left one.
    fn add(&self, serial: u64, pool: &LivePool, link: Rc<Link>) {
        let mut all = self.0.borrow_mut();
        let links = all.entry(serial).or_default();
        let mut idle = links.iter().filter(|link| link.is_idle());
        if idle.clone().count() > pool.config.keep_alive.idle as usize
            && let Some(first) = idle.next()
        {
            first.retire();
        }
        links.push(link);
    }

    pub(super) fn remove(&self, serial: u64, link: &Rc<Link>) {
        let mut all = self.0.borrow_mut();
        if let Some(links) = all.get_mut(&serial) {
            links.retain(|other| !Rc::ptr_eq(other, link));
            if links.is_empty() {
                all.remove(&serial);
            }
        }
    }

    /// Connections to this endpoint take nothing new, and end after what they have.
    pub(crate) fn purge(&self, serial: u64) {
        self.0.borrow().get(&serial).into_iter().flatten().for_each(|link| link.retire());
    }
}

/// A way to the endpoint for one request: on a connection that stands, or on a new one. `told`: whose connection the
/// endpoint is told that it is. `fresh`: an idle one has ended under this request, which does not happen twice.
///
/// # Errors
/// No connection in time, or the endpoint allows no requests on it.
pub(crate) async fn call(
    worker: &Rc<Worker>,
    timer: &Timer,
    place: &Place,
    told: Option<Ends>,
    fresh: bool,
) -> Result<Call, Fault> {
    let (pool, serial) = (place.pool(), place.endpoint().serial);
    timer.set(pool.config.timeouts.connect);
    loop {
        let link = worker.links.find(serial, pool, told).unwrap_or_else(|| {
            let link = Link::new(pool, told);
            worker.links.add(serial, pool, Rc::clone(&link));
            let (scene, pool) = place.whereabouts();
            engine::spawn(live(Rc::clone(worker), scene, pool, place.member, Rc::clone(&link)));
            link
        });
        if link.has_room() {
            let reused = link.was_used() && !fresh;
            return Ok(Call::new(link, reused));
        }
        let known = std::future::poll_fn(|cx| match link.poll_known(cx) {
            Poll::Ready(state) => Poll::Ready(Ok(state)),
            Poll::Pending if timer.is_cut() => Poll::Ready(Err(Fault::ConnectFailed)),
            Poll::Pending if timer.has_passed(cx) => Poll::Ready(Err(Fault::ConnectTimeout)),
            Poll::Pending => Poll::Pending,
        });
        match known.await? {
            State::Failed(fault) => return Err(fault),
            // It opened and closed at once, or takes nothing: another would do the same.
            State::Over => return Err(Fault::ConnectFailed),
            State::Open if !link.was_used() && !link.has_room() => {
                link.retire();
                return Err(Fault::ConnectFailed);
            }
            State::Open | State::Connecting => {}
        }
    }
}
