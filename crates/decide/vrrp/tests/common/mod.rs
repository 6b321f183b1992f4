//! A router with its clock, and its outputs as words: `say 0, release, active > initialize (stopped)`.

#![allow(dead_code, reason = "every test program uses some of it")]
#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy takes for more")]

use std::net::IpAddr;
use std::num::NonZeroU8;
use std::time::Duration;

use haechi_model::{Announcing, Moment};
use haechi_vrrp::packet::{Advertisement, Version};
use haechi_vrrp::{Effect, Input, Output, Router, Settings};

/// The interval of all routers here.
pub(crate) const INTERVAL: Duration = Duration::from_millis(100);

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) fn at(millis: u64) -> Moment {
    Moment::ORIGIN + ms(millis)
}

/// 10.0.0.`last`.
pub(crate) fn ip(last: u8) -> IpAddr {
    [10, 0, 0, last].into()
}

/// Of a node at `ip(node)`, for the addresses 10.0.0.100 and 10.0.0.101.
pub(crate) fn settings(node: u8, priority: u8) -> Settings {
    Settings {
        id: NonZeroU8::new(51).unwrap(),
        source: ip(node),
        addresses: vec![ip(100), ip(101)],
        sole_peer: false,
        priority: NonZeroU8::new(priority).unwrap(),
        interval: INTERVAL,
        preempt: true,
        preempt_delay: Duration::ZERO,
        startup_delay: Duration::ZERO,
        announce: Announcing::default(),
        drain: Duration::from_secs(30),
    }
}

pub(crate) fn advertisement(priority: u8) -> Advertisement {
    Advertisement {
        version: Version::V3,
        id: 51,
        priority,
        interval: INTERVAL,
        addresses: vec![ip(100), ip(101)],
    }
}

pub(crate) fn said(node: u8, priority: u8) -> Input {
    Input::Advertisement { source: ip(node), advertisement: advertisement(priority) }
}

pub(crate) fn track(name: &str, effect: Effect) -> Input {
    Input::Track { name: name.into(), effect, text: "broken".into() }
}

pub(crate) fn lower(by: u8) -> Effect {
    Effect::Lower(NonZeroU8::new(by).unwrap())
}

pub(crate) fn paused(millis: u64) -> Input {
    Input::Paused { lasted: ms(millis) }
}

pub(crate) fn failed() -> Input {
    Input::ClaimFailed { text: "no room".into() }
}

pub(crate) fn words(outputs: &[Output]) -> String {
    let words: Vec<_> = outputs.iter().map(word).collect();
    if words.is_empty() { "-".to_owned() } else { words.join(", ") }
}

pub(crate) fn word(output: &Output) -> String {
    match output {
        Output::Advertise { priority } => format!("say {priority}"),
        Output::Chain { previous } => format!("chain {previous}"),
        Output::Claim => "claim".to_owned(),
        Output::Announce => "announce".to_owned(),
        Output::Demote { to } => format!("demote {to}"),
        Output::Release => "release".to_owned(),
        Output::StateChanged { from, to, reason } => {
            format!("{} > {} ({reason})", from.name(), to.name())
        }
        Output::Alarm { kind, .. } => format!("alarm {}", kind.name()),
        Output::AlarmOver { kind } => format!("over {}", kind.name()),
    }
}

/// A router whose deadlines are kept, and whose claims succeed at once unless it is told otherwise.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) router: Router,
    pub(crate) now: Moment,
    pub(crate) claims_succeed: bool,
}

impl Node {
    /// Not started, at 1 s: so that "long ago" exists.
    pub(crate) fn new(settings: Settings) -> Self {
        Self { router: Router::new(settings, at(1_000)), now: at(1_000), claims_succeed: true }
    }

    pub(crate) fn started(settings: Settings) -> Self {
        let mut node = Self::new(settings);
        node.feed(&Input::Start);
        node
    }

    /// Started, alone, and active for so long that the neighbours were told.
    pub(crate) fn active(settings: Settings) -> Self {
        let mut node = Self::started(settings);
        node.until_active();
        node.run(Duration::from_secs(10));
        node
    }

    pub(crate) fn until_active(&mut self) {
        while !self.router.state().holds() {
            let due = self.router.deadline().unwrap();
            self.run(due.since(self.now));
        }
    }

    /// Until the next deadline.
    pub(crate) fn next(&self) -> Option<Duration> {
        self.router.deadline().map(|due| due.since(self.now))
    }

    /// What follows from one input, and nothing else.
    pub(crate) fn feed(&mut self, input: &Input) -> Vec<Output> {
        let mut out = Vec::new();
        self.router.handle(self.now, input, &mut out);
        out
    }

    pub(crate) fn hear(&mut self, node: u8, priority: u8) -> String {
        words(&self.feed(&said(node, priority)))
    }

    /// Lets time pass, and gives what was asked for meanwhile, as milliseconds from the beginning and words.
    pub(crate) fn run(&mut self, duration: Duration) -> Vec<(u128, String)> {
        let (began, end) = (self.now, self.now + duration);
        let mut told = Vec::new();
        while let Some(due) = self.router.deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            let mut out = self.feed(&Input::Timer);
            if self.claims_succeed && out.contains(&Output::Claim) {
                out.extend(self.feed(&Input::Claimed));
            }
            assert!(self.router.deadline() != Some(due) || !out.is_empty(), "a deadline without a deed");
            if !out.is_empty() {
                told.push((self.now.since(began).as_millis(), words(&out)));
            }
        }
        self.now = end;
        told
    }

    /// Likewise, with an advertisement of another node at once and then each interval.
    pub(crate) fn run_hearing(&mut self, node: u8, priority: u8, duration: Duration) -> Vec<(u128, String)> {
        let began = self.now;
        let mut told = Vec::new();
        while self.now.since(began) < duration {
            let offset = self.now.since(began).as_millis();
            let heard = self.feed(&said(node, priority));
            if !heard.is_empty() {
                told.push((offset, words(&heard)));
            }
            told.extend(self.run(INTERVAL).into_iter().map(|(after, words)| (offset + after, words)));
        }
        told
    }
}
