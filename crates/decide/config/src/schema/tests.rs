//! The schema says what the reader takes, and nothing else.

use std::collections::BTreeSet;

use super::*;
use crate::{Code, compile};

/// Every place of the schema that has properties, with the path of keys that leads there.
fn objects(schema: &Value, path: &[String], out: &mut Vec<(Vec<String>, BTreeSet<String>)>) {
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        out.push((path.to_vec(), properties.keys().cloned().collect()));
        for (key, value) in properties {
            objects(value, &[path, std::slice::from_ref(key)].concat(), out);
        }
    }
    for part in ["additionalProperties", "items"] {
        if let Some(inner) = schema.get(part).filter(|inner| inner.is_object()) {
            objects(inner, &[path, &[if part == "items" { "-".into() } else { "x".into() }]].concat(), out);
        }
    }
    for any in schema.get("anyOf").and_then(Value::as_array).into_iter().flatten() {
        objects(any, path, out);
    }
}

/// Flow YAML with `value` at the end of `path`.
fn document(path: &[String], value: &str) -> String {
    path.iter().enumerate().rev().fold(value.to_owned(), |inner, (at, key)| match key.as_str() {
        "-" => format!("[{inner}]"),
        // Only read where it applies, but a pool has no protocol.
        "tls" if path[0] != "pools" || at > 2 => format!("{{ protocol: https, tls: {inner} }}"),
        key => format!("{{ {key}: {inner} }}"),
    })
}

/// The reader is asked what it takes at each place, and its answer is compared with the schema.
#[test]
fn the_reader_knows_the_same_keys() {
    let mut all = Vec::new();
    objects(&schema(), &[], &mut all);
    assert_eq!(all.len(), 57, "one for each shape, and a certificate also without a list");
    for (path, keys) in all {
        for key in &keys {
            let text = document(&path, &format!("{{ {key}: 0 }}"));
            let unknown = compile(&text).diagnostics.into_iter().find(|one| one.code == Code::UnknownKey);
            assert_eq!(unknown, None, "{text}");
        }
        let text = document(&path, "{ qqqqqqqqqq: 0 }");
        let unknown = compile(&text).diagnostics.into_iter().find(|one| one.code == Code::UnknownKey);
        let help = unknown.unwrap_or_else(|| panic!("{text} is taken")).help.unwrap();
        let named: BTreeSet<String> = help.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        assert_eq!(named, keys, "{text}");
    }
}

#[test]
fn says_what_editors_need() {
    let schema = schema();
    let check =
        &schema["properties"]["pools"]["additionalProperties"]["properties"]["healthCheck"]["properties"];
    assert_eq!(check["interval"]["default"], "10s");
    assert_eq!(check["healthyThreshold"]["default"], 2);
    assert_eq!(check["tls"]["properties"]["insecure"]["default"], false);
    let retry = &schema["properties"]["pools"]["additionalProperties"]["properties"]["retry"]["properties"];
    assert_eq!(retry["on"]["default"], json!(["error", "timeout"]));
    assert_eq!(
        schema["properties"]["listeners"]["additionalProperties"]["required"],
        json!(["bind", "protocol"])
    );
}

/// Writing a default out, as the tables have it, must not change what the config means.
#[test]
fn defaults_are_what_they_say() {
    let places: [(&Shape, &str); 36] = [
        (&keys::NODE, "node: { KEY }"),
        (&keys::LISTENER, "listeners: { l: { bind: ':1', protocol: udp, pool: p, KEY } }"),
        (
            &keys::PROXY_PROTOCOL,
            "listeners: { l: { bind: ':1', protocol: tcp, pool: p, proxyProtocol: { from: '::1', KEY } } }",
        ),
        (
            &keys::FORWARDED,
            "listeners: { l: { bind: ':1', protocol: http, routes: [{ pool: p }], forwarded: { trust: '::1', KEY } } }",
        ),
        (
            &keys::COMPRESSION,
            "listeners: { l: { bind: ':1', protocol: http, routes: [{ pool: p }], compression: { KEY } } }",
        ),
        (
            &keys::LEVELS,
            "listeners: { l: { bind: ':1', protocol: http, routes: [{ pool: p }], compression: { levels: { KEY } } } }",
        ),
        (
            &keys::COMPRESSION,
            "listeners: { l: { bind: ':1', protocol: http, routes: [{ pool: p, filters: { compression: { KEY } } }] } }",
        ),
        (
            &keys::LEVELS,
            "listeners: { l: { bind: ':1', protocol: http, routes: [{ pool: p, filters: { compression: { levels: { KEY } } } }] } }",
        ),
        (&keys::ROUTE, "listeners: { l: { bind: ':1', protocol: http, routes: [{ pool: p, KEY }] } }"),
        (
            &keys::LIMITS,
            "listeners: { l: { bind: ':1', protocol: http, routes: [{ pool: p }], limits: { KEY } } }",
        ),
        (
            &keys::HTTP2,
            "listeners: { l: { bind: ':1', protocol: http, routes: [{ pool: p }], http2: { KEY } } }",
        ),
        (
            &keys::CLIENT_TIMEOUTS,
            "listeners: { l: { bind: ':1', protocol: http, routes: [{ pool: p }], timeouts: { KEY } } }",
        ),
        (
            &keys::LISTENER_TLS,
            "listeners: { l: { bind: ':1', protocol: https, routes: [{ pool: p }], tls: { certificates: [{ certificate: c }], KEY } } }",
        ),
        (
            &keys::CLIENT_CERTIFICATES,
            "listeners: { l: { bind: ':1', protocol: https, routes: [{ pool: p }], tls: { certificates: [{ certificate: c }], clientCertificates: { ca: c, KEY } } } }",
        ),
        (&keys::ISSUER, "acme: { i: { termsOfServiceAgreed: true, KEY } }"),
        (&keys::POOL_TLS, "pools: { q: { endpoints: { e: '1.1.1.1:1' }, tls: { KEY } } }"),
        (
            &keys::RATE,
            "listeners: { l: { bind: ':80', protocol: http, routes: [{ pool: p, filters: { rateLimit: { requests: 5, KEY } } }] } }",
        ),
        (
            &keys::BASIC_AUTH,
            "listeners: { l: { bind: ':80', protocol: http, routes: [{ pool: p, filters: { basicAuth: { file: f, KEY } } }] } }",
        ),
        (
            &keys::CORS,
            "listeners: { l: { bind: ':80', protocol: http, routes: [{ pool: p, filters: { cors: { allowOrigins: '*', KEY } } }] } }",
        ),
        (
            &keys::REDIRECT,
            "listeners: { l: { bind: ':80', protocol: http, routes: [{ filters: { requestRedirect: { port: 1, KEY } } }] } }",
        ),
        (
            &keys::EXTERNAL_AUTH,
            "listeners: { l: { bind: ':1', protocol: http, routes: [{ pool: p, filters: { externalAuth: { pool: p, KEY } } }] } }",
        ),
        (&keys::ENDPOINT, "pools: { q: { endpoints: { e: { address: '1.1.1.1:1', KEY } } } }"),
        (&keys::HEALTH_CHECK, "pools: { q: { endpoints: { e: '1.1.1.1:1' }, healthCheck: { KEY } } }"),
        (&keys::PASSIVE, "pools: { q: { endpoints: { e: '1.1.1.1:1' }, passive: { KEY } } }"),
        (&keys::RETRY, "pools: { q: { endpoints: { e: '1.1.1.1:1' }, retry: { KEY } } }"),
        (&keys::UPSTREAM_TIMEOUTS, "pools: { q: { endpoints: { e: '1.1.1.1:1' }, timeouts: { KEY } } }"),
        (&keys::QUEUE, "pools: { q: { endpoints: { e: '1.1.1.1:1' }, queue: { KEY } } }"),
        (&keys::KEEP_ALIVE, "pools: { q: { endpoints: { e: '1.1.1.1:1' }, keepAlive: { KEY } } }"),
        (&keys::DRAIN, "pools: { q: { endpoints: { e: '1.1.1.1:1' }, drain: { KEY } } }"),
        (&keys::SOURCE_MASK, "pools: { q: { endpoints: { e: '1.1.1.1:1' }, sourceMask: { KEY } } }"),
        (&keys::VIRTUAL_ROUTER, "virtualRouters: { v: { ROUTER, KEY } }"),
        (&keys::ANNOUNCE, "virtualRouters: { v: { ROUTER, announce: { KEY } } }"),
        (&keys::TRACK_POOL, "virtualRouters: { v: { ROUTER, track: { pools: { p: { lower: 1, KEY } } } } }"),
        (
            &keys::TRACK_PROGRAM,
            "virtualRouters: { v: { ROUTER, track: { programs: { x: { command: [x], lower: 1, KEY } } } } }",
        ),
        (&keys::TRACK_PROXY, "virtualRouters: { v: { ROUTER, track: { proxy: { KEY } } } }"),
        (&keys::TRACK_REQUESTS, "virtualRouters: { v: { ROUTER, track: { requests: { lower: 1, KEY } } } }"),
    ];
    let mut tried = 0;
    for (shape, place) in places {
        let with = |key: &str| {
            let router = "id: 1, interface: eth0, addresses: 10.0.0.1/24, priority: 1";
            let text = place.replace("KEY", key).replace("ROUTER", router);
            let pools = if place.starts_with("pools") {
                ""
            } else {
                "\npools: { p: { endpoints: { e: '1.1.1.1:1' } } }"
            };
            let outcome = compile(&(text + pools));
            outcome.snapshot.unwrap_or_else(|| panic!("{key}: {:?}", outcome.diagnostics))
        };
        for key in shape.keys {
            if let Some(default) = key.default {
                assert_eq!(with(&format!("{}: {default}", key.name)), with(""), "{}: {default}", key.name);
                tried += 1;
            }
        }
    }
    // `algorithm`, `slowStart`, `panicThreshold` of a pool and `insecure` of a probe.
    let pool = |key: &str| {
        compile(&format!("pools: {{ p: {{ endpoints: {{ e: '1.1.1.1:1' }}, {key} }} }}")).snapshot.unwrap()
    };
    for key in keys::POOL.keys {
        if let Some(default) = key.default {
            assert_eq!(pool(&format!("{}: {default}", key.name)), pool(""));
            tried += 1;
        }
    }
    let tls = "healthCheck: { protocol: https, tls: {";
    assert_eq!(pool(&format!("{tls} insecure: false }} }}")), pool(&format!("{tls} }} }}")));
    let mut declared = 0;
    let mut count = Vec::new();
    objects(&schema(), &[], &mut count);
    fn defaults(value: &Value, total: &mut usize) {
        match value {
            Value::Object(fields) => {
                *total += usize::from(fields.contains_key("default") && fields.contains_key("description"));
                fields.values().for_each(|value| defaults(value, total));
            }
            Value::Array(items) => items.iter().for_each(|value| defaults(value, total)),
            _ => {}
        }
    }
    defaults(&schema(), &mut declared);
    assert_eq!(tried + 1, declared, "some default was not tried");
}
