//! What is written is read back, what differs has a plan, and nothing makes the reader panic.
#![allow(clippy::unwrap_used, clippy::panic)] // Helpers of tests fail like tests.

mod common;

use std::time::{Duration, Instant};

use haechi_config::{
    MAX_BYTES, MAX_DIAGNOSTICS, MAX_NODES, compile, defaults, diff, render, to_yaml, to_yaml_with_defaults,
};
use haechi_model::{Snapshot, Track, VirtualRouter};
use proptest::prelude::*;

fn read_back(text: &str) -> Snapshot {
    let outcome = compile(text);
    outcome
        .snapshot
        .unwrap_or_else(|| panic!("{}\n{text}", render(&outcome.diagnostics, "written", text, false)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_is_written_is_read_back(snapshot in common::snapshot()) {
        let text = to_yaml(&snapshot);
        let back = read_back(&text);
        prop_assert_eq!(&back, &snapshot, "{}", text);
        let full = to_yaml_with_defaults(&snapshot);
        prop_assert_eq!(&read_back(&full), &snapshot, "{}", full);
        prop_assert!(full.len() >= text.len());
    }

    #[test]
    fn a_plan_is_empty_exactly_if_nothing_changes(a in common::snapshot(), b in common::snapshot()) {
        prop_assert!(diff(&a, &a).steps.is_empty());
        prop_assert_eq!(diff(&a, &b).steps.is_empty(), a == b);
    }

    /// One changed part at a time, so that no other difference hides a forgotten one.
    #[test]
    fn every_part_is_in_the_plan(a in common::snapshot(), b in common::snapshot()) {
        for part in 0..7 {
            let mut mixed = a.clone();
            match part {
                0 => mixed.node = b.node.clone(),
                1 => mixed.workers = b.workers,
                2 => mixed.admin = b.admin.clone(),
                3 => mixed.listeners.reverse(),
                4 => mixed.virtual_routers.reverse(),
                5 => for (one, other) in mixed.virtual_routers.iter_mut().zip(&b.virtual_routers) {
                    // Pools of the other snapshot need not be here.
                    let track = Track { pools: one.track.pools.clone(), ..other.track.clone() };
                    *one = VirtualRouter { name: one.name.clone(), track, ..other.clone() };
                },
                _ => for (one, other) in mixed.pools.iter_mut().zip(&b.pools) {
                    one.endpoints = other.endpoints.clone();
                },
            }
            prop_assert_eq!(diff(&a, &mixed).steps.is_empty(), a == mixed, "part {}", part);
        }
    }

    #[test]
    fn any_text_is_safe(text in "\\PC{0,200}|[\\x00-\\x7f]{0,200}|[-:{}\\[\\],&*!|>'\"%@`#?<~ \na-c0-9]{0,200}") {
        let outcome = compile(&text);
        prop_assert!(!render(&outcome.diagnostics, "f", &text, true).contains('\0'));
    }

    #[test]
    fn a_broken_config_is_safe(snapshot in common::snapshot(), at in any::<prop::sample::Index>(), put in "\\PC{0,4}|[:{}\\[\\],&*\n -]{1,3}", cut in 0..4_usize) {
        let text = to_yaml(&snapshot);
        let mut bytes = text.into_bytes();
        let at = at.index(bytes.len());
        bytes.splice(at..(at + cut).min(bytes.len()), put.bytes());
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let outcome = compile(&text);
        for one in &outcome.diagnostics {
            let start = one.span.offset as usize;
            prop_assert!(text.get(start..start + one.span.length as usize).is_some(), "{:?}\n{}", one, text);
        }
        render(&outcome.diagnostics, "f", &text, false);
        if let Some(snapshot) = outcome.snapshot {
            prop_assert_eq!(read_back(&to_yaml(&snapshot)), snapshot);
        }
    }
}

#[test]
fn the_smallest_snapshot_is_read_back() {
    let snapshot = Snapshot { node: defaults::node(), ..Snapshot::default() };
    assert_eq!(to_yaml(&snapshot), "pools: {}\n");
    assert_eq!(read_back(&to_yaml(&snapshot)), snapshot);
}

#[test]
fn written_as_a_person_would() {
    let text = "\
node: { name: lb1, zone: kr1-a }
listeners:
  web:
    bind: [\":80\"]
    protocol: http
    routes:
      - { host: shop.example.com, path: /api, pool: api }
      - { host: \"*.example.com\", headers: { x-canary: \"1\", x-any: null }, pool: web }
      - { pool: web }
pools:
  web:
    algorithm: leastConnections
    endpoints:
      web-1: { address: \"10.0.1.11:80\", zone: kr1-a, weight: 3 }
      web-2: \"10.0.1.12:80\"
    healthCheck: { protocol: http, path: /health, interval: 2s, timeout: 1s }
    passive: {}
  api:
    endpoints:
      api-1: \"[2001:db8::1]:8080\"
    drain: { timeout: 5m }
";
    assert_eq!(to_yaml(&read_back(text)), text);
}

#[test]
fn aliases_and_merge_keys_stand_for_what_they_repeat() {
    let short = "\
x-slow: &slow { interval: 30s, timeout: 20s }
x-path: &path /health
pools:
  a: &a
    endpoints: { a-1: \"10.0.0.1:80\" }
    healthCheck: { <<: *slow, timeout: 1s, path: *path }
  b:
    <<: [{ slowStart: 5s }, *a]
    slowStart: 7s
  c: { <<: *a, <<: { slowStart: 9s } }
";
    let long = "\
pools:
  a: { endpoints: { a-1: \"10.0.0.1:80\" }, healthCheck: { interval: 30s, timeout: 1s, path: /health } }
  b: { endpoints: { a-1: \"10.0.0.1:80\" }, healthCheck: { interval: 30s, timeout: 1s, path: /health }, slowStart: 7s }
  c: { endpoints: { a-1: \"10.0.0.1:80\" }, healthCheck: { interval: 30s, timeout: 1s, path: /health }, slowStart: 9s }
";
    assert_eq!(read_back(short), read_back(long));
}

#[test]
fn files_from_other_systems_are_read() {
    let text = "pools:\n  a:\n    endpoints: { a-1: \"10.0.0.1:80\" }\n    slowStrat: 1s\n";
    let place = |text: &str| {
        let outcome = compile(text);
        let one = outcome.diagnostics.into_iter().find(|one| one.code.number() == "HCH0201").unwrap();
        let start = one.span.offset as usize;
        (text[start..start + one.span.length as usize].to_owned(), one.span.line, one.span.column)
    };
    let want = ("slowStrat".to_owned(), 4, 5);
    assert_eq!(place(text), want);
    assert_eq!(place(&text.replace('\n', "\r\n")), want);
    assert_eq!(place(&format!("\u{feff}{text}")), want);
}

/// `n` routes and `n` endpoints.
fn large(n: usize) -> String {
    use std::fmt::Write as _;
    let mut text = String::from("listeners:\n  web:\n    bind: \":80\"\n    protocol: http\n    routes:\n");
    for i in 0..n {
        writeln!(
            text,
            "      - {{ host: shop-{i}.example.com, path: /api/v{}, methods: [GET, POST], pool: pool-{} }}",
            i % 7,
            i % 100
        )
        .unwrap();
    }
    text.push_str("pools:\n");
    for pool in 0..100 {
        writeln!(text, "  pool-{pool}:\n    algorithm: weightedRoundRobin\n    endpoints:").unwrap();
        for i in (pool..n).step_by(100) {
            writeln!(
                text,
                "      web-{i}: {{ address: \"10.{}.{}.{}:8080\", zone: kr1-a, weight: {} }}",
                i >> 16,
                i >> 8 & 255,
                i & 255,
                i % 5 + 1
            )
            .unwrap();
        }
    }
    text
}

#[test]
fn ten_thousand_routes_and_endpoints() {
    let text = large(10_000);
    // The best of a few: others use this machine too.
    let compiled = (0..5).map(|_| {
        let start = now();
        let outcome = compile(&text);
        (start.elapsed(), outcome)
    });
    let (compiled, outcome) = compiled.min_by_key(|(took, _)| *took).unwrap();
    assert_eq!(outcome.diagnostics, []);
    let old = outcome.snapshot.unwrap();
    let mut new = old.clone();
    new.pools[42].endpoints[7].weight = 200;
    let start = now();
    let plan = diff(&old, &new);
    let compared = start.elapsed();
    println!("{} bytes: compile {compiled:?}, diff {compared:?}", text.len());
    assert_eq!(plan.to_string(), "endpoint pool-42/web-742: weight 3 -> 200 (no disruption)\n");
    // How fast it is, `make bench` tells; this only notices work that grows with the square of the size.
    assert!(compiled < HANG && compared < HANG, "compile {compiled:?}, diff {compared:?}");
}

#[test]
fn hostile_texts_are_refused_soon() {
    let many = |item: &str| item.repeat((MAX_BYTES - 64) / item.len());
    let bomb: String = (0..40)
        .map(|i| format!("x-{i}: &a{i} [{}]\n", format!("*a{}, ", i - (i > 0) as i32).repeat(9)))
        .collect();
    let unknown: String = (0..50_000).map(|i| format!("pool-{i}: 1\n")).collect();
    for (what, text) in [
        ("100 MB", "a: b\n".repeat(20_000_000)),
        ("brackets", many("[")),
        ("braces", many("{a: ")),
        ("dashes", many("- ")),
        ("entries", many("-\n")),
        ("keys", many("? ")),
        ("flow entries", format!("a: [{}]", many("0,"))),
        ("one line", many("a")),
        ("one quoted text", format!("\"{}\\n\"", many("a"))),
        ("comments", many("#\n")),
        ("a bomb", bomb),
        ("unknown keys", unknown),
        ("anchors", many("- &a b\n")),
        ("aliases", format!("x-a: &a b\nx-b: [{}]", many("*a,"))),
        ("long names", format!("pools: {{ {}: 1 }}", "a".repeat(1000))),
    ] {
        let start = now();
        let outcome = compile(&text);
        let took = start.elapsed();
        assert_eq!(outcome.snapshot, None, "{what}");
        assert!(!outcome.diagnostics.is_empty() && outcome.diagnostics.len() <= MAX_DIAGNOSTICS, "{what}");
        assert!(took < HANG, "{what} took {took:?}");
        println!("{what}: {took:?}");
        if what == "unknown keys" {
            assert_eq!(
                outcome.omitted,
                50_001 - MAX_DIAGNOSTICS,
                "one for each key, and that there is no listener"
            );
        }
    }
    assert!(compile(&format!("x-a: [{}]\npools: {{}}", "0,".repeat(MAX_NODES - 100))).snapshot.is_some());
}

#[test]
fn unknown_pools_do_not_cost_a_minute() {
    let text = large(10_000).replace("pool: pool-", "pool: poool-");
    let start = now();
    let outcome = compile(&text);
    assert_eq!(outcome.diagnostics.len() + outcome.omitted, 10_000);
    assert!(start.elapsed() < HANG, "{:?}", start.elapsed());
}

/// Longer than anything here takes on the slowest machine, shorter than what a quadratic loop takes.
const HANG: Duration = Duration::from_secs(60);

/// Only tests measure; the crate itself knows no clock.
#[allow(clippy::disallowed_methods)]
fn now() -> Instant {
    Instant::now()
}
