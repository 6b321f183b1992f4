//! Virtual routers: starts their node, tells it what is tracked, and tells people what it does.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, UNIX_EPOCH};

use haechi_admin::Problem;
use haechi_admin::api::{AlarmStatus, FlightRecord, HaStatus, Rehearsal, TrackedStatus, VirtualRouterStatus};
use haechi_ha::{Binder, Deed, Ha, Legacy, Listener, RouterStatus, Setup, Told, Tracked};
use haechi_model::{Moment, Snapshot, Transport, VirtualRouter, VirtualRouterName};
use haechi_sys::scheduling::Ready;
use haechi_telemetry::event;
use haechi_vrrp::envelope::Keys;
use haechi_vrrp::{Effect, State};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::admin::near;
use super::aftermath::{self, Before};
use super::{Control, lock};

/// Longest wait for the node's thread: it answers between two advertisements.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often it is looked whether others took over: an interval of a default pair is five looks.
const LOOK: Duration = Duration::from_millis(20);

/// Longest wait for successors: three intervals and a second are how long a node yields, and an interval is
/// rarely more than one second.
const LONGEST_LEAVE: Duration = Duration::from_secs(5);

/// From hearing a successor to its claim: it waits a second at most for its way to the flows here, and then tells
/// the neighbours.
const SUCCESSION: Duration = Duration::from_millis(1500);

/// What the node told, on its way to the event log.
pub(super) struct Story {
    name: VirtualRouterName,
    at: Moment,
    told: Told,
    /// How things stood, if it took over.
    before: Option<Before>,
}

/// The virtual routers, once there are any.
pub(super) struct VirtualRouters {
    pub(super) node: Option<Ha>,
    /// Their thread, until it has work.
    ready: Option<Ready>,
    /// What a former process left, until they run.
    legacy: Option<Legacy>,
    told: UnboundedSender<Story>,
}

impl VirtualRouters {
    pub(super) fn new(ready: Ready) -> (Self, UnboundedReceiver<Story>) {
        let (told, stories) = unbounded_channel();
        (Self { node: None, ready: Some(ready), legacy: None, told }, stories)
    }

    /// Puts the virtual routers of a snapshot in force.
    ///
    /// # Errors
    /// The system refuses a thread or a descriptor.
    pub(super) fn configure(
        &mut self,
        snapshot: &Snapshot,
        keys: BTreeMap<Box<str>, Keys>,
        control: &Arc<Control>,
    ) -> std::io::Result<()> {
        let (routers, node) = (snapshot.virtual_routers.clone(), snapshot.node.name.to_string());
        let setup = Setup { routers, node, keys, state: crate::state::folder() };
        match &self.node {
            Some(node) => node.configure(setup),
            None if setup.routers.is_empty() && self.legacy.is_none() => {}
            None => {
                let listener = listener(self.told.clone(), control);
                let Some(ready) = self.ready.take() else {
                    return Err(std::io::Error::other("their thread has ended"));
                };
                let binder = binder(control);
                self.node = Some(match self.legacy.take() {
                    Some(legacy) => Ha::resume(ready, setup, keeper(), listener, binder, legacy)?,
                    None => Ha::start(ready, setup, keeper(), listener, binder)?,
                });
            }
        }
        Ok(())
    }

    /// Goes on with what a former process left, once they are configured.
    pub(super) fn inherit(&mut self, legacy: Option<Legacy>) {
        self.legacy = legacy;
    }

    /// Asks for what another process of this node needs to go on; nothing if there are no virtual routers.
    pub(super) fn pass_on(&self) -> Option<Receiver<Result<Legacy, String>>> {
        self.node.as_ref().map(Ha::pass_on)
    }

    /// The other process did not go on.
    pub(super) fn keep_on(&self) {
        self.node.iter().for_each(Ha::keep_on);
    }

    /// It did.
    pub(super) fn passed_on(&mut self) {
        self.node.take().map(Ha::passed_on).unwrap_or_default();
    }

    /// Takes no part any more and lets others take over. Says whether this node was active anywhere.
    fn leave(&self) -> bool {
        let Some(node) = &self.node else { return false };
        let active = node.status().iter().any(|router| router.state.holds());
        node.leave();
        active
    }

    /// Whether another node took over everywhere, or nobody comes.
    fn is_left(&self, since: Moment) -> bool {
        let status = self.node.as_ref().map(Ha::status).unwrap_or_default();
        status.iter().all(|router| match router.state {
            State::Active => router.since > since,
            State::Yielding => false,
            State::Initialize | State::Backup => true,
        })
    }

    /// Leaves all of them cleanly: peers are told, and need not wait.
    pub(super) fn stop(&mut self) {
        self.node = None;
    }
}

/// Lets other nodes take over while this one still listens, and waits until they answer for the addresses.
pub(super) async fn leave(control: &Control) {
    let since = haechi_sys::clock::now();
    if !lock(&control.virtual_routers).leave() {
        return;
    }
    let until = since + LONGEST_LEAVE;
    while !lock(&control.virtual_routers).is_left(since) && haechi_sys::clock::now() < until {
        tokio::time::sleep(LOOK).await;
    }
    // Heard is not claimed: connections come here until the successor has laid its way and told the neighbours.
    tokio::time::sleep(SUCCESSION).await;
}

/// Passes on what the node tells.
fn listener(stories: UnboundedSender<Story>, control: &Arc<Control>) -> Listener {
    let control = Arc::downgrade(control);
    Box::new(move |name, at, told| {
        // Here and now: clients whose neighbours have not to be told can be served before a story is read.
        let takes_over = matches!(told, Told::State { from, to, .. } if to.holds() && !from.holds());
        let control = control.upgrade().filter(|_| takes_over);
        let before = control.map(|control| Before::look(&control.proxy.live()));
        // Nobody hears it only when the process is on its way out.
        let _ = stories.send(Story { name: name.clone(), at, told, before });
    })
}

/// Lets the listeners follow addresses that no kernel moves.
fn binder(control: &Arc<Control>) -> Binder {
    let (control, runtime) = (Arc::downgrade(control), tokio::runtime::Handle::current());
    Arc::new(move |deed, addresses| {
        // A process without a control plane is on its way out, and its sockets with it.
        let Some(control) = control.upgrade() else { return Ok(()) };
        let followed = runtime.block_on(control.proxy.follow(addresses, deed == Deed::Claim));
        followed.map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    })
}

/// This very binary, even if another one stands in its place by now.
fn keeper() -> Vec<OsString> {
    ["/proc/self/exe", "ha", "keeper"].map(OsString::from).into()
}

/// Writes down what the node told.
pub(super) async fn follow_stories(control: Arc<Control>, mut stories: UnboundedReceiver<Story>) {
    while let Some(Story { name, at, told, before }) = stories.recv().await {
        let subject = aftermath::subject(&name);
        if let Some(before) = before {
            before.follow(&control, name, at);
        }
        let (kind, text) = match told {
            Told::State { from, to, reason } if from == to => {
                (event::VIRTUAL_ROUTER_CHANGED, format!("{} still: {reason}", to.name()))
            }
            Told::State { from, to, reason } => {
                (event::VIRTUAL_ROUTER_CHANGED, format!("{} to {}: {reason}", from.name(), to.name()))
            }
            Told::Claimed { addresses } => {
                control.proxy.have_back(&addresses);
                (event::VIRTUAL_ROUTER_CHANGED, "its addresses are on this node and announced".to_owned())
            }
            Told::GivenAway { addresses, drain } => {
                control.proxy.give_away(&addresses, drain);
                (
                    event::VIRTUAL_ROUTER_CHANGED,
                    format!("what is open here goes on for {drain:?}; clients are told to come anew"),
                )
            }
            Told::Released { addresses } => {
                control.proxy.forget(&addresses);
                continue;
            }
            Told::Chained { previous, longest } => (
                event::VIRTUAL_ROUTER_CHANGED,
                format!("packets of open flows go on to {previous}, for {longest:?} at most"),
            ),
            Told::NotChained { text } => (
                event::VIRTUAL_ROUTER_CHANGED,
                format!(
                    "open flows of the former active are reset, because their packets can't go on there: {text}"
                ),
            ),
            Told::Unchained { previous } => {
                (event::VIRTUAL_ROUTER_CHANGED, format!("packets go on to {previous} no more"))
            }
            Told::Alarm { kind, text } => (event::VIRTUAL_ROUTER_ALARM, format!("{}: {text}", kind.name())),
            Told::AlarmOver { kind } => (event::VIRTUAL_ROUTER_ALARM, format!("{}: over", kind.name())),
        };
        control.events.add(kind, subject, text);
    }
}

impl Control {
    pub(super) fn ha_status(&self) -> HaStatus {
        let routers = lock(&self.virtual_routers);
        let (scheduling, status) = match &routers.node {
            Some(node) => (node.scheduling(), node.status()),
            None => ("no virtual router runs".to_owned(), Vec::new()),
        };
        HaStatus {
            node: self.proxy.live().snapshot.node.name.to_string(),
            scheduling,
            rights: self.rights_status(),
            virtual_routers: status.iter().map(|status| self.router_status(status)).collect(),
        }
    }

    pub(super) async fn record(&self, name: &str) -> Result<FlightRecord, Problem> {
        let live = self.proxy.live();
        let known = live.snapshot.virtual_routers.iter().map(|router| &router.name);
        let found = known.clone().find(|known| known.as_str() == name);
        let answer = {
            let routers = lock(&self.virtual_routers);
            found.zip(routers.node.as_ref()).map(|(name, node)| (name, node.record(name.clone())))
        };
        let Some((name, answer)) = answer else {
            let names: Vec<&str> = known.map(VirtualRouterName::as_str).collect();
            return Err(Problem::NotFound(format!("no virtual router {name}{}", near(&names, name))));
        };
        let waited = tokio::task::spawn_blocking(move || answer.recv_timeout(PATIENCE)).await;
        let Ok(Ok(flight)) = waited else {
            return Err(Problem::Conflict(format!(
                "virtual router {name} does not run, or its thread is busy"
            )));
        };
        let record = serde_json::to_value(&flight.record);
        Ok(FlightRecord {
            node: live.snapshot.node.name.to_string(),
            routers: flight.routers.iter().map(ToString::to_string).collect(),
            origin_ms: wall_of(Moment::ORIGIN),
            record: record
                .map_err(|error| Problem::Conflict(format!("the record can't be told: {error}")))?,
            results: aftermath::results(self.events.after(0, usize::MAX).events, name),
        })
    }

    pub(super) fn hand_over(&self, name: &str, to: Option<&str>) -> Result<VirtualRouterStatus, Problem> {
        let (config, found) = self.find(name)?;
        if found.state != State::Active {
            let active = found.active.map_or("nobody that it hears".to_owned(), |active| active.to_string());
            return Err(Problem::Conflict(format!(
                "this node is {} for {name} and has nothing to hand over; active is {active}: ask there",
                found.state.name()
            )));
        }
        let to = to.map(|wish| peer(&config, wish)).transpose()?;
        if let Some(node) = &lock(&self.virtual_routers).node {
            node.hand_over(config.name, to);
        }
        Ok(self.router_status(&found))
    }

    pub(super) fn take_back(&self, name: &str) -> Result<VirtualRouterStatus, Problem> {
        let (config, found) = self.find(name)?;
        if let Some(node) = &lock(&self.virtual_routers).node {
            node.take_back(config.name);
        }
        Ok(self.router_status(&found))
    }

    pub(super) fn keep_rehearsal(&self, rehearsal: Rehearsal) -> Result<VirtualRouterStatus, Problem> {
        let (_, found) = self.find(&rehearsal.router)?;
        let subject = format!("virtual router {}", rehearsal.router);
        self.events.add(event::REHEARSED, subject, super::rehearsals::sentence(&rehearsal));
        lock(&self.rehearsals).keep(rehearsal).map_err(Problem::Conflict)?;
        Ok(self.router_status(&found))
    }

    /// A virtual router of the config in force that runs.
    fn find(&self, name: &str) -> Result<(VirtualRouter, RouterStatus), Problem> {
        let live = self.proxy.live();
        let all = &live.snapshot.virtual_routers;
        let Some(config) = all.iter().find(|router| router.name.as_str() == name) else {
            let names: Vec<&str> = all.iter().map(|router| router.name.as_str()).collect();
            return Err(Problem::NotFound(format!("no virtual router {name}{}", near(&names, name))));
        };
        let status = lock(&self.virtual_routers).node.as_ref().map(Ha::status).unwrap_or_default();
        let found = status.into_iter().find(|status| status.name == config.name);
        let found =
            found.ok_or_else(|| Problem::NotFound(format!("virtual router {name} does not run yet")))?;
        Ok((config.clone(), found))
    }

    fn router_status(&self, status: &RouterStatus) -> VirtualRouterStatus {
        let last_rehearsal = lock(&self.rehearsals).of(status.name.as_str()).cloned();
        VirtualRouterStatus { last_rehearsal, ..router_status(status) }
    }
}

/// An address, or the name of a peer.
fn peer(config: &VirtualRouter, wish: &str) -> Result<IpAddr, Problem> {
    if let Ok(address) = wish.parse() {
        return Ok(address);
    }
    let named: Vec<(&str, IpAddr)> = match &config.transport {
        Transport::Vrrp { peers, .. } => {
            peers.iter().map(|peer| (peer.name.as_str(), peer.address)).collect()
        }
        Transport::Udp { peers, .. } => {
            peers.iter().map(|peer| (peer.name.as_str(), peer.address.ip())).collect()
        }
    };
    let found = named.iter().find(|(name, _)| *name == wish).map(|(_, address)| *address);
    found.ok_or_else(|| {
        let help = if named.is_empty() {
            "; it has no `peers`, so give an address".to_owned()
        } else {
            near(&named.iter().map(|(name, _)| *name).collect::<Vec<_>>(), wish)
        };
        Problem::NotFound(format!("virtual router {} has no peer {wish}{help}", config.name))
    })
}

fn router_status(status: &RouterStatus) -> VirtualRouterStatus {
    VirtualRouterStatus {
        name: status.name.to_string(),
        id: status.id,
        state: status.state.name().to_owned(),
        reason: status.reason.to_string(),
        since_ms: wall_of(status.since),
        priority: status.priority,
        configured_priority: status.configured_priority,
        active: status.active,
        source: status.source,
        addresses: status.addresses.clone(),
        holds_addresses: status.holds,
        interval_ms: u64::try_from(status.interval.as_millis()).unwrap_or(u64::MAX),
        transitions: status.transitions,
        last_rehearsal: None,
        tracked: status.tracked.iter().map(tracked_status).collect(),
        alarms: (status.alarms.iter())
            .map(|alarm| AlarmStatus {
                kind: alarm.kind.name().to_owned(),
                text: alarm.text.to_string(),
                since_ms: wall_of(alarm.since),
            })
            .collect(),
        sent: status.sent,
        heard: status.heard,
        send_failures: status.send_failures,
        dropped: status.drops.iter().map(|(reason, count)| (reason.to_owned(), count)).collect(),
    }
}

fn tracked_status(tracked: &Tracked) -> TrackedStatus {
    let (effect, lowered_by) = match tracked.effect {
        Effect::Clear => ("none", 0),
        Effect::Lower(by) => ("lower", by.get()),
        Effect::Fault => ("fault", 0),
    };
    TrackedStatus {
        name: tracked.name.to_string(),
        effect: effect.to_owned(),
        lowered_by,
        text: tracked.text.to_string(),
    }
}

/// A moment as milliseconds since 1970.
fn wall_of(moment: Moment) -> u64 {
    let at = haechi_sys::clock::wall() - haechi_sys::clock::now().since(moment);
    u64::try_from(at.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}
