//! A demo endpoint: the seed's nginx as far as a load balancer and a student can see it. `/` tells who
//! answered, `/health` and `/ready` are for probes, `/status` is nginx' `stub_status`; all else is 404.
//!
//! It stands on hyper, not on haechi's own HTTP/1, so that the lab shows haechi talking to a stranger. A
//! request body is read and thrown away; nothing of a request is kept.

mod answer;
mod figures;
mod watched;

use std::convert::Infallible;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue, SERVER};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use self::figures::{Figures, Visit};
use self::watched::Watched;

/// Longest request head in bytes: haechi's own default, so that what it lets through is answered.
const MAX_HEAD: usize = 64 << 10;

/// Idle keep-alive, and time for a head: nginx' `keepalive_timeout` of 75 s, longer than haechi keeps idle
/// connections, so that haechi is the one to close them.
const PATIENCE: Duration = Duration::from_secs(75);

/// Connections at a time; nginx' default `worker_connections` is 512, and a haechi of many workers keeps
/// more than one idle connection for each.
const MAX_CONNECTIONS: usize = 4096;

/// Pause after the system refused a connection: it is short of something, which asking again at once does
/// not cure.
const BREATH: Duration = Duration::from_millis(50);

/// Who this endpoint is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// As in the pool: `web-1`.
    pub name: String,
    /// Its failure domain: `kr1-a`.
    pub zone: String,
}

/// Serves on `listen` until the process ends. Writes one line to `announce` as soon as connections are
/// taken: `listening ADDRESS`, or why they are not.
///
/// # Errors
/// The address can't be had, or `announce` can't be written.
pub async fn serve(identity: Identity, listen: SocketAddr, announce: &mut impl Write) -> io::Result<()> {
    let listener = TcpListener::bind(listen).await.inspect_err(|error| {
        // The error is returned as well; this is for the lab, which reads one line.
        let _ = writeln!(announce, "can't listen on {listen}: {error}");
    })?;
    writeln!(announce, "{}{}", crate::child::LISTENING, listener.local_addr()?)?;
    announce.flush()?;
    let place = Arc::new(Place { identity, figures: Figures::default() });
    let seats = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        // The semaphore is never closed.
        let seat = Arc::clone(&seats).acquire_owned().await.map_err(io::Error::other)?;
        match listener.accept().await {
            Ok((stream, _)) => {
                let place = Arc::clone(&place);
                tokio::spawn(async move {
                    converse(place, stream).await;
                    drop(seat);
                });
            }
            Err(_) => tokio::time::sleep(BREATH).await,
        }
    }
}

struct Place {
    identity: Identity,
    figures: Figures,
}

async fn converse(place: Arc<Place>, stream: TcpStream) {
    // Without it a small answer may wait for the peer's delayed ACK.
    let _ = stream.set_nodelay(true);
    let visit = Arc::new(Visit::begin(Arc::clone(&place)));
    let stream = Watched::new(stream, Arc::clone(&visit));
    let service = service_fn(|request| {
        let (place, visit) = (Arc::clone(&place), Arc::clone(&visit));
        async move { Ok::<_, Infallible>(respond(&place, &visit, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    // A client that breaks off is its own business.
    let _ = connection.await;
}

async fn respond(place: &Place, visit: &Visit, request: Request<Incoming>) -> Response<Full<Bytes>> {
    visit.answering();
    let (head, mut body) = request.into_parts();
    while let Some(Ok(_)) = body.frame().await {}
    let answer = answer::answer(head.uri.path(), &place.identity, haechi_sys::clock::wall(), &place.figures);
    visit.answered();
    let mut response = Response::new(Full::new(Bytes::from(answer.body)));
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(answer.kind));
    headers.insert(SERVER, HeaderValue::from_static("haechi-lab"));
    response
}

#[cfg(test)]
mod tests;
