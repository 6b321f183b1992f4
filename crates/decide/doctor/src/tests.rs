//! Facts and what they mean, one by one: everything is well but for one fact.

use std::net::IpAddr;
use std::time::Duration;

use haechi_model::{Peer, Snapshot, Transport, VirtualRouter};
use proptest::prelude::*;

use super::*;
use crate::samples::{facts, router, router_facts};

fn snapshot(router: VirtualRouter) -> Snapshot {
    Snapshot { virtual_routers: vec![router], ..Snapshot::default() }
}

fn udp() -> VirtualRouter {
    let peers = vec![Peer { name: "lb2".into(), address: ([10, 0, 0, 2], 7112).into() }];
    let transport = Transport::Udp { bind: ([10, 0, 0, 1], 7112).into(), peers, keys: "keys.yaml".into() };
    VirtualRouter { transport, ..router() }
}

fn ip(last: u8) -> IpAddr {
    [10, 0, 0, last].into()
}

fn heard(id: u8, priority: u8, last: u8) -> Heard {
    Heard { source: ip(2), id, priority, addresses: vec![ip(last)] }
}

fn mac(number: u8) -> String {
    format!("02:00:00:00:00:{number:02x}")
}

/// The findings that are not well.
fn wrong(config: VirtualRouter, facts: &Facts) -> Vec<(Level, String, String)> {
    let found = examine(&snapshot(config), facts);
    for finding in &found {
        let explained = !finding.why.is_empty() && !finding.way_out.is_empty();
        assert_eq!(explained, finding.level != Level::Ok, "{finding:?}");
    }
    let wrong = found.into_iter().filter(|finding| finding.level != Level::Ok);
    wrong.map(|it| (it.level, it.check, it.found)).collect()
}

#[test]
fn where_all_is_well_each_look_says_so() {
    assert_eq!(wrong(router(), &facts()), []);
    let checks: Vec<String> = examine(&snapshot(router()), &facts()).into_iter().map(|it| it.check).collect();
    let wanted = [
        "rights",
        "admin socket",
        "state folder",
        "open files",
        "port",
        "firewall",
        "hand-over",
        "interface",
        "socket",
        "id",
        "owner",
        "settings",
    ];
    assert_eq!(checks, wanted);
}

/// A chain in which packets for this host begin.
const INPUT: &str =
    "table inet f {\nchain in {\ntype filter hook input priority filter; policy accept;\n…\n}\n}\n";

#[test]
fn each_fact_that_is_not_well_is_one_finding() {
    use Level::{Error, Unknown, Warning};
    type Change = fn(&mut Facts);
    let node: &[(Change, Level, &str, &str)] = &[
        (|it| it.node.admin = Err("another program".into()), Error, "admin socket", "another program"),
        (
            |it| it.node.state.1 = Err("read-only".into()),
            Warning,
            "state folder",
            "/var/lib/haechi: read-only",
        ),
        (|it| it.node.wall_seconds = 100, Warning, "clock", "the wall clock stands before 2026"),
        (|it| it.ports[0].found = Bind::Refused("in use".into()), Error, "port", "0.0.0.0:80: in use"),
        (|it| it.node.hand_over = Ok(Err("no nft".into())), Warning, "hand-over", "no nft"),
        (|it| it.node.hand_over = Err("no right".into()), Unknown, "hand-over", "not looked at: no right"),
        (|it| it.node.ruleset = Err("no right".into()), Unknown, "firewall", "not looked at: no right"),
        (
            |it| it.node.ruleset = Ok(INPUT.replace("…", "ip protocol vrrp drop")),
            Error,
            "firewall",
            "chain in: ip protocol vrrp drop",
        ),
        (
            |it| it.node.ruleset = Ok(INPUT.replace("…", "ip saddr @blocked drop")),
            Warning,
            "firewall",
            "chain in: ip saddr @blocked drop",
        ),
        (
            |it| {
                it.node.legacy_rules =
                    Ok("*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p vrrp -j DROP\nCOMMIT\n".into())
            },
            Error,
            "firewall",
            "iptables-legacy: chain INPUT: -p vrrp -j DROP",
        ),
        (
            |it| it.node.legacy_rules = Err("no program".into()),
            Unknown,
            "firewall",
            "not looked at: no program",
        ),
        (|it| it.given.rights.clear(), Error, "rights", "no CAP_NET_RAW"),
    ];
    let link: &[(Change, Level, &str, &str)] = &[
        (|it| it.routers[0].link = Ok(None), Error, "interface", "there is no interface eth0"),
        (|it| link(it).usable = false, Error, "interface", "eth0 is down, or has no carrier"),
        (
            |it| link(it).mtu = Some(51),
            Error,
            "interface",
            "an advertisement with 1 addresses takes 52 bytes",
        ),
        (|it| link(it).has_mac = false, Warning, "interface", "eth0 has no MAC"),
        (|it| it.routers[0].socket = Ok(Err("refused".into())), Error, "socket", "refused"),
        (|it| it.routers[0].socket = Err("no right".into()), Unknown, "socket", "not looked at: no right"),
        (|it| it.routers[0].heard = Err("no right".into()), Unknown, "id", "not looked at: no right"),
        (
            |it| it.routers[0].arp_ignore = Some(8),
            Error,
            "settings",
            "arp_ignore of eth0 is 8: it answers no ARP",
        ),
        (
            |it| (it.routers[0].rp_filter, it.node.interfaces_up) = (Some(1), 2),
            Warning,
            "settings",
            "rp_filter of eth0 is strict, and 2 interfaces are up",
        ),
    ];
    for (change, level, check, text) in node.iter().chain(link) {
        let mut facts = facts();
        change(&mut facts);
        let found = wrong(router(), &facts);
        assert_eq!(found[0], (*level, (*check).to_owned(), (*text).to_owned()), "{found:?}");
        assert!(found.len() == 1 || *check == "rights", "{found:?}");
    }
}

fn link(facts: &mut Facts) -> &mut Link {
    facts.routers[0].link.as_mut().unwrap().as_mut().unwrap()
}

#[test]
fn who_else_advertises_the_id_is_the_same_router_or_another() {
    use Level::{Error, Warning};
    let both = Heard { addresses: vec![ip(100), ip(101)], ..heard(51, 100, 100) };
    let table = [
        (heard(51, 100, 100), None),
        (heard(52, 100, 9), None),
        (heard(51, 150, 100), Some((Error, "10.0.0.2 has priority 150 too"))),
        (heard(51, 100, 9), Some((Error, "10.0.0.2 advertises id 51 for 10.0.0.9: another virtual router"))),
        (both, Some((Warning, "10.0.0.2 has 10.0.0.100, 10.0.0.101, and this config 10.0.0.100"))),
    ];
    for (heard, wanted) in table {
        let mut facts = facts();
        facts.routers[0].owners = Vec::new();
        facts.routers[0].heard = Ok(vec![heard]);
        let wanted = wanted.map(|(level, text)| (level, "id".to_owned(), text.to_owned()));
        assert_eq!(wrong(router(), &facts), wanted.into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn an_address_has_one_owner_who_advertises_it() {
    use Level::{Error, Unknown, Warning};
    let owners = |here, macs: &[u8]| Ok(Owners { here, macs: macs.iter().map(|it| mac(*it)).collect() });
    let held = || vec![heard(51, 100, 100)];
    let table = [
        (owners(false, &[]), vec![], None),
        (owners(true, &[]), vec![], None),
        (owners(false, &[1]), held(), None),
        (owners(false, &[1, 1]), held(), None),
        (
            owners(false, &[]),
            held(),
            Some((Warning, "another node advertises 10.0.0.100, and nobody answers")),
        ),
        (
            owners(false, &[1]),
            vec![],
            Some((Error, "02:00:00:00:00:01 answers for 10.0.0.100, and nobody advertises it")),
        ),
        (
            owners(false, &[1, 2]),
            held(),
            Some((Error, "two answer for 10.0.0.100: 02:00:00:00:00:01 and 02:00:00:00:00:02")),
        ),
        (
            owners(true, &[3]),
            vec![],
            Some((Error, "two answer for 10.0.0.100: this host and 02:00:00:00:00:03")),
        ),
        (Err("no right".to_owned()), vec![], Some((Unknown, "not looked at: 10.0.0.100: no right"))),
    ];
    for (owners, heard, wanted) in table {
        let mut facts = facts();
        facts.routers[0].owners = vec![(ip(100), owners)];
        facts.routers[0].heard = Ok(heard);
        let wanted = wanted.map(|(level, text)| (level, "owner".to_owned(), text.to_owned()));
        assert_eq!(wrong(router(), &facts), wanted.into_iter().collect::<Vec<_>>());
    }
    // Sealed advertisements are not overheard: one answer is as good as none.
    let mut facts = facts();
    facts.routers[0].owners = vec![(ip(100), Ok(Owners { here: false, macs: vec![mac(1)] }))];
    facts.routers[0].heard = Err("sealed".to_owned());
    assert_eq!(wrong(udp(), &facts), []);
}

#[test]
fn sealed_transport_needs_a_clock_keys_and_peers() {
    use Level::{Error, Unknown, Warning};
    type Change = fn(&mut Facts);
    let table: &[(Change, Level, &str, &str)] = &[
        (|it| it.node.wall_seconds = 100, Warning, "clock", "the wall clock stands before 2026"),
        (|it| it.node.synchronised = Err("forbidden".into()), Unknown, "clock", "not looked at: forbidden"),
        (
            |it| it.routers[0].keys = Some(Ok(0o100_644)),
            Warning,
            "keys",
            "others may use the keys file (mode 644)",
        ),
        (|it| it.routers[0].keys = Some(Err("gone".into())), Error, "keys", "gone"),
        (
            |it| it.routers[0].peers[0].2 = Ok(false),
            Warning,
            "peer",
            "lb2 (10.0.0.2) does not answer on this link",
        ),
        (
            |it| it.routers[0].peers[0].2 = Err("far".into()),
            Unknown,
            "peer",
            "not looked at: lb2 (10.0.0.2): far",
        ),
    ];
    for (change, level, check, text) in table {
        let mut facts = facts();
        facts.routers[0].keys = Some(Ok(0o100_600));
        facts.routers[0].peers = vec![("lb2".to_owned(), ip(2), Ok(true))];
        assert_eq!(wrong(udp(), &facts), []);
        change(&mut facts);
        assert_eq!(wrong(udp(), &facts), [(*level, (*check).to_owned(), (*text).to_owned())]);
    }
}

#[test]
fn open_files_are_counted_by_connections() {
    use haechi_model::{Listener, ListenerKind, Patience, PoolIndex, TcpListener};
    let listener = |most: u32| Listener {
        name: "db".into(),
        bind: Vec::new(),
        kind: ListenerKind::Tcp(TcpListener {
            pool: PoolIndex(0),
            patience: Patience { idle: Duration::ZERO, half_closed: Duration::ZERO, keep_alive: None },
        }),
        max_connections: std::num::NonZeroU32::new(most),
        max_connections_per_client: None,
        proxy_protocol: None,
    };
    // Most connections (0: no limit), open files, and whether that is well.
    let rows = [
        (0, Some(1024), false),
        (0, Some(4096), true),
        (0, None, true),
        (10_000, Some(20_000), false),
        (9_000, Some(20_000), true),
    ];
    for (most, limit, well) in rows {
        let mut facts = facts();
        facts.node.open_files = limit;
        let snapshot = Snapshot { listeners: vec![listener(most)], ..Snapshot::default() };
        let found = examine(&snapshot, &facts);
        let level = found.iter().find(|it| it.check == "open files").unwrap().level;
        assert_eq!(level == Level::Ok, well, "{most} {limit:?}");
    }
}

proptest! {
    /// Against the rule in one line: two different owners are an error, however they are found.
    #[test]
    fn two_owners_are_always_an_error(here: bool, macs in proptest::collection::vec(0_u8..4, 0..4), advertised: bool) {
        let mut facts = facts();
        let mut different: Vec<String> = macs.iter().map(|number| mac(*number)).collect();
        facts.routers[0].owners = vec![(ip(100), Ok(Owners { here, macs: different.clone() }))];
        facts.routers[0].heard = Ok(if advertised { vec![heard(51, 100, 100)] } else { Vec::new() });
        different.sort();
        different.dedup();
        let several = different.len() + usize::from(here) > 1;
        let two = wrong(router(), &facts).iter().any(|(level, _, text)| *level == Level::Error && text.starts_with("two answer"));
        prop_assert_eq!(two, several);
    }

    #[test]
    fn no_text_of_a_firewall_is_too_strange(ruleset in ".*") {
        let _ = firewall::judge(&firewall::read_nft(&ruleset));
        let _ = firewall::judge(&firewall::read_legacy(&ruleset));
    }
}

#[test]
fn facts_of_one_router_do_not_reach_another() {
    let mut two = facts();
    two.routers = vec![router_facts(), RouterFacts { link: Ok(None), ..router_facts() }];
    let other = VirtualRouter { name: "other".into(), ..router() };
    let snapshot = Snapshot { virtual_routers: vec![router(), other], ..Snapshot::default() };
    let found = examine(&snapshot, &two);
    let wrong: Vec<_> = found.iter().filter(|it| it.level == Level::Error).map(|it| &it.subject).collect();
    assert_eq!(wrong, ["virtual router other"]);
}

/// Who must be told of a clock that nobody sets: a node whose lives nothing else keeps apart.
#[test]
fn a_clock_on_its_own_matters_where_nothing_is_remembered() {
    let clock = |config: VirtualRouter, synchronised: bool, remembers: bool| {
        let mut facts = facts();
        facts.node.synchronised = Ok(synchronised);
        if !remembers {
            facts.node.state.1 = Err("read-only".into());
        }
        let found = examine(&snapshot(config), &facts);
        found.into_iter().find(|it| it.check == "clock").map(|it| it.level)
    };
    for (synchronised, remembers) in [(true, true), (true, false), (false, true)] {
        assert_eq!(clock(udp(), synchronised, remembers), Some(Level::Ok), "{synchronised}, {remembers}");
    }
    assert_eq!(clock(udp(), false, false), Some(Level::Warning));
    assert_eq!(clock(router(), false, false), None, "no envelopes");
}
