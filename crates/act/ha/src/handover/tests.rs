//! Rulesets as text: what nftables is asked for, word by word.

use haechi_sys::flows::FlowState;

use super::*;

fn chain(addresses: &[&str], previous: &str) -> Chain {
    Chain {
        router: "edge".into(),
        interface: "eth0".into(),
        addresses: addresses.iter().map(|it| it.parse().unwrap()).collect(),
        previous: previous.parse().unwrap(),
    }
}

fn way(chain: Chain, kept: Vec<Flow>) -> Way {
    Way { chain, kept, zone: 7 }
}

fn flow(remote: &str, local: &str) -> Flow {
    Flow { local: local.parse().unwrap(), remote: remote.parse().unwrap(), state: FlowState::Established }
}

#[test]
fn unknown_flows_are_passed_and_own_ones_kept() {
    let kept = vec![flow("10.0.0.9:1234", "10.0.0.100:80"), flow("10.0.0.9:1235", "10.0.0.101:443")];
    let before = Before { loose: 1, liberal: 0 };
    let laid = way(chain(&["10.0.0.100", "10.0.0.101"], "10.0.0.1"), kept);
    let text = passing(Family::V4, &[laid], Some(before));
    let wanted = r#"table ip haechi {
}
delete table ip haechi
table ip haechi {
  set kept0 {
    type ipv4_addr . inet_service . ipv4_addr . inet_service
    elements = { 10.0.0.9 . 1234 . 10.0.0.100 . 80, 10.0.0.9 . 1235 . 10.0.0.101 . 443 }
  }
  chain pass0 {
    ip ttl > 10 ip ttl set 10
    counter dup to 10.0.0.1 device "eth0" comment "edge"
    drop
  }
  chain turn-prerouting {
    type filter hook prerouting priority raw; policy accept;
    ip daddr { 10.0.0.100, 10.0.0.101 } ip saddr . tcp sport . ip daddr . tcp dport != @kept0 ct zone set 7
  }
  chain turn-output {
    type filter hook output priority raw; policy accept;
    ip saddr { 10.0.0.100, 10.0.0.101 } ip daddr . tcp dport . ip saddr . tcp sport != @kept0 ct zone set 7
  }
  chain prerouting {
    type filter hook prerouting priority mangle; policy accept;
    ct state invalid counter comment "haechi: before it, tcp_loose 1, be_liberal 0"
    iifname != "lo" ip daddr { 10.0.0.100, 10.0.0.101 } ip ttl > 1 ct state invalid ip saddr . tcp sport . ip daddr . tcp dport != @kept0 goto pass0
    iifname != "lo" ip daddr { 10.0.0.100, 10.0.0.101 } ip ttl > 1 ct state invalid icmp type destination-unreachable dup to 10.0.0.1 device "eth0"
  }
}
"#;
    assert_eq!(text, wanted);
    assert_eq!(Before::found(&text), Some(before));
}

#[test]
fn ipv6_has_its_own_words() {
    let kept = vec![flow("[2001:db8::9]:1234", "[2001:db8::100]:80"), flow("10.0.0.9:1", "10.0.0.100:80")];
    let text = passing(Family::V6, &[way(chain(&["2001:db8::100"], "fe80::1"), kept)], None);
    for wanted in [
        "table ip6 haechi {",
        "    elements = { 2001:db8::9 . 1234 . 2001:db8::100 . 80 }\n",
        "    ip6 hoplimit > 10 ip6 hoplimit set 10\n",
        "dup to fe80::1 device \"eth0\"",
        "ip6 saddr { 2001:db8::100 } ip6 daddr . tcp dport . ip6 saddr . tcp sport != @kept0 ct zone set 7\n",
        "icmpv6 type { destination-unreachable, packet-too-big }",
    ] {
        assert!(text.contains(wanted), "{wanted} is missing in {text}");
    }
    assert!(!text.contains("10.0.0"), "{text}");
}

#[test]
fn a_set_without_flows_has_no_elements() {
    let text = passing(Family::V4, &[way(chain(&["10.0.0.100"], "10.0.0.1"), Vec::new())], None);
    assert!(!text.contains("elements"), "{text}");
}

#[test]
fn several_do_not_get_into_each_others_way() {
    let chains = [chain(&["10.0.0.100"], "10.0.0.1"), chain(&["10.0.0.200"], "10.0.0.2")];
    let text = passing(Family::V4, &chains.map(|chain| way(chain, Vec::new())), None);
    for wanted in ["@kept0 goto pass0", "@kept1 goto pass1", "daddr { 10.0.0.200 }", "dup to 10.0.0.2"] {
        assert!(text.contains(wanted), "{wanted} is missing in {text}");
    }
}

#[test]
fn each_ruleset_begins_with_an_empty_table() {
    for family in [Family::V4, Family::V6] {
        let empty = nothing(family);
        assert_eq!(empty.lines().count(), 3);
        assert!(
            watching(family, &[]).starts_with(&empty) && watching(family, &[]).contains("ct state invalid")
        );
        assert!(passing(family, &[], None).starts_with(&empty));
    }
}

#[test]
fn no_name_ends_its_quotes() {
    let mut evil = chain(&["10.0.0.100"], "10.0.0.1");
    evil.router = "a\" ; flush ruleset ; \\".into();
    let text = passing(Family::V4, &[way(evil, Vec::new())], None);
    assert!(text.contains("comment \"a;flushruleset;\"\n"), "{text}");
}

#[test]
fn only_our_own_comment_tells_what_was_before() {
    for listed in [
        "",
        "table ip haechi {",
        "haechi: before it, tcp_loose x, be_liberal 0\"",
        "haechi: before it, tcp_loose 1, be_liberal 0",
        "haechi: before it, tcp_loose 1\"",
    ] {
        assert_eq!(Before::found(listed), None, "{listed}");
    }
}
