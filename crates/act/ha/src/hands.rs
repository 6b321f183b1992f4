//! A thread that does what takes longer than an advertisement may be late: running `nft`, and listing flows.
//!
//! It holds what it changed on this host, and puts all of it back when it ends. What a killed run left is taken
//! away when the next one starts.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use haechi_model::VirtualRouterName;
use haechi_sys::Family;
use haechi_sys::capabilities::Capability;
use haechi_sys::clock::wall;
use haechi_sys::flows;
use haechi_sys::sysctl::{Changed, Setting};

use crate::handover::{Before, Chain, TABLE, Way, nothing, passing, watching, word};
use crate::mailbox::{Command, Mailbox};
use crate::nft::nft;
use crate::rights::pass_on_rights;

const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

/// What the thread is asked for.
enum Job {
    /// Pass unknown flows on. The result goes to the mailbox.
    Chain { ticket: u64, chains: Vec<Chain> },
    /// Not any more.
    Unchain(VirtualRouterName),
}

/// The thread, from outside.
pub(crate) struct Hands {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    last_ticket: u64,
}

impl Hands {
    pub(crate) fn start(mailbox: Mailbox) -> io::Result<Self> {
        let (sender, jobs) = channel();
        let thread =
            std::thread::Builder::new().name("ha-hands".to_owned()).spawn(move || work(&jobs, &mailbox))?;
        Ok(Self { jobs: Some(sender), thread: Some(thread), last_ticket: 0 })
    }

    /// Asks for packets of unknown flows to be passed on. Gives the number that the result will have.
    pub(crate) fn chain(&mut self, chains: Vec<Chain>) -> u64 {
        self.last_ticket += 1;
        self.ask(Job::Chain { ticket: self.last_ticket, chains });
        self.last_ticket
    }

    pub(crate) fn unchain(&self, router: VirtualRouterName) {
        self.ask(Job::Unchain(router));
    }

    fn ask(&self, job: Job) {
        // Without the thread no result comes, and whoever waits for one stops waiting at its deadline.
        let _ = self.jobs.as_ref().map(|jobs| jobs.send(job));
    }
}

impl Drop for Hands {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn work(jobs: &Receiver<Job>, mailbox: &Mailbox) {
    pass_on_rights(&[Capability::NetAdmin]);
    for family in FAMILIES {
        remove_leftovers(family);
    }
    let mut laid = Laid::default();
    for job in jobs {
        match job {
            Job::Chain { ticket, chains } => {
                mailbox.send(Command::Chained { ticket, result: laid.add(chains) });
            }
            Job::Unchain(router) => laid.remove(&router),
        }
    }
    laid.clear();
}

/// A run that was killed could not put back what it changed.
fn remove_leftovers(family: Family) {
    let Ok(listed) = nft(&["list", "table", word(family), TABLE], "") else { return };
    tracing::info!(family = word(family), "removes what an earlier run left in nftables");
    if let Err(error) = load(&nothing(family)) {
        tracing::warn!(%error, "what an earlier run left in nftables stays");
    }
    let Some(before) = Before::found(&listed) else { return };
    for (setting, value) in
        [(Setting::ConntrackLoose, before.loose), (Setting::ConntrackLiberal, before.liberal)]
    {
        match setting.set(value) {
            Ok(changed) => changed.keep(),
            Err(error) => tracing::warn!(%error, ?setting, "what an earlier run changed stays"),
        }
    }
}

/// What this node changed on its host.
#[derive(Default)]
struct Laid {
    ways: Vec<Way>,
    settings: Option<(Changed, Changed)>,
}

impl Laid {
    /// First conntrack looks, then the flows of before are listed, then packets are passed: whatever begins in
    /// between is known to conntrack, and nothing is missed.
    fn add(&mut self, chains: Vec<Chain>) -> Result<(), String> {
        let families: Vec<Family> =
            FAMILIES.into_iter().filter(|family| chains.iter().any(|it| it.family() == *family)).collect();
        let zone = zone(wall());
        let new: Vec<Way> = chains.into_iter().map(|chain| Way { chain, kept: Vec::new(), zone }).collect();
        for family in &families {
            if !self.ways.iter().any(|way| way.family() == *family) {
                load(&watching(*family, &of(*family, &new)))?;
            }
        }
        let done = self.pass(new, &families);
        if done.is_err() {
            for family in families {
                self.write(family);
            }
            self.put_back_if_empty();
        }
        done
    }

    fn pass(&mut self, new: Vec<Way>, families: &[Family]) -> Result<(), String> {
        if self.settings.is_none() {
            self.settings = Some((set(&Setting::ConntrackLoose, 0)?, set(&Setting::ConntrackLiberal, 1)?));
        }
        self.ways.retain(|old| new.iter().all(|new| new.chain.router != old.chain.router));
        for mut way in new {
            way.kept = served(&way.chain)?;
            self.ways.push(way);
        }
        for family in families {
            let loaded = load(&passing(*family, &of(*family, &self.ways), self.before()));
            if loaded.is_err() {
                self.ways.retain(|way| way.family() != *family);
            }
            loaded?;
        }
        Ok(())
    }

    fn before(&self) -> Option<Before> {
        let (loose, liberal) = self.settings.as_ref()?;
        Some(Before { loose: loose.before(), liberal: liberal.before() })
    }

    fn remove(&mut self, router: &VirtualRouterName) {
        let Some(at) = self.ways.iter().position(|way| way.chain.router == *router) else { return };
        let gone = self.ways.remove(at);
        self.write(gone.family());
        self.put_back_if_empty();
    }

    fn clear(&mut self) {
        self.ways.clear();
        if self.settings.is_some() {
            for family in FAMILIES {
                self.write(family);
            }
        }
        self.put_back_if_empty();
    }

    /// Writes what is left of a family.
    fn write(&self, family: Family) {
        let left = of(family, &self.ways);
        let text = if left.is_empty() { nothing(family) } else { passing(family, &left, self.before()) };
        if let Err(error) = load(&text) {
            tracing::warn!(%error, "nftables keeps what was to go");
        }
    }

    fn put_back_if_empty(&mut self) {
        if self.ways.is_empty() {
            self.settings = None;
        }
    }
}

fn of(family: Family, ways: &[Way]) -> Vec<Way> {
    ways.iter().filter(|way| way.family() == family).cloned().collect()
}

/// Flows that this node serves itself.
fn served(chain: &Chain) -> Result<Vec<flows::Flow>, String> {
    let all: Result<Vec<_>, _> = chain.addresses.iter().map(|address| flows::on(*address)).collect();
    all.map(|all| all.concat()).map_err(|refused| refused.to_string())
}

/// A conntrack zone for this turn. An earlier turn had the same one only if it was in the same fifth of a second, or a
/// whole number of 3.6 hours ago: longer than conntrack keeps anything but open flows. By the wall's clock, because the
/// node's own begins anew with it, and what conntrack knows does not.
fn zone(wall: SystemTime) -> u16 {
    let fifths = wall.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() / 200;
    // From 1: zone 0 is everybody's.
    u16::try_from(fifths % u128::from(u16::MAX)).unwrap_or_default().saturating_add(1)
}

fn set(setting: &Setting, value: i32) -> Result<Changed, String> {
    setting.set(value).map_err(|error| format!("{setting:?} can't be set to {value}: {error}"))
}

fn load(ruleset: &str) -> Result<(), String> {
    nft(&["-f", "-"], ruleset).map(drop)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_zone_comes_again_after_hours_and_is_never_that_of_everybody() {
        let at = |fifths: u32| zone(UNIX_EPOCH + Duration::from_millis(200) * fifths);
        let all: BTreeSet<u16> = (0..65_535).map(at).collect();
        assert_eq!((all.len(), all.contains(&0)), (65_535, false));
        assert_eq!(at(65_535), at(0));
    }
}
