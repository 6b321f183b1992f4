//! How long a client is without answers when the node that has the address dies, in numbers.
//!
//! haechi and keepalived + HAProxy do the same on the same switch of network namespaces, in the same run. Nobody
//! preempts, so both nodes of a pair are struck in turn. Refuses to publish a run with a round that did not end well.

mod client;
mod pair;
mod table;

use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::{Duration, Instant};

use haechi_tests::{Namespace, Network, can_make_namespaces, now, pause};
use rustix::process::Signal;

use crate::contender::Places;
use crate::problem::{Outcome, Problem, While};

use client::Client;
use pair::{Make, Node, PATIENCE};
pub(crate) use table::{Run, page};

/// The address that moves.
const VIRTUAL: &str = "10.99.0.100";

/// The one endpoint behind both makes.
const ENDPOINT: &str = "10.99.0.4:8080";

/// What it answers.
const BODY: &str = "here\n";

/// What happens to the node that has the address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Blow {
    /// Everything on it is killed at once; it is started again after the move.
    Kill,
    /// The programs that were started are killed; what they started may still do its duty.
    KillPrograms,
    /// Its cable is pulled, and put back after the move.
    Unplug,
    /// Everything on it stands still, and goes on a second after the move.
    Freeze,
    /// It is asked to end.
    Stop,
    /// It is asked to let the other one be it.
    HandOver,
}

impl Blow {
    pub(crate) const ALL: [Self; 6] =
        [Self::Kill, Self::KillPrograms, Self::Unplug, Self::Freeze, Self::Stop, Self::HandOver];

    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Kill => "kill -9 of everything on the active node",
            Self::KillPrograms => "kill -9 of haechi, or of keepalived and HAProxy, but not of their helpers",
            Self::Unplug => "the active node's cable is pulled, later put back",
            Self::Freeze => "the active node stands still (SIGSTOP), and goes on 1 s after the move",
            Self::Stop => "clean stop of the active node (SIGTERM)",
            Self::HandOver => "hand-over (`haechi ha handover`)",
        }
    }
}

/// What one client saw of one blow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    /// The longest time without an answer.
    pub(crate) gap: Duration,
    /// Attempts without an answer.
    pub(crate) failed: usize,
}

/// All that was seen of one make and one blow.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) blow: Blow,
    pub(crate) make: String,
    pub(crate) seen: Vec<Seen>,
}

/// How often each blow is dealt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) kills: u16,
    pub(crate) others: u16,
    /// For keepalived at one second, whose rounds take ten times as long.
    pub(crate) slow: u16,
}

impl Times {
    fn of(self, blow: Blow, make: Make) -> u16 {
        let times = if matches!(blow, Blow::Kill) { self.kills } else { self.others };
        match make {
            Make::Keepalived("1") if self.slow < times => self.slow,
            _ => times,
        }
    }
}

/// Deals every blow to every make: the makes beside each other, each on a switch of its own, because they wait most
/// of the time.
pub(crate) fn measure(places: &Places, times: Times) -> Outcome<Vec<Series>> {
    if !can_make_namespaces() {
        return Err(Problem::new("network namespaces take root: sudo target/release/bench failover"));
    }
    let found: Vec<Outcome<Vec<Series>>> = thread::scope(|scope| {
        let threads: Vec<_> =
            Make::ALL.map(|make| scope.spawn(move || one_make(make, places, times))).into_iter().collect();
        let ended = threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err(Problem::new("the rig failed, see above"))));
        ended.collect()
    });
    let mut all = Vec::new();
    for series in found {
        all.extend(series?);
    }
    all.sort_by_key(|series: &Series| Blow::ALL.iter().position(|blow| *blow == series.blow));
    Ok(all)
}

fn one_make(make: Make, places: &Places, times: Times) -> Outcome<Vec<Series>> {
    let network = Network::new(&[
        ("client", &["10.99.0.3/24"]),
        ("lb1", &["10.99.0.1/24"]),
        ("lb2", &["10.99.0.2/24"]),
        ("endpoint", &["10.99.0.4/24"]),
    ]);
    serve(network.host("endpoint"))?;
    let mut nodes = [("lb1", 150), ("lb2", 140)]
        .map(|(name, priority)| Node::new(name, priority, make, &network, places));
    let [Ok(one), Ok(two)] = &mut nodes else {
        return Err(Problem::new(format!("{nodes:?}")));
    };
    one.start()?;
    two.start()?;
    let to: SocketAddr = format!("{VIRTUAL}:80").parse().while_doing(|| VIRTUAL.into())?;
    let client = Client::start(network.host("client"), to)?;
    let mut all = Vec::new();
    for blow in Blow::ALL {
        if blow == Blow::HandOver && make != Make::Haechi {
            continue;
        }
        let mut seen = Vec::new();
        for round in 0..times.of(blow, make) {
            settle(&client, one, two, make, round)?;
            let (active, other) = if one.has_address() { (&mut *one, &*two) } else { (&mut *two, &*one) };
            seen.push(strike(blow, &network, &client, active, other).map_err(|problem| {
                Problem::new(format!("{}: {blow:?}, round {round}: {problem}", make.title()))
            })?);
        }
        all.push(Series { blow, make: make.title(), seen });
    }
    Ok(all)
}

/// Waits until exactly one has the address and the client is content, and then for a part of an interval that is
/// another one each time: blows must not fall into step with advertisements.
fn settle(client: &Client, one: &Node<'_>, two: &Node<'_>, make: Make, round: u16) -> Outcome<()> {
    let since = now();
    until("one node has the address and answers", || {
        one.has_address() != two.has_address() && client.good_in_a_row(since) >= 30
    })?;
    // The backup must have heard the active: two intervals. 37 and 100 share no divisor.
    pause(make.interval() * 2 + make.interval() * u32::from(round * 37 % 100) / 100);
    Ok(())
}

fn strike(
    blow: Blow,
    network: &Network,
    client: &Client,
    active: &mut Node<'_>,
    other: &Node<'_>,
) -> Outcome<Seen> {
    let mut attempts = client.take();
    let at = now();
    match blow {
        Blow::Kill => active.signal(Signal::KILL)?,
        Blow::KillPrograms => active.kill_programs()?,
        Blow::Unplug => network.unplug(active.name),
        Blow::Freeze => active.signal(Signal::STOP)?,
        Blow::Stop => active.ask_to_end()?,
        Blow::HandOver => active.hand_over()?,
    }
    until("the other node takes over", || other.has_address())?;
    content(client, now())?;
    match blow {
        Blow::Kill | Blow::KillPrograms | Blow::Stop => {
            active.signal(Signal::KILL)?;
            active.wait_end()?;
            active.start()?;
        }
        Blow::Unplug => network.plug(active.name),
        Blow::Freeze => {
            pause(Duration::from_secs(1));
            active.signal(Signal::CONT)?;
        }
        Blow::HandOver => {}
    }
    // What comes back may disturb too, and then it is part of what the client saw.
    until("only one node has the address", || active.has_address() != other.has_address())?;
    pause(Duration::from_millis(300));
    content(client, now())?;
    attempts.extend(client.take());
    attempts.retain(|attempt| attempt.ended + Duration::from_millis(100) > at);
    let (gap, failed) = client::gap(&attempts)?;
    Ok(Seen { gap, failed })
}

/// Waits until the client got as many answers in a row as its attempts last, so that none is left that may fail.
fn content(client: &Client, since: Instant) -> Outcome<()> {
    until("the client gets answers again", || client.good_in_a_row(since) >= 30)
}

fn until(what: &str, mut so: impl FnMut() -> bool) -> Outcome<()> {
    let deadline = now() + PATIENCE;
    while !so() {
        if now() > deadline {
            return Err(Problem::new(format!("not within {PATIENCE:?}: {what}")));
        }
        pause(Duration::from_millis(10));
    }
    Ok(())
}

/// An endpoint that answers everything with [`BODY`], until the process ends.
fn serve(namespace: &Namespace) -> Outcome<()> {
    use std::io::{Read, Write};
    let listener = namespace.run(|| TcpListener::bind(ENDPOINT)).while_doing(|| ENDPOINT.into())?;
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut asked = Vec::new();
                let mut buffer = [0; 4096];
                while let Ok(length @ 1..) = stream.read(&mut buffer) {
                    asked.extend_from_slice(&buffer[..length]);
                    if asked.ends_with(b"\r\n\r\n") {
                        asked.clear();
                        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{BODY}", BODY.len());
                        if stream.write_all(head.as_bytes()).is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    Ok(())
}

/// As it says itself, of the system's: Debian has no newer one.
pub(crate) fn keepalived_version() -> Outcome<String> {
    let output = std::process::Command::new("keepalived").arg("--version").output();
    let said = output.while_doing(|| "keepalived (Debian: keepalived)".into())?;
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    let version = said.split_whitespace().nth(1).unwrap_or("of unknown version");
    Ok(format!("keepalived {}", version.trim_start_matches('v')))
}
