//! What the kernel says of interfaces and their addresses: listed whole each time that something changed, because
//! an image that is patched event by event is wrong after the first lost one.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};

use haechi_model::InterfaceName;
use haechi_sys::Family;
use haechi_sys::netlink::{Interface, InterfaceAddress, Network, Watch};

/// The network of this host as it was a moment ago.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) network: Network,
    watch: Watch,
    interfaces: Vec<Interface>,
    addresses: Vec<InterfaceAddress>,
}

impl View {
    /// Subscribes first and lists then, so that nothing is missed.
    pub(crate) fn open() -> io::Result<Self> {
        let watch = Watch::open()?;
        let network = Network::open()?;
        let mut view = Self { network, watch, interfaces: Vec::new(), addresses: Vec::new() };
        view.list();
        Ok(view)
    }

    /// Takes the events that are there; says whether there were any.
    pub(crate) fn changed(&mut self) -> bool {
        let mut any = false;
        loop {
            match self.watch.next_event() {
                Ok(Some(_)) => any = true,
                Ok(None) => return any,
                Err(error) => {
                    tracing::error!(%error, "changes of the network are not seen any more");
                    return any;
                }
            }
        }
    }

    /// Looks at everything anew.
    pub(crate) fn list(&mut self) {
        match self.network.interfaces().and_then(|interfaces| Ok((interfaces, self.network.addresses()?))) {
            Ok((interfaces, addresses)) => (self.interfaces, self.addresses) = (interfaces, addresses),
            Err(error) => tracing::error!(%error, "the kernel does not say what interfaces there are"),
        }
    }

    pub(crate) fn interface(&self, name: &InterfaceName) -> Option<&Interface> {
        self.interfaces.iter().find(|interface| interface.name == *name)
    }

    pub(crate) fn loopback(&self) -> Option<&Interface> {
        self.interfaces.iter().find(|interface| interface.loopback)
    }

    /// Whether the interface can carry packets; one that is not there can't.
    pub(crate) fn is_usable(&self, name: &InterfaceName) -> bool {
        self.interface(name).is_some_and(Interface::usable)
    }

    /// Whether the interface has this address.
    pub(crate) fn has(&self, interface: u32, address: IpAddr) -> bool {
        self.addresses.iter().any(|it| it.interface == interface && it.address == address)
    }

    /// Where advertisements of this family come from, if nobody says otherwise: the first address of the
    /// interface that is not one of those that move, and of IPv6 its link-local one (RFC 9568 §5.1.2.1).
    pub(crate) fn source(&self, interface: u32, family: Family, moving: &[IpAddr]) -> Option<IpAddr> {
        self.addresses
            .iter()
            .filter(|it| it.interface == interface && Family::of(it.address) == family)
            .filter(|it| !moving.contains(&it.address) && !it.tentative)
            .find(|it| family == Family::V4 || it.link_local)
            .map(|it| it.address)
    }
}

impl AsFd for View {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.watch.as_fd()
    }
}
