//! Active health checks: which keys belong to which protocol, and times that fit together.

use std::num::NonZeroU16;
use std::time::Duration;

use haechi_model::{BodyMatch, HealthCheck, Probe, ProbeTls, StatusRange};

use super::not_here;
use crate::object::{Object, item, list, many};
use crate::report::Report;
use crate::tree::Data;
use crate::value::{self, Complaint, duration::format, http, number};
use crate::{Code, defaults};

pub(super) fn check(pool: &Object<'_, '_>, report: &mut Report) -> Option<HealthCheck> {
    let object = pool.section("healthCheck", report);
    let default = defaults::health_check(Probe::Tcp);
    let probe = probe(&object, pool.has("tls"), report);
    let (interval, timeout, fast_interval) = times(&object, report);
    let check = HealthCheck {
        probe,
        port: object.int::<u16>("port", report).ok().and_then(NonZeroU16::new),
        interval,
        timeout,
        fast_interval,
        healthy_threshold: object.int("healthyThreshold", report).or(default.healthy_threshold),
        unhealthy_threshold: object.int("unhealthyThreshold", report).or(default.unhealthy_threshold),
        start_grace: object.duration("startGrace", report).or(default.start_grace),
        proxy_protocol: None,
    };
    object.done();
    pool.has("healthCheck").then_some(check)
}

/// Interval, timeout and fast interval.
fn times(object: &Object<'_, '_>, report: &mut Report) -> (Duration, Duration, Option<Duration>) {
    let default = defaults::health_check(Probe::Tcp);
    let interval = object.duration("interval", report);
    let timeout = object.duration("timeout", report);
    let fast = object.duration("fastInterval", report);
    if interval.is_broken() || timeout.is_broken() {
        return (default.interval, default.timeout, None);
    }
    let span = timeout.span().or(interval.span());
    let given = timeout.span().is_some();
    let (interval, timeout) = (interval.or(default.interval), timeout.or(default.timeout));
    if let Some(span) = span.filter(|_| timeout >= interval) {
        let name = if given { "timeout" } else { "default timeout" };
        report
            .add(
                Code::Contradiction,
                span,
                format!(
                    "the {name} of {} is not shorter than the interval of {}",
                    format(timeout),
                    format(interval)
                ),
            )
            .label("probes would overlap")
            .help(format!("set `timeout: {}` or a longer interval", format(interval / 2)));
    }
    if let Some(span) = fast.span().filter(|_| fast.or(interval) > interval) {
        report
            .add(
                Code::Contradiction,
                span,
                format!("the fast interval is longer than the interval of {}", format(interval)),
            )
            .help("it is used while the verdict is in doubt, to decide sooner");
    }
    (interval, timeout, fast.ok())
}

fn probe(object: &Object<'_, '_>, over_tls: bool, report: &mut Report) -> Probe {
    let read = object.word("protocol", report);
    let known = !read.is_broken();
    let protocol = read.or(if over_tls { "https" } else { "http" });
    let http = matches!(protocol, "http" | "https");
    if known {
        for key in ["path", "host", "method", "expect", "body"].into_iter().filter(|_| !http) {
            not_here(
                object,
                key,
                "only http and https checks have it",
                format!("remove it, or set `protocol: http` instead of `{protocol}`"),
                report,
            );
        }
        if protocol != "https" {
            not_here(
                object,
                "tls",
                "only https checks have it",
                "set `protocol: https`, or remove it",
                report,
            );
        }
        if protocol != "udp" {
            for key in ["send", "answer"] {
                not_here(object, key, "only udp checks have it", "set `protocol: udp`, or remove it", report);
            }
        }
        if protocol != "exec" {
            not_here(
                object,
                "command",
                "only exec checks have it",
                "set `protocol: exec`, or remove it",
                report,
            );
        }
    }
    let mut scratch = Report::default();
    let on = |wanted: bool| wanted || !known;
    // Keys that do not apply were reported; their values are of no interest.
    let request = request(object, if on(http) { &mut *report } else { &mut scratch });
    let tls = tls(object, if on(protocol == "https") { &mut *report } else { &mut scratch });
    let datagrams = datagrams(object, if on(protocol == "udp") { &mut *report } else { &mut scratch });
    let command = command(object, if on(protocol == "exec") { &mut *report } else { &mut scratch });
    match protocol {
        "tcp" => Probe::Tcp,
        "udp" => {
            if !object.has("send") {
                report
                    .add(Code::MissingKey, object.at, "a udp check needs `send`")
                    .help("what the service answers to, such as `send: ping` or `send: \"hex:0001\"`");
            }
            datagrams
        }
        "exec" => {
            if !object.has("command") {
                report
                    .add(Code::MissingKey, object.at, "an exec check needs `command`")
                    .help("such as `command: [/usr/local/bin/check, --fast]`");
            }
            Probe::Exec { command }
        }
        "https" => request(Some(tls)),
        _ => request(None),
    }
}

fn request(object: &Object<'_, '_>, report: &mut Report) -> impl FnOnce(Option<ProbeTls>) -> Probe + use<> {
    let path =
        object.parsed("path", "a path such as `/health`", report, |text, _| http::target(text)).or("/");
    let host = object.parsed("host", "a host", report, |text, _| http::authority(text)).ok();
    let method =
        object.parsed("method", "a method such as `GET`", report, |text, _| http::method(text)).or("GET");
    let expect = expect(object, report);
    let body = body(object, report);
    let (method, path, host) = (method.into(), path.into(), host.map(Into::into));
    move |tls| Probe::Http { tls, method, path, host, expect, body }
}

fn datagrams(object: &Object<'_, '_>, report: &mut Report) -> Probe {
    let mut read =
        |key| object.parsed(key, "a text, or `hex:` with bytes", report, |text, _| value::payload(text));
    let send = read("send").ok().unwrap_or_default();
    Probe::Udp { send, answer: read("answer").ok().unwrap_or_default() }
}

fn expect(object: &Object<'_, '_>, report: &mut Report) -> Vec<StatusRange> {
    let default = || vec![StatusRange { first: 200, last: 399 }];
    let Some((node, at)) = object.node("expect") else { return default() };
    if matches!(&node.data, Data::List(items) if items.is_empty()) {
        report
            .add(Code::Status, node.span, "`expect` needs at least one status code")
            .help("remove the key to expect 200-399");
        return default();
    }
    many(node)
        .iter()
        .filter_map(|node| item(node, at, "expect", "a status code", report, |text, _| number::status(text)))
        .collect()
}

fn body(object: &Object<'_, '_>, report: &mut Report) -> Option<BodyMatch> {
    let body = object.section("body", report);
    let contains = body.parsed("contains", "a text", report, |text, _| value::text(text));
    let lacks = body.parsed("lacks", "a text", report, |text, _| value::text(text));
    match (body.has("contains"), body.has("lacks")) {
        (true, true) => not_here(&body, "lacks", "beside `contains`", "a check looks for one text", report),
        (false, false) if matches!(object.node("body"), Some((node, _)) if matches!(node.data, Data::Map(_))) =>
        {
            report
                .add(Code::MissingKey, body.at, "a body match needs `contains` or `lacks`")
                .help("remove `body` to take any body");
        }
        _ => {}
    }
    body.done();
    let contains = contains.ok().map(|text| BodyMatch::Contains(text.into()));
    contains.or(lacks.ok().map(|text| BodyMatch::Lacks(text.into())))
}

fn tls(object: &Object<'_, '_>, report: &mut Report) -> ProbeTls {
    let tls = object.section("tls", report);
    let server_name = tls.parsed("serverName", "a name", report, |text, _| value::text(text));
    let ca_file = tls.parsed("caFile", "a file name", report, |text, _| value::text(text));
    let insecure = tls.flag("insecure", report);
    tls.done();
    let (ca, any) = (ca_file.span(), insecure.or(false));
    if let Some(span) = ca.filter(|_| any) {
        report
            .add(
                Code::Contradiction,
                span,
                "`insecure` accepts any certificate, so `caFile` would not be looked at",
            )
            .help("remove `insecure` to verify by this CA");
    }
    ProbeTls {
        server_name: server_name.ok().map(Into::into),
        ca_file: ca_file.ok().map(Into::into),
        insecure: any,
        client: None,
    }
}

/// A key `command`: program and arguments; empty if it could not be read.
pub(super) fn command(object: &Object<'_, '_>, report: &mut Report) -> Vec<Box<str>> {
    let Some((node, at)) = object.node("command") else { return Vec::new() };
    if let Data::Text { .. } = node.data {
        report
            .add(Code::WrongType, node.span, "`command` must be a list")
            .label("this is text")
            .help("program and arguments are items of their own: `[/bin/sh, -c, \"…\"]` runs a shell");
        return Vec::new();
    }
    let items = list(node, at, "command", report).unwrap_or_default();
    if items.is_empty() && matches!(node.data, Data::List(_)) {
        report
            .add(Code::WrongType, node.span, "`command` needs at least a program")
            .help("such as `[/usr/local/bin/check]`");
    }
    let text = |node| item(node, at, "command", "a text", report, |text, _| argument(text));
    items.iter().filter_map(text).map(Into::into).collect()
}

/// An argument may be empty, unlike other texts.
fn argument(text: &str) -> Result<&str, Complaint> {
    if text.is_empty() { Ok(text) } else { value::text(text) }
}
