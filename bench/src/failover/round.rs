//! One round: two nodes stand ready, one is struck, and all is as before again.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use haechi_tests::{Ear, Network, Observer, now, pause, serve_flows};
use rustix::process::Signal;

use super::blow::Blow;
use super::client::{self, Client, Gap};
use super::flows::Flows;
use super::pair::{BETTER, Hung, Make, Node, ONE, PATIENCE, Setting, TWO, WORSE};
use super::{ENDPOINT, Seen, VIRTUAL};
use crate::contender::Places;
use crate::problem::{Outcome, Problem, While};

/// Reloads of a storm, and the time from one to the next: the blow falls among them.
const RELOADS: u32 = 100;
const RELOAD_EVERY: Duration = Duration::from_millis(5);

/// A neighbour whom nobody tells that an address moved believes the old place for 45 s at most, then asks there for 8 s
/// (Linux: 1.5 × `base_reachable_time_ms`, `delay_first_probe_time`, `ucast_solicit`), and then everybody.
const OLDEST: Duration = Duration::from_secs(60);

/// How often a cable goes and comes.
const FLAPS: u32 = 10;

/// A pair and its surroundings.
pub(super) struct Rig<'a> {
    network: &'a Network,
    make: Make,
    client: Client,
    one: Node<'a>,
    two: Node<'a>,
    setting: Setting,
}

impl<'a> Rig<'a> {
    pub(super) fn new(network: &'a Network, make: Make, places: &Places) -> Outcome<Self> {
        let endpoint: SocketAddr = ENDPOINT.parse().while_doing(|| ENDPOINT.into())?;
        network.host("endpoint").run(|| serve_flows(endpoint));
        let mut one = Node::new(ONE.0, BETTER, make, network, places)?;
        let mut two = Node::new(TWO.0, WORSE, make, network, places)?;
        one.start()?;
        two.start()?;
        let to: SocketAddr = format!("{VIRTUAL}:80").parse().while_doing(|| VIRTUAL.into())?;
        let client = Client::start(network.host("client"), to)?;
        Ok(Self { network, make, client, one, two, setting: Setting::Plain })
    }

    /// Strikes whoever has the address.
    pub(super) fn round(&mut self, blow: Blow, number: u16, flap_span: Duration) -> Outcome<Seen> {
        // What flapped too often waits for long: each such round begins anew.
        if self.setting != blow.setting() || blow == Blow::Flap {
            self.set(blow.setting())?;
        }
        self.settle(number)?;
        let Self { network, make, client, one, two, .. } = self;
        let (active, other) = if one.has_address() { (one, &*two) } else { (two, &*one) };
        let strike = Strike { blow, network, make: *make, client, other };
        if blow == Blow::Flap { strike.flap(active, flap_span) } else { strike.deal(active) }
    }

    /// Puts all in order after a round that did not end.
    pub(super) fn renew(&mut self) -> Outcome<()> {
        self.network.heal();
        for name in [self.one.name, self.two.name] {
            self.network.plug(name);
        }
        self.set(self.setting)
    }

    /// Starts both nodes anew, the better one first.
    fn set(&mut self, setting: Setting) -> Outcome<()> {
        for node in [&mut self.one, &mut self.two] {
            node.signal(Signal::KILL)?;
            node.wait_end()?;
            node.set(setting);
        }
        self.one.start()?;
        until("the better node has the address", || self.one.has_address())?;
        self.two.start()?;
        self.setting = setting;
        Ok(())
    }

    /// Waits until exactly one has the address and the client is content, and then for a part of an interval that is
    /// another one each time: blows must not fall into step with advertisements.
    fn settle(&self, number: u16) -> Outcome<()> {
        let since = now();
        until("one node has the address and answers", || {
            self.one.has_address() != self.two.has_address() && self.client.good_in_a_row(since) >= 30
        })?;
        // The backup must have heard the active: two intervals. 37 and 100 share no divisor.
        let interval = self.make.interval();
        pause(interval * 2 + interval * u32::from(number * 37 % 100) / 100);
        Ok(())
    }
}

/// What it takes to strike.
struct Strike<'a> {
    blow: Blow,
    network: &'a Network,
    make: Make,
    client: &'a Client,
    other: &'a Node<'a>,
}

impl Strike<'_> {
    fn deal(&self, active: &mut Node<'_>) -> Outcome<Seen> {
        let (blow, other) = (self.blow, self.other);
        let host = |name| self.network.host(name);
        let observer = blow.makes_rivals().then(|| Observer::start(host("observer"), VIRTUAL));
        let ears = self.ears(active);
        let flows = blow.is_planned().then(|| Flows::open(host("client"))).transpose()?;
        let at = now();
        let hung = self.hit(active)?;
        match blow {
            Blow::Freeze(times) => pause(self.make.down() * times.into()),
            Blow::Upgrade => {}
            _ => until("the other node takes over", || other.has_address())?,
        }
        if !matches!(blow, Blow::Freeze(_)) {
            content(self.client, now())?;
        }
        let broken = flows.map(|flows| self.broken(flows));
        drop(hung);
        let healing = self.undo(active)?;
        // What comes back may disturb too, and then it is part of what the client saw.
        until("only one node has the address", || active.has_address() != other.has_address())?;
        pause(Duration::from_millis(300));
        content(self.client, now())?;
        // Without ears they never lost each other: the one that stood still hears at once what it missed.
        let contact = ears.iter().filter_map(|ear| ear.first(healing)).min().unwrap_or(healing);
        let rivals = observer.map(|observer| observer.contended(contact));
        self.look_back(at).map(|seen| Seen { rivals, broken, ..seen })
    }

    /// Ours may not break: each that does is told, with the time, so that the nodes' logs can be read beside it.
    fn broken(&self, flows: Flows) -> (usize, usize) {
        let (broken, all) = flows.end();
        if matches!(self.make, Make::Haechi(_)) {
            let when = jiff::Timestamp::now();
            broken.iter().for_each(|what| crate::note(&format!("{}, {when}: {what}", self.blow)));
        }
        (broken.len(), all)
    }

    /// What happens to the active. What it gives goes on until it is dropped.
    fn hit(&self, active: &mut Node<'_>) -> Outcome<Option<Hung>> {
        let network = self.network;
        match self.blow {
            Blow::Kill => {
                active.signal(Signal::KILL)?;
            }
            Blow::KillPrograms => active.kill_programs()?,
            Blow::Unplug | Blow::Flap => network.unplug(active.name),
            Blow::Freeze(_) => {
                active.signal(Signal::STOP)?;
            }
            Blow::Mute => network.mute(active.name),
            Blow::Deafen => network.deafen(active.name),
            Blow::Part => {
                network.cut(active.name, self.other.name);
                network.cut(self.other.name, active.name);
            }
            Blow::Hang => return active.hang().map(Some),
            Blow::CutOff => network.cut(active.name, "endpoint"),
            Blow::Storm => self.storm(active)?,
            Blow::Stop => active.ask_to_end()?,
            Blow::HandOver => active.ask(&["ha", "handover"])?,
            Blow::Upgrade => upgrade(active)?,
        }
        Ok(None)
    }

    /// The active dies when a fifth of the reloads are done.
    fn storm(&self, active: &Node<'_>) -> Outcome<()> {
        for turn in 0..RELOADS {
            if turn == RELOADS / 5 {
                active.signal(Signal::KILL)?;
            }
            self.other.reload(turn)?;
            pause(RELOAD_EVERY);
        }
        Ok(())
    }

    /// Where it can be heard that those meet again who did not hear each other.
    fn ears(&self, active: &Node<'_>) -> Vec<Ear> {
        let ear = |at: &Node<'_>, of: &Node<'_>| Ear::start(self.network.host(at.name), of.own_address());
        match self.blow {
            Blow::Mute => vec![ear(self.other, active)],
            Blow::Part => vec![ear(self.other, active), ear(active, self.other)],
            _ => Vec::new(),
        }
    }

    /// Makes all whole again. Tells from when on the nodes can meet.
    fn undo(&self, active: &mut Node<'_>) -> Outcome<Instant> {
        let healing = now();
        match self.blow {
            Blow::Kill | Blow::KillPrograms | Blow::Stop | Blow::Storm => {
                active.signal(Signal::KILL)?;
                active.wait_end()?;
                active.start()?;
            }
            Blow::Unplug | Blow::Flap => self.network.plug(active.name),
            Blow::Freeze(_) => return active.signal(Signal::CONT),
            Blow::Mute | Blow::Deafen | Blow::Part | Blow::CutOff => self.network.heal(),
            Blow::Hang | Blow::HandOver | Blow::Upgrade => {}
        }
        Ok(healing)
    }

    /// The cable of the better node, ten times: it wants the address back each time.
    fn flap(&self, active: &mut Node<'_>, span: Duration) -> Outcome<Seen> {
        let at = now();
        for _ in 0..FLAPS {
            self.network.unplug(active.name);
            pause(span / FLAPS / 2);
            self.network.plug(active.name);
            pause(span / FLAPS / 2);
        }
        until("only one node has the address", || active.has_address() != self.other.has_address())?;
        content(self.client, now())?;
        self.look_back(at)
    }

    /// What the client saw since then.
    fn look_back(&self, at: Instant) -> Outcome<Seen> {
        let mut attempts = self.client.take();
        // The last answers before it are where the gap begins.
        attempts.retain(|attempt| attempt.ended + Duration::from_millis(100) > at);
        let Gap { from, length, failed, reset } = client::gap(&attempts)?;
        self.remark(at, from, length);
        Ok(Seen { gap: length, failed, reset, ..Seen::default() })
    }

    /// Ours may not be silent for longer than the arithmetic says, and what the client's own rhythm adds at both ends:
    /// such a round is told, with the time, so that the nodes' logs can be read beside it.
    fn remark(&self, at: Instant, from: Instant, length: Duration) {
        if matches!(self.make, Make::Haechi(_)) && length > self.make.down() + client::EVERY * 2 {
            let (blow, when) = (self.blow, jiff::Timestamp::now());
            let after = (from + length).saturating_duration_since(at);
            crate::note(&format!("{blow}, {when}: no answer for {length:.0?}, until {after:.0?} after it"));
        }
    }
}

/// Asks until it is not refused because flows of an earlier move still go on to the former active.
fn upgrade(active: &Node<'_>) -> Outcome<()> {
    let mut outcome = Ok(());
    until("no flow is passed on any more", || {
        outcome = active.ask(&["upgrade"]);
        !outcome.as_ref().is_err_and(|problem| problem.to_string().contains("go on to the former active"))
    })?;
    outcome
}

/// Waits until the client got as many answers in a row as its attempts last, so that none is left that may fail.
fn content(client: &Client, since: Instant) -> Outcome<()> {
    within(OLDEST, "the client gets answers again", || client.good_in_a_row(since) >= 30)
}

fn until(what: &str, so: impl FnMut() -> bool) -> Outcome<()> {
    within(PATIENCE, what, so)
}

fn within(patience: Duration, what: &str, mut so: impl FnMut() -> bool) -> Outcome<()> {
    let deadline = now() + patience;
    while !so() {
        if now() > deadline {
            return Err(Problem::new(format!("not within {patience:?}: {what}")));
        }
        pause(Duration::from_millis(20));
    }
    Ok(())
}
