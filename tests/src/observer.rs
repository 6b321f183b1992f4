//! Somebody on the switch who asks again and again who has an address, and writes down who says so.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use haechi_sys::Mac;
use haechi_sys::neighbour::Question;

use crate::{Namespace, eventually, now, pause};

/// From one question to the next.
const EVERY: Duration = Duration::from_millis(3);

/// One answer, or one announcement that nobody asked for: either says whose the address is.
#[derive(Clone, Copy, Debug)]
pub struct Heard {
    /// When it came.
    pub at: Instant,
    /// Whose it is said to be.
    pub mac: Mac,
}

/// Asks until it is dropped.
#[derive(Debug)]
pub struct Observer {
    heard: Arc<Mutex<Vec<Heard>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Observer {
    /// Asks from a host with an `eth0`, by ARP.
    ///
    /// # Panics
    /// When the system refuses.
    pub fn start(host: &Namespace, address: &str) -> Self {
        let address: IpAddr = address.parse().unwrap();
        let own = mac(host);
        let question = host.run(|| Question::open(&"eth0".into(), own, None, address).unwrap());
        let (heard, stop) = (Arc::<Mutex<Vec<Heard>>>::default(), Arc::<AtomicBool>::default());
        let (notes, stopped) = (Arc::clone(&heard), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                question.ask().unwrap();
                pause(EVERY);
                while let Some(answer) = question.next_answer().unwrap() {
                    notes.lock().unwrap().push(Heard { at: now(), mac: answer.mac });
                }
            }
        });
        Self { heard, stop, thread: Some(thread) }
    }

    /// All that was heard since then.
    ///
    /// # Panics
    /// When its thread did.
    pub fn since(&self, since: Instant) -> Vec<Heard> {
        self.heard.lock().unwrap().iter().filter(|heard| heard.at >= since).copied().collect()
    }

    /// For how long after `since` anybody answered but the one who did so last. Nothing: it was alone.
    ///
    /// # Panics
    /// When nobody answered.
    pub fn contended(&self, since: Instant) -> Duration {
        let heard = self.since(since);
        let last = heard.last().expect("somebody answers").mac;
        let others = heard.iter().rev().find(|heard| heard.mac != last);
        others.map_or(Duration::ZERO, |heard| heard.at - since)
    }

    /// Waits until one host answered each of the last questions.
    #[track_caller]
    pub fn wait_for_one(&self, patience: Duration) {
        eventually(patience, "one host answers", || {
            let heard = self.since(now().checked_sub(Duration::from_millis(300)).unwrap());
            heard.len() > 10 && heard.iter().all(|it| it.mac == heard[0].mac)
        });
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Of a host's `eth0`.
fn mac(host: &Namespace) -> Mac {
    let octets: Vec<u8> =
        host.mac("eth0").split(':').map(|octet| u8::from_str_radix(octet, 16).unwrap()).collect();
    Mac::new(octets.try_into().unwrap())
}
