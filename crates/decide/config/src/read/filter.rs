//! Filters: what may be edited, and what goes together.

use std::collections::HashSet;
use std::num::{NonZeroU16, NonZeroU32};

use haechi_model::{
    Addresses, BasicAuth, Filters, HeaderEdits, HeaderLine, PathMatch, PathRewrite, Rate, Redirect, Rewrite,
    Scheme,
};

use super::origin::networks;
use super::tls::file;
use super::{References, auth, compression, cors, not_here};
use crate::object::{Object, item, many, map};
use crate::report::{Report, quote};
use crate::tree::Entry;
use crate::value::http;
use crate::{Code, Span, defaults};

/// Fields that belong to one connection or say where a message ends: whoever sends a message writes them itself, and
/// two that differ are how requests are smuggled.
const FRAMING: [&str; 10] = [
    "connection",
    "content-length",
    "expect",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
];

/// Whose fields are edited.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    Request,
    Response,
}

/// The filters of a route that matches `path`; none if they change nothing.
pub(super) fn filters(
    route: &Object<'_, '_>,
    path: &PathMatch,
    over_tls: Option<bool>,
    references: &mut References,
    report: &mut Report,
) -> Option<Box<Filters>> {
    let object = route.section("filters", report);
    let addresses = addresses(&object, report);
    let rate = object.has("rateLimit").then(|| rate(&object, report)).flatten();
    object.node("rateLimit");
    let basic_auth = basic_auth(&object, report);
    let max_request_body = object.size("maxRequestBody", report).ok();
    let max_concurrent = object.int::<u32>("maxConcurrentRequests", report).ok().and_then(NonZeroU32::new);
    let max_response_body = object.size("maxResponseBody", report).ok();
    let cors = object.has("cors").then(|| cors::cors(&object, report));
    object.node("cors");
    let auth = object.has("externalAuth").then(|| auth::external_auth(&object, references, report));
    object.node("externalAuth");
    let request_headers = edits(&object, "requestHeaderModifier", Of::Request, report);
    let response_headers = edits(&object, "responseHeaderModifier", Of::Response, report);
    let rewrite = rewrite(&object, path, report);
    let redirect = object.has("requestRedirect").then(|| redirect(&object, path, over_tls, report));
    if redirect.is_none() {
        object.node("requestRedirect");
    } else {
        for key in [
            "maxConcurrentRequests",
            "basicAuth",
            "maxResponseBody",
            "cors",
            "externalAuth",
            "requestHeaderModifier",
            "responseHeaderModifier",
            "urlRewrite",
        ] {
            let help = "remove it, or the redirect; another route can have the rest";
            not_here(&object, key, "a redirected request reaches no endpoint", help, report);
        }
    }
    let compression = compression::route(&object, redirect.is_some(), report);
    object.done();
    let filters = Filters {
        addresses,
        rate,
        max_concurrent,
        basic_auth,
        max_request_body,
        max_response_body,
        cors,
        auth,
        request_headers,
        response_headers,
        rewrite,
        redirect,
        compression,
    };
    (filters != Filters::default()).then(|| Box::new(filters))
}

fn addresses(filters: &Object<'_, '_>, report: &mut Report) -> Addresses {
    let object = filters.section("clientAddresses", report);
    let allow = networks(&object, "allow", report);
    let deny = networks(&object, "deny", report);
    object.done();
    Addresses { allow, deny }
}

/// None if something in it is wrong, which is told.
fn rate(filters: &Object<'_, '_>, report: &mut Report) -> Option<Rate> {
    let object = filters.section("rateLimit", report);
    let requests = object.int::<u32>("requests", report).ok().and_then(NonZeroU32::new);
    let per = object.duration("per", report).or(defaults::RATE_TIME);
    let burst = object.int::<u32>("burst", report).ok().and_then(NonZeroU32::new);
    object.done();
    let requests = requests?;
    Some(Rate { requests, per, burst: burst.unwrap_or(requests) })
}

fn basic_auth(filters: &Object<'_, '_>, report: &mut Report) -> Option<BasicAuth> {
    let object = filters.section("basicAuth", report);
    let file = file(&object, "file", report);
    let realm = object.parsed("realm", "a text", report, |text, _| http::realm(text));
    let passes_on = object.flag("passOn", report).or(false);
    object.done();
    let realm = realm.ok().unwrap_or_else(|| defaults::REALM.to_owned());
    file.map(|file| BasicAuth { file, realm: realm.into(), passes_on })
}

fn edits(filters: &Object<'_, '_>, key: &str, of: Of, report: &mut Report) -> HeaderEdits {
    let object = filters.section(key, report);
    let mut seen = HashSet::new();
    let set = lines(&object, "set", of, &mut seen, report);
    let add = lines(&object, "add", of, &mut seen, report);
    let mut remove = Vec::new();
    if let Some((node, at)) = object.node("remove") {
        for node in many(node) {
            let name = item(node, at, "remove", "a header name", report, |text, _| http::header_name(text));
            if let Some(name) = name.and_then(|name| editable(name, node.span, of, &mut seen, report)) {
                remove.push(name.into());
            }
        }
    }
    object.done();
    HeaderEdits { set, add, remove }
}

fn lines(
    object: &Object<'_, '_>,
    key: &str,
    of: Of,
    seen: &mut HashSet<String>,
    report: &mut Report,
) -> Vec<HeaderLine> {
    let Some((node, at)) = object.node(key) else { return Vec::new() };
    let entries = map(node, at, key, report).unwrap_or_default();
    entries.iter().filter_map(|entry| line(entry, of, seen, report)).collect()
}

fn line(entry: &Entry<'_>, of: Of, seen: &mut HashSet<String>, report: &mut Report) -> Option<HeaderLine> {
    let Entry { key, value } = entry;
    let value = item(value, key.span, &key.text, "a text", report, |text, _| http::header_value(text));
    let name = match http::header_name(&key.text) {
        Ok(name) => name,
        Err(complaint) => {
            let headline = format!("{} can't be a header name", quote(&key.text));
            complaint.tell(report.add(Code::HeaderName, key.span, headline));
            return None;
        }
    };
    let name = editable(name, key.span, of, seen, report)?;
    Some(HeaderLine { name: name.into(), value: value?.into() })
}

/// A name that may be edited, and is so once.
pub(super) fn editable(
    name: String,
    at: Span,
    of: Of,
    seen: &mut HashSet<String>,
    report: &mut Report,
) -> Option<String> {
    let fixed = match &*name {
        name if FRAMING.contains(&name) => {
            Some(("it frames the message or is for one connection", "remove it; haechi writes it as needed"))
        }
        "host" if of == Of::Request => {
            Some(("a request has one host", "write `urlRewrite: { hostname: … }` beside the edits"))
        }
        "x-forwarded-for" | "x-forwarded-proto" if of == Of::Request => {
            Some(("haechi writes it itself", "endpoints could not trust it otherwise; use another name"))
        }
        _ => None,
    };
    if let Some((why, help)) = fixed {
        let headline = format!("a filter can't change {}", quote(&name));
        report.add(Code::FixedHeader, at, headline).label(why).help(help);
        return None;
    }
    if !seen.insert(name.clone()) {
        report
            .add(Code::DuplicateKey, at, format!("the header {} is edited twice", quote(&name)))
            .label("case does not count in header names")
            .help("`set` takes out what was there and needs no `remove`");
        return None;
    }
    Some(name)
}

fn rewrite(filters: &Object<'_, '_>, matched: &PathMatch, report: &mut Report) -> Rewrite {
    let object = filters.section("urlRewrite", report);
    let host = hostname(&object, report);
    let path = path(&object, matched, report);
    object.done();
    Rewrite { host, path }
}

fn hostname(object: &Object<'_, '_>, report: &mut Report) -> Option<Box<str>> {
    object
        .parsed("hostname", "a host such as `shop.example.com`", report, |text, _| http::host_name(text))
        .ok()
}

fn path(object: &Object<'_, '_>, matched: &PathMatch, report: &mut Report) -> Option<PathRewrite> {
    let given = object.has("path");
    let object = object.section("path", report);
    let prefix = object.parsed("replacePrefixMatch", "a path", report, |text, _| http::path(text));
    let full = object.parsed("replaceFullPath", "a path", report, |text, _| http::path(text));
    match (object.has("replacePrefixMatch"), object.has("replaceFullPath")) {
        (true, true) => {
            let help = "a path is replaced in one way; remove one of them";
            not_here(&object, "replaceFullPath", "beside `replacePrefixMatch`", help, report);
        }
        (true, false) if matches!(matched, PathMatch::Exact(_)) => {
            let help = "write `replaceFullPath`";
            not_here(&object, "replacePrefixMatch", "the route's path is an exact one", help, report);
        }
        (false, false) if given => {
            report
                .add(
                    Code::MissingKey,
                    object.at,
                    "a new path needs `replacePrefixMatch` or `replaceFullPath`",
                )
                .help("such as `path: { replacePrefixMatch: / }`, which takes the route's prefix off");
        }
        _ => {}
    }
    object.done();
    let full = full.ok().map(|path| PathRewrite::Full(path.into()));
    full.or_else(|| prefix.ok().map(|path| PathRewrite::Prefix(http::prefix(path).into())))
}

fn redirect(
    filters: &Object<'_, '_>,
    matched: &PathMatch,
    over_tls: Option<bool>,
    report: &mut Report,
) -> Redirect {
    let object = filters.section("requestRedirect", report);
    let scheme = object.word("scheme", report).ok();
    let scheme = scheme.map(|word| if word == "https" { Scheme::Https } else { Scheme::Http });
    let host = hostname(&object, report);
    let port = object.int::<u16>("port", report).ok().and_then(NonZeroU16::new);
    let path = path(&object, matched, report);
    let status =
        object.parsed("statusCode", "a status such as 301", report, |text, _| http::redirect_status(text));
    let same_scheme = match scheme {
        None => Some(true),
        Some(scheme) => over_tls.map(|over_tls| over_tls == (scheme == Scheme::Https)),
    };
    let others = ["hostname", "port", "path"].into_iter().any(|key| object.has(key));
    if same_scheme == Some(true) && !others {
        report
            .add(Code::RedirectLoop, object.at, "this redirect leads back to where it came from")
            .label("nothing in the new URL differs")
            .help("name another `scheme`, `hostname`, `port` or `path`");
    }
    object.done();
    Redirect { scheme, host, port, path, status: status.or(defaults::REDIRECT_STATUS) }
}
