//! Routes with several pools, with real nginx servers behind them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::net::SocketAddr;

use haechi_tests::{Connection, Http2, Nginx, Node, address};
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_haechi");

/// Two pools of one nginx each, `stable` and `canary`, with these routes in front.
struct Rig {
    servers: [Nginx; 2],
    listen: SocketAddr,
    node: Node,
}

fn rig(workers: u8, routes: &str) -> Rig {
    let servers = ["stable", "canary"].map(|name| Nginx::demo(name, address()));
    let ip = address();
    let config = format!(
        "workers: {workers}\nlisteners:\n  web:\n    bind: \"{ip}:80\"\n    protocol: http\n    routes:\n{routes}\
         pools:\n  stable: {{ endpoints: {{ a: \"{}\" }} }}\n  canary: {{ endpoints: {{ a: \"{}\" }} }}\n",
        servers[0].address, servers[1].address,
    );
    Rig { servers, listen: SocketAddr::new(ip, 80), node: Node::start(BINARY, &config) }
}

fn who(connection: &mut Connection, path: &str, fields: &str) -> String {
    connection.send(format!("GET {path} HTTP/1.1\r\nHost: h\r\n{fields}\r\n").as_bytes()).unwrap();
    let reply = connection.reply(false).unwrap();
    reply.json("pod").unwrap_or_else(|| format!("{} {}", reply.status, reply.text()))
}

fn counts(answers: impl IntoIterator<Item = String>) -> BTreeMap<String, u32> {
    answers.into_iter().fold(BTreeMap::new(), |mut counts, who| {
        *counts.entry(who).or_default() += 1;
        counts
    })
}

fn of<const N: usize>(wanted: [(&str, u32); N]) -> BTreeMap<String, u32> {
    wanted.into_iter().map(|(who, count)| (who.to_owned(), count)).collect()
}

#[test]
fn shares_are_exact_over_workers_connections_and_protocols() {
    let rig = rig(2, "      - { pools: { stable: 90, canary: 10 } }\n");
    for kept in [false, true] {
        let mut open = Connection::open(rig.listen).unwrap();
        let answers = (0..200).map(|_| {
            if !kept {
                open = Connection::open(rig.listen).unwrap();
            }
            who(&mut open, "/", "")
        });
        assert_eq!(counts(answers), of([("stable", 180), ("canary", 20)]));
    }
    let mut client = Http2::open(rig.listen).unwrap();
    let answers = (0..100).map(|_| {
        let json: Value = serde_json::from_str(&client.get("/").text()).unwrap();
        json["pod"].as_str().unwrap().to_owned()
    });
    assert_eq!(counts(answers), of([("stable", 90), ("canary", 10)]));
    let split = &rig.node.status()["listeners"][0]["splits"][0];
    assert_eq!((&split["route"], &split["by"]), (&"*/".into(), &Value::Null));
    let pool = |at: usize| (split["pools"][at]["pool"].clone(), split["pools"][at]["turns"].clone());
    assert_eq!((pool(0), pool(1)), (("stable".into(), 450.into()), ("canary".into(), 50.into())));
    let metrics = rig.node.metrics();
    let line = "haechi_split_requests_total{listener=\"web\",route=\"*/\",pool=\"canary\",by=\"turn\"} 50";
    assert!(metrics.contains(line), "{metrics}");
    assert!(rig.node.verb(&["status"]).out.contains("90.0%"));
}

#[test]
fn a_change_of_weights_moves_turns_at_once_and_counts_go_on() {
    let rig = rig(1, "      - { pools: { stable: 1, canary: 0 } }\n");
    let mut open = Connection::open(rig.listen).unwrap();
    let ask = |open: &mut Connection| counts((0..10).map(|_| who(open, "/", "")));
    assert_eq!(ask(&mut open), of([("stable", 10)]));
    let config = std::fs::read_to_string(rig.node.config()).unwrap();
    let plan = rig.node.change(&config.replace("stable: 1, canary: 0", "stable: 1, canary: 1"));
    assert!(plan.out.contains("pools.canary 0 -> 1 (no disruption)"), "{}", plan.out);
    assert_eq!(ask(&mut open), of([("stable", 5), ("canary", 5)]));
    rig.node.change(&config.replace("stable: 1, canary: 0", "stable: 0, canary: 0"));
    open.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    let reply = open.reply(false).unwrap();
    assert_eq!((reply.status, reply.fields["haechi-fault"].as_str()), (503, "noEndpoint"));
    rig.node.change(&config.replace("stable: 1, canary: 0", "stable: 0, canary: 1"));
    assert_eq!(ask(&mut open), of([("canary", 10)]), "the connection went on");
    let pools = &rig.node.status()["listeners"][0]["splits"][0]["pools"];
    assert_eq!((&pools[0]["turns"], &pools[1]["turns"]), (&15.into(), &15.into()));
}

#[test]
fn a_key_stays_and_a_change_of_weights_moves_only_whom_it_must() {
    let rig = rig(
        2,
        "      - { path: /cookie, pools: { stable: 70, canary: 30 }, splitBy: { cookie: user } }\n\
         \x20     - { path: /header, pools: { stable: 70, canary: 30 }, splitBy: { header: X-User } }\n\
         \x20     - { path: /address, pools: { stable: 50, canary: 50 }, splitBy: clientAddress }\n",
    );
    let mut open = Connection::open(rig.listen).unwrap();
    let mut ask = |path: &str, field: &str| -> Vec<String> {
        (0..300).map(|user| who(&mut open, path, &format!("{field}{user}\r\n"))).collect()
    };
    let before = ask("/cookie", "Cookie: theme=dark; user=");
    assert_eq!(before, ask("/cookie", "Cookie: user="), "the same users again");
    assert_eq!(before, ask("/header", "X-User: "), "keys are texts, whatever they stand in");
    let canaries = |answers: &[String]| answers.iter().filter(|who| *who == "canary").count();
    assert!((60..120).contains(&canaries(&before)), "{}", canaries(&before));
    // Without the cookie it is a turn.
    let turns = counts(ask("/cookie", "X-Else: ").into_iter().take(100));
    assert_eq!(turns, of([("stable", 70), ("canary", 30)]));
    let all: Vec<String> = ask("/address", "X-Else: ");
    assert!(all.iter().all(|who| *who == all[0]), "one client, one pool");
    let config = std::fs::read_to_string(rig.node.config()).unwrap();
    rig.node.change(&config.replace("stable: 70, canary: 30", "stable: 40, canary: 60"));
    let after = ask("/cookie", "Cookie: user=");
    assert!((140..220).contains(&canaries(&after)), "{}", canaries(&after));
    let back = before.iter().zip(&after).filter(|(old, new)| *old == "canary" && *new != "canary");
    assert_eq!(back.count(), 0, "whoever was at the pool that gained stayed there");
    let mut http2 = Http2::open(rig.listen).unwrap();
    for (user, pool) in after.iter().enumerate().take(20) {
        let stream =
            http2.begin("GET", "/cookie", &[("cookie", "a=b"), ("cookie", &format!("user={user}"))], true);
        let json: Value = serde_json::from_str(&http2.answer(stream).text()).unwrap();
        assert_eq!(json["pod"].as_str(), Some(pool.as_str()), "user {user} over HTTP/2");
    }
}

#[test]
fn a_dead_pool_fails_its_share_only() {
    let mut rig = rig(1, "      - { pools: { stable: 3, canary: 1 } }\n");
    rig.servers[1].kill();
    let mut open = Connection::open(rig.listen).unwrap();
    let statuses = (0..40).map(|_| open.get("/").unwrap().status.to_string());
    assert_eq!(counts(statuses), of([("200", 30), ("502", 10)]));
}
