//! What each change is called, and whom it disturbs.
#![allow(clippy::unwrap_used, clippy::panic)] // Helpers of tests fail like tests.

use haechi_config::{Disruption, compile, diff};
use haechi_model::Snapshot;

const BASE: &str = "\
node: { name: lb1 }
admin: { listen: \"127.0.0.1:7070\" }
listeners:
  web:
    bind: \":80\"
    protocol: http
    routes:
      - { host: shop.example.com, path: /api, pool: api }
      - { pool: web }
  db: { bind: \":5432\", protocol: tcp, pool: web }
pools:
  web:
    endpoints:
      web-1: { address: \"10.0.1.11:80\", weight: 1 }
      web-2: \"10.0.1.12:80\"
    healthCheck: { protocol: http, interval: 10s }
  api:
    endpoints: { api-1: \"10.0.2.1:80\" }
";

fn read(text: &str) -> Snapshot {
    let outcome = compile(text);
    outcome.snapshot.unwrap_or_else(|| panic!("{:?}\n{text}", outcome.diagnostics))
}

fn plan(changes: &[(&str, &str)]) -> String {
    let mut text = BASE.to_owned();
    for (old, new) in changes {
        assert!(text.contains(old), "{old}");
        text = text.replacen(old, new, 1);
    }
    diff(&read(BASE), &read(&text)).to_string()
}

#[test]
fn one_change_one_step() {
    for (old, new, step) in [
        ("", "", "no changes"),
        ("name: lb1", "name: lb2", "node: name lb1 -> lb2 (no disruption)"),
        ("node: { name: lb1 }", "node: { name: lb1, zone: a }", "node: zone added: a (no disruption)"),
        ("node:", "workers: 2\nnode:", "workers: workers added: 2 (rebinds)"),
        (":7070", ":7071", "admin: listen \"127.0.0.1:7070\" -> \"127.0.0.1:7071\" (rebinds)"),
        ("\":80\"\n", "\":81\"\n", "listener web: bind [\":80\"] -> [\":81\"] (rebinds)"),
        (
            "protocol: tcp, pool: web",
            "protocol: tcp, pool: api",
            "listener db: pool web -> api (no disruption)",
        ),
        (
            "pool: web }\npools",
            "pool: web, maxConnections: 5 }\npools",
            "listener db: maxConnections added: 5 (no disruption)",
        ),
        ("  db: { bind: \":5432\", protocol: tcp, pool: web }\n", "", "listener db: removed (drains)"),
        (
            "  db:",
            "  x: { bind: \":1\", protocol: tcp, pool: web }\n  db:",
            "listener x: added: [\":1\"] (no disruption)",
        ),
        (
            "path: /api, pool: api",
            "path: /api, pool: web",
            "route web: shop.example.com/api: pool api -> web (no disruption)",
        ),
        (
            "      - { pool: web }\n",
            "      - { pool: web }\n      - { path: { exact: /x }, methods: [GET], headers: { a: b, c: }, pool: web }\n",
            "route web: */x (exact) GET a=\"b\" c: added: pool web (no disruption)",
        ),
        (
            "      - { host: shop.example.com, path: /api, pool: api }\n",
            "",
            "route web: shop.example.com/api: removed (no disruption)",
        ),
        (
            "      - { host: shop.example.com, path: /api, pool: api }\n      - { pool: web }\n",
            "      - { pool: web }\n      - { host: shop.example.com, path: /api, pool: api }\n",
            "listener web: order of routes (no disruption)",
        ),
        ("weight: 1", "weight: 3", "endpoint web/web-1: weight 1 -> 3 (no disruption)"),
        ("weight: 1", "admin: draining", "endpoint web/web-1: admin enabled -> draining (drains)"),
        (
            "10.0.1.12:80",
            "10.0.1.13:80",
            "endpoint web/web-2: address \"10.0.1.12:80\" -> \"10.0.1.13:80\" (drains)",
        ),
        ("      web-2: \"10.0.1.12:80\"\n", "", "endpoint web/web-2: removed (drains)"),
        (
            "      web-2:",
            "      web-0: \"10.0.1.10:80\"\n      web-2:",
            "endpoint web/web-0: added: { address: \"10.0.1.10:80\" } (no disruption)",
        ),
        ("interval: 10s", "interval: 6s", "pool web: healthCheck.interval 10s -> 6s (no disruption)"),
        (
            "    healthCheck: { protocol: http, interval: 10s }\n",
            "",
            "pool web: healthCheck removed (no disruption)",
        ),
        (
            "  api:\n",
            "  api:\n    healthCheck: {}\n",
            "pool api: healthCheck added: { protocol: http } (no disruption)",
        ),
        (
            "  api:\n",
            "  api:\n    algorithm: random\n",
            "pool api: algorithm roundRobin -> random (no disruption)",
        ),
        (
            "pools:\n",
            "pools:\n  new: { endpoints: { a: \"10.0.0.1:80\" } }\n",
            "pool new: added, with 1 endpoint (no disruption)",
        ),
    ] {
        assert_eq!(plan(&[(old, new)]), format!("{step}\n"), "{old:?} -> {new:?}");
    }
}

#[test]
fn a_removed_pool_is_one_step() {
    let text = plan(&[
        ("      - { host: shop.example.com, path: /api, pool: api }\n", ""),
        ("  api:\n    endpoints: { api-1: \"10.0.2.1:80\" }\n", ""),
    ]);
    assert_eq!(
        text,
        "route web: shop.example.com/api: removed (no disruption)\npool api: removed, with 1 endpoint (drains)\n"
    );
}

#[test]
fn a_renamed_pool_index_is_no_change_of_routes() {
    let text = plan(&[("pools:\n", "pools:\n  first: { endpoints: { a: \"10.0.0.1:80\" } }\n")]);
    assert_eq!(text, "pool first: added, with 1 endpoint (no disruption)\n");
}

#[test]
fn machines_read_it_too() {
    let mut new = read(BASE);
    new.pools[0].endpoints[0].weight = 3;
    let plan = diff(&read(BASE), &new);
    assert_eq!(plan.disruption(), Disruption::None);
    assert_eq!(
        serde_json::to_value(&plan).unwrap(),
        serde_json::json!([{ "subject": "endpoint web/web-1", "change": "weight 1 -> 3", "disruption": "none" }])
    );
    new.listeners[0].bind.truncate(1);
    assert_eq!(diff(&read(BASE), &new).disruption(), Disruption::Rebinds);
}
