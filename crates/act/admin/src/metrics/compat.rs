//! Names that alerts and dashboards written for nginx look for, so that they keep working.

use haechi_model::Fault;
use haechi_telemetry::metric as names;

use super::endpoint::{self, CLASSES};
use super::text::{Buckets, Exposition};
use crate::api::{EndpointStatus, Status};

pub(super) fn render(status: &Status, out: &mut Exposition) {
    let mut samples = out.family(&names::NGINX_REQUESTS);
    // `status=~"5.."`, which is what alerts ask, takes `5xx` as it takes `503`.
    for (class, count) in CLASSES.iter().zip(classes(status)) {
        samples.sample(&[class], count);
    }
    let (at_most, sum, count) = durations(status);
    let mut samples = out.family(&names::NGINX_DURATION);
    samples.histogram(&[], &Buckets { at_most: &at_most, sum, count });
}

/// Responses by class: those of endpoints and those that haechi gave in an endpoint's place. A request ends
/// as exactly one of both.
fn classes(status: &Status) -> [u64; 5] {
    let mut classes = [0; 5];
    for (_, endpoint) in endpoint::all(&status.pools) {
        classes.iter_mut().zip(endpoint.statuses).for_each(|(sum, count)| *sum += count);
    }
    for listener in &status.listeners {
        for fault in Fault::ALL {
            let class = usize::from(fault.status() / 100).saturating_sub(1).min(classes.len() - 1);
            classes[class] += listener.faults.get(fault.name()).copied().unwrap_or(0);
        }
    }
    classes
}

fn durations(status: &Status) -> (Vec<(f64, u64)>, f64, u64) {
    let endpoints = || endpoint::all(&status.pools).map(|(_, endpoint)| endpoint);
    let mut bounds: Vec<f64> =
        endpoints().flat_map(|one| one.latency.iter().map(|(bound, _)| *bound)).collect();
    bounds.sort_by(f64::total_cmp);
    bounds.dedup();
    let at_most =
        bounds.into_iter().map(|bound| (bound, endpoints().map(|one| at_most(one, bound)).sum())).collect();
    let sum = endpoints().map(|one| one.latency_sum_seconds).sum();
    let count = endpoints().map(|one| endpoint::buckets(one).count).sum();
    (at_most, sum, count)
}

/// Responses of an endpoint that are known to have taken at most so many seconds.
fn at_most(endpoint: &EndpointStatus, seconds: f64) -> u64 {
    endpoint.latency.iter().rev().find(|(bound, _)| *bound <= seconds).map_or(0, |(_, count)| *count)
}
