//! The API's two doors. The Unix socket is for whoever may open the file, and may do all. TCP is for scrapers
//! and dashboards: it has no credentials, so it only shows.
//!
//! Both are bounded in connections, time and bytes: an admin API that a stuck client can block is gone when
//! it is needed.

mod connection;
mod guard;
mod refusal;
mod routes;
mod socket;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

pub use routes::{MAX_BODY, MAX_EVENTS, MAX_WAIT};
pub use socket::{SocketError, UnixSocket};

use crate::Control;

/// Most connections at a time through one door; further ones wait in the kernel's queue. A handful of
/// scrapers, dashboards and `events --follow` is usual.
pub const MAX_CONNECTIONS: usize = 64;

/// How long answers that are under way may take after the stop.
const FAREWELL: Duration = Duration::from_secs(1);

/// Serves everything on a Unix socket until `stop`; then removes the file.
pub async fn serve_unix<C: Control>(control: Arc<C>, socket: UnixSocket, stop: impl Future<Output = ()>) {
    let (listener, _file) = socket.into_parts();
    serve(listener, routes::all(control), stop).await;
}

/// Serves what only shows on a TCP address until `stop`. Writes are answered with 403, and so is every
/// request whose host is a name other than `localhost`: a page in a browser could have made that name point
/// here (DNS rebinding) to read what it must not.
pub async fn serve_tcp<C: Control>(control: Arc<C>, listener: TcpListener, stop: impl Future<Output = ()>) {
    serve(listener, guard::read_only(routes::all(control)), stop).await;
}

async fn serve<L: Listener>(mut listener: L, router: Router, stop: impl Future<Output = ()>) {
    let mut stop = pin!(stop);
    let mut connections = JoinSet::new();
    let (stopping, stopped) = watch::channel(());
    loop {
        tokio::select! {
            () = &mut stop => break,
            Some(_) = connections.join_next() => {}
            (io, _) = listener.accept(), if connections.len() < MAX_CONNECTIONS => {
                connections.spawn(connection::serve(io, router.clone(), stopped.clone()));
            }
        }
    }
    drop(listener);
    drop(stopping);
    let all_done = async { while connections.join_next().await.is_some() {} };
    // What is still open then is cut off: the process wants to end.
    let _ = timeout(FAREWELL, all_done).await;
}
