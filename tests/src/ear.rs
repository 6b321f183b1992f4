//! What a host hears of another: its advertisements, each with the time, beside whatever program listens there.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

use haechi_sys::Family;
use haechi_sys::raw::{Advertisements, Hears, LARGEST};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::{Namespace, now};

/// How often it looks whether it is still wanted: 50 ms.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// Listens until it is dropped. IPv4 and multicast only.
#[derive(Debug)]
pub struct Ear {
    heard: Arc<Mutex<Vec<Instant>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Ear {
    /// Listens on a host's `eth0` for what `source` says.
    ///
    /// # Panics
    /// When the system refuses.
    pub fn start(host: &Namespace, source: &str) -> Self {
        let source: IpAddr = source.parse().unwrap();
        let socket = host.run(|| Advertisements::open(Family::V4, &"eth0".into(), Hears::Group).unwrap());
        let (heard, stop) = (Arc::<Mutex<Vec<Instant>>>::default(), Arc::<AtomicBool>::default());
        let (notes, stopped) = (Arc::clone(&heard), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; LARGEST];
            while !stopped.load(Ordering::Relaxed) {
                poll(&mut [PollFd::new(&socket, PollFlags::IN)], Some(&LOOK)).unwrap();
                let at = now();
                while let Ok(received) = socket.receive(&mut buffer) {
                    if received.source == source {
                        notes.lock().unwrap().push(at);
                    }
                }
            }
        });
        Self { heard, stop, thread: Some(thread) }
    }

    /// When it heard something for the first time after `since`.
    ///
    /// # Panics
    /// When its thread did.
    pub fn first(&self, since: Instant) -> Option<Instant> {
        self.heard.lock().unwrap().iter().copied().find(|at| *at >= since)
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
