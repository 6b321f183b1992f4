//! Samples of each endpoint.

use std::fmt::Display;

use haechi_model::{AdminState, Health};
use haechi_telemetry::metric::{self as names, Family};

use super::text::{Buckets, Exposition};
use crate::api::{EndpointStatus, PoolStatus};
use crate::words;

/// Classes of statuses, in the order of [`EndpointStatus::statuses`].
pub(super) const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

pub(super) fn render(pools: &[PoolStatus], out: &mut Exposition) {
    info(pools, out);
    let known = |endpoint: &EndpointStatus| (endpoint.health != Health::Unknown).then(|| healthy(endpoint));
    each(pools, out, &names::ENDPOINT_HEALTHY, known);
    each(pools, out, &names::ENDPOINT_SERVING, |endpoint| Some(u8::from(takes_work(endpoint))));
    each(pools, out, &names::ENDPOINT_IN_FLIGHT, |endpoint| Some(endpoint.in_flight));
    each(pools, out, &names::ENDPOINT_REQUESTS, |endpoint| Some(endpoint.requests));
    responses(pools, out);
    each(pools, out, &names::ENDPOINT_FAILURES, |endpoint| Some(endpoint.failures));
    each(pools, out, &names::ENDPOINT_RETRIES, |endpoint| Some(endpoint.retries));
    each(pools, out, &names::ENDPOINT_CONNECTS, |endpoint| Some(endpoint.connects));
    bytes(pools, out);
    let mut samples = out.family(&names::ENDPOINT_RESPONSE_SECONDS);
    for (pool, endpoint) in all(pools) {
        samples.histogram(&[&pool.name, &endpoint.name], &buckets(endpoint));
    }
}

/// The histogram of one endpoint. Its bounds end somewhere, so slower responses are in the sum over
/// statuses only.
pub(super) fn buckets(endpoint: &EndpointStatus) -> Buckets<'_> {
    let bounded = endpoint.latency.last().map_or(0, |(_, count)| *count);
    let count = endpoint.statuses.iter().sum::<u64>().max(bounded);
    Buckets { at_most: &endpoint.latency, sum: endpoint.latency_sum_seconds, count }
}

pub(super) fn all(pools: &[PoolStatus]) -> impl Iterator<Item = (&PoolStatus, &EndpointStatus)> {
    pools.iter().flat_map(|pool| pool.endpoints.iter().map(move |endpoint| (pool, endpoint)))
}

fn each<V: Display>(
    pools: &[PoolStatus],
    out: &mut Exposition,
    family: &Family,
    value: impl Fn(&EndpointStatus) -> Option<V>,
) {
    let mut samples = out.family(family);
    for (pool, endpoint) in all(pools) {
        if let Some(value) = value(endpoint) {
            samples.sample(&[&pool.name, &endpoint.name], value);
        }
    }
}

fn info(pools: &[PoolStatus], out: &mut Exposition) {
    let mut samples = out.family(&names::ENDPOINT_INFO);
    for (pool, endpoint) in all(pools) {
        let labels = [
            pool.name.as_str(),
            &endpoint.name,
            &endpoint.address.to_string(),
            endpoint.zone.as_deref().unwrap_or_default(),
            words::admin(endpoint.admin),
            words::health(endpoint.health),
        ];
        samples.sample(&labels, 1);
    }
}

fn responses(pools: &[PoolStatus], out: &mut Exposition) {
    let mut samples = out.family(&names::ENDPOINT_RESPONSES);
    for (pool, endpoint) in all(pools) {
        for (class, count) in CLASSES.iter().zip(endpoint.statuses) {
            samples.sample(&[&pool.name, &endpoint.name, class], count);
        }
    }
}

fn bytes(pools: &[PoolStatus], out: &mut Exposition) {
    let mut samples = out.family(&names::ENDPOINT_BYTES);
    for (pool, endpoint) in all(pools) {
        samples.sample(&[&pool.name, &endpoint.name, "in"], endpoint.bytes_in);
        samples.sample(&[&pool.name, &endpoint.name, "out"], endpoint.bytes_out);
    }
}

fn healthy(endpoint: &EndpointStatus) -> u8 {
    u8::from(endpoint.health == Health::Healthy)
}

fn takes_work(endpoint: &EndpointStatus) -> bool {
    endpoint.serving && !endpoint.ejected && endpoint.admin == AdminState::Enabled && endpoint.weight > 0
}
