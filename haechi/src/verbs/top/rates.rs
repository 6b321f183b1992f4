//! What happens per second, from two looks at counters.

use std::collections::BTreeMap;
use std::time::Duration;

use haechi_admin::api::Status;
use serde::Serialize;

/// Rates by name. What was not there before, or started anew, has none.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub(in crate::verbs) struct Rates {
    listeners: BTreeMap<String, ListenerRates>,
    /// By `pool/endpoint`.
    endpoints: BTreeMap<String, EndpointRates>,
}

/// Per second.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub(in crate::verbs) struct ListenerRates {
    pub(in crate::verbs) connections: f64,
    pub(in crate::verbs) requests: f64,
}

/// Per second.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub(in crate::verbs) struct EndpointRates {
    pub(in crate::verbs) requests: f64,
    pub(in crate::verbs) failures: f64,
}

impl Rates {
    /// From one status to a later one.
    pub(in crate::verbs) fn between(before: &Status, now: &Status, time: Duration) -> Self {
        if (before.pid, before.started_at_ms) != (now.pid, now.started_at_ms) || time.is_zero() {
            return Self::default();
        }
        let per_second = |before: u64, now: u64| Some(now.checked_sub(before)? as f64 / time.as_secs_f64());
        let mut rates = Self::default();
        for listener in &now.listeners {
            let earlier = before.listeners.iter().find(|one| one.name == listener.name);
            let found = earlier.and_then(|earlier| {
                let connections = per_second(earlier.accepted, listener.accepted)?;
                Some(ListenerRates {
                    connections,
                    requests: per_second(earlier.requests, listener.requests)?,
                })
            });
            rates.listeners.extend(found.map(|found| (listener.name.clone(), found)));
        }
        let earlier = endpoints(before);
        for (id, (requests, failures)) in endpoints(now) {
            let found = earlier.get(&id).and_then(|earlier| {
                let requests = per_second(earlier.0, requests)?;
                Some(EndpointRates { requests, failures: per_second(earlier.1, failures)? })
            });
            rates.endpoints.extend(found.map(|found| (id, found)));
        }
        rates
    }

    pub(in crate::verbs) fn listener(&self, name: &str) -> Option<ListenerRates> {
        self.listeners.get(name).copied()
    }

    pub(in crate::verbs) fn endpoint(&self, pool: &str, endpoint: &str) -> Option<EndpointRates> {
        self.endpoints.get(&id(pool, endpoint)).copied()
    }
}

fn endpoints(status: &Status) -> BTreeMap<String, (u64, u64)> {
    let all =
        status.pools.iter().flat_map(|pool| pool.endpoints.iter().map(move |endpoint| (pool, endpoint)));
    all.map(|(pool, endpoint)| (id(&pool.name, &endpoint.name), (endpoint.requests, endpoint.failures)))
        .collect()
}

fn id(pool: &str, endpoint: &str) -> String {
    format!("{pool}/{endpoint}")
}

#[cfg(test)]
mod tests {
    use super::super::super::screen::tests::{endpoint, status};
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn counters_become_rates() {
        let (before, mut now) = (status(), status());
        now.listeners[0].requests += 50;
        now.listeners[0].accepted += 5;
        now.pools[0].endpoints[1].requests += 30;
        now.pools[0].endpoints[1].failures += 1;
        let rates = Rates::between(&before, &now, Duration::from_millis(500));
        assert_eq!(rates.listener("web"), Some(ListenerRates { connections: 10.0, requests: 100.0 }));
        assert_eq!(rates.endpoint("web", "web-1"), Some(EndpointRates { requests: 0.0, failures: 0.0 }));
        assert_eq!(rates.endpoint("web", "web-2"), Some(EndpointRates { requests: 60.0, failures: 2.0 }));
        assert_eq!(rates.endpoint("web", "web-3"), None);
    }

    #[test]
    fn what_is_new_or_anew_has_none() {
        let (before, mut now) = (status(), status());
        now.pools[0].endpoints.push(endpoint("web-3"));
        now.pools[0].endpoints[0].requests = 0;
        let rates = Rates::between(&before, &now, SECOND);
        assert_eq!((rates.endpoint("web", "web-3"), rates.endpoint("web", "web-1")), (None, None));
        now.started_at_ms += 1;
        assert_eq!(Rates::between(&before, &now, SECOND), Rates::default());
        assert_eq!(Rates::between(&before, &before, Duration::ZERO), Rates::default());
    }
}
