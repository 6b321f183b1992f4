//! What changes of virtual routers disturb: what stands in an advertisement or carries it can't change under a
//! virtual router's feet; all else can.

use std::collections::{HashMap, HashSet};

use haechi_model::{Pool, Snapshot, VirtualAddress, VirtualRouter};

use super::{Disruption, Plan, compare, fields};
use crate::write::{self, Field, address};

pub(super) fn virtual_routers(old: &Snapshot, new: &Snapshot, plan: &mut Plan) {
    let before: HashMap<_, _> = old.virtual_routers.iter().map(|one| (&one.name, one)).collect();
    let after: HashSet<_> = new.virtual_routers.iter().map(|one| &one.name).collect();
    for one in old.virtual_routers.iter().filter(|one| !after.contains(&one.name)) {
        // Another node takes over; open flows are served to their end.
        plan.add(subject(one), format!("removed, with {}", list(&one.addresses)), Disruption::Drains);
    }
    for one in &new.virtual_routers {
        match before.get(&one.name) {
            Some(known) => virtual_router((known, &old.pools), (one, &new.pools), plan),
            None => {
                plan.add(subject(one), format!("added, with {}", list(&one.addresses)), Disruption::None);
            }
        }
    }
    let kept = |list: &[VirtualRouter], other: &HashSet<_>| {
        list.iter().map(|one| one.name.clone()).filter(|name| other.contains(name)).collect::<Vec<_>>()
    };
    let before: HashSet<_> = before.into_keys().collect();
    if kept(&old.virtual_routers, &after) != kept(&new.virtual_routers, &before) {
        plan.add("virtualRouters", "order", Disruption::None);
    }
}

fn subject(router: &VirtualRouter) -> String {
    format!("virtual router {}", router.name)
}

/// One address, or how many.
fn list(addresses: &[VirtualAddress]) -> String {
    match addresses {
        [one] => address(one),
        many => format!("{} addresses", many.len()),
    }
}

fn virtual_router(old: (&VirtualRouter, &[Pool]), new: (&VirtualRouter, &[Pool]), plan: &mut Plan) {
    let fields = |(one, pools): (&VirtualRouter, &[Pool])| -> Vec<Field> {
        fields(write::virtual_router(one, pools))
            .into_iter()
            .filter(|field| field.key != "addresses")
            .collect()
    };
    let (before, after) = (fields(old), fields(new));
    let start = plan.steps.len();
    compare("", &before, &after, &mut |path, change| {
        plan.add(subject(new.0), change, disruption(path));
    });
    addresses(old.0, new.0, plan);
    // The order of tracked things is part of the file and changes nothing else.
    if plan.steps.len() == start && before != after {
        plan.add(subject(new.0), "order", Disruption::None);
    }
}

/// By the key that changes, a section's keys by their path.
fn disruption(path: &str) -> Disruption {
    match path {
        "id" | "interface" | "transport" | "mover" | "virtualMac" => Disruption::Readvertises,
        _ if path.starts_with("mover.") => Disruption::Readvertises,
        // The socket that advertisements leave from; peers wait for three of them before they miss one.
        "source" => Disruption::Rebinds,
        _ => Disruption::None,
    }
}

fn addresses(old: &VirtualRouter, new: &VirtualRouter, plan: &mut Plan) {
    let known: HashSet<_> = old.addresses.iter().collect();
    let wanted: HashSet<_> = new.addresses.iter().collect();
    for gone in old.addresses.iter().filter(|one| !wanted.contains(one)) {
        plan.add(subject(new), format!("address {} removed", address(gone)), Disruption::Drains);
    }
    for come in new.addresses.iter().filter(|one| !known.contains(one)) {
        plan.add(subject(new), format!("address {} added", address(come)), Disruption::None);
    }
    let kept = |list: &[VirtualAddress], other: &HashSet<&VirtualAddress>| {
        list.iter().copied().filter(|one| other.contains(one)).collect::<Vec<_>>()
    };
    if kept(&old.addresses, &wanted) != kept(&new.addresses, &known) {
        plan.add(subject(new), "order of addresses", Disruption::None);
    }
}
