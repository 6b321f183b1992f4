//! One endpoint's verdict: probe results in, health and the next probe's time out.
//!
//! Results count in a row; one opposite result starts over, as in HAProxy's rise and fall. An endpoint that
//! stands in the config when the process starts takes traffic at once but on probation: one failure takes
//! it out (HAProxy's `init-state up`), so that a restart neither empties all pools nor trusts a dead
//! endpoint for long. One that is added later takes no traffic until its first success, which is enough
//! (Envoy). A result that says nothing about the endpoint changes nothing.

use std::time::Duration;

use haechi_model::{Health, HealthCheck, Moment};
use serde::{Deserialize, Serialize};

use crate::timer::Dice;
use crate::{Change, ProbeOutcome, Reason, Standing};

/// Longest wait for a first probe that traffic waits for, and for the first one after the probe itself was
/// changed: a second spreads thousands of probes well enough.
const SOON: Duration = Duration::from_secs(1);

/// What is known of an endpoint when its machine starts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Start {
    /// It stood in the config when the process started: serves on probation.
    Assumed,
    /// It was added at run time: serves after its first success.
    Unproven,
    /// A former process or a peer knew it; unknown is the same as [`Start::Assumed`].
    Inherited(Inherited),
}

/// What a former process or a peer knew of an endpoint.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Inherited {
    /// The verdict.
    pub health: Health,
    /// Why, in their words.
    pub reason: Box<str>,
    /// Since when, in moments that mean the same here.
    pub since: Moment,
    /// Successes since the last failure.
    pub successes: u32,
    /// Failures since the last success.
    pub failures: u32,
    /// Changes between healthy and unhealthy.
    pub flaps: u32,
    /// Since when it warms up.
    pub warming_from: Option<Moment>,
}

/// All that is known of an endpoint's health.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// The verdict.
    pub health: Health,
    /// Whether health lets it serve: healthy, or unknown and assumed good.
    pub serving: bool,
    /// Why, as of `since`.
    pub reason: Reason,
    /// When the verdict was reached.
    pub since: Moment,
    /// The newest probe, whether or not it changed anything.
    pub last_probe: Option<LastProbe>,
    /// Successes since the last failure.
    pub successes: u32,
    /// Failures since the last success; those in the start grace are not counted.
    pub failures: u32,
    /// A probe is under way.
    pub probing: bool,
    /// When the next one is due; `None` while one is under way or without a health check.
    pub next_probe: Option<Moment>,
    /// Changes between healthy and unhealthy so far.
    pub flaps: u32,
    /// Since when it warms up: it came back, or was added at run time. See [`warmth`](crate::warmth).
    pub warming_from: Option<Moment>,
}

/// One finished probe.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LastProbe {
    /// What it said.
    pub outcome: ProbeOutcome,
    /// When it began.
    pub started: Moment,
    /// How long it took.
    pub took: Duration,
}

/// One endpoint's verdict and probe schedule.
#[derive(Clone, Debug)]
pub struct Machine {
    rules: Option<Rules>,
    verdict: Verdict,
    reason: Reason,
    since: Moment,
    successes: u32,
    failures: u32,
    /// One probe succeeded, here or in a former life: the start grace is over.
    proven: bool,
    first_start: Option<Moment>,
    last_start: Option<Moment>,
    in_flight: Option<Moment>,
    next: Option<Moment>,
    last_probe: Option<LastProbe>,
    /// The newest result that counted.
    decisive: Option<ProbeOutcome>,
    flaps: u32,
    warming_from: Option<Moment>,
    dice: Dice,
}

impl Machine {
    /// A machine that has seen nothing yet. `seed` spreads its probes; give each endpoint another one.
    pub fn new(check: Option<&HealthCheck>, start: Start, seed: u64, now: Moment) -> Self {
        let rules = check.map(Rules::of);
        let mut machine = Self {
            rules,
            verdict: Verdict::Assumed,
            reason: Reason::NotChecked,
            since: now,
            successes: 0,
            failures: 0,
            proven: false,
            first_start: None,
            last_start: None,
            in_flight: None,
            next: None,
            last_probe: None,
            decisive: None,
            flaps: 0,
            warming_from: matches!(start, Start::Unproven).then_some(now),
            dice: Dice::new(seed),
        };
        if let Some(rules) = rules {
            machine.begin_as(start);
            let spread = machine.first_spread(rules);
            machine.next = Some(now + machine.dice.within(spread));
        }
        machine
    }

    /// A probe begins now; until its result is in, no other is due.
    pub fn started(&mut self, now: Moment) {
        if self.rules.is_some() {
            self.in_flight = Some(now);
            self.next = None;
        }
    }

    /// A probe's result is in. A result without a [`started`](Self::started) counts as begun now; without a
    /// health check it is a straggler and ignored.
    pub fn probed(&mut self, outcome: ProbeOutcome, now: Moment) -> Option<Change> {
        let rules = self.rules?;
        let started = self.in_flight.take().unwrap_or(now);
        let first = *self.first_start.get_or_insert(started);
        self.last_start = Some(started);
        let in_grace = !self.proven && started.since(first) < rules.start_grace;
        self.count(&outcome, in_grace);
        self.last_probe = Some(LastProbe { outcome, started, took: now.since(started) });
        let change = self.settle(rules, now);
        let pause = self.dice.jittered(self.pace(rules));
        self.next = Some((started + pause).max(now));
        change
    }

    /// The config changed: new intervals and thresholds hold at once; the verdict, its counters and a probe
    /// under way are kept. Without a check the endpoint becomes unknown and serves; with a first one it
    /// serves on probation.
    pub fn reconfigure(&mut self, check: Option<&HealthCheck>, now: Moment) -> Option<Change> {
        let before = std::mem::replace(&mut self.rules, check.map(Rules::of));
        match (before, self.rules) {
            (None, None) => None,
            (Some(_), None) => self.forget(Reason::NotChecked, now),
            (None, Some(rules)) => {
                let change = self.forget(Reason::Assumed, now);
                self.next = Some(now + self.dice.within(rules.in_doubt()));
                change
            }
            (Some(before), Some(rules)) if before == rules => None,
            (Some(_), Some(rules)) => {
                let change = self.settle(rules, now);
                self.reschedule(rules, now);
                change
            }
        }
    }

    /// The probe itself is another one (path, port, program): one under way is void, and a new one is due
    /// soon, because whoever fixed a check waits for its result.
    pub fn restart(&mut self, now: Moment) {
        if let Some(rules) = self.rules {
            self.in_flight = None;
            let soon = now + self.dice.within(rules.in_doubt().min(SOON));
            self.next = Some(self.next.map_or(soon, |next| next.min(soon)));
        }
    }

    /// Real requests failed: the next probe comes at the fast interval, if there is one (HAProxy's
    /// `on-error fastinter`). Says nothing about health by itself.
    pub fn suspect(&mut self, now: Moment) {
        let fast = self.rules.and_then(|rules| rules.fast_interval);
        if let (Some(fast), Some(next)) = (fast, self.next) {
            let earliest = self.last_start.map_or(now, |last| (last + fast).max(now));
            self.next = Some(next.min(earliest));
        }
    }

    /// When the next probe is due.
    pub const fn next_probe(&self) -> Option<Moment> {
        self.next
    }

    /// Whether health lets it serve.
    pub const fn serving(&self) -> bool {
        matches!(self.verdict, Verdict::Assumed | Verdict::Healthy)
    }

    /// All that is known.
    pub fn report(&self) -> Report {
        Report {
            health: self.verdict.health(),
            serving: self.serving(),
            reason: self.reason.clone(),
            since: self.since,
            last_probe: self.last_probe.clone(),
            successes: self.successes,
            failures: self.failures,
            probing: self.in_flight.is_some(),
            next_probe: self.next,
            flaps: self.flaps,
            warming_from: self.warming_from,
        }
    }

    fn begin_as(&mut self, start: Start) {
        (self.verdict, self.reason) = match start {
            Start::Unproven => (Verdict::Unproven, Reason::Unproven),
            Start::Assumed => (Verdict::Assumed, Reason::Assumed),
            Start::Inherited(known) => self.begin_with(known),
        };
        self.proven = self.verdict.health() != Health::Unknown;
    }

    fn begin_with(&mut self, known: Inherited) -> (Verdict, Reason) {
        let verdict = match known.health {
            Health::Unknown => return (Verdict::Assumed, Reason::Assumed),
            Health::Healthy => Verdict::Healthy,
            Health::Unhealthy => Verdict::Unhealthy,
        };
        (self.successes, self.failures, self.flaps) = (known.successes, known.failures, known.flaps);
        (self.since, self.warming_from) = (known.since, known.warming_from);
        (verdict, Reason::Inherited(known.reason.into()))
    }

    fn count(&mut self, outcome: &ProbeOutcome, in_grace: bool) {
        match outcome.standing() {
            Standing::Success => {
                self.successes = self.successes.saturating_add(1);
                self.failures = 0;
                self.proven = true;
            }
            Standing::Failure if in_grace => return,
            Standing::Failure => {
                self.failures = self.failures.saturating_add(1);
                self.successes = 0;
            }
            Standing::Inconclusive => return,
        }
        self.decisive = Some(outcome.clone());
    }

    fn settle(&mut self, rules: Rules, now: Moment) -> Option<Change> {
        let verdict = self.verdict.after(self.successes, self.failures, rules)?;
        let (from, to) = (self.verdict.health(), verdict.health());
        let last = self.decisive.clone()?;
        self.reason = match last.failure {
            None => Reason::Passed { in_a_row: self.successes, text: last.text },
            Some(kind) => Reason::Failed { in_a_row: self.failures, kind, text: last.text },
        };
        self.warming_from = match (self.verdict, verdict) {
            (Verdict::Unhealthy | Verdict::Unproven, Verdict::Healthy) => Some(now),
            (_, Verdict::Healthy) => self.warming_from,
            _ => None,
        };
        if from != Health::Unknown {
            self.flaps = self.flaps.saturating_add(1);
        }
        self.verdict = verdict;
        self.since = now;
        Some(Change { from, to, reason: self.reason.clone(), at: now })
    }

    fn forget(&mut self, reason: Reason, now: Moment) -> Option<Change> {
        let from = self.verdict.health();
        self.verdict = Verdict::Assumed;
        self.reason = reason;
        (self.successes, self.failures, self.proven) = (0, 0, false);
        (self.first_start, self.last_start, self.in_flight, self.next) = (None, None, None, None);
        (self.last_probe, self.decisive) = (None, None);
        if from == Health::Unknown {
            return None;
        }
        self.since = now;
        Some(Change { from, to: Health::Unknown, reason: self.reason.clone(), at: now })
    }

    fn first_spread(&self, rules: Rules) -> Duration {
        match self.verdict {
            Verdict::Unproven => rules.in_doubt().min(SOON),
            Verdict::Assumed => rules.in_doubt(),
            Verdict::Healthy | Verdict::Unhealthy => rules.interval,
        }
    }

    /// Counted from the last probe's start, so that a stream of config changes can't put a probe off.
    fn reschedule(&mut self, rules: Rules, now: Moment) {
        let Some(next) = self.next else { return };
        self.next = Some(match self.last_start {
            Some(last) => (last + self.dice.jittered(self.pace(rules))).max(now),
            None => next.min(now + self.dice.within(rules.in_doubt())),
        });
    }

    fn pace(&self, rules: Rules) -> Duration {
        let in_doubt = match self.verdict {
            Verdict::Assumed | Verdict::Unproven => true,
            Verdict::Healthy => self.failures > 0,
            Verdict::Unhealthy => self.successes > 0,
        };
        if in_doubt { rules.in_doubt() } else { rules.interval }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Verdict {
    Assumed,
    Unproven,
    Healthy,
    Unhealthy,
}

impl Verdict {
    const fn health(self) -> Health {
        match self {
            Self::Assumed | Self::Unproven => Health::Unknown,
            Self::Healthy => Health::Healthy,
            Self::Unhealthy => Health::Unhealthy,
        }
    }

    /// What these counters make of it; `None` if it stays.
    fn after(self, successes: u32, failures: u32, rules: Rules) -> Option<Self> {
        match self {
            Self::Assumed | Self::Unproven if successes > 0 => Some(Self::Healthy),
            Self::Assumed | Self::Unproven if failures > 0 => Some(Self::Unhealthy),
            Self::Healthy if failures >= rules.unhealthy_threshold => Some(Self::Unhealthy),
            Self::Unhealthy if successes >= rules.healthy_threshold => Some(Self::Healthy),
            _ => None,
        }
    }
}

/// The part of a health check that decides; thresholds are at least 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Rules {
    interval: Duration,
    fast_interval: Option<Duration>,
    healthy_threshold: u32,
    unhealthy_threshold: u32,
    start_grace: Duration,
}

impl Rules {
    fn of(check: &HealthCheck) -> Self {
        Self {
            interval: check.interval,
            fast_interval: check.fast_interval,
            healthy_threshold: u32::from(check.healthy_threshold).max(1),
            unhealthy_threshold: u32::from(check.unhealthy_threshold).max(1),
            start_grace: check.start_grace,
        }
    }

    fn in_doubt(self) -> Duration {
        self.fast_interval.unwrap_or(self.interval)
    }
}

#[cfg(test)]
mod tests;
