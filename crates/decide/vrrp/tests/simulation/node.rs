//! A machine: a router, the shell around it, and the kernel below it. The shell is a careful one, as the real
//! one must be: it does outputs in order, and reports results.

use std::collections::VecDeque;
use std::time::Duration;

use haechi_model::Moment;
use haechi_vrrp::record::{RouterRecord, replay};
use haechi_vrrp::{Input, Output, Router, Settings};

/// What the kernel does with the addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kernel {
    Off,
    /// Answers ARP.
    On,
    /// Serves open flows only.
    Quiet,
}

pub(crate) struct Node {
    pub(crate) settings: Settings,
    /// `None`: the machine is off.
    pub(crate) router: Option<Router>,
    pub(crate) kernel: Kernel,
    /// What arrived while it did not run.
    pub(crate) inbox: VecDeque<Input>,
    pub(crate) frozen_since: Option<Moment>,
    pub(crate) faulty: bool,
    pub(crate) link_up: bool,
    pub(crate) stopped: bool,
    /// Claims that the kernel has not answered.
    pub(crate) claims_pending: u32,
    /// A claim failed and none succeeded since: it holds back for longer and longer.
    pub(crate) claim_failed: bool,
    /// Since when it could serve if nobody did; `None`: it could not.
    pub(crate) eligible_since: Option<Moment>,
    pub(crate) last_said: Moment,
    record: Option<RouterRecord>,
}

impl Node {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings,
            router: None,
            kernel: Kernel::Off,
            inbox: VecDeque::new(),
            frozen_since: None,
            faulty: false,
            link_up: true,
            stopped: true,
            claims_pending: 0,
            claim_failed: false,
            eligible_since: None,
            last_said: Moment::ORIGIN,
            record: None,
        }
    }

    pub(crate) fn boot(&mut self, now: Moment, recorded: bool) {
        let router = Router::new(self.settings.clone(), now);
        self.record = recorded.then(|| RouterRecord::new(&router));
        self.router = Some(router);
        self.kernel = Kernel::Off;
        (self.faulty, self.link_up, self.stopped) = (false, true, true);
        (self.claims_pending, self.claim_failed) = (0, false);
        self.inbox.clear();
        self.frozen_since = None;
    }

    pub(crate) fn crash(&mut self) {
        self.check_record();
        self.router = None;
        self.kernel = Kernel::Off;
        self.frozen_since = None;
        self.inbox.clear();
    }

    pub(crate) fn is_running(&self) -> bool {
        self.router.is_some() && self.frozen_since.is_none()
    }

    pub(crate) fn holds(&self) -> bool {
        self.router.as_ref().is_some_and(|router| router.state().holds())
    }

    pub(crate) fn could_serve(&self) -> bool {
        self.is_running() && !self.faulty && self.link_up && !self.stopped && !self.claim_failed
    }

    /// Feeds the router and does to the kernel what it asks for; gives the outputs for the rest.
    pub(crate) fn feed(&mut self, now: Moment, input: Input, jitter: Duration) -> Vec<Output> {
        let Some(router) = &mut self.router else { return Vec::new() };
        let mut out = Vec::new();
        router.handle(now, &input, &mut out);
        if let Some(record) = &mut self.record {
            record.push(now, input, &out);
        }
        for output in &out {
            match output {
                Output::Claim => self.claims_pending += 1,
                Output::Release => self.kernel = Kernel::Off,
                Output::Demote { .. } => self.kernel = Kernel::Quiet,
                Output::Advertise { .. } => self.last_said = now + jitter,
                _ => {}
            }
        }
        out
    }

    pub(crate) fn check_record(&mut self) {
        if let Some(record) = self.record.take() {
            let end = replay(&record).unwrap_or_else(|difference| panic!("{difference}"));
            assert_eq!(Some(end), self.router);
        }
    }
}
