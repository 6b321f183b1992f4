//! The small sections of a pool: what happens around a request, not where it goes.

use std::time::Duration;

use haechi_model::{PassiveCheck, Queue, Retry, RetryOn, SourceMask, UpstreamKeepAlive, UpstreamTimeouts};

use crate::object::{Object, Read, item, list};
use crate::report::Report;
use crate::value::{Complaint, duration::format, number};
use crate::{Code, defaults, keys};

pub(super) fn passive(pool: &Object<'_, '_>, report: &mut Report) -> Option<PassiveCheck> {
    let object = pool.section("passive", report);
    let default = defaults::passive_check();
    let consecutive_failures = object.int("consecutiveFailures", report).or(default.consecutive_failures);
    let first = object.duration("ejectionTime", report);
    let longest = object.duration("maxEjectionTime", report);
    let max_ejected = object.percent("maxEjected", report).or(default.max_ejected);
    object.done();
    let broken = first.is_broken() || longest.is_broken();
    let span = longest.span().or(first.span());
    let (ejection_time, max_ejection_time) =
        (first.or(default.ejection_time), longest.or(default.max_ejection_time));
    if let Some(span) = span.filter(|_| !broken && max_ejection_time < ejection_time) {
        report
            .add(
                Code::Contradiction,
                span,
                format!(
                    "the longest ejection of {} is shorter than the first of {}",
                    format(max_ejection_time),
                    format(ejection_time)
                ),
            )
            .help("raise `maxEjectionTime` or lower `ejectionTime`");
    }
    pool.has("passive").then_some(PassiveCheck {
        consecutive_failures,
        ejection_time,
        max_ejection_time,
        max_ejected,
    })
}

pub(super) fn retry(pool: &Object<'_, '_>, report: &mut Report) -> Retry {
    let object = pool.section("retry", report);
    let default = Retry::default();
    let tries = object.int("tries", report);
    if matches!(tries, Read::Given(1, _)) {
        for key in ["on", "budget", "budgetFloor"].into_iter().filter(|key| object.has(key)) {
            report
                .add(Code::Idle, object.key_span(key), format!("`{key}` has no effect"))
                .label("with `tries: 1` nothing is tried again")
                .help("remove it, or allow more tries");
        }
    }
    let retry = Retry {
        tries: tries.or(default.tries),
        on: retry_on(&object, report),
        budget: object.percent("budget", report).or(default.budget),
        budget_floor: object.int("budgetFloor", report).or(default.budget_floor),
    };
    object.done();
    retry
}

/// One condition of `retry.on`.
enum Condition {
    Error,
    Timeout,
    Status(u16),
}

fn retry_on(object: &Object<'_, '_>, report: &mut Report) -> RetryOn {
    let Some((node, at)) = object.node("on") else { return RetryOn::default() };
    let mut on = RetryOn { error: false, timeout: false, status: Vec::new() };
    for node in list(node, at, "on", report).unwrap_or_default() {
        match item(node, at, "on", "`error`, `timeout` or a status code", report, |text, _| condition(text)) {
            Some(Condition::Error) => on.error = true,
            Some(Condition::Timeout) => on.timeout = true,
            Some(Condition::Status(status)) if !on.status.contains(&status) => on.status.push(status),
            Some(Condition::Status(_)) | None => {}
        }
    }
    on
}

fn condition(text: &str) -> Result<Condition, Complaint> {
    match text {
        "error" => return Ok(Condition::Error),
        "timeout" => return Ok(Condition::Timeout),
        _ => {}
    }
    let status = number::int(text, keys::RETRY_STATUS.0, keys::RETRY_STATUS.1)
        .ok()
        .and_then(|status| u16::try_from(status).ok());
    status
        .map(Condition::Status)
        .ok_or_else(|| Complaint::new(Code::Word, "not `error`, `timeout` or a status code from 400 to 599"))
}

pub(super) fn timeouts(pool: &Object<'_, '_>, report: &mut Report) -> UpstreamTimeouts {
    let object = pool.section("timeouts", report);
    let default = UpstreamTimeouts::default();
    let timeouts = UpstreamTimeouts {
        connect: object.duration("connect", report).or(default.connect),
        read: object.duration("read", report).or(default.read),
        send: object.duration("send", report).or(default.send),
    };
    object.done();
    timeouts
}

pub(super) fn queue(pool: &Object<'_, '_>, report: &mut Report) -> Queue {
    let object = pool.section("queue", report);
    let default = Queue::default();
    let queue = Queue {
        size: object.int("size", report).or(default.size),
        timeout: object.duration("timeout", report).or(default.timeout),
    };
    object.done();
    queue
}

pub(super) fn keep_alive(pool: &Object<'_, '_>, report: &mut Report) -> UpstreamKeepAlive {
    let object = pool.section("keepAlive", report);
    let default = UpstreamKeepAlive::default();
    let keep_alive = UpstreamKeepAlive {
        idle: object.int("idle", report).or(default.idle),
        idle_timeout: object.duration("idleTimeout", report).or(default.idle_timeout),
        max_age: object.duration("maxAge", report).or(default.max_age),
        max_requests: object.int("maxRequests", report).or(default.max_requests),
    };
    object.done();
    keep_alive
}

pub(super) fn drain(pool: &Object<'_, '_>, report: &mut Report) -> Duration {
    let object = pool.section("drain", report);
    let timeout = object.duration("timeout", report).or(defaults::DRAIN);
    object.done();
    timeout
}

pub(super) fn source_mask(pool: &Object<'_, '_>, report: &mut Report) -> SourceMask {
    let object = pool.section("sourceMask", report);
    let default = SourceMask::default();
    let mask = SourceMask {
        v4: object.int("v4", report).or(default.v4),
        v6: object.int("v6", report).or(default.v6),
        port: object.flag("port", report).or(default.port),
    };
    object.done();
    mask
}
