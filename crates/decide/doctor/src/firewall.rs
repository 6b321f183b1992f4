//! Whether a firewall drops advertisements, read from what `nft list ruleset` and `iptables-legacy-save` print.
//!
//! It follows chains as the kernel does, and says three things: what drops protocol 112, what might (a set, a map or a
//! condition that it can't evaluate), and nothing where it passes. Conditions beside a protocol that is named (an
//! interface, an address) are taken as fulfilled.

mod legacy;
mod nft;

use std::collections::{BTreeMap, BTreeSet};

pub(crate) use legacy::read as read_legacy;
pub(crate) use nft::read as read_nft;

/// Chains below each other that are followed: more than the kernel does (16, NFT_JUMP_STACK_SIZE).
const DEEPEST: usize = 20;

/// Rules that are looked at from one beginning: chains that lead to each other must not cost their product.
const MOST: usize = 100_000;

/// What rules mean for protocol 112.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Report {
    /// What drops it, in words.
    pub(crate) drops: Vec<String>,
    /// What may drop it, in words.
    pub(crate) unsure: Vec<String>,
}

/// A table's chains by name.
pub(crate) type Table = BTreeMap<String, Chain>;

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Chain {
    /// Packets for this host begin here.
    pub(crate) input: bool,
    /// What comes to the end is dropped.
    pub(crate) drops_rest: bool,
    pub(crate) rules: Vec<Rule>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Rule {
    pub(crate) takes: Takes,
    pub(crate) verdict: Verdict,
    /// As it was printed.
    pub(crate) text: String,
}

/// Whether an advertisement fulfils a rule's conditions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Takes {
    No,
    /// It names the protocol.
    Named,
    /// It has no condition.
    All,
    /// Nobody knows from here.
    Maybe,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    Accept,
    Drop,
    Return,
    Jump(String),
    Goto(String),
    /// A verdict that is looked up in a map of this name or text.
    Unknown,
    /// None that ends anything.
    Next,
}

/// How a chain ends for an advertisement.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Accepted,
    Dropped,
    Left,
}

/// Judges each chain in which packets for this host begin.
pub(crate) fn judge(tables: &[Table]) -> Report {
    let mut report = Report::default();
    for table in tables {
        for (name, chain) in table.iter().filter(|(_, chain)| chain.input) {
            let mut walk =
                Walk { table, report: &mut report, perhaps: None, known: BTreeSet::new(), left: MOST };
            let end = walk.follow(name, 0);
            if walk.left == 0 {
                report.unsure.push(format!("chain {name} leads to more than {MOST} rules"));
            } else if end == End::Left && chain.drops_rest {
                walk.drops_rest(name);
            }
        }
    }
    report
}

struct Walk<'a> {
    table: &'a Table,
    report: &'a mut Report,
    /// A rule that may have accepted it by now.
    perhaps: Option<String>,
    /// Chains that may be gone through, and were.
    known: BTreeSet<String>,
    /// Rules that may still be looked at.
    left: usize,
}

impl Walk<'_> {
    fn follow(&mut self, name: &str, depth: usize) -> End {
        let Some(chain) = self.table.get(name).filter(|_| depth < DEEPEST) else { return End::Left };
        for rule in &chain.rules {
            let Some(left) = self.left.checked_sub(1) else { return End::Left };
            self.left = left;
            let said = || format!("chain {name}: {}", rule.text);
            match (rule.takes, &rule.verdict) {
                (Takes::No, _) | (_, Verdict::Next) | (Takes::Maybe, Verdict::Return) => {}
                (Takes::Maybe, Verdict::Accept) => self.perhaps = Some(said()),
                (Takes::Maybe, Verdict::Drop) | (_, Verdict::Unknown) => self.report.unsure.push(said()),
                (Takes::Maybe, Verdict::Jump(to) | Verdict::Goto(to)) => {
                    // Once: a chain that hundreds of rules lead to says the same each time.
                    if self.known.insert(to.clone()) && self.follow(to, depth + 1) == End::Accepted {
                        self.perhaps = Some(said());
                    }
                }
                (_, Verdict::Accept) => return End::Accepted,
                (_, Verdict::Return) => return End::Left,
                (Takes::Named, Verdict::Drop) => {
                    self.drops(said());
                    return End::Dropped;
                }
                (Takes::All, Verdict::Drop) => {
                    self.drops_rest(name);
                    return End::Dropped;
                }
                (_, Verdict::Goto(to)) => return self.follow(to, depth + 1),
                (_, Verdict::Jump(to)) => match self.follow(to, depth + 1) {
                    End::Left => {}
                    end => return end,
                },
            }
        }
        End::Left
    }

    fn drops_rest(&mut self, name: &str) {
        self.drops(format!("chain {name} drops what it does not accept, and accepts no protocol 112"));
    }

    fn drops(&mut self, what: String) {
        let (list, text) = match &self.perhaps {
            Some(rule) => (&mut self.report.unsure, format!("{what}, unless this accepts it: {rule}")),
            None => (&mut self.report.drops, what),
        };
        if !list.contains(&text) {
            list.push(text);
        }
    }
}

#[cfg(test)]
mod tests;
