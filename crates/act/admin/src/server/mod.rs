//! The API's two doors. The Unix socket is for whoever may open the file, and may do all. TCP is for scrapers
//! and dashboards: it has no credentials, so it only shows.
//!
//! Both are bounded in connections, time and bytes: an admin API that a stuck client can block is gone when
//! it is needed.

mod body;
mod connection;
mod guard;
mod refusal;
mod routes;
mod socket;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

pub use body::MAX_BODY;
pub use routes::{MAX_EVENTS, MAX_WAIT, UPGRADE_TIME};
pub use socket::{SocketError, UnixSocket};

use crate::Control;

/// Most connections at a time through one door; further ones wait in the kernel's queue. A handful of
/// scrapers, dashboards and `events --follow` is usual.
pub const MAX_CONNECTIONS: usize = 64;

/// How long answers that are under way may take after the stop.
const FAREWELL: Duration = Duration::from_secs(1);

/// The doors, open but not served yet: what comes waits in the kernel's queue.
#[derive(Debug)]
pub struct Server {
    unix: UnixSocket,
    /// With the address as it was asked for.
    tcp: Option<(SocketAddr, TcpListener)>,
}

/// What another process needs to go on with the doors.
#[derive(Debug)]
pub struct LentDoors {
    /// The Unix socket.
    pub unix: OwnedFd,
    /// TCP, and the address that it was asked for.
    pub tcp: Option<(SocketAddr, OwnedFd)>,
}

/// Doors that may be passed on.
#[derive(Debug)]
pub struct Doors {
    /// To pass on.
    pub lent: LentDoors,
    left: Arc<AtomicBool>,
}

impl Doors {
    /// Another process goes on with them: the socket's file is its own from now on.
    pub fn leave(&self) {
        self.left.store(true, Ordering::Relaxed);
    }

    /// This process goes on with another one's.
    pub fn own(&self) {
        self.left.store(false, Ordering::Relaxed);
    }
}

impl Server {
    /// Takes the Unix socket, and the TCP address if there is one. Needs a tokio runtime.
    ///
    /// # Errors
    /// Either can't be had; see [`UnixSocket::claim`].
    pub fn bind(socket: &Path, tcp: Option<SocketAddr>) -> Result<Self, SocketError> {
        let unix = UnixSocket::claim(socket)?;
        let door = |address| match listen(address) {
            Ok(listener) => Ok((address, listener)),
            Err(source) => Err(SocketError::Tcp { address, source }),
        };
        Ok(Self { unix, tcp: tcp.map(door).transpose()? })
    }

    /// Goes on with the doors of another process; the TCP door only if it is where it should be.
    ///
    /// # Errors
    /// See [`UnixSocket::inherit`]; or the TCP address can't be had.
    pub fn inherit(socket: &Path, tcp: Option<SocketAddr>, lent: LentDoors) -> Result<Self, SocketError> {
        let unix = UnixSocket::inherit(socket, lent.unix)?;
        let door = |address: SocketAddr| {
            let same = lent.tcp.filter(|(open, _)| *open == address).map(|(_, socket)| socket);
            let listener =
                same.map_or_else(|| listen(address), |socket| TcpListener::from_std(socket.into()));
            listener
                .map(|listener| (address, listener))
                .map_err(|source| SocketError::Tcp { address, source })
        };
        Ok(Self { unix, tcp: tcp.map(door).transpose()? })
    }

    /// Second descriptors of the doors, for another process to go on with.
    ///
    /// # Errors
    /// Out of descriptors.
    pub fn lend(&self) -> io::Result<Doors> {
        let tcp = self
            .tcp
            .as_ref()
            .map(|(address, tcp)| tcp.as_fd().try_clone_to_owned().map(|socket| (*address, socket)));
        let (unix, left) = (self.unix.lend()?, self.unix.left());
        Ok(Doors { lent: LentDoors { unix, tcp: tcp.transpose()? }, left })
    }

    /// Where the TCP door is: with the real port, if any was asked for.
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        self.tcp.as_ref().and_then(|(_, listener)| listener.local_addr().ok())
    }
}

/// Serves until it is dropped; the socket's file goes with it.
pub async fn serve<C: Control>(server: Server, control: Arc<C>) {
    serve_until(server, control, std::future::pending()).await;
}

/// Serves until `stop`, lets answers that are under way end for a second, and removes the socket's file.
///
/// The Unix socket shows and changes. TCP only shows: writes are answered with 403, and so is every request
/// whose host is a name other than `localhost`, because a page in a browser could have made that name point
/// here (DNS rebinding) to read what it must not.
pub async fn serve_until<C: Control>(server: Server, control: Arc<C>, stop: impl Future<Output = ()>) {
    let Server { unix, tcp } = server;
    let (listener, _file) = unix.into_parts();
    let (stopping, stopped) = watch::channel(());
    let all = routes::all(control);
    let read_only = guard::read_only(all.clone());
    let unix = door(listener, all, stopped.clone());
    let tcp = async {
        if let Some((_, listener)) = tcp {
            door(listener, read_only, stopped).await;
        }
    };
    let stop = async {
        stop.await;
        drop(stopping);
    };
    tokio::join!(unix, tcp, stop);
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

async fn door<L: Listener>(mut listener: L, router: Router, mut stopped: watch::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            // Nothing is ever sent: the other end is dropped at the stop.
            _ = stopped.changed() => break,
            Some(_) = connections.join_next() => {}
            (io, _) = listener.accept(), if connections.len() < MAX_CONNECTIONS => {
                connections.spawn(connection::serve(io, router.clone(), stopped.clone()));
            }
        }
    }
    drop(listener);
    let all_done = async { while connections.join_next().await.is_some() {} };
    // What is still open then is cut off: the process wants to end.
    let _ = timeout(FAREWELL, all_done).await;
}
