//! The virtual router's own MAC (RFC 9568 §7.3): a macvlan on its interface, which has the addresses while they are
//! here. Hosts and switches that ignore gratuitous ARP find them all the same, because the MAC moves along.
//!
//! Over IPv4 and multicast, advertisements come from it, so that switches learn where it is. IPv6 needs a link-local
//! source that each node has for itself, and unicast goes to the interface's own address: both stay on the interface,
//! and switches learn from the announcements.

use std::collections::{BTreeMap, BTreeSet};

use haechi_model::InterfaceName;
use haechi_sys::netlink::{Macvlan, MacvlanMode};
use haechi_sys::sysctl::{Changed, Setting};
use haechi_sys::{Family, Mac};

use crate::mover::own_addresses_only;
use crate::view::View;

/// What the macvlan is called: within the 15 bytes of an interface's name for every id and index below ten million,
/// and the same after a restart, so that what a killed run left is taken up again.
pub(crate) fn name(family: Family, id: u8, parent: u32) -> InterfaceName {
    let version = match family {
        Family::V4 => 4,
        Family::V6 => 6,
    };
    format!("hv{version}-{id}-{parent}").as_str().into()
}

/// Makes it, or takes it up.
///
/// # Errors
/// What the kernel says.
pub(crate) fn make(
    view: &mut View,
    name: &InterfaceName,
    parent: u32,
    family: Family,
    id: u8,
) -> Result<(), String> {
    let mac = Mac::of_virtual_router(family, id);
    let wanted = Macvlan { name, parent, mac, mode: MacvlanMode::Private };
    view.network.add_macvlan(&wanted).map_err(|refused| refused.to_string())?;
    // It must answer for its own addresses only: while it has none, it is silent. And answers to what comes in on it
    // go out by the interface itself.
    for (setting, value) in [(Setting::ArpIgnore(name.clone()), 1), (Setting::RpFilter(name.clone()), 0)] {
        let changed = setting.set(value).map_err(|error| format!("{setting:?} can't be {value}: {error}"))?;
        // Gone with the interface.
        changed.keep();
    }
    let index = view.network.interface(name).map_err(|refused| refused.to_string())?.map(|it| it.index);
    let index = index.ok_or_else(|| format!("{name} is gone as soon as it was made"))?;
    view.network.set_up(index, true).map(drop).map_err(|refused| refused.to_string())
}

/// Takes it away.
pub(crate) fn remove(view: &mut View, name: &InterfaceName) {
    if let Err(refused) = view.network.remove_macvlan(name) {
        tracing::warn!(%refused, "the interface of a virtual MAC stays");
    }
}

/// Interfaces that speak for their own addresses only, because a macvlan of theirs does for others; as they were
/// before, to be put back.
#[derive(Default)]
pub(crate) struct Quiet(BTreeMap<InterfaceName, Vec<Changed>>);

impl Quiet {
    /// They stay as they are, for a process that goes on.
    pub(crate) fn leave(&mut self) {
        std::mem::take(&mut self.0).into_values().flatten().for_each(Changed::keep);
    }

    /// These, and no others.
    pub(crate) fn want(&mut self, parents: &BTreeSet<InterfaceName>) {
        self.0.retain(|parent, _| parents.contains(parent));
        for parent in parents {
            if self.0.contains_key(parent) {
                continue;
            }
            self.0.insert(parent.clone(), own_addresses_only(parent));
        }
    }
}
