//! What `nft list ruleset` prints.

use std::collections::{BTreeMap, BTreeSet};

use super::{Chain, Rule, Table, Takes, Verdict};

/// Words that stand for another protocol than ours, as a condition.
const OTHERS: [&str; 14] = [
    "tcp",
    "udp",
    "icmp",
    "icmpv6",
    "ipv6-icmp",
    "sctp",
    "dccp",
    "udplite",
    "esp",
    "ah",
    "igmp",
    "gre",
    "th",
    "arp",
];

/// Every table of it.
pub(crate) fn read(ruleset: &str) -> Vec<Table> {
    let mut tables = Vec::new();
    let mut table = Table::new();
    let mut sets = BTreeMap::new();
    let mut place = Place::Outside;
    for line in ruleset.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("table ") {
            tables.push(std::mem::take(&mut table));
            sets.clear();
            // Frames of bridges and cards are not packets for this host.
            let foreign = ["bridge ", "netdev ", "arp "].iter().any(|family| rest.starts_with(family));
            place = if foreign { Place::Foreign } else { Place::Outside };
        } else if place == Place::Foreign {
            continue;
        } else if let Some(name) = line.strip_prefix("chain ") {
            let name = name.trim_end_matches([' ', '{']).to_owned();
            table.entry(name.clone()).or_default();
            place = Place::Chain(name);
        } else if let Some(name) = line.strip_prefix("set ").filter(|_| place == Place::Outside) {
            place = Place::Set(name.trim_end_matches([' ', '{']).to_owned());
        } else if line.starts_with('}') {
            place = Place::Outside;
        } else if let Place::Set(name) = &place {
            // Over several lines, if it is long.
            let known: &mut BTreeSet<String> = sets.entry(name.clone()).or_default();
            known
                .extend(line.trim_start_matches("elements =").split([' ', ',', '{', '}']).map(str::to_owned));
        } else if let Place::Chain(name) = &place
            && let Some(chain) = table.get_mut(name)
        {
            read_line(chain, line, &sets);
        }
    }
    tables.push(table);
    tables
}

/// Where a line stands.
#[derive(PartialEq, Eq)]
enum Place {
    Outside,
    Foreign,
    Set(String),
    Chain(String),
}

fn read_line(chain: &mut Chain, line: &str, sets: &BTreeMap<String, BTreeSet<String>>) {
    if line.starts_with("type ") && line.contains(" hook ") {
        chain.input = line.contains("hook input") || line.contains("hook prerouting");
        chain.drops_rest = line.contains("policy drop");
        return;
    }
    let plain = without_texts(line);
    let words: Vec<&str> = plain.split([' ', ',', '{', '}', ';']).filter(|word| !word.is_empty()).collect();
    if words.is_empty() {
        return;
    }
    let verdict = verdict(&words);
    let takes = takes(&plain, &words, sets);
    // A map's verdicts for other protocols do not count, and for ours are its own.
    let (takes, verdict) = match mapped(&words) {
        Some(verdict) if words.contains(&"vmap") => (Takes::Named, verdict),
        _ => (takes, verdict),
    };
    chain.rules.push(Rule { takes, verdict, text: line.to_owned() });
}

/// Comments and prefixes of logs may hold any word.
fn without_texts(line: &str) -> String {
    let mut plain = line.to_owned();
    for begin in ["comment \"", "log prefix \""] {
        while let Some(at) = plain.find(begin) {
            let after = at + begin.len();
            let end = plain[after..].find('"').map_or(plain.len(), |length| after + length + 1);
            plain.replace_range(at..end, "");
        }
    }
    plain
}

fn verdict(words: &[&str]) -> Verdict {
    if words.contains(&"vmap") {
        return Verdict::Unknown;
    }
    let after = |word: &str| {
        words.iter().position(|it| *it == word).and_then(|at| words.get(at + 1)).map(|it| (*it).to_owned())
    };
    if let Some(to) = after("jump") {
        Verdict::Jump(to)
    } else if let Some(to) = after("goto") {
        Verdict::Goto(to)
    } else if words.iter().any(|word| matches!(*word, "drop" | "reject")) {
        Verdict::Drop
    } else if words.contains(&"accept") {
        Verdict::Accept
    } else if words.contains(&"return") {
        Verdict::Return
    } else {
        Verdict::Next
    }
}

/// What a map that is printed says for protocol 112: `vrrp : drop`.
fn mapped(words: &[&str]) -> Option<Verdict> {
    let at = words.iter().position(|word| is_vrrp(word))?;
    let rest = words.get(at + 1..)?.strip_prefix(&[":"])?;
    Some(verdict(&rest[..rest.len().min(2)]))
}

fn is_vrrp(word: &str) -> bool {
    matches!(word, "vrrp" | "112")
}

fn takes(plain: &str, words: &[&str], sets: &BTreeMap<String, BTreeSet<String>>) -> Takes {
    let protocol = ["ip protocol ", "meta l4proto ", "ip6 nexthdr "];
    if let Some(at) = protocol.iter().find_map(|it| plain.find(it).map(|at| at + it.len())) {
        let (negated, rest) = match plain[at..].strip_prefix("!= ") {
            Some(rest) => (true, rest),
            None => (false, &plain[at..]),
        };
        let one = rest.split(' ').next().unwrap_or_default();
        let named = if let Some(set) = one.strip_prefix('@') {
            let Some(elements) = sets.get(set) else { return Takes::Maybe };
            elements.iter().any(|it| is_vrrp(it))
        } else if let Some(list) = rest.strip_prefix('{') {
            list.split('}').next().is_some_and(|list| list.split([' ', ',']).any(is_vrrp))
        } else {
            is_vrrp(one)
        };
        return if named == negated { Takes::No } else { Takes::Named };
    }
    if words.iter().any(|word| OTHERS.contains(word)) {
        return Takes::No;
    }
    // Of the loopback nothing comes from others, and an advertisement answers nothing.
    let loopback = ["iifname \"lo\"", "iif \"lo\""].iter().any(|it| plain.contains(it));
    let negated = ["ct state != ", "ct state ! "].iter().any(|it| plain.contains(it));
    let may_begin = words.iter().any(|it| matches!(*it, "new" | "untracked" | "invalid"));
    let answer = plain.contains("ct state") && !negated && !may_begin;
    if loopback || answer {
        return Takes::No;
    }
    let conditions = words.iter().scan("", |before, word| Some((std::mem::replace(before, word), *word)));
    let mut conditions = conditions.filter(|(before, word)| {
        let counted = matches!(*before, "packets" | "bytes" | "jump" | "goto" | "with" | "type");
        let harmless = [
            "counter", "packets", "bytes", "log", "accept", "drop", "reject", "return", "jump", "goto",
            "with",
        ];
        !counted && !harmless.contains(word)
    });
    if conditions.next().is_some() { Takes::Maybe } else { Takes::All }
}
