//! What `iptables-legacy-save` and `ip6tables-legacy-save` print.

use super::{Rule, Table, Takes, Verdict};

/// Every table of it.
pub(crate) fn read(saved: &str) -> Vec<Table> {
    let mut tables = Vec::new();
    let mut table = Table::new();
    for line in saved.lines().map(str::trim) {
        if line.starts_with('*') {
            tables.push(std::mem::take(&mut table));
        } else if let Some((name, policy)) = line.strip_prefix(':').and_then(|rest| rest.split_once(' ')) {
            let chain = table.entry(name.to_owned()).or_default();
            chain.input = matches!(name, "INPUT" | "PREROUTING");
            chain.drops_rest = policy.starts_with("DROP");
        } else if let Some((name, rule)) = line.strip_prefix("-A ").and_then(|rest| rest.split_once(' ')) {
            let words: Vec<&str> = rule.split_whitespace().collect();
            let (takes, verdict) = (takes(&words), verdict(&words));
            table.entry(name.to_owned()).or_default().rules.push(Rule {
                takes,
                verdict,
                text: rule.to_owned(),
            });
        }
    }
    tables.push(table);
    tables
}

fn after<'a>(words: &[&'a str], option: &str) -> Option<&'a str> {
    words.iter().position(|word| *word == option).and_then(|at| words.get(at + 1)).copied()
}

fn verdict(words: &[&str]) -> Verdict {
    if let Some(to) = after(words, "-g") {
        return Verdict::Goto(to.to_owned());
    }
    match after(words, "-j") {
        Some("ACCEPT") => Verdict::Accept,
        Some("DROP" | "REJECT") => Verdict::Drop,
        Some("RETURN") => Verdict::Return,
        // What is no chain ends nothing, and is not found.
        Some(other) => Verdict::Jump(other.to_owned()),
        None => Verdict::Next,
    }
}

fn takes(words: &[&str]) -> Takes {
    if let Some(protocol) = after(words, "-p") {
        let named = matches!(protocol, "vrrp" | "112");
        let negated = words.windows(2).any(|pair| pair == ["!", "-p"]);
        return if named == negated { Takes::No } else { Takes::Named };
    }
    let state = after(words, "--ctstate").or_else(|| after(words, "--state"));
    let answer =
        state.is_some_and(|state| !state.split(',').any(|it| matches!(it, "NEW" | "UNTRACKED" | "INVALID")));
    // What is all but answers, or comes from anywhere but the loopback, may well be an advertisement.
    let negated = words.contains(&"!");
    if !negated && (answer || after(words, "-i") == Some("lo")) {
        return Takes::No;
    }
    let harmless = |word: &str| matches!(word, "-j" | "-g" | "--reject-with");
    let mut conditions = words.iter().filter(|word| word.starts_with('-') && !harmless(word));
    if conditions.next().is_some() { Takes::Maybe } else { Takes::All }
}
