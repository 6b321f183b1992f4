//! One entry that stands for several virtual routers, so that every node is active for its share.
//!
//! Each node computes the same from the same list, without talking: address `i` is first at node `i` of the
//! sorted list (counted round), next at node `i + 1`, and so on. Plain rotation is exactly even, which hashing
//! is not for a handful of addresses.

use std::collections::BTreeMap;
use std::num::NonZeroU8;

use haechi_model::VirtualRouter;

use super::Placed;
use super::whole::Whole;
use crate::object::{Object, Read, item, list};
use crate::report::{Report, quote};
use crate::{Code, Span, value};

/// Priority of the first node for an address; above it is room for a node that is set by hand.
const FIRST: u8 = 200;

/// From one node's priority to the next one's.
const STEP: u8 = 10;

/// Most nodes, so that the last one's priority is still above 0: 200, 190, … 10.
const MAX_NODES: usize = (FIRST / STEP) as usize;

/// A virtual router for each address of `template`; `at` is the place of its name.
pub(super) fn spread(
    (object, at): (Object<'_, '_>, Span),
    (template, addresses): (&VirtualRouter, &[Placed]),
    node: &str,
    whole: &mut Whole,
    report: &mut Report,
) -> Vec<VirtualRouter> {
    let place = place(&object, node, report);
    let first = object.int::<u8>("firstId", report);
    object.done();
    let (Some((own, nodes)), Read::Given(first, span)) = (place, first) else { return Vec::new() };
    if !enough(first, span, addresses.len(), report) {
        return Vec::new();
    }
    let mut routers = Vec::with_capacity(addresses.len());
    for (index, placed) in addresses.iter().enumerate() {
        let id = u8::try_from(usize::from(first) + index).ok().and_then(NonZeroU8::new);
        let Some((id, priority)) = id.zip(priority(own, index, nodes)) else { continue };
        let name = format!("{}-{}", template.name, index + 1);
        whole.name(&name, at, report);
        let router =
            VirtualRouter { name: name.into(), id, priority, addresses: vec![placed.0], ..template.clone() };
        whole.add(&router, Some(span), std::slice::from_ref(placed), at, report);
        routers.push(router);
    }
    routers
}

/// The priority of the node at place `own` of `nodes` for the address at `index`.
fn priority(own: usize, index: usize, nodes: usize) -> Option<NonZeroU8> {
    let behind = u8::try_from((own + nodes - index % nodes) % nodes).ok()?;
    NonZeroU8::new(FIRST.checked_sub(STEP.checked_mul(behind)?)?)
}

/// Whether there is an id for each address.
fn enough(first: u8, span: Span, addresses: usize, report: &mut Report) -> bool {
    let room = usize::from(u8::MAX - first) + 1;
    if addresses > room {
        let help = match usize::from(u8::MAX).checked_sub(addresses) {
            Some(below) => format!("it takes at most {} for {addresses} addresses", below + 1),
            None => "spread fewer addresses".to_owned(),
        };
        report
            .add(
                Code::Spread,
                span,
                format!("{addresses} addresses from id {first} on need more ids than there are"),
            )
            .label("ids end at 255")
            .help(help);
    }
    addresses <= room
}

/// This node's place in the sorted list, and how many there are.
fn place(object: &Object<'_, '_>, own: &str, report: &mut Report) -> Option<(usize, usize)> {
    let (node, at) = object.node("nodes")?;
    let before = report.errors();
    let mut nodes = BTreeMap::new();
    for node in list(node, at, "nodes", report)? {
        let Some(name) = item(node, at, "nodes", "a node's name", report, |text, _| value::name(text)) else {
            continue;
        };
        if let Some(first) = nodes.insert(name, node.span) {
            report
                .add(Code::Spread, node.span, format!("the node {} is given twice", quote(name)))
                .label(format!("also given on line {}", first.line))
                .help("remove one of them");
        }
    }
    if report.errors() != before {
        return None;
    }
    if nodes.len() > MAX_NODES {
        report.add(Code::Spread, node.span, format!("{} nodes are too many", nodes.len())).help(format!(
            "priorities go down from {FIRST} in steps of {STEP}, which is enough for {MAX_NODES}"
        ));
        return None;
    }
    if nodes.len() == 1 {
        report
            .add(Code::Idle, at, "a spread over one node")
            .label("all addresses are on it")
            .help("name all nodes, the same list on each");
    }
    let found = nodes.keys().position(|name| *name == own);
    if found.is_none() {
        let guess = report.guess(own, nodes.keys().copied()).map(str::to_owned);
        let diagnostic = report.add(
            Code::Spread,
            node.span,
            format!("this node, {}, is not one of the spread's", quote(own)),
        );
        diagnostic.label("every node has the same list, and is in it");
        diagnostic.help(match guess {
            Some(guess) => format!("is this node {}? then set `node: {{ name: {guess} }}`", quote(&guess)),
            None => {
                format!("add {own} to the list on every node, or set `node: {{ name: … }}` to one of them")
            }
        });
    }
    Some((found?, nodes.len()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn three_nodes_and_four_addresses() {
        let table = [[200, 180, 190, 200], [190, 200, 180, 190], [180, 190, 200, 180]];
        for (own, row) in table.into_iter().enumerate() {
            for (index, expected) in row.into_iter().enumerate() {
                assert_eq!(priority(own, index, 3).unwrap().get(), expected, "node {own}, address {index}");
            }
        }
    }

    proptest! {
        /// For each address all nodes have different priorities, and all nodes are first as often as each other.
        #[test]
        fn no_two_are_equal_and_shares_are_even(nodes in 1..=MAX_NODES, addresses in 0..=255_usize) {
            let mut shares = vec![0_usize; nodes];
            for index in 0..addresses {
                let all: Vec<u8> = (0..nodes).map(|own| priority(own, index, nodes).unwrap().get()).collect();
                let mut sorted = all.clone();
                sorted.sort_unstable();
                sorted.dedup();
                prop_assert_eq!(sorted.len(), nodes);
                shares[all.iter().position(|one| *one == FIRST).unwrap()] += 1;
            }
            let (least, most) = (shares.iter().min().unwrap(), shares.iter().max().unwrap());
            prop_assert!(most - least <= 1, "{:?}", shares);
        }
    }
}
