//! Bounded load: threads that ask one request after the other and count what they get.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::{Connection, now, pause};

/// No load runs longer than this, whatever a test forgets.
const LONGEST: Duration = Duration::from_secs(180);

/// What a load got.
#[derive(Debug, Default, Clone)]
pub struct Tally {
    /// Answers with status 200.
    pub good: u64,
    /// Everything else, in words.
    pub bad: BTreeMap<String, u64>,
    /// Connections that had to be opened.
    pub opened: u64,
    /// Good answers by the `pod` of their JSON body.
    pub by_endpoint: BTreeMap<String, u64>,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.good += other.good;
        self.opened += other.opened;
        for (what, count) in other.bad {
            *self.bad.entry(what).or_default() += count;
        }
        for (who, count) in other.by_endpoint {
            *self.by_endpoint.entry(who).or_default() += count;
        }
    }

    /// # Panics
    /// When anything was not good, or nothing was.
    #[track_caller]
    pub fn assert_all_good(&self) {
        assert!(self.bad.is_empty() && self.good > 0, "{self:?}");
    }
}

/// A running load.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Tally>>,
}

impl Load {
    /// Starts `threads` clients with a connection each, which ask `path` again and again, `pace` apart.
    pub fn start(to: SocketAddr, path: &str, threads: usize, pace: Duration) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let threads = (0..threads)
            .map(|_| {
                let (stop, path) = (Arc::clone(&stop), path.to_owned());
                std::thread::spawn(move || run(to, &path, pace, &stop))
            })
            .collect();
        Self { stop, threads }
    }

    /// Ends it and gives the sum.
    ///
    /// # Panics
    /// When a client did.
    pub fn stop(self) -> Tally {
        self.stop.store(true, Ordering::Relaxed);
        let mut sum = Tally::default();
        for thread in self.threads {
            sum.add(thread.join().unwrap());
        }
        sum
    }
}

fn run(to: SocketAddr, path: &str, pace: Duration, stop: &AtomicBool) -> Tally {
    let mut tally = Tally::default();
    let mut connection = None;
    let deadline = now() + LONGEST;
    while !stop.load(Ordering::Relaxed) && now() < deadline {
        let mut open = match connection.take() {
            Some(open) => open,
            None => match Connection::open(to) {
                Ok(open) => {
                    tally.opened += 1;
                    open
                }
                Err(error) => {
                    *tally.bad.entry(format!("connect: {error}")).or_default() += 1;
                    pause(Duration::from_millis(10));
                    continue;
                }
            },
        };
        match open.get(path) {
            Ok(reply) if reply.status == 200 => {
                tally.good += 1;
                if let Some(endpoint) = reply.json("pod") {
                    *tally.by_endpoint.entry(endpoint).or_default() += 1;
                }
                let closing = reply.fields.get("connection").is_some_and(|value| value == "close");
                connection = (!closing).then_some(open);
            }
            Ok(reply) => {
                *tally.bad.entry(format!("status {}: {}", reply.status, reply.text())).or_default() += 1
            }
            Err(error) => *tally.bad.entry(error.to_string()).or_default() += 1,
        }
        if !pace.is_zero() {
            pause(pace);
        }
    }
    tally
}
