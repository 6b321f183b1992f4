//! The client whose experience counts: it opens a connection every 10 ms, whatever became of the ones before.
//!
//! An open loop, because a client that waits for an answer before it asks again sees one long request where
//! users see a hundred failed ones.

use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use haechi_tests::{Namespace, now};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::problem::{Outcome, Problem, While};

/// From one connection to the next.
pub(super) const EVERY: Duration = Duration::from_millis(10);

/// An attempt without an answer has failed by then. Shorter than the second after which the kernel would send a
/// lost SYN again: the next attempt finds the way before it, and hides nothing.
const PATIENCE: Duration = Duration::from_millis(250);

/// One connection with one request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt {
    /// When it was begun.
    pub(crate) began: Instant,
    /// When it was answered or given up.
    pub(crate) ended: Instant,
    /// Answered with status 200.
    pub(crate) good: bool,
    /// Refused, or broken off in the middle: somebody said no.
    pub(crate) reset: bool,
}

/// Runs until it is dropped.
#[derive(Debug)]
pub(crate) struct Client {
    attempts: Arc<Mutex<Vec<Attempt>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Client {
    pub(crate) fn start(namespace: &Namespace, to: SocketAddr) -> Outcome<Self> {
        let attempts = Arc::<Mutex<Vec<Attempt>>>::default();
        let stop = Arc::<AtomicBool>::default();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .while_doing(|| "a client".into())?;
        let (own, done) = (Arc::clone(&attempts), Arc::clone(&stop));
        let thread = namespace.spawn(move || runtime.block_on(ask(to, &own, &done)));
        Ok(Self { attempts, stop, thread: Some(thread) })
    }

    /// All attempts that ended so far, and forgets them.
    pub(crate) fn take(&self) -> Vec<Attempt> {
        std::mem::take(&mut *lock(&self.attempts))
    }

    /// How many of those that were begun last, all after `since`, were answered.
    pub(crate) fn good_in_a_row(&self, since: Instant) -> usize {
        let attempts = lock(&self.attempts);
        attempts.iter().rev().take_while(|attempt| attempt.good && attempt.began > since).count()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

/// What a client went through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Gap {
    /// The last good answer before the longest time without one.
    pub(crate) from: Instant,
    /// That time.
    pub(crate) length: Duration,
    /// Attempts that failed, all in all.
    pub(crate) failed: usize,
    /// Those of them that were reset.
    pub(crate) reset: usize,
}

/// The longest time without a good answer in a span of attempts, and how many failed.
pub(crate) fn gap(attempts: &[Attempt]) -> Outcome<Gap> {
    let mut good: Vec<_> =
        attempts.iter().filter(|attempt| attempt.good).map(|attempt| attempt.ended).collect();
    good.sort_unstable();
    let longest = good.windows(2).map(|pair| (pair[1] - pair[0], pair[0])).max();
    let (length, from) = longest.ok_or_else(|| Problem::new("the client got no answers"))?;
    let reset = attempts.iter().filter(|attempt| attempt.reset).count();
    Ok(Gap { from, length, failed: attempts.len() - good.len(), reset })
}

async fn ask(to: SocketAddr, attempts: &Arc<Mutex<Vec<Attempt>>>, stop: &AtomicBool) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !stop.load(Ordering::Relaxed) {
        ticks.tick().await;
        let attempts = Arc::clone(attempts);
        tokio::spawn(async move {
            let began = now();
            let answer = timeout(PATIENCE, exchange(to)).await;
            let good = matches!(answer, Ok(Ok(true)));
            let reset = matches!(answer, Ok(Err(error)) if is_reset(&error));
            lock(&attempts).push(Attempt { began, ended: now(), good, reset });
        });
    }
}

/// Somebody said no; one that nobody answers is not.
fn is_reset(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::ConnectionRefused | ErrorKind::BrokenPipe)
}

/// Whether a request is answered with 200 and the whole body.
pub(crate) async fn exchange(to: SocketAddr) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(to).await?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: bench.test\r\nConnection: close\r\n\r\n").await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(answer.starts_with(b"HTTP/1.1 200") && answer.ends_with(super::BODY.as_bytes()))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gap_is_between_answers_in_the_order_of_their_arrival() {
        let start = now();
        let at = |began: u64, ended: u64, good| Attempt {
            began: start + Duration::from_millis(began),
            ended: start + Duration::from_millis(ended),
            good,
            reset: !good,
        };
        let attempts =
            [at(0, 1, true), at(30, 31, true), at(10, 260, false), at(20, 21, true), at(400, 411, true)];
        let from = start + Duration::from_millis(31);
        let length = Duration::from_millis(380);
        assert_eq!(gap(&attempts).unwrap(), Gap { from, length, failed: 1, reset: 1 });
        assert!(gap(&[]).is_err());
        assert!(gap(&[at(0, 1, true)]).is_err());
    }
}
