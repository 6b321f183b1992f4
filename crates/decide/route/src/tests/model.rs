//! Against a model that goes through all routes and takes the best, as the precedence is written down.

use haechi_model::{HostMatch, PathMatch, Route};
use proptest::prelude::*;

use super::{lines, route};
use crate::{Query, Table};

/// Labels, elements and values are few, so that they meet often.
fn any_route() -> impl Strategy<Value = Route> {
    let host = prop::sample::select(vec!["any", "any", "a.b", "b", "*.b", "*.a.b", "c.a.b", "1::2"]);
    let path = prop_oneof![3 => any_path(), 1 => any_path().prop_map(|path| format!("={path}"))];
    let methods = prop::sample::select(vec!["", "", "GET", "PUT", "GET|PUT"]);
    let headers = prop::sample::select(vec!["", "", "h", "h:1", "h:2", "h:1,i", "h,h:1,i:2"]);
    (host, path, methods, headers)
        .prop_map(|(host, path, methods, headers)| route(host, &path, methods, headers))
}

fn any_path() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["/", "/a", "/b", "/ab", "a"]), 0..5)
        .prop_map(|v| v.concat())
}

type Sent = (Option<&'static str>, String, &'static str, Vec<(&'static str, &'static str)>);

fn any_query() -> impl Strategy<Value = Sent> {
    let host = prop::sample::select(vec![
        None,
        Some(""),
        Some("b"),
        Some("A.b:80"),
        Some("c.a.b."),
        Some("d.a.b"),
        Some(".b"),
        Some("x.b"),
        Some("[1::2]:8"),
        Some("x.b:99999"),
    ]);
    let header = (prop::sample::select(vec!["h", "H", "i"]), prop::sample::select(vec!["", "1", "2"]));
    (host, any_path(), prop::sample::select(vec!["GET", "PUT", "get"]), prop::collection::vec(header, 0..4))
}

fn host_rank(known: &HostMatch, sent: Option<&str>) -> Option<u8> {
    // Only the hosts above need be understood.
    let name = match sent {
        None | Some("" | "x.b:99999") => None,
        Some("[1::2]:8") => Some("1::2".to_owned()),
        Some(sent) => Some(sent.trim_end_matches(":80").trim_end_matches('.').to_lowercase()),
    };
    match known {
        HostMatch::Any => Some(0),
        HostMatch::Exact(known) => (name.as_deref() == Some(known)).then_some(2),
        HostMatch::Wildcard(parent) => {
            let (label, rest) = name.as_deref()?.split_once('.')?;
            (!label.is_empty() && rest == &**parent).then_some(1)
        }
    }
}

fn path_rank(known: &PathMatch, sent: &str) -> Option<usize> {
    match known {
        PathMatch::Exact(known) => (&**known == sent).then_some(usize::MAX),
        PathMatch::Prefix(known) => {
            let known = known.strip_suffix('/').unwrap_or(known);
            let rest = sent.strip_prefix(known)?;
            (known.is_empty() || rest.is_empty() || rest.starts_with('/')).then_some(known.len())
        }
    }
}

fn others_fit(route: &Route, (_, _, method, headers): &Sent) -> bool {
    let method = route.methods.is_empty() || route.methods.iter().any(|known| &**known == *method);
    let mut wanted = route.headers.iter();
    let headers = wanted.all(|wanted| {
        headers.iter().any(|(name, value)| {
            name.to_lowercase() == *wanted.name && wanted.value.as_deref().is_none_or(|known| known == *value)
        })
    });
    method && headers
}

fn model(routes: &[Route], sent: &Sent) -> Option<usize> {
    let rank = |(at, route): (usize, &Route)| {
        let ranks = (host_rank(&route.host, sent.0)?, path_rank(&route.path, &sent.1)?);
        let rest = (!route.methods.is_empty(), route.headers.len(), std::cmp::Reverse(at));
        others_fit(route, sent).then_some((ranks, rest))
    };
    let best = routes.iter().enumerate().filter_map(rank).max()?;
    Some(best.1.2.0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn as_the_model(
        routes in prop::collection::vec(any_route(), 0..30),
        queries in prop::collection::vec(any_query(), 1..20),
    ) {
        let table = Table::new(&routes);
        for sent in queries {
            let headers = lines(&sent.3);
            let query = Query {
                host: sent.0.map(str::as_bytes),
                path: sent.1.as_bytes(),
                method: sent.2.as_bytes(),
                headers: &headers[..],
            };
            let found = table.find(&query);
            prop_assert_eq!(found, model(&routes, &sent), "{:?}", sent);
            prop_assert_eq!(table.why(&query).is_none(), found.is_some());
        }
    }

    #[test]
    fn any_bytes_are_survived(
        routes in prop::collection::vec(any_route(), 0..30),
        host: Option<Vec<u8>>,
        path: Vec<u8>,
        method: Vec<u8>,
    ) {
        let table = Table::new(&routes);
        let query = Query { host: host.as_deref(), path: &path, method: &method, headers: &() };
        prop_assert_eq!(table.why(&query).is_none(), table.find(&query).is_some());
    }
}
