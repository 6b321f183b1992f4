//! Requests that want to be slow or to slip through.

use super::{find, route};
use crate::Table;

#[test]
fn hosts_that_are_none_match_only_routes_for_any() {
    let with_any =
        Table::new(&[route("a.b", "/", "", ""), route("*.b", "/", "", ""), route("any", "/", "", "")]);
    let without = Table::new(&[route("a.b", "/", "", ""), route("*.b", "/", "", "")]);
    let long = format!("{}.b", "a".repeat(254));
    let hosts = [
        "",
        ".",
        "..",
        "a..b",
        ".b",
        "a.b..",
        "a.b:65536",
        "a.b:8x",
        "a.b:80:80",
        "[a.b",
        "[a.b]x",
        "a.b]",
        " a.b",
        "a.b ",
        "a.b\0",
        "u@a.b",
        "a.b/",
        "a.b,a.b",
        "a.b#",
        "*.b.c",
        "ａ.b.c",
        "[]",
        "[",
        "]",
        ":",
        "::",
        &long,
    ];
    for host in hosts {
        assert_eq!(find(&with_any, host, "/"), Some(2), "{host:?}");
        assert_eq!(find(&without, host, "/"), None, "{host:?}");
    }
    assert_eq!(find(&without, "a.b", "/"), Some(0));
    assert_eq!(find(&without, "x.b", "/"), Some(1));
}

/// A client can send 30,000 slashes, and a config may hold a prefix of 1,000 elements.
#[test]
fn paths_of_slashes() {
    let table = Table::new(&[route("any", "/a/b", "", ""), route("any", "/", "PUT", "")]);
    assert_eq!(find(&table, "x", &"/".repeat(30_000)), None);
    assert_eq!(find(&table, "x", &format!("/a/b{}", "/".repeat(30_000))), Some(0));
    assert_eq!(find(&table, "x", &format!("{}a/b", "/".repeat(30_000))), None);
    let deep = "/d".repeat(1000);
    let table = Table::new(&[route("any", &deep, "", ""), route("any", "/d", "", "")]);
    assert_eq!(find(&table, "x", &format!("{deep}/e")), Some(0));
    assert_eq!(find(&table, "x", &"/d".repeat(999)), Some(1));
}

/// Printed, not asserted: `cargo test -p haechi-route lookups -- --nocapture`.
#[test]
#[expect(clippy::disallowed_methods, reason = "a measurement")]
fn lookups_among_many() {
    for count in [1, 10, 100, 10_000] {
        let routes: Vec<_> = (0..count)
            .flat_map(|n| {
                let host = format!("shop-{n}.example.com");
                [
                    route(&host, "/", "", ""),
                    route(&host, "/api/v1", "", ""),
                    route("any", &format!("/p{n}"), "", ""),
                ]
            })
            .collect();
        let start = std::time::Instant::now();
        let table = Table::new(&routes);
        let built = start.elapsed();
        let hosts: Vec<String> = (0..count).map(|n| format!("Shop-{n}.example.com:8080")).collect();
        let rounds = 100_000 / count;
        let start = std::time::Instant::now();
        for _ in 0..rounds {
            for (n, host) in hosts.iter().enumerate() {
                assert_eq!(find(&table, host, "/api/v1/users/7"), Some(n * 3 + 1));
            }
        }
        let each = start.elapsed() / u32::try_from(rounds * count).unwrap();
        println!("{} routes: made in {built:?}, {each:?} per lookup", routes.len());
        let slashes = "/".repeat(60_000);
        let start = std::time::Instant::now();
        assert_eq!(find(&table, "x", &slashes), None);
        println!("60,000 slashes: {:?}", start.elapsed());
    }
}
