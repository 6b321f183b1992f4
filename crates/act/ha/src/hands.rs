//! A thread that does what takes longer than an advertisement may be late: running `nft`, and listing flows.
//!
//! It holds what it changed on this host, and puts all of it back when it ends. What a killed run left is taken
//! away when the next one starts.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use haechi_model::VirtualRouterName;
use haechi_sys::Family;
use haechi_sys::capabilities::Capability;
use haechi_sys::flows::{self, Flow};
use haechi_sys::sysctl::{Changed, Setting};

use crate::handover::{Before, Chain, TABLE, nothing, passing, watching, word};
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
    chains: Vec<(Chain, Vec<Flow>)>,
    settings: Option<(Changed, Changed)>,
}

impl Laid {
    /// First conntrack looks, then the flows of before are listed, then packets are passed: whatever begins in
    /// between is known to conntrack, and nothing is missed.
    fn add(&mut self, chains: Vec<Chain>) -> Result<(), String> {
        let families: Vec<Family> =
            FAMILIES.into_iter().filter(|family| chains.iter().any(|it| it.family() == *family)).collect();
        for family in &families {
            if !self.chains.iter().any(|(chain, _)| chain.family() == *family) {
                load(&watching(*family))?;
            }
        }
        let done = self.pass(chains, &families);
        if done.is_err() {
            for family in families {
                self.write(family);
            }
            self.put_back_if_empty();
        }
        done
    }

    fn pass(&mut self, chains: Vec<Chain>, families: &[Family]) -> Result<(), String> {
        if self.settings.is_none() {
            self.settings = Some((set(&Setting::ConntrackLoose, 0)?, set(&Setting::ConntrackLiberal, 1)?));
        }
        let mut next: Vec<_> = std::mem::take(&mut self.chains);
        next.retain(|(old, _)| chains.iter().all(|new| new.router != old.router));
        for chain in chains {
            let kept: Result<Vec<Vec<Flow>>, _> = chain.addresses.iter().map(|it| flows::on(*it)).collect();
            let kept = kept.map_err(|refused| refused.to_string());
            match kept {
                Ok(kept) => next.push((chain, kept.concat())),
                Err(text) => {
                    self.chains = next;
                    return Err(text);
                }
            }
        }
        for family in families {
            let of_family: Vec<_> = next.iter().filter(|(it, _)| it.family() == *family).cloned().collect();
            if let Err(text) = load(&passing(*family, &of_family, self.before())) {
                next.retain(|(it, _)| it.family() != *family);
                self.chains = next;
                return Err(text);
            }
        }
        self.chains = next;
        Ok(())
    }

    fn before(&self) -> Option<Before> {
        let (loose, liberal) = self.settings.as_ref()?;
        Some(Before { loose: loose.before(), liberal: liberal.before() })
    }

    fn remove(&mut self, router: &VirtualRouterName) {
        let Some(at) = self.chains.iter().position(|(chain, _)| chain.router == *router) else { return };
        let (gone, _) = self.chains.remove(at);
        self.write(gone.family());
        self.put_back_if_empty();
    }

    fn clear(&mut self) {
        self.chains.clear();
        if self.settings.is_some() {
            for family in FAMILIES {
                self.write(family);
            }
        }
        self.put_back_if_empty();
    }

    /// Writes what is left of a family.
    fn write(&self, family: Family) {
        let left: Vec<_> = self.chains.iter().filter(|(it, _)| it.family() == family).cloned().collect();
        let text = if left.is_empty() { nothing(family) } else { passing(family, &left, self.before()) };
        if let Err(error) = load(&text) {
            tracing::warn!(%error, "nftables keeps what was to go");
        }
    }

    fn put_back_if_empty(&mut self) {
        if self.chains.is_empty() {
            self.settings = None;
        }
    }
}

fn set(setting: &Setting, value: i32) -> Result<Changed, String> {
    setting.set(value).map_err(|error| format!("{setting:?} can't be set to {value}: {error}"))
}

fn load(ruleset: &str) -> Result<(), String> {
    nft(&["-f", "-"], ruleset).map(drop)
}
