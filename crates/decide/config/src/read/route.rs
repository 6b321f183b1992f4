//! Routes: what they match, normalised so that equal matches are equal values.

use std::collections::{HashMap, HashSet};

use haechi_model::{HeaderMatch, HostMatch, PathMatch, Route};

use super::split::Around;
use super::{References, filter, not_here, split};
use crate::object::{Object, item, list, many, map};
use crate::report::{Report, quote};
use crate::tree::{Data, Entry, Node};
use crate::value::{Complaint, http};
use crate::{Code, Span, keys};

/// The routes of one listener.
pub(super) fn routes(
    node: &Node<'_>,
    at: Span,
    over_tls: Option<bool>,
    references: &mut References,
    report: &mut Report,
) -> Vec<Route> {
    let Some(nodes) = list(node, at, "routes", report) else {
        references.lose();
        return Vec::new();
    };
    let mut routes = Vec::with_capacity(nodes.len());
    // Where each route stands; none if it is not what its author meant.
    let mut places = Vec::with_capacity(nodes.len());
    for node in nodes {
        let before = report.errors();
        let Some(object) = Object::open(node, &keys::ROUTE, node.span, report) else {
            references.lose();
            continue;
        };
        // A mistyped `pool` is not also a missing one.
        let sound = report.errors() == before;
        let before = report.errors();
        routes.push(route(object, over_tls, sound, references, report));
        places.push((report.errors() == before && !node.is_broken()).then_some(node.span));
    }
    same(&routes, &places, report);
    routes
}

/// Reports what a route of a `tls` listener can't see.
pub(super) fn by_host_alone(node: &Node<'_>, report: &mut Report) {
    let Data::List(routes) = &node.data else { return };
    for route in routes {
        let Data::Map(entries) = &route.data else { continue };
        entries.iter().for_each(|entry| split::by_address_alone(entry, report));
        for Entry { key, .. } in entries
            .iter()
            .filter(|entry| ["path", "methods", "headers", "filters"].contains(&&*entry.key.text))
        {
            report
                .add(Code::NotHere, key.span, format!("`{}` does not apply here", key.text))
                .label("what is encrypted can't be seen")
                .help("set `protocol: https` to end TLS here, or remove it");
        }
    }
}

fn route(
    object: Object<'_, '_>,
    over_tls: Option<bool>,
    sound: bool,
    references: &mut References,
    report: &mut Report,
) -> Route {
    let host = object.parsed("host", "a host such as `shop.example.com`", report, |text, _| http::host(text));
    let path = path(&object, report);
    let methods = methods(&object, report);
    let headers = headers(&object, report);
    let filters = filter::filters(&object, &path, over_tls, references, report);
    let redirects = filters.as_ref().is_some_and(|filters| filters.redirect.is_some());
    let to = split::destination(&object, Around { redirects, sound }, references, report);
    object.done();
    Route { host: host.or(HostMatch::Any), path, methods, headers, to, filters }
}

fn path(object: &Object<'_, '_>, report: &mut Report) -> PathMatch {
    let all = || PathMatch::Prefix("/".into());
    let Some((node, at)) = object.node("path") else { return all() };
    if matches!(node.data, Data::Map(_)) {
        return Object::open(node, &keys::PATH, at, report)
            .map_or_else(all, |object| path_match(object, report));
    }
    let wanted = "a path such as `/api`, or `{ exact: /api }`";
    item(node, at, "path", wanted, report, |text, _| prefix(text)).map_or_else(all, PathMatch::Prefix)
}

fn path_match(object: Object<'_, '_>, report: &mut Report) -> PathMatch {
    let exact = object.parsed("exact", "a path", report, |text, _| http::path(text));
    let prefix = object.parsed("prefix", "a path", report, |text, _| prefix(text));
    match (object.has("exact"), object.has("prefix")) {
        (true, true) => {
            not_here(&object, "prefix", "beside `exact`", "a route has one path; write two routes", report)
        }
        (false, false) => {
            report
                .add(Code::MissingKey, object.at, "a path match needs `exact` or `prefix`")
                .help("or write the prefix as a plain text");
        }
        _ => {}
    }
    object.done();
    match exact.ok() {
        Some(path) => PathMatch::Exact(path.into()),
        None => PathMatch::Prefix(prefix.or("/".into())),
    }
}

fn prefix(text: &str) -> Result<Box<str>, Complaint> {
    let path = http::path(text)?;
    if path.contains("//") {
        return Err(Complaint::new(Code::Path, "has an empty element")
            .help("a prefix is compared by elements; use `exact` for such a path"));
    }
    Ok(http::prefix(path).into())
}

fn methods(object: &Object<'_, '_>, report: &mut Report) -> Vec<Box<str>> {
    let Some((node, at)) = object.node("methods") else { return Vec::new() };
    if matches!(&node.data, Data::List(items) if items.is_empty()) {
        report
            .add(Code::WrongType, node.span, "`methods` needs at least one method")
            .help("remove the key to take all of them");
    }
    let mut methods: Vec<Box<str>> = Vec::new();
    for node in many(node) {
        let method =
            item(node, at, "methods", "a method such as `GET`", report, |text, _| http::method(text));
        if let Some(method) = method.filter(|method| !methods.iter().any(|known| known.as_ref() == *method)) {
            methods.push(method.into());
        }
    }
    methods
}

fn headers(object: &Object<'_, '_>, report: &mut Report) -> Vec<HeaderMatch> {
    let Some((node, at)) = object.node("headers") else { return Vec::new() };
    let entries = map(node, at, "headers", report).unwrap_or_default();
    let mut names = HashSet::new();
    entries.iter().filter_map(|entry| header(entry, &mut names, report)).collect()
}

fn header(entry: &Entry<'_>, names: &mut HashSet<String>, report: &mut Report) -> Option<HeaderMatch> {
    let Entry { key, value } = entry;
    let value = match value.data {
        Data::Null => Some(None),
        _ => item(value, key.span, &key.text, "a text, or nothing for any value", report, |text, _| {
            http::header_value(text)
        })
        .map(|text| Some(text.into())),
    };
    let name = match http::header_name(&key.text) {
        Ok(name) => name,
        Err(complaint) => {
            complaint.tell(report.add(
                Code::HeaderName,
                key.span,
                format!("{} can't be a header name", quote(&key.text)),
            ));
            return None;
        }
    };
    if !names.insert(name.clone()) {
        report
            .add(Code::DuplicateKey, key.span, format!("the header {} is given twice", quote(&name)))
            .label("case does not count in header names")
            .help("remove one of them; a header has one value here");
        return None;
    }
    Some(HeaderMatch { name: name.into(), value: value? })
}

/// What two routes share if the second one can never match.
type Match<'r> = (&'r HostMatch, &'r PathMatch, Vec<&'r str>, Vec<(&'r str, Option<&'r str>)>);

fn same(routes: &[Route], places: &[Option<Span>], report: &mut Report) {
    let mut seen: HashMap<Match<'_>, Span> = HashMap::with_capacity(routes.len());
    for (route, span) in routes.iter().zip(places).filter_map(|(route, span)| Some((route, (*span)?))) {
        let mut methods: Vec<&str> = route.methods.iter().map(|method| &**method).collect();
        methods.sort_unstable();
        let mut headers: Vec<_> =
            route.headers.iter().map(|header| (&*header.name, header.value.as_deref())).collect();
        headers.sort_unstable();
        let first = *seen.entry((&route.host, &route.path, methods, headers)).or_insert(span);
        if first != span {
            report
                .add(Code::SameRoute, span, "this route never matches")
                .label(format!("the route on line {} matches the same requests", first.line))
                .help("remove it, or tell them apart by host, path, methods or headers");
        }
    }
}
