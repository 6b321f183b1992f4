//! Connections to endpoints: opened when needed, kept warm in between.

mod idle;

use std::io;
use std::task::Poll;

use haechi_model::{Fault, Moment, Pool};

pub(crate) use idle::IdleConnections;

use crate::live::LiveEndpoint;
use crate::stream::Stream;
use crate::timer::Timer;
use crate::worker::Worker;

/// A connection to an endpoint.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) stream: Stream,
    /// Came out of the idle pool: the endpoint may have closed it while nobody looked.
    pub(crate) reused: bool,
    born: Moment,
    requests: u32,
}

impl Upstream {
    /// Opens a connection within the pool's connect timeout.
    ///
    /// # Errors
    /// What the endpoint, or the lack of something of ours, did.
    pub(crate) async fn connect(
        worker: &Worker,
        timer: &Timer,
        endpoint: &LiveEndpoint,
        pool: &Pool,
    ) -> Result<Self, Fault> {
        timer.set(pool.timeouts.connect);
        endpoint.counters(worker.number).connects.add(1);
        let mut connecting = std::pin::pin!(Stream::connect(endpoint.address));
        let connected = std::future::poll_fn(|cx| {
            if let Poll::Ready(connected) = connecting.as_mut().poll(cx) {
                return Poll::Ready(connected.map_err(|error| connect_fault(&error)));
            }
            if timer.is_cut() {
                return Poll::Ready(Err(Fault::ConnectFailed));
            }
            if timer.has_passed(cx) { Poll::Ready(Err(Fault::ConnectTimeout)) } else { Poll::Pending }
        });
        let stream = connected.await?;
        Ok(Self { stream, reused: false, born: worker.timers.now(), requests: 0 })
    }

    /// Whether it may take another request by age and count.
    fn may_go_on(&self, pool: &Pool, now: Moment) -> bool {
        self.requests < pool.keep_alive.max_requests && now.since(self.born) < pool.keep_alive.max_age
    }
}

fn connect_fault(error: &io::Error) -> Fault {
    match error.kind() {
        io::ErrorKind::TimedOut => Fault::ConnectTimeout,
        // EADDRNOTAVAIL is our lack of ports, not the endpoint's doing.
        io::ErrorKind::AddrNotAvailable => Fault::Exhausted,
        _ if error.raw_os_error().is_some_and(out_of_descriptors) => Fault::Exhausted,
        _ => Fault::ConnectFailed,
    }
}

/// `EMFILE`, `ENFILE`, `ENOBUFS`, `ENOMEM`.
pub(crate) fn out_of_descriptors(code: i32) -> bool {
    matches!(code, 24 | 23 | 105 | 12)
}
