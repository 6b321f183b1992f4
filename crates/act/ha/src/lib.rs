//! Runs the virtual routers of a node: what `haechi-vrrp` decides is sent, claimed and announced here, and what
//! comes of it goes back as an input.
//!
//! ```text
//!  advertisements ─► ports ─┐                          ┌─► ports ─► advertisements
//!  links, addresses ─► view ┼─► node ─► units ─► Group ┼─► mover ─► addresses, ARP, NA
//!  commands, tracks ────────┘     (poll(2) loop)       ├─► hands ─► nftables: flows go on to who has them
//!                                                      └─► told ──► events, status
//! ```
//!
//! One plain thread, real-time where that is allowed, so that load on the data plane delays no advertisement.
//! It waits in poll(2) and nowhere else. It decides nothing: who is active is `haechi-vrrp`'s to say, and what is
//! tracked comes from whoever tracks it.

mod counters;
mod deeds;
mod dry;
mod flight;
mod handover;
mod hands;
mod held;
mod keeper;
mod legacy;
mod mailbox;
mod member;
mod memory;
mod mover;
mod nft;
mod node;
mod parting;
mod ports;
mod rights;
mod status;
mod tracks;
mod udp;
mod unit;
mod view;
mod virtual_mac;
mod waiting;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use haechi_model::{Moment, VirtualRouter, VirtualRouterName};
use haechi_sys::capabilities::Capability;
use haechi_sys::clock;
use haechi_sys::scheduling::Ready;
use haechi_vrrp::envelope::Keys;
use haechi_vrrp::record::GroupRecord;
use haechi_vrrp::{AlarmKind, Reason, State};

pub use counters::Drops;
use deeds::Helpers;
pub use deeds::{Binder, Deed};
pub use dry::{can_pass_on, ruleset};
use keeper::Keeper;
pub use keeper::keep;
pub use legacy::Legacy;
use mailbox::{Command, Mailbox};
use memory::{Memory, Remembered};
pub use status::{AlarmStatus, RouterStatus};
pub use tracks::Tracked;

/// Real-time priority of the thread: above everything ordinary, below the kernel's interrupt threads.
pub const PRIORITY: u8 = 20;

/// What virtual routers take where they use protocol 112 or move addresses in the kernel, and what the programs of
/// theirs get: keeper and movers.
pub const RIGHTS: [Capability; 2] = [Capability::NetAdmin, Capability::NetRaw];

/// What a node runs.
#[derive(Debug, Default)]
pub struct Setup {
    /// In the order of the config.
    pub routers: Vec<VirtualRouter>,
    /// This node's name, which no other node of its virtual routers has.
    pub node: String,
    /// Keys of the `udp` transport, by the name of their file as the config has it.
    pub keys: BTreeMap<Box<str>, Keys>,
    /// The folder with what must outlive the process. Only the `udp` transport writes there, and only that of the first
    /// setup counts.
    pub state: PathBuf,
}

/// A running node of virtual routers. Dropping it leaves every virtual router cleanly.
#[derive(Debug)]
pub struct Ha {
    mailbox: Mailbox,
    memory: Arc<Memory>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread shows to others.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    routers: Mutex<Vec<RouterStatus>>,
    scheduling: Mutex<String>,
}

/// What happened to virtual routers that move together.
#[derive(Clone, PartialEq, Debug)]
pub struct FlightRecord {
    /// Their names, in the order in which the record numbers them.
    pub routers: Vec<VirtualRouterName>,
    /// Can be played again with [`replay`](haechi_vrrp::record::replay).
    pub record: GroupRecord,
}

/// Something that people should hear of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Told {
    /// A virtual router's state, or the reason of it, changed.
    State {
        /// Until now.
        from: State,
        /// From now on.
        to: State,
        /// Why.
        reason: Reason,
    },
    /// Something is wrong that people must mend.
    Alarm {
        /// What.
        kind: AlarmKind,
        /// For people.
        text: Box<str>,
    },
    /// It is not so any more.
    AlarmOver {
        /// What.
        kind: AlarmKind,
    },
    /// The addresses are on this node and announced.
    Claimed {
        /// They.
        addresses: Vec<IpAddr>,
    },
    /// Another node has the addresses; what is open here goes on.
    GivenAway {
        /// They.
        addresses: Vec<IpAddr>,
        /// For so long.
        drain: Duration,
    },
    /// The addresses are not on this node any more.
    Released {
        /// They.
        addresses: Vec<IpAddr>,
    },
    /// Packets of open flows go on to the node that has them.
    Chained {
        /// That node.
        previous: IpAddr,
        /// For so long at most.
        longest: Duration,
    },
    /// Open flows of the previous active will be reset.
    NotChained {
        /// Why.
        text: Box<str>,
    },
    /// No packet is passed on any more.
    Unchained {
        /// To this node they were.
        previous: IpAddr,
    },
}

/// For the thread to take up what was passed on: a look at the network, and sockets.
const AT_ONCE: Duration = Duration::from_secs(2);

/// Hears what happens: which virtual router, when, and what. Called on the node's thread, so it must not wait.
pub type Listener = Box<dyn Fn(&VirtualRouterName, Moment, Told) + Send>;

impl Ha {
    /// Runs these virtual routers on the thread that is ready. `binder` serves those with `mover: bind`.
    /// `keeper` is the command of a process that calls [`keep`] with its standard input: it lets go of the addresses when
    /// this process dies or stands still.
    ///
    /// # Errors
    /// The system refuses a thread, a subscription to changes of the network, or a descriptor.
    pub fn start(
        ready: Ready,
        setup: Setup,
        keeper: Vec<OsString>,
        listener: Listener,
        binder: Binder,
    ) -> io::Result<Self> {
        let memory = Arc::new(Memory::new(&setup.state, &setup.node));
        let remembered = begin(&memory, &setup);
        Self::with(ready, keeper, listener, binder, memory, move |node| node.run(setup, remembered))
    }

    /// The same, where a process was that passed its virtual routers on: nobody outside notices. To be called while
    /// that one still advertises.
    ///
    /// # Errors
    /// As [`start`](Self::start); or what was passed on can't be taken up, and the former process must go on.
    pub fn resume(
        ready: Ready,
        setup: Setup,
        keeper: Vec<OsString>,
        listener: Listener,
        binder: Binder,
        legacy: Legacy,
    ) -> io::Result<Self> {
        let (answer, resumed) = channel();
        let memory = Arc::new(Memory::new(&setup.state, &setup.node));
        let remembered = begin(&memory, &setup);
        let life = move |node: node::Node| node.resume((setup, remembered), legacy, &answer);
        let ha = Self::with(ready, keeper, listener, binder, memory, life)?;
        match resumed.recv_timeout(AT_ONCE) {
            Ok(resumed) => resumed.map(|()| ha).map_err(io::Error::other),
            Err(_) => {
                // To be told to stop would mean to let go of what another process holds.
                let _ = std::mem::ManuallyDrop::new(ha);
                Err(io::Error::other("the thread of virtual routers does not begin"))
            }
        }
    }

    fn with(
        ready: Ready,
        keeper: Vec<OsString>,
        listener: Listener,
        binder: Binder,
        memory: Arc<Memory>,
        life: impl FnOnce(node::Node) + Send + 'static,
    ) -> io::Result<Self> {
        let (mailbox, inbox) = mailbox::open()?;
        let shared = Arc::new(Shared::default());
        *shared.scheduling.lock().unwrap_or_else(PoisonError::into_inner) = ready.realtime().to_string();
        let hands = hands::Hands::start(mailbox.clone())?;
        let helpers = Helpers { mailbox: mailbox.clone(), binder };
        let keeper = Keeper::new(keeper);
        let workers = (hands, Arc::clone(&memory));
        let node = node::Node::new(inbox, Arc::clone(&shared), keeper, listener, helpers, workers)?;
        let thread = ready.run(move || life(node));
        Ok(Self { mailbox, memory, shared, thread: Some(thread) })
    }

    /// Puts another list of virtual routers in force. What stays keeps its state.
    pub fn configure(&self, setup: Setup) {
        let remembered = begin(&self.memory, &setup);
        self.mailbox.send(Command::Configure(setup, remembered));
    }

    /// Says how all is that `router` tracks, the interfaces aside: those the node sees itself. What was said before
    /// and is not said now is not tracked any more.
    pub fn track(&self, router: VirtualRouterName, tracked: Vec<Tracked>) {
        self.mailbox.send(Command::Track { router, tracked });
    }

    /// Lets another node take over, if this one is active: `to`, if possible.
    pub fn hand_over(&self, router: VirtualRouterName, to: Option<IpAddr>) {
        self.mailbox.send(Command::HandOver { router, to });
    }

    /// Takes back what this node handed over, unless a better one has it.
    pub fn take_back(&self, router: VirtualRouterName) {
        self.mailbox.send(Command::TakeBack(router));
    }

    /// Asks for what happened to a virtual router. Nothing comes if there is none of that name.
    pub fn record(&self, router: VirtualRouterName) -> Receiver<FlightRecord> {
        let (answer, receiver) = channel();
        self.mailbox.send(Command::Record { router, answer });
        receiver
    }

    /// Lets other nodes take over where this one is active, and takes no part any more, but goes on serving
    /// what is open: before a stop. Where nobody comes it stays active.
    pub fn leave(&self) {
        self.mailbox.send(Command::Leave);
    }

    /// Asks for all that another process of this node needs to go on. From then on this one only advertises, until
    /// [`keep_on`](Self::keep_on) or [`passed_on`](Self::passed_on). Refused while a move is under way.
    pub fn pass_on(&self) -> Receiver<Result<Legacy, String>> {
        let (answer, receiver) = channel();
        self.mailbox.send(Command::PassOn { answer });
        receiver
    }

    /// The other process did not take over: all is as before.
    pub fn keep_on(&self) {
        self.mailbox.send(Command::KeepOn);
    }

    /// The other process goes on. This one ends and lets go of nothing.
    pub fn passed_on(self) {
        self.mailbox.send(Command::PassedOn);
    }

    /// Where each virtual router stands, in the order of the config.
    pub fn status(&self) -> Vec<RouterStatus> {
        self.shared.routers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the thread is real-time, and if not, why: for people.
    pub fn scheduling(&self) -> String {
        self.shared.scheduling.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Before the first envelope is sealed, and not on the thread that advertises: disks take their time.
fn begin(memory: &Memory, setup: &Setup) -> Option<Remembered> {
    if setup.keys.is_empty() { None } else { memory.begin(clock::wall()) }
}

impl Drop for Ha {
    fn drop(&mut self) {
        self.mailbox.send(Command::Stop);
        if let Some(thread) = self.thread.take() {
            // Its own panic was printed; the addresses went with the thread's end or not at all.
            let _ = thread.join();
        }
    }
}
