//! Connections to endpoints: opened when needed, kept warm in between.

mod idle;

use std::io;
use std::sync::Arc;
use std::task::Poll;

use haechi_model::{Fault, Moment, Pool, ProxyVersion};
use haechi_preface::Ends;
use haechi_trust::{Refusal, Verified};
use rustls::pki_types::ServerName;

pub(crate) use idle::IdleConnections;

use crate::live::{LiveEndpoint, LivePool};
use crate::stream::{Broken, Session, Stream};
use crate::timer::Timer;
use crate::worker::{Signal, Worker};

/// A connection to an endpoint.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) stream: Stream,
    /// Came out of the idle pool: the endpoint may have closed it while nobody looked.
    pub(crate) reused: bool,
    /// Whose connection it was told to be: only this one's requests go on it.
    told: Option<Ends>,
    /// Whom it was verified by, where it speaks TLS.
    verified: Option<Arc<Verified>>,
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
        pool: &LivePool,
        told: Option<Ends>,
    ) -> Result<Self, Fault> {
        timer.set(pool.config.timeouts.connect);
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
        let mut stream = connected.await?;
        if let Some(version) = pool.config.proxy_protocol {
            announce(worker, &mut stream, version, told)?;
        }
        let verified = pool.config.tls.is_some().then(|| pool.verified.load_full());
        if let Some(verified) = &verified {
            // Rare beside requests, and every connection's memory would hold room for it.
            Box::pin(secure(worker, timer, endpoint, verified.as_deref(), &mut stream)).await?;
        }
        let (verified, born) = (verified.flatten(), worker.timers.now());
        Ok(Self { stream, reused: false, told, verified, born, requests: 0 })
    }

    /// Whether it may take another request by age and count.
    fn may_go_on(&self, pool: &Pool, now: Moment) -> bool {
        self.requests < pool.keep_alive.max_requests && now.since(self.born) < pool.keep_alive.max_age
    }
}

/// Says whose connection it is. A new socket takes that at once, or the connection is broken.
fn announce(
    worker: &Worker,
    stream: &mut Stream,
    version: ProxyVersion,
    told: Option<Ends>,
) -> Result<(), Fault> {
    let mut bytes = worker.buffers.take_vector();
    haechi_preface::write(version, told, &mut bytes);
    let written = stream.write_now(&bytes);
    let whole = written.is_ok_and(|count| count == bytes.len());
    worker.buffers.give_vector(bytes);
    if whole { Ok(()) } else { Err(Fault::ConnectFailed) }
}

/// Speaks TLS, once it is clear who answers.
async fn secure(
    worker: &Worker,
    timer: &Timer,
    endpoint: &LiveEndpoint,
    verified: Option<&Verified>,
    stream: &mut Stream,
) -> Result<(), Fault> {
    // Without files that can be used there was no start and no reload.
    let Some(Verified { config, name }) = verified else { return Err(Fault::TlsFailed) };
    let name = name.clone().unwrap_or_else(|| ServerName::IpAddress(endpoint.address.ip().into()));
    let session = Session::client(Arc::clone(config), name, &worker.room).map_err(|_| Fault::TlsFailed)?;
    stream.encrypt(session);
    let met = std::future::poll_fn(|cx| {
        if let Poll::Ready(met) = stream.poll_handshake(cx) {
            return Poll::Ready(met.map(drop));
        }
        if timer.is_cut() || timer.has_passed(cx) {
            return Poll::Ready(Err(Broken::Left(io::ErrorKind::TimedOut.into())));
        }
        Poll::Pending
    });
    let (fault, reason) = match met.await {
        Ok(()) => (None, String::new()),
        Err(Broken::Left(error)) if error.kind() == io::ErrorKind::TimedOut => {
            (Some(Fault::ConnectTimeout), "no TLS handshake in time".to_owned())
        }
        Err(Broken::Left(_)) => {
            (Some(Fault::TlsFailed), "it closed the connection in the TLS handshake".to_owned())
        }
        Err(Broken::Tls(error)) => match Refusal::of(&error) {
            Refusal::Untrusted(text) => (Some(Fault::Untrusted), text),
            Refusal::Failed(text) => (Some(Fault::TlsFailed), text),
        },
    };
    if endpoint.note_handshake(&reason) {
        worker.tell(Signal::Distrust(endpoint.id.clone(), reason.into()));
    }
    fault.map_or(Ok(()), Err)
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
