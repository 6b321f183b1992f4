//! Commands for the node's thread: a queue, and a descriptor that poll(2) sees.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use haechi_model::VirtualRouterName;
use haechi_vrrp::Input;
use rustix::event::{EventfdFlags, eventfd};

use crate::memory::Remembered;
use crate::{FlightRecord, Legacy, Setup, Tracked};

/// What the thread is asked for.
#[derive(Debug)]
pub(crate) enum Command {
    /// These virtual routers, and no others. With what an earlier life knew, when envelopes are first sealed.
    Configure(Setup, Option<Remembered>),
    /// This is all that others track for a virtual router, and how it is.
    Track { router: VirtualRouterName, tracked: Vec<Tracked> },
    /// Somebody else should be active.
    HandOver { router: VirtualRouterName, to: Option<IpAddr> },
    /// This node should have it back.
    TakeBack(VirtualRouterName),
    /// Packets of unknown flows are passed on, or why not.
    Chained { ticket: u64, result: Result<(), String> },
    /// Let others take over, and take no part any more.
    Leave,
    /// What came of a deed that took its time.
    Done { router: VirtualRouterName, number: u64, result: Input },
    /// What happened to a virtual router and those that move with it.
    Record { router: VirtualRouterName, answer: Sender<FlightRecord> },
    /// What a process that goes on needs. Until that one does, this one only goes on advertising.
    PassOn { answer: Sender<Result<Legacy, String>> },
    /// It did not: all is as before.
    KeepOn,
    /// It did: end, and let go of nothing.
    PassedOn,
    /// Leave all cleanly and end.
    Stop,
}

/// The end that commands go in at.
#[derive(Clone, Debug)]
pub(crate) struct Mailbox {
    commands: Sender<Command>,
    bell: Arc<OwnedFd>,
}

/// The end that they come out at.
#[derive(Debug)]
pub(crate) struct Inbox {
    commands: Receiver<Command>,
    bell: Arc<OwnedFd>,
}

/// Both ends.
pub(crate) fn open() -> io::Result<(Mailbox, Inbox)> {
    let bell = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
    let (sender, receiver) = channel();
    Ok((Mailbox { commands: sender, bell: Arc::clone(&bell) }, Inbox { commands: receiver, bell }))
}

impl Mailbox {
    pub(crate) fn send(&self, command: Command) {
        // A thread that ended has nobody to hear it; its end is told elsewhere. A bell that is full rings anyway.
        if self.commands.send(command).is_ok() {
            let _ = rustix::io::write(&*self.bell, &1_u64.to_ne_bytes());
        }
    }
}

impl Inbox {
    /// Silences the bell, and gives what came before.
    pub(crate) fn take(&self) -> impl Iterator<Item = Command> + '_ {
        let _ = rustix::io::read(&*self.bell, &mut [0; 8]);
        self.commands.try_iter()
    }
}

impl AsFd for Inbox {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}
