//! Where a route leads: one pool, or several with their weights.

use haechi_model::{Destination, Share, Split, SplitBy};

use super::listener::NOWHERE;
use super::{References, not_here};
use crate::object::{Object, item, map};
use crate::report::Report;
use crate::tree::{Data, Entry};
use crate::value::{Complaint, http, number};
use crate::{Code, keys};

/// What a route is like, as far as it matters here.
#[derive(Clone, Copy)]
pub(super) struct Around {
    /// Every request is sent elsewhere.
    pub(super) redirects: bool,
    /// Its keys are those that its author meant.
    pub(super) sound: bool,
}

pub(super) fn destination(
    object: &Object<'_, '_>,
    around: Around,
    references: &mut References,
    report: &mut Report,
) -> Destination {
    if around.redirects {
        for key in ["pool", "pools", "splitBy"] {
            let help = format!("remove `{key}`, or the redirect");
            not_here(object, key, "the route redirects every request", help, report);
        }
        return Destination::Nowhere;
    }
    let by = split_by(object, report);
    if object.has("pools") {
        if object.has("pool") {
            let help = "name this pool with the others, or remove one of the keys";
            not_here(object, "pool", "beside `pools`", help, report);
            references.lose();
        } else {
            object.node("pool");
        }
        let shares = shares(object, references, report);
        return Destination::Split(Box::new(Split { shares, by }));
    }
    object.node("pools");
    not_here(object, "splitBy", "the route has one pool", "remove it, or write `pools`", report);
    if around.sound && !object.has("pool") {
        report
            .add(Code::MissingKey, object.at, "a route needs `pool`")
            .help("`pool`: Where matching requests go; or `pools`, several with their weights.");
    }
    Destination::Pool(references.follow(object, report).unwrap_or(NOWHERE))
}

fn shares(object: &Object<'_, '_>, references: &mut References, report: &mut Report) -> Vec<Share> {
    let Some((node, at)) = object.node("pools") else { return Vec::new() };
    let Some(entries) = map(node, at, "pools", report) else {
        references.lose();
        return Vec::new();
    };
    if entries.is_empty() {
        references.lose();
        report
            .add(Code::MissingKey, at, "`pools` needs at least one pool")
            .help("such as `pools: { stable: 90, canary: 10 }`");
    }
    let before = report.errors();
    let share = |Entry { key, value }: &Entry<'_>| {
        let pool = references.find(&key.text, key.span, report);
        let (least, most) = keys::SPLIT_WEIGHT;
        let weight = item(value, key.span, &key.text, "a weight", report, |text, quoted| {
            let weight = number::int(text, least, most)?;
            if quoted {
                return Err(Complaint::new(Code::Number, "a number has no quotes").suggest(text));
            }
            Ok(u32::try_from(weight).unwrap_or(u32::MAX))
        });
        Some(Share { pool: pool?, weight: weight? })
    };
    let shares: Vec<Share> = entries.iter().filter_map(share).collect();
    if report.errors() == before && !shares.is_empty() && shares.iter().all(|share| share.weight == 0) {
        report
            .add(Code::NothingServes, at, "no pool of this route takes work")
            .label("every weight is 0")
            .help("requests are answered with 503; give one of them a weight");
    }
    shares
}

fn split_by(object: &Object<'_, '_>, report: &mut Report) -> Option<SplitBy> {
    let (node, at) = object.node("splitBy")?;
    if !matches!(node.data, Data::Map(_)) {
        let word = object.word("splitBy", report).ok()?;
        return (word == "clientAddress").then_some(SplitBy::ClientAddress);
    }
    let object = Object::open(node, &keys::SPLIT_BY, at, report)?;
    let header = object.parsed("header", "a header name", report, |text, _| http::header_name(text));
    let cookie = object.parsed("cookie", "a cookie's name", report, |text, _| http::cookie_name(text));
    match (object.has("header"), object.has("cookie")) {
        (true, true) => {
            let help = "one thing decides; remove one of them";
            not_here(&object, "cookie", "beside `header`", help, report);
        }
        (false, false) => {
            report
                .add(Code::MissingKey, object.at, "`splitBy` needs `header` or `cookie`")
                .help("or write `splitBy: clientAddress`");
        }
        _ => {}
    }
    object.done();
    let header = header.ok().map(|name| SplitBy::Header(name.into()));
    header.or_else(|| cookie.ok().map(|name| SplitBy::Cookie(name.into())))
}

/// Reports what a route of a `tls` listener can't see.
pub(super) fn by_address_alone(entry: &Entry<'_>, report: &mut Report) {
    if entry.key.text == "splitBy" && matches!(entry.value.data, Data::Map(_)) {
        report
            .add(Code::NotHere, entry.key.span, "`splitBy` does not apply here")
            .label("what is encrypted can't be seen")
            .help("write `splitBy: clientAddress`, or set `protocol: https` to end TLS here");
    }
}
