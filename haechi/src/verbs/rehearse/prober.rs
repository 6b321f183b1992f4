//! A client's view of a move: opens a connection every 10 ms and notes how long each had to wait.
//!
//! It stands on the node that hands over, because nobody else is asked to. It goes where a client on the link goes that
//! knows the address: to this node while the address is here, and to the node that announced it from then on. There it
//! knocks by frames of its own, because this host keeps the address for open flows, and would connect to itself. It
//! changes nothing on this host, so one that is killed leaves nothing behind.
//!
//! It refuses addresses that no kernel moves: who gets to them is not seen from here.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use haechi_model::{InterfaceName, ListenerKind, Moment, Mover, Snapshot, VirtualRouter};
use haechi_sys::Mac;
use haechi_sys::clock::now;
use haechi_sys::knock::Knocker;
use haechi_sys::neighbour::Question;
use haechi_sys::netlink::Network;
use tokio::net::TcpSocket;
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval, timeout};

/// From one connection to the next.
const PERIOD: Duration = Duration::from_millis(10);

/// From one look for answers to the next: so exact is what is measured elsewhere.
const LOOK: Duration = Duration::from_millis(1);

/// A client that waits longer has gone.
const PATIENCE: Duration = Duration::from_secs(1);

/// Ports that the kernel gives to nobody by itself (`ip_local_port_range` ends at 60999). At one each period it takes
/// forty seconds until one is used again.
const PORTS: std::ops::RangeInclusive<u16> = 61_000..=65_000;

/// From where to where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Vantage {
    interface: InterfaceName,
    /// All that move.
    moving: Vec<IpAddr>,
    target: SocketAddr,
}

impl Vantage {
    /// # Errors
    /// Why nothing can be measured from here.
    pub(super) fn of(snapshot: &Snapshot, router: &VirtualRouter) -> Result<Self, String> {
        match &router.mover {
            Mover::Netlink => {}
            Mover::Bind => {
                return Err(
                    "with `mover: bind` whoever sends packets here or there decides where clients get to, \
                            and this node gets to itself"
                        .into(),
                );
            }
            Mover::Command(_) => {
                return Err(
                    "with `mover: command` only its program knows where clients find the address".into()
                );
            }
        }
        let moving: Vec<IpAddr> = router.addresses.iter().map(|it| it.address).collect();
        let address = *moving.first().ok_or("it has no address")?;
        let any: IpAddr =
            if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let binds = snapshot
            .listeners
            .iter()
            .filter(|it| !matches!(it.kind, ListenerKind::Udp(_)))
            .flat_map(|it| &it.bind);
        let port = binds.filter(|bind| bind.ip() == address || bind.ip() == any).map(SocketAddr::port).next();
        let port = port.ok_or_else(|| format!("no listener stands on {address}"))?;
        Ok(Self { interface: router.interface.clone(), moving, target: (address, port).into() })
    }

    pub(super) fn words(&self) -> String {
        format!("to {} every {PERIOD:?} from this node by {}", self.target, self.interface)
    }

    /// Listens for announcements, and gets ready to knock.
    ///
    /// # Errors
    /// The kernel refuses, or this node has nothing to knock from.
    pub(super) fn open(self) -> Result<Open, String> {
        let mut network = Network::open().map_err(|error| error.to_string())?;
        let all = network.interfaces().map_err(|error| error.to_string())?;
        let found = all.iter().find(|it| it.name == self.interface);
        let found = found.ok_or_else(|| format!("there is no interface {}", self.interface))?;
        let mac = found.mac.ok_or_else(|| format!("{} has no MAC", self.interface))?;
        let loopback = all.iter().find(|it| it.loopback).map(|it| it.index);
        let addresses = network.addresses().map_err(|error| error.to_string())?;
        let own = |link_local: bool| {
            let on = addresses.iter().filter(|it| it.interface == found.index && it.link_local == link_local);
            let mut own = on.filter(|it| it.address.is_ipv4() == self.target.is_ipv4() && !it.tentative);
            own.find(|it| !self.moving.contains(&it.address)).map(|it| it.address)
        };
        let source = own(false).or_else(|| own(true));
        let source = source.ok_or_else(|| format!("{} has no address of its own", self.interface))?;
        let heard = |error: std::io::Error| format!("frames can't be heard: {error}");
        let asks = Some(source).filter(IpAddr::is_ipv6);
        let announced = Question::open(&self.interface, mac, asks, self.target.ip()).map_err(heard)?;
        let knocker = Knocker::open(&self.interface, mac, source, self.target).map_err(heard)?;
        let from_here = own(false);
        Ok(Open { target: self.target, source: from_here, network, loopback, announced, knocker })
    }
}

/// What measuring takes.
pub(super) struct Open {
    target: SocketAddr,
    /// An address of this node that is valid beyond its link.
    source: Option<IpAddr>,
    network: Network,
    loopback: Option<u32>,
    announced: Question,
    knocker: Knocker,
}

impl Open {
    /// Whether an interface has the address; on the loopback it is for open flows only.
    fn is_here(&mut self) -> bool {
        let Ok(addresses) = self.network.addresses() else { return false };
        let mut there = addresses.iter().filter(|it| it.address == self.target.ip());
        there.any(|it| Some(it.interface) != self.loopback)
    }

    /// Who said last that the address is there.
    fn other(&self, known: Option<Mac>) -> Option<Mac> {
        self.announced.next_answer().ok().flatten().map_or(known, |answer| Some(answer.mac))
    }
}

/// One connection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Try {
    began: Moment,
    ended: Moment,
    good: bool,
}

/// What all of them together say.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Measured {
    pub(super) gap: Duration,
    pub(super) attempts: u64,
    pub(super) failed: u64,
}

/// Knocks that wait for an answer, by their port.
#[derive(Default)]
struct Knocks {
    waiting: BTreeMap<u16, Moment>,
    next: u16,
}

impl Knocks {
    fn knock(&mut self, at: &Knocker, to: Mac, tries: &mut Vec<Try>) {
        self.give_up(now(), tries);
        let port = PORTS.start() + self.next;
        self.next = (self.next + 1) % (PORTS.end() - PORTS.start());
        let began = now();
        match at.knock(to, port) {
            Ok(()) => drop(self.waiting.insert(port, began)),
            Err(_) => tries.push(Try { began, ended: now(), good: false }),
        }
    }

    fn hear(&mut self, from: &Knocker, tries: &mut Vec<Try>) {
        while let Ok(Some(heard)) = from.next_answer() {
            let began = self.waiting.remove(&heard.port);
            tries.extend(began.map(|began| Try { began, ended: now(), good: heard.open }));
        }
    }

    /// Those that waited too long by then.
    fn give_up(&mut self, by: Moment, tries: &mut Vec<Try>) {
        let late = self.waiting.extract_if(.., |_, began| *began + PATIENCE <= by);
        tries.extend(late.map(|(_, began)| Try { began, ended: began + PATIENCE, good: false }));
    }
}

/// Measures until it is asked.
pub(super) struct Prober {
    enough: Arc<Notify>,
    task: JoinHandle<Vec<Try>>,
}

impl Prober {
    /// Begins.
    pub(super) fn start(open: Open) -> Self {
        let enough = Arc::new(Notify::new());
        let told = Arc::clone(&enough);
        Self { enough, task: tokio::spawn(async move { measure(open, &told).await }) }
    }

    /// Waits for the last answers.
    pub(super) async fn finish(self) -> Measured {
        self.enough.notify_one();
        judge(self.task.await.unwrap_or_default())
    }
}

async fn measure(mut open: Open, enough: &Notify) -> Vec<Try> {
    let (mut other, mut knocks) = (None, Knocks::default());
    let (mut running, mut tries) = (JoinSet::new(), Vec::new());
    let mut ticks = interval(PERIOD);
    let mut looks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = enough.notified() => break,
            _ = ticks.tick() => {
                other = open.other(other);
                match other.filter(|_| !open.is_here()) {
                    Some(mac) => knocks.knock(&open.knocker, mac, &mut tries),
                    None => drop(running.spawn(attempt(open.source, open.target))),
                }
            }
            _ = looks.tick(), if !knocks.waiting.is_empty() => knocks.hear(&open.knocker, &mut tries),
            Some(ended) = running.join_next() => tries.extend(ended.ok()),
        }
    }
    // What was asked last has as long as the rest.
    let until = now() + PATIENCE;
    while !knocks.waiting.is_empty() && now() < until {
        tokio::time::sleep(PERIOD).await;
        knocks.hear(&open.knocker, &mut tries);
    }
    knocks.give_up(until, &mut tries);
    tries.extend(running.join_all().await);
    tries
}

/// To this node itself.
async fn attempt(source: Option<IpAddr>, target: SocketAddr) -> Try {
    let began = now();
    let connect = async {
        let socket = if target.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // Not from the address that moves, as it would be by itself.
        source.map(|source| socket.bind((source, 0).into())).transpose()?;
        socket.connect(target).await
    };
    let good = timeout(PATIENCE, connect).await.is_ok_and(|connected| connected.is_ok());
    Try { began, ended: now(), good }
}

/// Whoever failed waits for the next that comes through.
fn judge(mut tries: Vec<Try>) -> Measured {
    tries.sort();
    let last = tries.iter().map(|it| it.ended).max();
    let mut measured = Measured::default();
    for (at, it) in tries.iter().enumerate() {
        measured.attempts += 1;
        measured.failed += u64::from(!it.good);
        let through = tries.iter().skip(at).filter(|later| later.good).map(|later| later.ended).min();
        let until = if it.good { it.ended } else { through.or(last).unwrap_or(it.ended) };
        measured.gap = measured.gap.max(until.since(it.began));
    }
    measured
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_no_kernel_moves_are_not_measured_and_it_is_said_why() {
        let router = |mover| VirtualRouter {
            mover,
            ..haechi_config::defaults::virtual_router("edge", std::num::NonZeroU8::MIN, "eth0")
        };
        for (mover, why) in [
            (Mover::Bind, "whoever sends packets"),
            (Mover::Command(Vec::new()), "only its program knows"),
            (Mover::Netlink, "it has no address"),
        ] {
            let refused = Vantage::of(&Snapshot::default(), &router(mover)).unwrap_err();
            assert!(refused.contains(why), "{refused}");
        }
    }

    #[test]
    fn the_gap_is_the_longest_wait_for_a_connection() {
        let at = |ms| Moment::ORIGIN + Duration::from_millis(ms);
        let tries = |rows: &[(u64, u64, bool)]| {
            rows.iter()
                .map(|(began, ended, good)| Try { began: at(*began), ended: at(*ended), good: *good })
                .collect()
        };
        type Rows = &'static [(u64, u64, bool)];
        // Tries, and the gap in milliseconds with the number of those that failed.
        let table: &[(Rows, u64, u64)] = &[
            (&[], 0, 0),
            (&[(0, 1, true), (10, 12, true)], 2, 0),
            (&[(0, 1, true), (10, 60, true), (20, 21, true)], 50, 0),
            (&[(0, 1, true), (10, 11, false), (20, 21, false), (30, 33, true)], 23, 2),
            (&[(10, 11, false), (20, 1020, false)], 1010, 2),
        ];
        for (rows, gap, failed) in table {
            let measured = judge(tries(rows));
            let wanted = (Duration::from_millis(*gap), *failed, rows.len() as u64);
            assert_eq!((measured.gap, measured.failed, measured.attempts), wanted, "{rows:?}");
        }
    }
}
