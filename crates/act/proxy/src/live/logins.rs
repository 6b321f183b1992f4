//! Threads that look at logins, so that no event loop waits for a hash that is dear on purpose.

use std::fmt;
use std::num::NonZero;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use haechi_model::Fault;

use super::guard::Job;

/// Logins that wait: at 60 ms each (bcrypt of cost 10) half a minute of two threads, which is longer than anybody waits.
const QUEUE: usize = 1024;

/// Whoever looks at logins; nobody before the first route that wants some.
#[derive(Default)]
pub(crate) struct Logins(OnceLock<SyncSender<Job>>);

impl fmt::Debug for Logins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logins").field("started", &self.0.get().is_some()).finish()
    }
}

impl Logins {
    /// Starts the threads, unless they run. Called by the control plane, whose place and rank they get.
    pub(super) fn start(&self) {
        self.0.get_or_init(|| {
            let (jobs, queue) = sync_channel(QUEUE);
            let queue = Arc::new(Mutex::new(queue));
            let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
            for _ in 0..cores.div_ceil(2) {
                let queue = Arc::clone(&queue);
                let thread = std::thread::Builder::new().name("logins".into());
                if let Err(error) = thread.spawn(move || work(&queue)) {
                    tracing::error!(%error, "the system refuses a thread that looks at logins");
                }
            }
            jobs
        });
    }

    /// Puts a login in the queue.
    ///
    /// # Errors
    /// It is full, or nobody works.
    pub(super) fn ask(&self, job: Job) -> Result<(), Fault> {
        let jobs = self.0.get().ok_or(Fault::LoginsBusy)?;
        jobs.try_send(job).map_err(|_| Fault::LoginsBusy)
    }
}

/// Until all routes and the proxy are gone.
fn work(queue: &Mutex<Receiver<Job>>) {
    loop {
        // One waits in the queue and the others for the lock, which is the same.
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match job {
            Ok(job) => job.run(),
            Err(_) => return,
        }
    }
}
