//! Interfaces: which there are, whether they carry anything, and switching them on.

use haechi_model::InterfaceName;

use super::wire::{Message, Request, attributes, i32_at, text, u32_at};
use super::{Network, Outcome, Refused};
use crate::mac::Mac;

/// Bytes of `struct ifinfomsg`.
pub(super) const FIXED: usize = 16;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
pub(super) const IFLA_LINKINFO: u16 = 18;
pub(super) const IFLA_INFO_KIND: u16 = 1;
const IFLA_EXT_MASK: u16 = 29;
/// `RTEXT_FILTER_SKIP_STATS`: counters are most of a message, and nobody here reads them.
const SKIP_STATS: u32 = 1 << 3;

/// `AF_UNSPEC`.
const ANY_FAMILY: u8 = 0;

const IFF_UP: u32 = 0x1;
const IFF_LOOPBACK: u32 = 0x8;
const IFF_RUNNING: u32 = 0x40;
const IFF_LOWER_UP: u32 = 0x1_0000;

/// A network interface as the kernel sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Interface {
    /// Its number; never 0. A name that goes and comes back has another.
    pub index: u32,
    /// Its name now.
    pub name: InterfaceName,
    /// Its link-layer address, if it is one of six octets.
    pub mac: Option<Mac>,
    /// Switched on by its administrator (`IFF_UP`).
    pub up: bool,
    /// The driver sees a link (`IFF_LOWER_UP`).
    pub carrier: bool,
    /// It can carry packets (`IFF_RUNNING`): also a port that 802.1X or a bond holds back has a link.
    pub running: bool,
    /// It is the loopback.
    pub loopback: bool,
    /// Most bytes of a packet.
    pub mtu: u32,
    /// The interface that it stands on: the parent of a macvlan or VLAN, the other end of a veth.
    pub parent: Option<u32>,
    /// What made it, as in `ip -d link`: `macvlan`, `veth`, `bridge`. Real hardware has none.
    pub kind: Option<String>,
}

impl Interface {
    /// Whether packets can pass, by keepalived's rule: switched on and running.
    pub const fn usable(&self) -> bool {
        self.up && self.running
    }

    pub(super) fn read(message: &Message<'_>) -> Option<Self> {
        // A bridge says with the same message, but in its own family, that a port left it; the port itself
        // is still there.
        if *message.body.first()? != ANY_FAMILY {
            return None;
        }
        let flags = u32_at(message.body, 8)?;
        let mut interface = Self {
            index: u32::try_from(i32_at(message.body, 4)?).ok()?,
            name: "".into(),
            mac: None,
            up: flags & IFF_UP != 0,
            carrier: flags & IFF_LOWER_UP != 0,
            running: flags & IFF_RUNNING != 0,
            loopback: flags & IFF_LOOPBACK != 0,
            mtu: 0,
            parent: None,
            kind: None,
        };
        for (kind, value) in message.attributes(FIXED) {
            match kind {
                IFLA_IFNAME => interface.name = text(value).into(),
                IFLA_ADDRESS => interface.mac = <[u8; 6]>::try_from(value).ok().map(Mac::new),
                IFLA_MTU => interface.mtu = u32_at(value, 0).unwrap_or(0),
                IFLA_LINK => interface.parent = u32_at(value, 0),
                IFLA_LINKINFO => {
                    let kind = attributes(value).find(|(kind, _)| *kind == IFLA_INFO_KIND);
                    interface.kind = kind.map(|(_, value)| text(value));
                }
                _ => {}
            }
        }
        (interface.index != 0 && !interface.name.as_str().is_empty()).then_some(interface)
    }
}

/// `struct ifinfomsg` of the interface with this number, with these flags to be set.
pub(super) fn fixed(index: u32, flags: u32, change: u32) -> [u8; FIXED] {
    let mut bytes = [0; FIXED];
    bytes[4..8].copy_from_slice(&index.to_ne_bytes());
    bytes[8..12].copy_from_slice(&flags.to_ne_bytes());
    bytes[12..16].copy_from_slice(&change.to_ne_bytes());
    bytes
}

impl Network {
    /// All interfaces. Needs no right.
    ///
    /// # Errors
    /// The kernel does not answer.
    pub fn interfaces(&mut self) -> Result<Vec<Interface>, Refused> {
        let request =
            |flags| Request::new(libc::RTM_GETLINK, flags, &fixed(0, 0, 0)).number(IFLA_EXT_MASK, SKIP_STATS);
        self.0.list("listing interfaces", request, |message| {
            (message.kind == libc::RTM_NEWLINK).then(|| Interface::read(message)).flatten()
        })
    }

    /// The interface of this name, if there is one. Needs no right.
    ///
    /// # Errors
    /// The kernel does not answer.
    pub fn interface(&mut self, name: &InterfaceName) -> Result<Option<Interface>, Refused> {
        // By list: a host has few interfaces, and a single answer would need a second way of reading.
        Ok(self.interfaces()?.into_iter().find(|interface| interface.name == *name))
    }

    /// Switches an interface on or off. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// `ENODEV`: no such interface. `EPERM`: the right is missing.
    pub fn set_up(&mut self, index: u32, up: bool) -> Result<Outcome, Refused> {
        let doing = format!("switching interface {index} {}", if up { "on" } else { "off" });
        let flags = if up { IFF_UP } else { 0 };
        self.0.change(doing, libc::RTM_NEWLINK, 0, |request| request, &fixed(index, flags, IFF_UP), &[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_interface_is_passed_over() {
        let nothing = Message { kind: 16, flags: 0, sequence: 1, body: &[0; 4] };
        assert_eq!(Interface::read(&nothing), None);
        let nameless = fixed(3, IFF_UP, 0);
        assert_eq!(Interface::read(&Message { body: &nameless, ..nothing }), None);
        let of_a_bridge =
            [&[7, 0, 0, 0, 3, 0, 0, 0], &[0; 8][..], &[8, 0, 3, 0, b'a', b'b', b'c', 0]].concat();
        assert_eq!(Interface::read(&Message { body: &of_a_bridge, ..nothing }), None);
        let of_the_port = [&[0; 4], &of_a_bridge[4..]].concat();
        assert_eq!(Interface::read(&Message { body: &of_the_port, ..nothing }).unwrap().name.as_str(), "abc");
    }

    #[test]
    fn attributes_of_an_unknown_shape_cost_nothing_but_themselves() {
        // A counter that grew, a MAC of 20 octets (InfiniBand), an MTU that is cut off.
        let bytes = Request::new(16, 0, &fixed(7, IFF_UP | IFF_RUNNING, 0))
            .text(IFLA_IFNAME, "ib0")
            .attribute(IFLA_ADDRESS, &[1; 20])
            .attribute(IFLA_MTU, &[1])
            .attribute(23, &[0; 999])
            .numbered(1);
        let read = Interface::read(&super::super::wire::messages(&bytes).next().unwrap()).unwrap();
        assert_eq!((read.index, read.name.as_str(), read.mac, read.mtu), (7, "ib0", None, 0));
        assert!(read.usable() && !read.carrier);
    }
}
