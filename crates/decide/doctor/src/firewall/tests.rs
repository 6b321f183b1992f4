//! Rulesets, and what they mean for an advertisement.

use super::*;

/// A table with these chains after one that packets for this host begin in.
fn nft(policy: &str, input: &str, more: &str) -> Report {
    let ruleset = format!(
        "table inet f {{\n{more}\n\tchain in {{\n\t\ttype filter hook input priority filter; policy {policy};\n\t\t{input}\n\t}}\n}}\n"
    );
    judge(&read_nft(&ruleset))
}

fn drops(all: &[&str]) -> Report {
    Report { drops: all.iter().map(|it| (*it).to_owned()).collect(), unsure: Vec::new() }
}

fn unsure(all: &[&str]) -> Report {
    Report { drops: Vec::new(), unsure: all.iter().map(|it| (*it).to_owned()).collect() }
}

const REST: &str = "chain in drops what it does not accept, and accepts no protocol 112";

#[test]
fn plain_rules_of_nftables() {
    let rows: &[(&str, &str, Report)] = &[
        ("accept", "ip protocol 112 drop", drops(&["chain in: ip protocol 112 drop"])),
        (
            "accept",
            "meta l4proto vrrp counter packets 3 bytes 120 reject",
            drops(&["chain in: meta l4proto vrrp counter packets 3 bytes 120 reject"]),
        ),
        ("drop", "tcp dport 22 accept", drops(&[REST])),
        ("drop", "meta l4proto { tcp, vrrp } accept\n\t\tip protocol vrrp drop", drops(&[])),
        ("drop", "accept", drops(&[])),
        ("accept", "tcp dport 112 drop", drops(&[])),
        ("accept", "counter packets 1 bytes 2 drop comment \"vrrp accept\"", drops(&[REST])),
        ("accept", "ip protocol != vrrp drop", drops(&[])),
        ("accept", "meta l4proto != { tcp, vrrp } drop", drops(&[])),
        ("accept", "ip protocol != tcp drop", drops(&["chain in: ip protocol != tcp drop"])),
        ("drop", "ct state established,related accept\n\t\tiifname \"lo\" accept", drops(&[REST])),
        ("drop", "meta l4proto vmap { tcp : accept, vrrp : accept }", drops(&[])),
        (
            "accept",
            "meta l4proto vmap { tcp : accept, vrrp : drop }",
            drops(&["chain in: meta l4proto vmap { tcp : accept, vrrp : drop }"]),
        ),
        (
            "accept",
            "ct state != { established, related } drop",
            unsure(&["chain in: ct state != { established, related } drop"]),
        ),
        ("accept", "meta mark 6 drop", unsure(&["chain in: meta mark 6 drop"])),
        ("accept", "", drops(&[])),
    ];
    for (policy, input, wanted) in rows {
        assert_eq!(nft(policy, input, ""), *wanted, "{policy}: {input}");
    }
    assert_eq!(judge(&read_nft("")), Report::default());
    let elsewhere = "table bridge f {\n\tchain in {\n\t\ttype filter hook input priority filter; policy drop;\n\t}\n}\n\
                     table ip f {\n\tchain out {\n\t\ttype filter hook forward priority filter; policy drop;\n\t}\n}\n";
    assert_eq!(judge(&read_nft(elsewhere)), Report::default());
}

#[test]
fn chains_are_followed() {
    let chain = |name: &str, rules: &str| format!("\tchain {name} {{\n\t\t{rules}\n\t}}");
    let rows: &[(&str, &str, String, Report)] = &[
        ("accept", "jump a", chain("a", "ip protocol vrrp drop"), drops(&["chain a: ip protocol vrrp drop"])),
        ("drop", "jump a", chain("a", "ip protocol vrrp accept"), drops(&[])),
        ("drop", "jump a\n\t\taccept", chain("a", "return\n\t\tdrop"), drops(&[])),
        ("drop", "goto a\n\t\taccept", chain("a", "tcp dport 1 drop"), drops(&[REST])),
        ("accept", "tcp dport 1 jump a", chain("a", "drop"), drops(&[])),
        (
            "accept",
            "iifname \"eth0\" jump a",
            chain("a", "ip protocol vrrp drop"),
            drops(&["chain a: ip protocol vrrp drop"]),
        ),
        (
            "accept",
            "meta l4proto vmap { vrrp : jump a }",
            chain("a", "drop"),
            drops(&["chain a drops what it does not accept, and accepts no protocol 112"]),
        ),
        ("accept", "jump a", chain("a", "jump a"), drops(&[])),
        ("accept", "jump nowhere", String::new(), drops(&[])),
    ];
    for (policy, input, more, wanted) in rows {
        assert_eq!(nft(policy, input, more), *wanted, "{input}: {more}");
    }
}

#[test]
fn what_can_t_be_evaluated_is_said() {
    let protocols = "\tset p {\n\t\ttype inet_proto\n\t\telements = { tcp,\n\t\t\t     vrrp }\n\t}";
    let rows: &[(&str, &str, &str, Report)] = &[
        ("accept", "ip saddr @blocked drop", "", unsure(&["chain in: ip saddr @blocked drop"])),
        ("accept", "iifname vmap @by_interface", "", unsure(&["chain in: iifname vmap @by_interface"])),
        ("accept", "meta l4proto @p drop", protocols, drops(&["chain in: meta l4proto @p drop"])),
        ("drop", "meta l4proto @p accept", protocols, drops(&[])),
        ("accept", "meta l4proto @unknown drop", "", unsure(&["chain in: meta l4proto @unknown drop"])),
        (
            "drop",
            "ip saddr 10.0.0.0/24 accept",
            "",
            unsure(&[&format!("{REST}, unless this accepts it: chain in: ip saddr 10.0.0.0/24 accept")]),
        ),
    ];
    for (policy, input, more, wanted) in rows {
        assert_eq!(nft(policy, input, more), *wanted, "{input}");
    }
}

#[test]
fn rules_of_iptables_legacy() {
    let rows: &[(&str, &str, Report)] = &[
        ("ACCEPT", "-A INPUT -p vrrp -j DROP", drops(&["chain INPUT: -p vrrp -j DROP"])),
        ("ACCEPT", "-A INPUT ! -p vrrp -j DROP", drops(&[])),
        ("ACCEPT", "-A INPUT -p tcp -m tcp --dport 112 -j DROP", drops(&[])),
        ("DROP", "-A INPUT -p 112 -j ACCEPT", drops(&[])),
        (
            "DROP",
            "-A INPUT -i lo -j ACCEPT\n-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
            drops(&["chain INPUT drops what it does not accept, and accepts no protocol 112"]),
        ),
        (
            "ACCEPT",
            "-A INPUT -j guard\n-A guard -p vrrp -j REJECT --reject-with icmp-port-unreachable",
            drops(&["chain guard: -p vrrp -j REJECT --reject-with icmp-port-unreachable"]),
        ),
        ("ACCEPT", "-A INPUT ! -i lo -j DROP", unsure(&["chain INPUT: ! -i lo -j DROP"])),
        (
            "ACCEPT",
            "-A INPUT -m conntrack ! --ctstate RELATED,ESTABLISHED -j DROP",
            unsure(&["chain INPUT: -m conntrack ! --ctstate RELATED,ESTABLISHED -j DROP"]),
        ),
        ("ACCEPT", "-A INPUT -j LOG", drops(&[])),
        ("ACCEPT", "-A INPUT -g guard\n-A guard -j RETURN\n-A guard -j DROP", drops(&[])),
        (
            "ACCEPT",
            "-A INPUT -m set --match-set blocked src -j DROP",
            unsure(&["chain INPUT: -m set --match-set blocked src -j DROP"]),
        ),
    ];
    for (policy, rules, wanted) in rows {
        let saved =
            format!("*filter\n:INPUT {policy} [0:0]\n:FORWARD DROP [0:0]\n:guard - [0:0]\n{rules}\nCOMMIT\n");
        assert_eq!(judge(&read_legacy(&saved)), *wanted, "{policy}: {rules}");
    }
}

/// Rules that lead to each other cost no more than their number.
#[test]
fn a_maze_of_chains_ends() {
    let chains: String = (0..200)
        .map(|from| {
            let jumps: String = (0..200).map(|to| format!("\t\tiifname \"e{to}\" jump c{to}\n")).collect();
            format!("\tchain c{from} {{\n{jumps}\t}}\n")
        })
        .collect();
    assert_eq!(nft("accept", "iifname \"e\" jump c0", &chains), Report::default());
    let doubled: String = (0..20)
        .map(|from| format!("\tchain c{from} {{\n{}\t}}\n", format!("\t\tjump c{}\n", from + 1).repeat(9)))
        .collect();
    assert_eq!(nft("accept", "jump c0", &doubled), unsure(&["chain in leads to more than 100000 rules"]));
}
