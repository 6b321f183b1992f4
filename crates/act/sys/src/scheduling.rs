//! Being scheduled before others, so that load does not delay an advertisement, and staying in memory.

use std::fmt;
use std::io;
use std::sync::mpsc::{Sender, channel};
use std::thread::{Builder, JoinHandle};

use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{Resource, getrlimit};

use crate::capabilities::{Capability, keep_only};

/// The greatest priority for [`realtime`]; Linux has 1 to 99. Ours stays in the lower half, below the kernel's
/// own threads for interrupts (50), without which no packet arrives.
pub const GREATEST: u8 = 49;

/// What became of the wish for a priority.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Realtime {
    /// In force.
    Granted {
        /// The priority.
        priority: u8,
    },
    /// The thread goes on as before; people should know why.
    Refused {
        /// Why, and what would help.
        reason: String,
    },
}

impl fmt::Display for Realtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Granted { priority } => write!(f, "real-time priority {priority}"),
            Self::Refused { reason } => write!(f, "no real-time priority: {reason}"),
        }
    }
}

/// Gives the calling thread the scheduling policy `SCHED_FIFO` with this priority (sched(7)), cut to 1 to
/// [`GREATEST`]. Needs `CAP_SYS_NICE`, or a soft `RLIMIT_RTPRIO` of at least that priority (`LimitRTPRIO=` in
/// systemd). Programs and threads that it starts do not inherit it: a tracked program that loops would take a
/// whole core from everybody.
///
/// A thread with it that never waits starves its core, so the caller must wait in poll(2) for everything.
pub fn realtime(priority: u8) -> Realtime {
    let priority = priority.clamp(1, GREATEST);
    granted(set(libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, priority), priority)
}

fn granted(outcome: io::Result<()>, priority: u8) -> Realtime {
    match outcome {
        Ok(()) => Realtime::Granted { priority },
        Err(error) => Realtime::Refused { reason: reason(&error, priority) },
    }
}

/// A thread with a real-time priority that waits for its work: made while this process has the right to it, used
/// after that right was given away. Its own threads and programs inherit the priority; those that loop or wait
/// elsewhere than in poll(2) take [`ordinary`] first.
#[derive(Debug)]
pub struct Ready {
    realtime: Realtime,
    work: Sender<Box<dyn FnOnce() + Send>>,
    thread: JoinHandle<()>,
}

impl Ready {
    /// Starts it. A priority that is refused is no error: the thread is an ordinary one then. It keeps only these
    /// rights ([`keep_only`](crate::capabilities::keep_only)).
    ///
    /// # Errors
    /// The system refuses a thread, or does not let it give away its rights.
    pub fn start(name: &str, priority: u8, keep: &'static [Capability]) -> io::Result<Self> {
        let priority = priority.clamp(1, GREATEST);
        let (work, jobs) = channel::<Box<dyn FnOnce() + Send>>();
        let (tell, told) = channel();
        let thread = Builder::new().name(name.to_owned()).spawn(move || {
            let realtime = granted(set(libc::SCHED_FIFO, priority), priority);
            let ready = keep_only(keep).map(|_| realtime);
            let good = ready.is_ok();
            // Whoever does not wait for it any more gives no work either.
            let _ = tell.send(ready);
            if good && let Ok(job) = jobs.recv() {
                job();
            }
        })?;
        let realtime = told.recv().map_err(|_| io::Error::other("a thread ended as soon as it began"))??;
        Ok(Self { realtime, work, thread })
    }

    /// What became of the wish for a priority.
    pub const fn realtime(&self) -> &Realtime {
        &self.realtime
    }

    /// Does this on it, and then ends it.
    pub fn run(self, work: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
        // It waits for nothing else, so it is there to take it.
        let _ = self.work.send(Box::new(work));
        self.thread
    }
}

/// Gives the calling thread the ordinary policy back. Needs no right.
///
/// # Errors
/// None that is known.
pub fn ordinary() -> io::Result<()> {
    // Without CAP_SYS_NICE the kernel lets nobody take the mark off that children are ordinary.
    set(libc::SCHED_OTHER | libc::SCHED_RESET_ON_FORK, 0)
}

/// Keeps what this process has in memory now, and only that, from being swapped out. Needs `CAP_IPC_LOCK` or
/// an `RLIMIT_MEMLOCK` above it. It is for the whole process: with a large one, lock before it grows.
///
/// # Errors
/// `PermissionDenied` or `OutOfMemory` (`EPERM`, `ENOMEM`): beyond the limit; nothing is locked then.
pub fn lock_memory() -> io::Result<()> {
    Ok(mlockall(MlockAllFlags::CURRENT)?)
}

#[expect(unsafe_code, reason = "sched_setscheduler has no safe wrapper")]
fn set(policy: libc::c_int, priority: u8) -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: priority.into() };
    // SAFETY: 0 is the calling thread, whose scheduling no memory of ours depends on; the pointer is to a live
    // sched_param, which the kernel only reads.
    let status = unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn reason(error: &io::Error, priority: u8) -> String {
    if error.kind() != io::ErrorKind::PermissionDenied {
        return error.to_string();
    }
    let allowed = getrlimit(Resource::Rtprio).current.unwrap_or(u64::MAX);
    if allowed < u64::from(priority) {
        format!("it takes CAP_SYS_NICE, or LimitRTPRIO={priority} (now {allowed}) where systemd starts it")
    } else {
        // RT_GROUP_SCHED: a cgroup of version 1 has no real-time at all until somebody gives it some.
        "the control group of this process has no real-time share (cpu.rt_runtime_us)".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Real-time priority and policy of the calling thread: fields 40 and 41 of proc_pid_stat(5).
    fn told() -> (u32, u32) {
        let stat = fs::read_to_string("/proc/thread-self/stat").unwrap();
        let after_the_name = stat.rsplit_once(')').unwrap().1;
        let fields: Vec<_> = after_the_name.split_whitespace().collect();
        (fields[37].parse().unwrap(), fields[38].parse().unwrap())
    }

    #[test]
    fn a_priority_is_granted_or_refused_with_a_reason() {
        match realtime(200) {
            Realtime::Granted { priority } => {
                assert_eq!((priority, told()), (GREATEST, (GREATEST.into(), 1)));
                // What it starts is ordinary.
                assert_eq!(std::thread::spawn(told).join().unwrap(), (0, 0));
                ordinary().unwrap();
            }
            Realtime::Refused { reason } => assert!(!reason.is_empty()),
        }
        assert_eq!(told(), (0, 0));
    }

    #[test]
    fn a_ready_thread_has_its_priority_without_the_right_to_it_and_hands_it_on() {
        let ready = Ready::start("ready", 7, &[]).unwrap();
        let priority =
            if let Realtime::Granted { priority } = ready.realtime() { (*priority).into() } else { 0 };
        let (sender, receiver) = channel();
        let thread = ready.run(move || {
            let child = std::thread::spawn(|| {
                let inherited = told();
                ordinary().unwrap();
                (inherited, told())
            });
            let rights = crate::capabilities::effective().unwrap();
            sender.send((told(), rights, child.join().unwrap())).unwrap();
        });
        thread.join().unwrap();
        let policy = u32::from(priority > 0);
        let wanted = ((priority, policy), Vec::new(), ((priority, policy), (0, 0)));
        assert_eq!(receiver.recv().unwrap(), wanted);
    }

    #[test]
    fn without_the_right_it_is_refused() {
        let refused = std::thread::spawn(|| {
            keep_only(&[]).unwrap();
            (realtime(10), getrlimit(Resource::Rtprio).current, told())
        });
        let (answer, limit, told) = refused.join().unwrap();
        if limit.is_some_and(|limit| limit < 10) {
            let Realtime::Refused { reason } = answer else { panic!("{answer:?}") };
            assert!(reason.contains("LimitRTPRIO=10"), "{reason}");
            assert_eq!(told, (0, 0));
        }
    }
}
