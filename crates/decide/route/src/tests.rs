//! The table against rows that people can check, and against a model that goes through all routes.

mod hostile;
mod model;
mod rows;

use haechi_model::{Destination, HeaderMatch, HostMatch, PathMatch, PoolIndex, Route};

use crate::{Query, Table};

/// `any`, `*.parent` or a host.
fn host(text: &str) -> HostMatch {
    match text.strip_prefix("*.") {
        _ if text == "any" => HostMatch::Any,
        Some(parent) => HostMatch::Wildcard(parent.into()),
        None => HostMatch::Exact(text.into()),
    }
}

/// `=/path` is exact, all else a prefix.
fn path(text: &str) -> PathMatch {
    match text.strip_prefix('=') {
        Some(exact) => PathMatch::Exact(exact.into()),
        None => PathMatch::Prefix(text.into()),
    }
}

/// Methods separated by `|`, headers as `name` or `name:value` separated by `,`.
fn route(h: &str, p: &str, methods: &str, headers: &str) -> Route {
    let words = |text: &str, by: char| -> Vec<String> {
        text.split(by).filter(|word| !word.is_empty()).map(str::to_owned).collect()
    };
    let header = |text: &String| match text.split_once(':') {
        Some((name, value)) => HeaderMatch { name: name.into(), value: Some(value.into()) },
        None => HeaderMatch { name: text.as_str().into(), value: None },
    };
    Route {
        host: host(h),
        path: path(p),
        methods: words(methods, '|').into_iter().map(Into::into).collect(),
        headers: words(headers, ',').iter().map(header).collect(),
        to: Destination::Pool(PoolIndex(0)),
        filters: None,
    }
}

type Lines<'a> = Vec<(&'a [u8], &'a [u8])>;

fn lines<'a>(headers: &[(&'a str, &'a str)]) -> Lines<'a> {
    headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect()
}

fn find(table: &Table, host: &str, path: &str) -> Option<usize> {
    table.find(&Query { host: Some(host.as_bytes()), path: path.as_bytes(), method: b"GET", headers: &() })
}
