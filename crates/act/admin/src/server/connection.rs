//! One connection: HTTP/1.1 with a bound on everything that a peer can drag out.

use std::pin::pin;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// For a request head, and for the pause before it: a slow head and an idle connection cost the same slot.
/// Prometheus scrapes every 15 s to 60 s and opens a new connection where the old one is gone.
const HEAD_TIME: Duration = Duration::from_secs(10);

/// After so long a connection takes no further request, so that no slot is taken for ever.
const LIFETIME: Duration = Duration::from_secs(120);

/// For the request that is under way then; longer than any request may take. A peer that does not read its
/// answer loses the connection here at the latest.
const LAST_REQUEST: Duration = Duration::from_secs(100);

/// From the stop to its end for a connection without a request: one that was accepted just before has it under way.
const LAST_WORD: Duration = Duration::from_millis(100);

pub(super) async fn serve<I>(io: I, router: Router, mut stopped: watch::Receiver<()>)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(io), TowerToHyperService::new(router)));
    tokio::select! {
        // A connection that broke concerns its peer only.
        _ = connection.as_mut() => return,
        () = sleep(LIFETIME) => {}
        () = async { drop(stopped.changed().await); sleep(LAST_WORD).await; } => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = timeout(LAST_REQUEST, connection).await;
}

#[cfg(test)]
mod tests;
