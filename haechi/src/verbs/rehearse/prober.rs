//! A client's view of a move: opens a connection every 10 ms and notes how long each had to wait.
//!
//! It stands on the node that hands over, because nobody else is asked to. It goes where a client on the link goes that
//! knows the address: to this node until another one announces it, which is heard, and from then on out by the interface.
//! A connection that is bound to the interface leaves by it while the address is kept on the loopback for open flows
//! only, and stays here when the address is back. For the answers, whose source is an address of this host then, the
//! kernel must be told to take them (`accept_local`), and is told the old value again at the end.
//!
//! It refuses what would measure something else: IPv6, whose routes on this host can't be passed by, and addresses
//! that no kernel moves.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use haechi_model::{InterfaceName, Moment, Mover, Snapshot, VirtualRouter};
use haechi_sys::clock::now;
use haechi_sys::neighbour::Question;
use haechi_sys::netlink::Network;
use haechi_sys::sysctl::{Changed, Setting};
use tokio::net::TcpSocket;
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval, timeout};

/// From one connection to the next.
const PERIOD: Duration = Duration::from_millis(10);

/// A client that waits longer has gone.
const PATIENCE: Duration = Duration::from_secs(1);

/// From where to where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Vantage {
    interface: InterfaceName,
    target: SocketAddr,
}

impl Vantage {
    /// # Errors
    /// Why nothing can be measured from here.
    pub(super) fn of(snapshot: &Snapshot, router: &VirtualRouter) -> Result<Self, String> {
        if router.mover != Mover::Netlink || router.virtual_mac {
            return Err(
                "only addresses on the interface itself can be reached from here as by a client".into()
            );
        }
        let mut addresses = router.addresses.iter().map(|it| it.address);
        let Some(address) = addresses.find(IpAddr::is_ipv4) else {
            return Err("over IPv6 this node reaches an address of its own without the network".into());
        };
        let port = snapshot.listeners.iter().flat_map(|it| &it.bind).find_map(|bind| {
            (bind.ip() == address || bind.ip() == IpAddr::from([0; 4])).then_some(bind.port())
        });
        let port = port.ok_or_else(|| format!("no listener stands on {address}"))?;
        Ok(Self { interface: router.interface.clone(), target: (address, port).into() })
    }

    pub(super) fn words(&self) -> String {
        format!("to {} every {PERIOD:?} from this node by {}", self.target, self.interface)
    }

    /// Lets answers come in, and listens for announcements.
    ///
    /// # Errors
    /// The kernel refuses, or drops them all the same.
    pub(super) fn open(&self) -> Result<Open, String> {
        let of = |setting: fn(InterfaceName) -> Setting, name: &InterfaceName| {
            setting(name.clone()).get().unwrap_or(0)
        };
        if of(Setting::RpFilter, &self.interface).max(of(Setting::RpFilter, &"all".into())) == 1 {
            return Err(format!("rp_filter of {} is strict and drops the answers", self.interface));
        }
        let mut network = Network::open().map_err(|error| error.to_string())?;
        let found = network.interface(&self.interface).map_err(|refused| refused.to_string())?;
        let mac = found.and_then(|it| it.mac).ok_or_else(|| format!("{} has no MAC", self.interface))?;
        let announced = Question::open(&self.interface, mac, None, self.target.ip())
            .map_err(|error| format!("announcements can't be heard: {error}"))?;
        let accepts = Setting::AcceptLocal(self.interface.clone())
            .set(1)
            .map_err(|error| format!("accept_local of {} can't be set: {error}", self.interface))?;
        Ok(Open { announced, accepts })
    }
}

/// What measuring takes from the kernel; put back when it is dropped.
pub(super) struct Open {
    announced: Question,
    accepts: Changed,
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

/// Measures until it is asked.
pub(super) struct Prober {
    enough: Arc<Notify>,
    task: JoinHandle<Vec<Try>>,
    accepts: Changed,
}

impl Prober {
    /// Begins. `open` is what [`Vantage::open`] gave.
    pub(super) fn start(vantage: Vantage, open: Open) -> Self {
        let enough = Arc::new(Notify::new());
        let told = Arc::clone(&enough);
        let Open { announced, accepts } = open;
        Self {
            enough,
            task: tokio::spawn(async move { measure(&vantage, &announced, &told).await }),
            accepts,
        }
    }

    /// Waits for the last answers.
    pub(super) async fn finish(self) -> Measured {
        self.enough.notify_one();
        let tries = self.task.await.unwrap_or_default();
        drop(self.accepts);
        judge(tries)
    }
}

async fn measure(vantage: &Vantage, announced: &Question, enough: &Notify) -> Vec<Try> {
    let mut elsewhere = false;
    let (mut running, mut tries) = (JoinSet::new(), Vec::new());
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = enough.notified() => break,
            _ = ticks.tick() => {
                elsewhere |= matches!(announced.next_answer(), Ok(Some(_)));
                running.spawn(attempt(vantage.clone(), elsewhere));
            }
            Some(ended) = running.join_next() => tries.extend(ended.ok()),
        }
    }
    tries.extend(running.join_all().await);
    tries
}

async fn attempt(vantage: Vantage, elsewhere: bool) -> Try {
    let began = now();
    let connect = async {
        let socket = TcpSocket::new_v4()?;
        if elsewhere {
            socket.bind_device(Some(vantage.interface.as_str().as_bytes()))?;
        }
        socket.connect(vantage.target).await
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
