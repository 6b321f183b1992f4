//! Whether a ruleset of nftables drops advertisements, read from what `nft list ruleset` prints.
//!
//! It sees what is plain: a rule that names protocol 112 and drops, and an input chain that drops what no rule of it
//! accepts. Sets, jumps and addresses are not followed, so it may miss a drop; what it names is one.

/// Rules and chains that drop protocol 112, in words.
pub(crate) fn drops(ruleset: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut chain = Chain::default();
    for line in ruleset.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("chain ") {
            chain = Chain { name: name.trim_end_matches([' ', '{']).to_owned(), ..Chain::default() };
        } else if line.starts_with("type ") {
            chain.input = line.contains("hook input") || line.contains("hook prerouting");
            chain.drops_rest = chain.input && line.contains("policy drop");
        } else if line == "}" {
            if std::mem::take(&mut chain.drops_rest) {
                found.push(format!(
                    "chain {} drops what it does not accept, and accepts no protocol 112",
                    chain.name
                ));
            }
        } else if names_vrrp(line) {
            let drops = line.split_whitespace().any(|word| matches!(word, "drop" | "reject"));
            if drops && chain.drops_nothing_before {
                continue;
            }
            if drops {
                found.push(format!("chain {}: {line}", chain.name));
            } else if line.split_whitespace().any(|word| word == "accept") {
                chain.drops_rest = false;
                chain.drops_nothing_before = true;
            }
        } else if line == "accept" || line == "counter accept" {
            chain.drops_rest = false;
        }
    }
    found
}

#[derive(Debug, Default)]
struct Chain {
    name: String,
    input: bool,
    drops_rest: bool,
    /// A rule before accepted it.
    drops_nothing_before: bool,
}

fn names_vrrp(line: &str) -> bool {
    let says = |words: &str| line.split([' ', ',', '{', '}']).any(|word| word == words);
    let by_protocol =
        ["ip protocol", "meta l4proto", "ip6 nexthdr"].iter().any(|selector| line.contains(selector));
    by_protocol && (says("vrrp") || says("112"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_drops_are_seen_and_nothing_else() {
        let hook = "type filter hook input priority filter;";
        let table = [
            (format!("table inet f {{\n\tchain input {{\n\t\t{hook} policy accept;\n\t\tip protocol 112 drop\n\t}}\n}}\n"), vec!["chain input: ip protocol 112 drop"]),
            (format!("table inet f {{\n\tchain in {{\n\t\t{hook} policy accept;\n\t\tmeta l4proto vrrp counter packets 3 bytes 120 reject\n\t}}\n}}\n"), vec!["chain in: meta l4proto vrrp counter packets 3 bytes 120 reject"]),
            (format!("table inet f {{\n\tchain in {{\n\t\t{hook} policy drop;\n\t\ttcp dport 22 accept\n\t}}\n}}\n"), vec!["chain in drops what it does not accept, and accepts no protocol 112"]),
            (format!("table inet f {{\n\tchain in {{\n\t\t{hook} policy drop;\n\t\tmeta l4proto {{ tcp, vrrp }} accept\n\t\tip protocol vrrp drop\n\t}}\n}}\n"), vec![]),
            (format!("table inet f {{\n\tchain in {{\n\t\t{hook} policy drop;\n\t\taccept\n\t}}\n}}\n"), vec![]),
            ("table ip f {\n\tchain out {\n\t\ttype filter hook forward priority filter; policy drop;\n\t}\n}\n".to_owned(), vec![]),
            (format!("table inet f {{\n\tchain in {{\n\t\t{hook} policy accept;\n\t\ttcp dport 112 drop\n\t}}\n}}\n"), vec![]),
            (String::new(), vec![]),
        ];
        for (ruleset, wanted) in table {
            assert_eq!(drops(&ruleset), wanted, "{ruleset}");
        }
    }
}
