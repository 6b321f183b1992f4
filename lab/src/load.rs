//! A trickle of requests, so that a table has something to show while its reader types other things. Not a
//! measurement: `bench/` measures.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::HOST;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::AbortHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::status::Load;

/// Most requests per second: a few percent of one core, so that what the table shows is the endpoints' doing
/// and not the machine's.
pub const MAX_RATE: u32 = 1000;

/// Requests that may wait for their answer. At the highest rate half of them are answered within half a
/// second or something is badly wrong, and more would only hide it.
const MAX_WAITING: usize = 512;

/// Requests are sent in steps of this length.
const STEP_MS: u32 = 20;

/// For an answer: a reader has lost patience by then.
const PATIENCE: Duration = Duration::from_secs(10);

type Sender = SendRequest<Empty<Bytes>>;

/// Sends requests to the node until it is dropped.
#[derive(Debug)]
pub(crate) struct Generator {
    rate: watch::Sender<u32>,
    shared: Arc<Shared>,
    task: AbortHandle,
}

#[derive(Debug)]
struct Shared {
    address: SocketAddr,
    figures: Mutex<Load>,
    idle: Mutex<Vec<Sender>>,
}

impl Generator {
    pub(crate) fn start(address: SocketAddr, rate: u32) -> Self {
        let (rate, wished) = watch::channel(rate.min(MAX_RATE));
        let shared = Arc::new(Shared { address, figures: Mutex::default(), idle: Mutex::default() });
        let task = tokio::spawn(generate(Arc::clone(&shared), wished)).abort_handle();
        Self { rate, shared, task }
    }

    /// From now on, per second.
    pub(crate) fn set_rate(&self, rate: u32) {
        self.rate.send_replace(rate.min(MAX_RATE));
    }

    pub(crate) fn figures(&self) -> Load {
        Load { rate: *self.rate.borrow(), ..lock(&self.shared.figures).clone() }
    }
}

impl Drop for Generator {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn generate(shared: Arc<Shared>, mut wished: watch::Receiver<u32>) {
    let seats = Arc::new(Semaphore::new(MAX_WAITING));
    let mut steps = interval(Duration::from_millis(u64::from(STEP_MS)));
    // What could not be sent in time is not sent in a burst later.
    steps.set_missed_tick_behavior(MissedTickBehavior::Skip);
    // In thousandths of a request.
    let mut owed = 0;
    loop {
        let rate = *wished.borrow_and_update();
        if rate == 0 {
            owed = 0;
            if wished.changed().await.is_err() {
                return;
            }
            continue;
        }
        steps.tick().await;
        owed += rate * STEP_MS;
        while owed >= 1000 {
            owed -= 1000;
            match Arc::clone(&seats).try_acquire_owned() {
                Ok(seat) => drop(tokio::spawn(one(Arc::clone(&shared), seat))),
                Err(_) => lock(&shared.figures).held_back += 1,
            }
        }
    }
}

async fn one(shared: Arc<Shared>, seat: OwnedSemaphorePermit) {
    let outcome = match timeout(PATIENCE, request(&shared)).await {
        Ok(Ok(status)) if status.as_u16() < 500 => Ok(()),
        Ok(Ok(status)) => Err(format!("status {}", status.as_u16())),
        Ok(Err(why)) => Err(why),
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    };
    let mut figures = lock(&shared.figures);
    match outcome {
        Ok(()) => figures.answered += 1,
        Err(why) => {
            figures.failed += 1;
            figures.last_failure = Some(why);
        }
    }
    drop(seat);
}

async fn request(shared: &Shared) -> Result<StatusCode, String> {
    // A connection that the node closed while it was idle is no failure of a request.
    let kept = std::iter::from_fn(|| lock(&shared.idle).pop()).find(|kept| !kept.is_closed());
    if let Some(sender) = kept {
        match exchange(shared, sender).await {
            Err(error) if error.is_canceled() => {}
            other => return other.map_err(|error| error.to_string()),
        }
    }
    let stream = TcpStream::connect(shared.address).await.map_err(|error| error.to_string())?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    tokio::spawn(connection);
    exchange(shared, sender).await.map_err(|error| error.to_string())
}

async fn exchange(shared: &Shared, mut sender: Sender) -> hyper::Result<StatusCode> {
    sender.ready().await?;
    let mut request = Request::new(Empty::new());
    if let Ok(host) = shared.address.to_string().parse() {
        request.headers_mut().insert(HOST, host);
    }
    let mut response = sender.send_request(request).await?;
    while let Some(frame) = response.frame().await {
        frame?;
    }
    lock(&shared.idle).push(sender);
    Ok(response.status())
}
