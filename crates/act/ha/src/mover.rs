//! Puts addresses on this node and takes them away.

use std::io;
use std::net::IpAddr;

use haechi_model::{InterfaceName, VirtualAddress};
use haechi_sys::neighbour::Announcer;
use haechi_sys::sysctl::{Changed, Setting};

use crate::view::View;

/// The kernel's addresses of one virtual router, through netlink.
#[derive(Default)]
pub(crate) struct Mover {
    /// What answers ARP in a demoted address' place, as it was before.
    arp: Vec<Changed>,
}

impl Mover {
    /// Puts all addresses on the interface.
    ///
    /// # Errors
    /// What the kernel says of the first that can't be put there.
    pub(crate) fn claim(
        &mut self,
        view: &mut View,
        interface: &InterfaceName,
        addresses: &[VirtualAddress],
    ) -> Result<(), String> {
        let index = index(view, interface)?;
        for it in addresses {
            view.network
                .add_address(index, it.address, it.prefix)
                .map_err(|refused| format!("{refused}{}", way_out(refused.kind())))?;
        }
        self.leave_loopback(view, addresses);
        Ok(())
    }

    /// Keeps the addresses where nobody asks for them, so that open flows go on: on the loopback, with an
    /// interface that answers ARP for its own addresses only (`arp_ignore`, `arp_announce`: ip-sysctl).
    pub(crate) fn demote(
        &mut self,
        view: &mut View,
        interface: &InterfaceName,
        addresses: &[VirtualAddress],
    ) {
        if self.arp.is_empty() && addresses.iter().any(|it| it.address.is_ipv4()) {
            self.arp = own_addresses_only(interface);
        }
        let loopback = view.loopback().map(|it| it.index);
        let interface = index(view, interface).ok();
        for it in addresses {
            // First there and then away: without the address in between the kernel would reset its flows.
            let kept = loopback.map(|index| view.network.add_address(index, it.address, whole(it.address)));
            if let Some(Err(refused)) = kept {
                tracing::warn!(%refused, "open flows of {} end with its move", it.address);
            }
            if let Some(Err(refused)) =
                interface.map(|index| view.network.remove_address(index, it.address, it.prefix))
            {
                tracing::error!(%refused, "{} stays on this node although another one has it", it.address);
            }
        }
    }

    /// Takes all addresses away.
    pub(crate) fn release(
        &mut self,
        view: &mut View,
        interface: &InterfaceName,
        addresses: &[VirtualAddress],
    ) {
        if let Ok(index) = index(view, interface) {
            for it in addresses {
                if let Err(refused) = view.network.remove_address(index, it.address, it.prefix) {
                    tracing::error!(%refused, "{} stays on this node", it.address);
                }
            }
        }
        self.leave_loopback(view, addresses);
    }

    /// Tells the neighbours once where the addresses are.
    ///
    /// # Errors
    /// What the kernel says.
    pub(crate) fn announce(
        view: &View,
        announcer: &Announcer,
        interface: &InterfaceName,
        addresses: &[IpAddr],
    ) -> io::Result<()> {
        let Some((index, mac)) = view.interface(interface).and_then(|it| Some((it.index, it.mac?))) else {
            // A link without MACs has no neighbours to tell.
            return Ok(());
        };
        announcer.announce(index, mac, addresses, false).map(drop)
    }

    fn leave_loopback(&mut self, view: &mut View, addresses: &[VirtualAddress]) {
        self.arp.clear();
        let Some(loopback) = view.loopback().map(|it| it.index) else { return };
        for it in addresses {
            if let Err(refused) = view.network.remove_address(loopback, it.address, whole(it.address)) {
                tracing::warn!(%refused, "{} stays on the loopback", it.address);
            }
        }
    }
}

/// The prefix of an address without a network.
const fn whole(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// Lets an interface answer for its own addresses only, and ask as them: who asks as an address says that it has it.
/// What was set before comes back when the result is dropped.
pub(crate) fn own_addresses_only(interface: &InterfaceName) -> Vec<Changed> {
    let wanted = [(Setting::ArpIgnore(interface.clone()), 1), (Setting::ArpAnnounce(interface.clone()), 2)];
    let mut changed = Vec::new();
    for (setting, value) in wanted {
        match setting.set(value) {
            Ok(before) => changed.push(before),
            Err(error) => {
                tracing::warn!(%interface, %error, "it may answer ARP for addresses that are not its own")
            }
        }
    }
    changed
}

fn index(view: &View, interface: &InterfaceName) -> Result<u32, String> {
    view.interface(interface).map(|it| it.index).ok_or_else(|| format!("there is no interface {interface}"))
}

fn way_out(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::PermissionDenied => {
            ": it needs CAP_NET_ADMIN (AmbientCapabilities=CAP_NET_RAW CAP_NET_ADMIN in the systemd unit)"
        }
        _ => "",
    }
}
