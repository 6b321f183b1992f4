//! What makes a node a worse one: by how much, or altogether.

use std::num::NonZeroU8;
use std::time::Duration;

use haechi_model::{
    InterfaceName, Pool, Track, TrackEffect, TrackedInterface, TrackedPool, TrackedProgram, TrackedRequests,
};

use super::super::{References, health, named};
use crate::object::{Object, Read, map};
use crate::report::{Report, quote};
use crate::tree::Entry;
use crate::value::{self, duration::format};
use crate::{Code, defaults, keys};

/// What an effect that could not be read becomes; the snapshot is not given out then.
const BROKEN: TrackEffect = TrackEffect::Fault;

pub(super) fn track(
    router: &Object<'_, '_>,
    interface: Option<&str>,
    pools: &[Pool],
    references: &mut References,
    report: &mut Report,
) -> Track {
    let object = router.section("track", report);
    let track = Track {
        interfaces: interfaces(&object, interface, report),
        pools: tracked_pools(&object, pools, references, report),
        programs: programs(&object, report),
        proxy: proxy(&object, report),
        requests: requests(&object, report),
    };
    object.done();
    track
}

/// `lower` or `fault: true`; `None` if neither is said.
fn effect(object: &Object<'_, '_>, report: &mut Report) -> Option<TrackEffect> {
    let lower = object.int::<u8>("lower", report);
    let fault = object.flag("fault", report);
    if let (Some(span), Read::Given(true, _)) = (lower.span(), fault) {
        report
            .add(Code::Contradiction, span, "`lower` beside `fault: true`")
            .label("a node that is out has no priority to lower")
            .help("remove one of them");
    }
    if lower.is_broken() || fault.is_broken() {
        return Some(BROKEN);
    }
    match lower.ok().and_then(NonZeroU8::new) {
        Some(lower) => Some(TrackEffect::Lower(lower)),
        None => fault.or(false).then_some(TrackEffect::Fault),
    }
}

/// The same where one must be said: whether a bad pool takes a node out or only behind the others decides
/// what happens when it is bad for all nodes, so it is nobody's to guess.
fn must_effect(object: &Object<'_, '_>, what: &str, report: &mut Report) -> TrackEffect {
    effect(object, report).unwrap_or_else(|| {
        report
            .add(Code::MissingKey, object.at, format!("{what} needs `lower` or `fault: true`"))
            .help("`lower: 50` makes this node a worse one while it is bad, `fault: true` takes it out");
        BROKEN
    })
}

fn interfaces(object: &Object<'_, '_>, own: Option<&str>, report: &mut Report) -> Vec<TrackedInterface> {
    let Some((node, at)) = object.node("interfaces") else { return Vec::new() };
    let mut tracked = Vec::new();
    for Entry { key, value } in map(node, at, "interfaces", report).unwrap_or_default() {
        if let Err(complaint) = value::interface(&key.text) {
            let headline = format!("{} can't be an interface", quote(&key.text));
            complaint.tell(report.add(Code::Interface, key.span, headline));
        }
        if own == Some(&*key.text) {
            report
                .add(Code::Idle, key.span, format!("tracking {} has no effect", quote(&key.text)))
                .label("the virtual router's own interface takes it out whenever it is down")
                .help("remove it");
        }
        let Some(object) = Object::open(value, &keys::TRACK_INTERFACE, key.span, report) else { continue };
        let effect = must_effect(&object, "a tracked interface", report);
        object.done();
        tracked.push(TrackedInterface { interface: InterfaceName::from(&*key.text), effect });
    }
    tracked
}

fn tracked_pools(
    object: &Object<'_, '_>,
    pools: &[Pool],
    references: &mut References,
    report: &mut Report,
) -> Vec<TrackedPool> {
    let Some((node, at)) = object.node("pools") else { return Vec::new() };
    let mut tracked = Vec::new();
    for Entry { key, value } in map(node, at, "pools", report).unwrap_or_default() {
        let pool = references.find(&key.text, key.span, report);
        if let Some(pool) = pool.and_then(|pool| pools.get(pool.index()))
            && pool.health_check.is_none()
            && pool.passive.is_none()
        {
            report
                .add(Code::Idle, key.span, format!("tracking {} has no effect", quote(&key.text)))
                .label(
                    "without `healthCheck` and `passive` its endpoints are always taken to be able to serve",
                )
                .help("give the pool a health check, or remove it here");
        }
        let Some(object) = Object::open(value, &keys::TRACK_POOL, key.span, report) else { continue };
        let healthy_share =
            share(&object, "healthyShare", defaults::HEALTHY_SHARE, "it would never be bad", report);
        let effect = must_effect(&object, "a tracked pool", report);
        object.done();
        tracked.extend(pool.map(|pool| TrackedPool { pool, healthy_share, effect }));
    }
    tracked
}

/// A percentage from 1 on.
fn share(object: &Object<'_, '_>, key: &str, default: u8, zero: &str, report: &mut Report) -> u8 {
    let share = object.percent(key, report);
    if let Read::Given(0, span) = share {
        report.add(Code::Percent, span, format!("`{key}` can't be 0")).label(zero).help("it takes 1 to 100");
    }
    share.or(default)
}

fn programs(object: &Object<'_, '_>, report: &mut Report) -> Vec<TrackedProgram> {
    let mut tracked = Vec::new();
    for Entry { key, value } in named(object, "programs", "a program", report).unwrap_or_default() {
        let Some(object) = Object::open(value, &keys::TRACK_PROGRAM, key.span, report) else { continue };
        let command = health::command(&object, report);
        let (interval, timeout) = times(&object, report);
        let effect = must_effect(&object, "a tracked program", report);
        object.done();
        tracked.push(TrackedProgram { name: key.text.as_ref().into(), command, interval, timeout, effect });
    }
    tracked
}

fn times(object: &Object<'_, '_>, report: &mut Report) -> (Duration, Duration) {
    let interval = object.duration("interval", report);
    let broken = interval.is_broken();
    let interval = interval.or(defaults::PROGRAM_INTERVAL);
    let timeout = object.duration("timeout", report);
    if let Read::Given(_, span) = timeout
        && timeout.or(interval) > interval
        && !broken
    {
        report
            .add(
                Code::Contradiction,
                span,
                format!(
                    "the timeout of {} is longer than the interval of {}",
                    format(timeout.or(interval)),
                    format(interval)
                ),
            )
            .label("two of them would run at a time")
            .help(format!("set `timeout: {}` or a longer interval", format(interval)));
    }
    (interval, timeout.or(interval))
}

fn proxy(object: &Object<'_, '_>, report: &mut Report) -> Option<TrackEffect> {
    let given = object.has("proxy");
    let object = object.section("proxy", report);
    let silent = !object.has("lower") && !object.has("fault");
    let effect = effect(&object, report);
    object.done();
    if !given || silent { Track::default().proxy } else { effect }
}

fn requests(object: &Object<'_, '_>, report: &mut Report) -> Option<TrackedRequests> {
    let given = object.has("requests");
    let object = object.section("requests", report);
    let failed_share =
        share(&object, "failedShare", defaults::FAILED_SHARE, "it would always be bad", report);
    let read = TrackedRequests {
        window: object.duration("window", report).or(defaults::REQUESTS_WINDOW),
        failed_share,
        minimum: object.int("minimum", report).or(defaults::REQUESTS_MINIMUM),
        effect: if given {
            must_effect(&object, "`requests`", report)
        } else {
            effect(&object, report).unwrap_or(BROKEN)
        },
    };
    object.done();
    given.then_some(read)
}
