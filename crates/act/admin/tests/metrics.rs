//! What a scrape shows, read back by a parser of the text format's grammar.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::Fake;
use haechi_admin::api::Status;
use haechi_admin::{Control, metrics};
use haechi_model::{AdminState, Fault, Health};
use haechi_telemetry::metric::{self as names, Family, Kind};

type Labels = BTreeMap<String, String>;

#[derive(Default)]
struct Scrape {
    help: BTreeMap<String, String>,
    kinds: BTreeMap<String, String>,
    samples: Vec<(String, Labels, f64)>,
    /// Family of each sample, in their order.
    families: Vec<String>,
}

/// Reads the grammar of <https://prometheus.io/docs/instrumenting/exposition_formats/>, and refuses the rest.
fn parse(text: &str) -> Scrape {
    assert!(text.ends_with('\n'), "the last line ends as well");
    let mut scrape = Scrape::default();
    let mut family = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert_eq!(scrape.help.insert(name.into(), help.into()), None, "{name} has two helps");
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(scrape.kinds.insert(name.into(), kind.into()), None, "{name} has two types");
            family = name.into();
        } else {
            let (name, labels, value) = sample(line);
            let suffix = name.strip_prefix(&family).unwrap_or_else(|| panic!("{name} stands under {family}"));
            let histogram = scrape.kinds[&family] == "histogram";
            assert!(suffix.is_empty() != histogram, "{line}");
            assert!(["", "_bucket", "_sum", "_count"].contains(&suffix), "{line}");
            scrape.samples.push((name, labels, value));
            scrape.families.push(family.clone());
        }
    }
    scrape
}

fn sample(line: &str) -> (String, Labels, f64) {
    let end = line.find(['{', ' ']).unwrap();
    let (name, mut rest) = line.split_at(end);
    let valid = |c: char| c.is_ascii_alphanumeric() || c == '_';
    assert!(name.chars().all(valid) && !name.starts_with(|c: char| c.is_ascii_digit()), "{line}");
    let mut labels = Labels::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, after) = rest.split_once("=\"").unwrap();
            assert!(label.chars().all(valid), "{line}");
            let (value, after) = quoted(after);
            assert_eq!(labels.insert(label.into(), value), None, "{line}");
            match after.strip_prefix(',') {
                Some(more) => rest = more,
                None => break rest = after.strip_prefix('}').unwrap(),
            }
        }
    }
    (name.into(), labels, rest.strip_prefix(' ').unwrap().parse().unwrap())
}

fn quoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    loop {
        match chars.next().unwrap() {
            (at, '"') => return (value, &text[at + 1..]),
            (_, '\\') => value.push(match chars.next().unwrap().1 {
                'n' => '\n',
                c @ ('\\' | '"') => c,
                c => panic!("no escape: {c}"),
            }),
            (_, c) => value.push(c),
        }
    }
}

fn status() -> Status {
    Fake::new().status()
}

fn value(scrape: &Scrape, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let wanted: Labels = labels.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    let found: Vec<_> = scrape.samples.iter().filter(|(n, l, _)| n == name && *l == wanted).collect();
    assert!(found.len() < 2, "{name} {labels:?} stands there twice");
    found.first().map(|(.., value)| *value)
}

fn labels_of(family: &Family, sample: &str) -> BTreeSet<String> {
    let le = sample.ends_with("_bucket").then_some("le");
    family.labels.iter().copied().chain(le).map(str::to_owned).collect()
}

#[test]
fn every_family_is_described_and_no_other_appears() {
    let scrape = parse(&metrics::render(&status(), &Fake::new().ha()));
    let known: BTreeSet<_> = names::ALL.iter().map(|family| family.name.to_owned()).collect();
    assert_eq!(scrape.help.keys().cloned().collect::<BTreeSet<_>>(), known);
    assert_eq!(scrape.kinds.keys().cloned().collect::<BTreeSet<_>>(), known);
    for family in names::ALL {
        assert_eq!(scrape.help[family.name], family.help);
        assert_eq!(scrape.kinds[family.name], family.kind.word());
    }
}

#[test]
fn every_family_has_samples_with_its_labels() {
    let scrape = parse(&metrics::render(&status(), &Fake::new().ha()));
    for family in names::ALL {
        let mine: Vec<_> =
            scrape.samples.iter().zip(&scrape.families).filter(|(_, name)| *name == family.name).collect();
        assert!(!mine.is_empty(), "{}", family.name);
        for ((name, labels, value), _) in mine {
            assert_eq!(labels.keys().cloned().collect::<BTreeSet<_>>(), labels_of(family, name), "{name}");
            assert!(value.is_finite() && *value >= 0.0, "{name}");
        }
    }
}

#[test]
fn histograms_are_cumulative_and_end_with_their_count() {
    let scrape = parse(&metrics::render(&status(), &Fake::new().ha()));
    let mut seen: BTreeMap<(String, Labels), Vec<(f64, f64)>> = BTreeMap::new();
    for (name, labels, value) in &scrape.samples {
        if let Some(family) = name.strip_suffix("_bucket") {
            let mut labels = labels.clone();
            let bound = labels.remove("le").unwrap();
            let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().unwrap() };
            seen.entry((family.into(), labels)).or_default().push((bound, *value));
        }
    }
    assert_eq!(seen.len(), 4, "three endpoints and the sum over them");
    for ((family, labels), buckets) in seen {
        assert!(buckets.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1), "{family}");
        let count =
            scrape.samples.iter().find(|(name, l, _)| *name == format!("{family}_count") && *l == labels);
        assert_eq!(buckets.last().unwrap(), &(f64::INFINITY, count.unwrap().2), "{family}");
    }
}

#[test]
fn values_are_those_of_the_status() {
    let scrape = parse(&metrics::render(&status(), &Fake::new().ha()));
    let web = [("pool", "web"), ("endpoint", "web-1")];
    let edge = ("virtual_router", "edge");
    type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], f64);
    let rows: &[Row<'_>] = &[
        ("haechi_build_info", &[("version", "0.1.0")], 1.0),
        ("haechi_config_generation", &[], 7.0),
        ("haechi_config_refused", &[], 0.0),
        ("haechi_listener_connections_open", &[("listener", "web")], 3.0),
        ("haechi_listener_connections_total", &[("listener", "web")], 40.0),
        ("haechi_listener_requests_total", &[("listener", "web")], 1234.0),
        ("haechi_listener_faults_total", &[("listener", "web"), ("fault", "noRoute"), ("side", "us")], 2.0),
        (
            "haechi_auth_requests_total",
            &[("listener", "web"), ("route", "*/admin"), ("result", "failed")],
            1.0,
        ),
        (
            "haechi_split_requests_total",
            &[("listener", "web"), ("route", "*/ GET"), ("pool", "api"), ("by", "key")],
            9.0,
        ),
        (
            "haechi_split_requests_total",
            &[("listener", "web"), ("route", "*/ GET"), ("pool", "web"), ("by", "turn")],
            9.0,
        ),
        ("haechi_split_weight", &[("listener", "web"), ("route", "*/ GET"), ("pool", "web")], 90.0),
        (
            "haechi_listener_faults_total",
            &[("listener", "web"), ("fault", "reset"), ("side", "endpoint")],
            0.0,
        ),
        ("haechi_pool_waiting", &[("pool", "api")], 0.0),
        ("haechi_virtual_router_state", &[edge, ("state", "active")], 1.0),
        ("haechi_virtual_router_state", &[edge, ("state", "backup")], 0.0),
        ("haechi_virtual_router_priority", &[edge], 120.0),
        ("haechi_virtual_router_transitions_total", &[edge], 3.0),
        ("haechi_virtual_router_advertisements_sent_total", &[edge], 77.0),
        ("haechi_virtual_router_advertisements_heard_total", &[edge], 5.0),
        ("haechi_virtual_router_drops_total", &[edge, ("reason", "hopLimit")], 2.0),
        ("haechi_virtual_router_alarms", &[edge], 1.0),
        ("haechi_endpoint_in_flight", &web, 2.0),
        ("haechi_endpoint_requests_total", &web, 600.0),
        ("haechi_endpoint_failures_total", &web, 1.0),
        ("haechi_endpoint_retries_total", &web, 1.0),
        ("haechi_endpoint_connects_total", &web, 4.0),
        ("haechi_endpoint_bytes_total", &[web[0], web[1], ("direction", "in")], 123_456.0),
        ("haechi_endpoint_bytes_total", &[web[0], web[1], ("direction", "out")], 65_432.0),
        ("haechi_endpoint_responses_total", &[web[0], web[1], ("class", "2xx")], 590.0),
        ("haechi_endpoint_response_seconds_bucket", &[web[0], web[1], ("le", "0.01")], 590.0),
        ("haechi_endpoint_response_seconds_sum", &web, 1.5),
        ("haechi_endpoint_response_seconds_count", &web, 600.0),
        // Three endpoints; 404 for the two requests without a route, 502 for the one without a connection.
        ("nginx_http_requests_total", &[("status", "2xx")], 3.0 * 590.0),
        ("nginx_http_requests_total", &[("status", "4xx")], 3.0 * 3.0 + 2.0),
        ("nginx_http_requests_total", &[("status", "5xx")], 3.0 * 2.0 + 1.0),
        ("nginx_http_request_duration_seconds_bucket", &[("le", "0.1")], 3.0 * 599.0),
        ("nginx_http_request_duration_seconds_count", &[], 1800.0),
    ];
    for (name, labels, expected) in rows {
        assert_eq!(value(&scrape, name, labels), Some(*expected), "{name} {labels:?}");
    }
}

#[test]
fn health_unknown_is_no_sample_and_each_reason_not_to_serve_shows() {
    type Change = fn(&mut haechi_admin::api::EndpointStatus);
    let rows: &[(Change, Option<f64>, f64)] = &[
        (|_| {}, Some(1.0), 1.0),
        (|one| one.health = Health::Unknown, None, 1.0),
        (|one| (one.health, one.serving) = (Health::Unhealthy, false), Some(0.0), 0.0),
        (|one| one.ejected = true, Some(1.0), 0.0),
        (|one| one.admin = AdminState::Draining, Some(1.0), 0.0),
        (|one| one.weight = 0, Some(1.0), 0.0),
    ];
    for (number, (change, healthy, serving)) in rows.iter().enumerate() {
        let mut status = status();
        change(&mut status.pools[0].endpoints[0]);
        let scrape = parse(&metrics::render(&status, &Fake::new().ha()));
        let labels = [("pool", "web"), ("endpoint", "web-1")];
        assert_eq!(value(&scrape, "haechi_endpoint_healthy", &labels), *healthy, "row {number}");
        assert_eq!(value(&scrape, "haechi_endpoint_serving", &labels), Some(*serving), "row {number}");
    }
}

#[test]
fn a_refused_config_shows() {
    let mut status = status();
    status.config.refused = Some(common::refused());
    assert_eq!(
        value(&parse(&metrics::render(&status, &Fake::new().ha())), "haechi_config_refused", &[]),
        Some(1.0)
    );
}

#[test]
fn hostile_names_stay_inside_their_quotes() {
    let mut status = status();
    let evil = "a\"} 1\nfake_total{x=\"\\";
    status.listeners[0].name = evil.into();
    status.pools[0].endpoints[0].zone = Some(evil.into());
    let scrape = parse(&metrics::render(&status, &Fake::new().ha()));
    assert_eq!(value(&scrape, "haechi_listener_connections_open", &[("listener", evil)]), Some(3.0));
    assert!(scrape.samples.iter().any(|(_, labels, _)| labels.get("zone").is_some_and(|zone| zone == evil)));
}

#[test]
fn endpoints_with_other_bounds_add_up_to_what_is_known() {
    let mut status = status();
    status.pools[1].endpoints[0].latency = vec![(0.05, 600)];
    let scrape = parse(&metrics::render(&status, &Fake::new().ha()));
    let bucket = |le| value(&scrape, "nginx_http_request_duration_seconds_bucket", &[("le", le)]);
    assert_eq!(bucket("0.01"), Some(1180.0));
    assert_eq!(bucket("0.05"), Some(1780.0));
    assert_eq!(bucket("0.1"), Some(1798.0));
}

#[test]
fn an_idle_haechi_has_whole_families() {
    let mut status = status();
    status.listeners.clear();
    status.pools.clear();
    let scrape = parse(&metrics::render(&status, &Fake::new().ha()));
    assert_eq!(scrape.kinds.len(), names::ALL.len());
    assert_eq!(value(&scrape, "nginx_http_requests_total", &[("status", "5xx")]), Some(0.0));
}

#[test]
fn every_fault_is_a_series_of_each_listener() {
    let status = status();
    let scrape = parse(&metrics::render(&status, &Fake::new().ha()));
    let faults = scrape.samples.iter().filter(|(name, ..)| name == names::LISTENER_FAULTS.name).count();
    assert_eq!(faults, Fault::ALL.len() * status.listeners.len());
    assert_eq!(names::LISTENER_FAULTS.kind, Kind::Counter);
}
