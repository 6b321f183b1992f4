//! Whether real requests succeed, as far as this node or its endpoints are to blame when they don't.
//!
//! Not counted: what clients do wrong, and answers below 500, because anybody can ask for a path that does not
//! exist. Nor what endpoints answer themselves: they answer the same through another node.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use haechi_ha::Tracked;
use haechi_model::{Fault, ListenerKind, Moment, Side, TrackedRequests, VirtualRouter, VirtualRouterName};
use haechi_proxy::{ListenerTotals, Live};

use super::tracks::tracked;

/// Samples of one window: its edge is then at most 2 % off, and a long window costs no more than a short one.
const SAMPLES: u32 = 50;

/// How long a bad verdict stands without requests to judge by. A node that lost the address loses its requests too,
/// and would take it back at once, to fail again; haechi-vrrp calls a node calm after the same minute.
const STANDS: Duration = Duration::from_secs(60);

/// The windows of all virtual routers that track requests.
#[derive(Default)]
pub(super) struct Requests(HashMap<VirtualRouterName, Window>);

/// Requests and failures since the start, up to a moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Sums {
    requests: u64,
    failed: u64,
}

struct Window {
    settings: TrackedRequests,
    samples: VecDeque<(Moment, Sums)>,
    /// Since when it is bad, and why; moves on with each look that confirms it.
    bad: Option<(Moment, String)>,
    text: String,
}

impl Requests {
    /// Looks at what was counted until now.
    pub(super) fn look(&mut self, now: Moment, live: &Live, routers: &[VirtualRouter]) {
        let wanted: HashMap<&VirtualRouterName, TrackedRequests> =
            routers.iter().filter_map(|router| Some((&router.name, router.track.requests?))).collect();
        self.0.retain(|name, window| wanted.get(name) == Some(&window.settings));
        if wanted.is_empty() {
            return;
        }
        let sums = sums(live);
        for (name, settings) in wanted {
            self.0.entry(name.clone()).or_insert_with(|| Window::new(settings)).add(now, sums);
        }
    }

    /// What one virtual router's window says.
    pub(super) fn of(&self, router: &VirtualRouter) -> Option<Tracked> {
        let window = self.0.get(&router.name)?;
        let verdict = match &window.bad {
            Some((_, text)) => Err(text.clone()),
            None => Ok(window.text.clone()),
        };
        Some(tracked("requests", window.settings.effect, verdict))
    }
}

impl Window {
    fn new(settings: TrackedRequests) -> Self {
        Self { settings, samples: VecDeque::new(), bad: None, text: String::new() }
    }

    fn add(&mut self, now: Moment, sums: Sums) {
        let TrackedRequests { window, failed_share, minimum, .. } = self.settings;
        if self.samples.back().is_none_or(|(at, _)| now.since(*at) >= window / SAMPLES) {
            self.samples.push_back((now, sums));
        }
        // The newest of those that are a window old stays: it is the window's edge.
        while self.samples.get(1).is_some_and(|(at, _)| now.since(*at) >= window) {
            self.samples.pop_front();
        }
        let edge = self.samples.front().map_or(sums, |(_, edge)| *edge);
        // A listener that went took its counters along.
        let requests = sums.requests.saturating_sub(edge.requests);
        let failed = sums.failed.saturating_sub(edge.failed).min(requests);
        self.text = format!("{failed} of {requests} failed in {window:?}, {failed_share} % may not");
        if requests < u64::from(minimum.max(1)) {
            self.bad.take_if(|(at, _)| now.since(*at) >= STANDS);
        } else if failed * 100 >= u64::from(failed_share) * requests {
            self.bad = Some((now, self.text.clone()));
        } else {
            self.bad = None;
        }
    }
}

fn sums(live: &Live) -> Sums {
    let mut sums = Sums::default();
    for listener in &live.listeners {
        let totals = listener.totals();
        sums.requests += match listener.config.kind {
            ListenerKind::Http(_) => totals.requests,
            ListenerKind::Tcp(_) | ListenerKind::Tls(_) | ListenerKind::Udp(_) => totals.accepted,
        };
        sums.failed += failed(&totals);
    }
    sums
}

fn failed(totals: &ListenerTotals) -> u64 {
    let ours = |fault: &Fault| fault.side() != Side::Client && fault.status() >= 500;
    totals.faults.iter().filter(|(fault, _)| ours(fault)).map(|(_, count)| count).sum()
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU8;

    use haechi_model::TrackEffect;

    use super::*;

    fn window() -> Window {
        Window::new(TrackedRequests {
            window: Duration::from_secs(5),
            failed_share: 50,
            minimum: 20,
            effect: TrackEffect::Lower(NonZeroU8::MIN),
        })
    }

    fn at(seconds: u64) -> Moment {
        Moment::ORIGIN + Duration::from_secs(seconds)
    }

    #[test]
    fn a_share_counts_over_enough_requests_in_the_window_only() {
        // Seconds, requests and failures until then, and whether that is bad.
        let table = [
            (0, 1000, 1000, false), // what was before the first look
            (1, 1019, 1019, false), // one too few
            (2, 1020, 1020, true),
            (3, 1041, 1020, false), // 20 of 41
            (4, 1041, 1041, true),
            (5, 1041, 1041, true),
            (20, 1041, 1041, true), // no request: it stands
            (63, 1041, 1041, true),
            (66, 1041, 1041, false), // a minute after it was last seen to be so
            (67, 10, 5, false),      // a listener went with its counters
        ];
        let mut window = window();
        for (second, requests, failed, bad) in table {
            window.add(at(second), Sums { requests, failed });
            assert_eq!(window.bad.is_some(), bad, "second {second}: {}", window.text);
        }
    }

    #[test]
    fn a_long_run_keeps_few_samples() {
        let mut window = window();
        for step in 0..10_000 {
            window
                .add(Moment::ORIGIN + Duration::from_millis(step * 100), Sums { requests: step, failed: 0 });
            assert!(window.samples.len() <= 53, "{}", window.samples.len());
        }
        assert!(window.text.starts_with("0 of 50"), "{}", window.text);
    }

    #[test]
    fn what_clients_do_wrong_is_not_this_nodes_failure() {
        let totals = ListenerTotals {
            faults: Fault::ALL.iter().map(|it| (*it, 1)).collect(),
            ..ListenerTotals::default()
        };
        let counted: Vec<_> = Fault::ALL
            .iter()
            .filter(|fault| !matches!(fault.side(), Side::Client) && **fault != Fault::NoRoute)
            .collect();
        assert_eq!(failed(&totals), u64::try_from(counted.len()).unwrap());
    }
}
