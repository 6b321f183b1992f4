//! Who answers for the addresses of a virtual router: nobody, one, or two at once.

use std::collections::BTreeSet;
use std::net::IpAddr;

use haechi_model::{Transport, VirtualRouter};

use crate::finding::About;
use crate::router::list;
use crate::{Finding, Owners, RouterFacts};

/// What the owners of all addresses are alike in, so that 255 of them are no 255 lines.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Nobody,
    Here,
    Active(String),
    Stranger(String),
    Missing,
    Several(String),
    Unknown(String),
}

pub(crate) fn examine(about: About<'_>, config: &VirtualRouter, found: &RouterFacts) -> Vec<Finding> {
    let mut verdicts: Vec<(Verdict, BTreeSet<IpAddr>)> = Vec::new();
    for (address, owners) in &found.owners {
        let verdict = match owners {
            Ok(owners) => judge(owners, is_held(config, found, *address)),
            Err(text) => Verdict::Unknown(text.clone()),
        };
        match verdicts.iter_mut().find(|(known, _)| *known == verdict) {
            Some((_, addresses)) => drop(addresses.insert(*address)),
            None => verdicts.push((verdict, BTreeSet::from([*address]))),
        }
    }
    verdicts.iter().map(|(verdict, addresses)| tell(about, verdict, &list(addresses))).collect()
}

/// Whether another node is known to hold it; `None` where advertisements can't be overheard.
fn is_held(config: &VirtualRouter, found: &RouterFacts, address: IpAddr) -> Option<bool> {
    let heard = found.heard.as_ref().ok()?;
    let overheard = matches!(&config.transport, Transport::Vrrp { peers, .. } if peers.is_empty());
    let held = heard.iter().any(|it| it.id == config.id.get() && it.addresses.contains(&address));
    (overheard || held).then_some(held)
}

fn judge(owners: &Owners, held: Option<bool>) -> Verdict {
    let macs: BTreeSet<&String> = owners.macs.iter().collect();
    let mut answers: Vec<String> = macs.iter().map(|mac| (*mac).clone()).collect();
    if owners.here {
        answers.insert(0, "this host".to_owned());
    }
    match (answers.as_slice(), owners.here, held) {
        ([], _, Some(true)) => Verdict::Missing,
        ([], _, _) => Verdict::Nobody,
        ([_], true, _) => Verdict::Here,
        ([mac], false, Some(false)) => Verdict::Stranger(mac.clone()),
        ([mac], false, _) => Verdict::Active(mac.clone()),
        (several, _, _) => Verdict::Several(several.join(" and ")),
    }
}

fn tell(about: About<'_>, verdict: &Verdict, addresses: &str) -> Finding {
    match verdict {
        Verdict::Nobody => about.ok(format!("nobody answers for {addresses}")),
        Verdict::Here => about.ok(format!("this host has {addresses}, and nobody else answers")),
        Verdict::Active(mac) => about.ok(format!("one other host answers for {addresses}: {mac}")),
        Verdict::Stranger(mac) => about.error(
            format!("{mac} answers for {addresses}, and nobody advertises it"),
            "two hosts have the address as soon as a node of this virtual router is active",
            "find that host by its MAC (`ip neigh`, the switch's table) and take the address off it, or use another",
        ),
        Verdict::Missing => about.warning(
            format!("another node advertises {addresses}, and nobody answers"),
            "clients do not reach the address",
            "ask that node: `haechi ha status`, `haechi doctor`",
        ),
        Verdict::Several(macs) => about.error(
            format!("two answer for {addresses}: {macs}"),
            "each client reaches the one whose answer came last, and its connections break when that changes",
            "find both by their MACs; the wrong one is a host outside this virtual router, or a node that hears no \
             advertisements",
        ),
        Verdict::Unknown(text) => about.unknown(format!("{addresses}: {text}")),
    }
}
