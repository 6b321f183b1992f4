//! Moves that take longer than an advertisement may be late: listeners that bind, programs that talk to a cloud.
//! Each virtual router that needs it has a thread for them; what comes of a deed goes to the mailbox.

use std::io::{self, Read};
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use haechi_model::{Mover, VirtualRouter};
use haechi_sys::clock::now;
use haechi_sys::scheduling::ordinary;
use haechi_vrrp::Input;
use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use crate::mailbox::{Command as Message, Mailbox};
use crate::waiting::wait;

/// Longest run of a program: calls of a cloud's API that move an address take one to five seconds.
const LONGEST: Duration = Duration::from_secs(20);

/// What is kept of a program's complaint.
const KEPT: usize = 512;

/// Where programs are looked for when haechi itself has no `PATH`.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// What is done with addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Deed {
    /// They are this node's.
    Claim,
    /// They are not.
    Release,
    /// Another node has them, but what is open goes on.
    Demote,
}

/// Lets this node's listeners stand on addresses, or leave them. It may wait; on the thread of the virtual router.
pub type Binder = Arc<dyn Fn(Deed, &[IpAddr]) -> Result<(), String> + Send + Sync>;

impl Deed {
    const fn word(self) -> &'static str {
        match self {
            Self::Claim => "claim",
            Self::Release => "release",
            Self::Demote => "demote",
        }
    }

    fn result(self, done: Result<(), String>) -> Option<Input> {
        match (self, done) {
            (Self::Claim, Ok(())) => Some(Input::Claimed),
            (Self::Claim, Err(text)) => Some(Input::ClaimFailed { text: text.into() }),
            (Self::Release, done) => {
                if let Err(text) = done {
                    tracing::error!("addresses may still be on this node: {text}");
                }
                Some(Input::Released)
            }
            (Self::Demote, done) => {
                if let Err(text) = done {
                    tracing::error!("new connections may still come here: {text}");
                }
                None
            }
        }
    }
}

/// What starting a helper needs.
pub(crate) struct Helpers {
    pub(crate) mailbox: Mailbox,
    pub(crate) binder: Binder,
}

struct Job {
    number: u64,
    deed: Deed,
    addresses: Vec<IpAddr>,
}

/// The thread of one virtual router.
pub(crate) struct Helper {
    jobs: Sender<Job>,
    thread: JoinHandle<()>,
    newest: u64,
}

impl Helper {
    pub(crate) fn start(config: &VirtualRouter, helpers: &Helpers) -> io::Result<Self> {
        let (sender, jobs) = channel();
        let (config, mailbox, binder) =
            (config.clone(), helpers.mailbox.clone(), Arc::clone(&helpers.binder));
        let thread = std::thread::Builder::new()
            .name("ha-mover".to_owned())
            .spawn(move || work(&config, &jobs, &mailbox, &binder))?;
        Ok(Self { jobs: sender, thread, newest: 0 })
    }

    pub(crate) fn ask(&mut self, deed: Deed, addresses: Vec<IpAddr>) {
        self.newest += 1;
        // A thread that ended gives no result, and its end was printed.
        let _ = self.jobs.send(Job { number: self.newest, deed, addresses });
    }

    /// Whether this deed's result still means something.
    pub(crate) fn is_newest(&self, number: u64) -> bool {
        self.newest == number
    }

    /// Asks for nothing more; the thread ends when all is done.
    pub(crate) fn retire(self) -> JoinHandle<()> {
        drop(self.jobs);
        self.thread
    }
}

fn work(config: &VirtualRouter, jobs: &Receiver<Job>, mailbox: &Mailbox, binder: &Binder) {
    // Its makers are the node's thread, whose priority it must not have: programs wait and loop as they like.
    if let Err(error) = ordinary() {
        tracing::warn!(%error, "a mover keeps the real-time priority of the virtual routers");
    }
    for Job { number, deed, addresses } in jobs {
        let done = match &config.mover {
            Mover::Command(command) => run(command, config, deed, &addresses, LONGEST),
            Mover::Bind | Mover::Netlink => binder(deed, &addresses),
        };
        if let Some(result) = deed.result(done) {
            mailbox.send(Message::Done { router: config.name.clone(), number, result });
        }
    }
}

/// Runs a mover's program to its end: no shell, no secret of haechi's, and it ends with all that it started.
fn run(
    command: &[Box<str>],
    config: &VirtualRouter,
    deed: Deed,
    addresses: &[IpAddr],
    longest: Duration,
) -> Result<(), String> {
    let (program, arguments) = command.split_first().ok_or("the mover names no program")?;
    let mut child = Command::new(&**program)
        .args(arguments.iter().map(|argument| &**argument))
        .arg(deed.word())
        .args(addresses.iter().map(ToString::to_string))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_else(|| DEFAULT_PATH.into()))
        .env("HAECHI_VIRTUAL_ROUTER", config.name.as_str())
        .env("HAECHI_INTERFACE", config.interface.as_str())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|error| format!("can't run {program}: {error}"))?;
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let (mut complaint, ended) = (Vec::new(), finish(&mut child, group, longest));
    let timely = ended.map_err(|error| format!("can't wait for {program}: {error}"))?;
    // What it started and left behind must not move addresses later.
    if let Some(group) = group {
        let _ = kill_process_group(group, Signal::KILL);
    }
    let status = child.wait().map_err(|error| format!("can't wait for {program}: {error}"))?;
    if let Some(stderr) = child.stderr.take() {
        rest(stderr, &mut complaint);
    }
    judge(program, deed, status, timely, &complaint)
}

/// Waits for the exit; says whether it came in time. The pipe holds 64 KiB of complaints, and a program that writes
/// more waits until its time is over.
fn finish(child: &mut Child, group: Option<Pid>, longest: Duration) -> io::Result<bool> {
    let deadline = now() + longest;
    let Some(pid) = group else { return Ok(true) };
    let ended = pidfd_open(pid, PidfdFlags::empty())?;
    loop {
        if child.try_wait()?.is_some() {
            return Ok(true);
        }
        let left = deadline.since(now());
        if left.is_zero() {
            return Ok(false);
        }
        // Interrupted: it looks again.
        let _ = wait(&mut [PollFd::new(&ended, PollFlags::IN)], Some(left));
    }
}

/// What is in the pipe by now: a process that fled its group may hold it open.
fn rest(mut stderr: impl Read + AsFd, complaint: &mut Vec<u8>) {
    let mut piece = [0; KEPT];
    let ready = wait(&mut [PollFd::new(&stderr, PollFlags::IN)], Some(Duration::ZERO));
    if let (Ok(1..), Ok(count)) = (ready, stderr.read(&mut piece)) {
        complaint.extend_from_slice(&piece[..count]);
    }
}

fn judge(
    program: &str,
    deed: Deed,
    status: ExitStatus,
    timely: bool,
    complaint: &[u8],
) -> Result<(), String> {
    if timely && status.success() {
        return Ok(());
    }
    let what = if timely { status.to_string() } else { "it did not end in time and was killed".to_owned() };
    let said = String::from_utf8_lossy(complaint);
    let said: String = said.trim().chars().map(|it| if it.is_control() { ' ' } else { it }).collect();
    let said = if said.is_empty() { said } else { format!(": {said}") };
    Err(format!("{program} {}: {what}{said}", deed.word()))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU8;

    use super::*;

    fn router(name: &str) -> VirtualRouter {
        haechi_config::defaults::virtual_router(name, NonZeroU8::MIN, "eth0")
    }

    fn outcome(script: &str, deed: Deed, longest: Duration) -> Result<(), String> {
        let command = ["/bin/sh", "-c", script, "mover", "eth7"].map(Box::from);
        let addresses = ["10.0.0.100".parse().unwrap(), "10.0.0.101".parse().unwrap()];
        run(&command, &router("edge"), deed, &addresses, longest)
    }

    #[test]
    fn a_program_learns_what_to_do_and_its_complaint_is_the_reason() {
        let second = Duration::from_secs(5);
        let arguments =
            "test \"$*\" = 'eth7 claim 10.0.0.100 10.0.0.101' && test $HAECHI_VIRTUAL_ROUTER = edge";
        assert_eq!(outcome(arguments, Deed::Claim, second), Ok(()));
        let refused = outcome("echo no such ENI >&2; exit 3", Deed::Release, second).unwrap_err();
        assert_eq!(refused, "/bin/sh release: exit status: 3: no such ENI");
        let slow =
            outcome("sleep 60 & echo waits >&2; wait", Deed::Demote, Duration::from_millis(300)).unwrap_err();
        assert_eq!(slow, "/bin/sh demote: it did not end in time and was killed: waits");
        assert!(
            run(&["/no/such".into()], &router("edge"), Deed::Claim, &[], second)
                .unwrap_err()
                .contains("can't run")
        );
    }

    #[test]
    fn deeds_are_done_in_their_order_and_the_newest_result_counts() {
        let (mailbox, inbox) = crate::mailbox::open().unwrap();
        let (seen, done) = channel();
        let binder: Binder = Arc::new(move |deed, addresses| {
            seen.send((deed, addresses.to_vec())).unwrap();
            if deed == Deed::Claim { Err("taken".to_owned()) } else { Ok(()) }
        });
        let config = VirtualRouter { mover: Mover::Bind, ..router("edge") };
        let mut helper = Helper::start(&config, &Helpers { mailbox, binder }).unwrap();
        for deed in [Deed::Claim, Deed::Demote, Deed::Release] {
            helper.ask(deed, vec!["10.0.0.100".parse().unwrap()]);
        }
        assert!(!helper.is_newest(1) && helper.is_newest(3));
        helper.retire().join().unwrap();
        assert_eq!(
            done.try_iter().map(|(deed, _)| deed).collect::<Vec<_>>(),
            [Deed::Claim, Deed::Demote, Deed::Release]
        );
        let results: Vec<(u64, Input)> = inbox
            .take()
            .filter_map(|message| match message {
                Message::Done { number, result, .. } => Some((number, result)),
                _ => None,
            })
            .collect();
        assert_eq!(results, [(1, Input::ClaimFailed { text: "taken".into() }), (3, Input::Released)]);
    }
}
