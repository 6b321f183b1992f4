//! Route lookups against a model that goes through all routes and takes the best, written without any of the
//! table's ideas.
//!
//! Input: lines of routes `HOST PATH METHODS HEADERS` (`-` leaves a part out, `=/x` is an exact path, `*.x` a
//! wildcard, lists by comma), an empty line, lines of requests `HOST PATH METHOD HEADERS`.

#![no_main]

use std::cmp::Reverse;

use haechi_model::{Destination, HeaderMatch, HostMatch, PathMatch, PoolIndex, Route};
use haechi_route::{Query, Table};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (routes, asked) = text.split_once("\n\n").unwrap_or((text, ""));
    let routes: Vec<Route> = routes.lines().map(route).collect();
    let table = Table::new(&routes);
    for line in asked.lines().take(16) {
        let [host, path, method, headers] = parts(line);
        let headers: Vec<(&[u8], &[u8])> =
            pairs(headers).map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        let query = Query {
            host: (host != "-").then_some(host.as_bytes()),
            path: path.as_bytes(),
            method: method.as_bytes(),
            headers: &headers[..],
        };
        let found = table.find(&query);
        assert_eq!(found, naive(&routes, &query), "{line:?}");
        assert_eq!(table.why(&query).is_none(), found.is_some());
    }
});

fn parts(line: &str) -> [&str; 4] {
    let mut words = line.split(' ');
    std::array::from_fn(|_| words.next().unwrap_or("-"))
}

fn pairs(list: &str) -> impl Iterator<Item = (&str, &str)> {
    let items = list.split(',').filter(|item| !matches!(*item, "" | "-"));
    items.map(|item| item.split_once('=').unwrap_or((item, "")))
}

/// As the model wants it: lower case, no final dot, header names in lower case.
fn route(line: &str) -> Route {
    let [host, path, methods, headers] = parts(line);
    let host = host.to_ascii_lowercase();
    let host = host.strip_suffix('.').unwrap_or(&host);
    let host = match host.strip_prefix("*.") {
        Some(parent) => HostMatch::Wildcard(parent.into()),
        None if host == "-" => HostMatch::Any,
        None => HostMatch::Exact(host.into()),
    };
    let path = match path.strip_prefix('=') {
        Some(path) => PathMatch::Exact(path.into()),
        None => PathMatch::Prefix(path.into()),
    };
    let methods = methods.split(',').filter(|method| !matches!(*method, "" | "-")).map(Into::into).collect();
    let headers = pairs(headers)
        .map(|(name, value)| HeaderMatch {
            name: name.to_ascii_lowercase().into(),
            value: (!value.is_empty()).then(|| value.into()),
        })
        .collect();
    Route { host, path, methods, headers, to: Destination::Pool(PoolIndex(0)), filters: None }
}

fn naive(routes: &[Route], query: &Query<'_, [(&[u8], &[u8])]>) -> Option<usize> {
    let name = query.host.and_then(name_of);
    let rank = |(at, route): (usize, &Route)| {
        let takes = takes_method(route, query.method) && takes_headers(route, query.headers);
        let place = (host_rank(&route.host, name.as_ref())?, path_rank(&route.path, query.path)?);
        takes.then_some((place, !route.methods.is_empty(), route.headers.len(), Reverse(at)))
    };
    routes.iter().enumerate().filter_map(rank).max().map(|(.., Reverse(at))| at)
}

/// Lower-case name, and whether it stood in brackets.
fn name_of(sent: &[u8]) -> Option<(String, bool)> {
    let sent = std::str::from_utf8(sent).ok()?;
    let literal = sent.starts_with('[');
    let (name, port) = match sent.split_once(']') {
        Some((name, port)) if literal => (&name[1..], port),
        _ if literal => return None,
        _ => sent.split_at(sent.find(':').unwrap_or(sent.len())),
    };
    let number = match port.strip_prefix(':') {
        Some(number) => number,
        None if port.is_empty() => "",
        None => return None,
    };
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = number.trim_start_matches('0');
    if digits.len() > 5 || digits.parse::<u32>().unwrap_or(0) > 65535 {
        return None;
    }
    let name = if literal { name } else { name.strip_suffix('.').unwrap_or(name) };
    let allowed = |byte: u8| match literal {
        true => byte.is_ascii_hexdigit() || b":.".contains(&byte),
        false => byte.is_ascii_alphanumeric() || b"-_.".contains(&byte),
    };
    let fits = (1..=255).contains(&name.len()) && name.bytes().all(allowed);
    fits.then(|| (name.to_ascii_lowercase(), literal))
}

fn host_rank(known: &HostMatch, sent: Option<&(String, bool)>) -> Option<u8> {
    match known {
        HostMatch::Any => Some(0),
        HostMatch::Exact(known) => {
            let bare = known.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(known);
            (sent?.0 == bare).then_some(2)
        }
        HostMatch::Wildcard(parent) => {
            let bare = parent.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(parent);
            let (name, literal) = sent?;
            let (label, rest) = name.split_once('.')?;
            (!literal && !label.is_empty() && rest == bare).then_some(1)
        }
    }
}

fn path_rank(known: &PathMatch, sent: &[u8]) -> Option<usize> {
    match known {
        PathMatch::Exact(known) => (known.as_bytes() == sent).then_some(usize::MAX),
        PathMatch::Prefix(known) => {
            let known = known.strip_suffix('/').unwrap_or(known).as_bytes();
            let rest = sent.strip_prefix(known)?;
            (known.is_empty() || rest.is_empty() || rest[0] == b'/').then_some(known.len())
        }
    }
}

fn takes_method(route: &Route, method: &[u8]) -> bool {
    route.methods.is_empty() || route.methods.iter().any(|known| known.as_bytes() == method)
}

fn takes_headers(route: &Route, headers: &[(&[u8], &[u8])]) -> bool {
    route.headers.iter().all(|wanted| {
        let mut lines = headers.iter().filter(|line| line.0.eq_ignore_ascii_case(wanted.name.as_bytes()));
        lines.any(|line| wanted.value.as_deref().is_none_or(|value| value.as_bytes() == line.1))
    })
}
