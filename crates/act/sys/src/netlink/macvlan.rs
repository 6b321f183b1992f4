//! An interface of its own for a virtual router's MAC, so that hosts and switches that ignore gratuitous ARP
//! find the address all the same: it keeps its MAC when it moves (RFC 9568 §7.3, keepalived's `use_vmac`).

use std::io;

use haechi_model::InterfaceName;

use super::interface::{IFLA_INFO_KIND, IFLA_LINKINFO, fixed};
use super::{Interface, Network, Outcome, Refused, connection};
use crate::interface::checked;
use crate::mac::Mac;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_LINK: u16 = 5;
const IFLA_AF_SPEC: u16 = 26;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_MACVLAN_MODE: u16 = 1;
const IFLA_INET6_ADDR_GEN_MODE: u16 = 8;
/// `IN6_ADDR_GEN_MODE_NONE`.
const NO_OWN_ADDRESS: u8 = 1;
/// What such an interface is called in `ip -d link`.
const KIND: &str = "macvlan";

/// How macvlans of one parent see each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MacvlanMode {
    /// Not at all, and frames with their own MAC still come in: keepalived's choice for virtual routers.
    Private,
    /// Directly.
    Bridge,
}

/// The macvlan that is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Macvlan<'a> {
    /// Its name.
    pub name: &'a InterfaceName,
    /// The number of the interface that its frames go through.
    pub parent: u32,
    /// Its MAC.
    pub mac: Mac,
    /// How it sees others.
    pub mode: MacvlanMode,
}

impl Macvlan<'_> {
    fn is(&self, interface: &Interface) -> bool {
        interface.kind.as_deref() == Some(KIND)
            && interface.parent == Some(self.parent)
            && interface.mac == Some(self.mac)
    }
}

impl Network {
    /// Makes a macvlan, switched off. Needs `CAP_NET_ADMIN`. That the very same one is there is no error; one
    /// of that name with another parent, MAC or kind is.
    ///
    /// It gets no IPv6 address by itself: nodes of one virtual router have the same MAC, so they would give
    /// themselves the same link-local one and quarrel about it (RFC 5798 §7.4). Whoever needs one adds it.
    ///
    /// # Errors
    /// `EEXIST`: the name is taken by something else. `EBUSY`: the parent has a macvlan with that MAC.
    /// `ENODEV`: no such parent. `EOPNOTSUPP`: the kernel has no macvlan. `EPERM`: the right is missing.
    pub fn add_macvlan(&mut self, wanted: &Macvlan<'_>) -> Result<Outcome, Refused> {
        let doing = || format!("making {} on interface {}", wanted.name, wanted.parent);
        let name = checked(wanted.name).map_err(|error| Refused::new(doing(), error))?;
        let mode: u32 = match wanted.mode {
            MacvlanMode::Private => 1,
            MacvlanMode::Bridge => 4,
        };
        let made = self.0.change(
            doing(),
            libc::RTM_NEWLINK,
            connection::CREATE | connection::EXCLUSIVE,
            |request| {
                let request = request.text(IFLA_IFNAME, name).number(IFLA_LINK, wanted.parent);
                request.attribute(IFLA_ADDRESS, &wanted.mac.octets()).nested(IFLA_LINKINFO, |info| {
                    let info = info.attribute(IFLA_INFO_KIND, KIND.as_bytes());
                    info.nested(IFLA_INFO_DATA, |data| data.number(IFLA_MACVLAN_MODE, mode))
                })
            },
            &fixed(0, 0, 0),
            &[libc::EEXIST],
        )?;
        let there = self.interface(wanted.name)?.filter(|interface| wanted.is(interface));
        let Some(there) = there else {
            return Err(Refused::new(doing(), io::Error::from_raw_os_error(libc::EEXIST)));
        };
        self.without_own_address(there.index)?;
        Ok(made)
    }

    /// Removes a macvlan of this name. Needs `CAP_NET_ADMIN`. That there is no interface of that name is no
    /// error; that there is one of another kind is, and it stays.
    ///
    /// # Errors
    /// `EINVAL`: not a macvlan. `EPERM`: the right is missing.
    pub fn remove_macvlan(&mut self, name: &InterfaceName) -> Result<Outcome, Refused> {
        let doing = || format!("removing {name}");
        let Some(interface) = self.interface(name)? else { return Ok(Outcome::AlreadySo) };
        if interface.kind.as_deref() != Some(KIND) {
            return Err(Refused::new(doing(), io::Error::from_raw_os_error(libc::EINVAL)));
        }
        self.0.change(
            doing(),
            libc::RTM_DELLINK,
            0,
            |request| request,
            &fixed(interface.index, 0, 0),
            &[libc::ENODEV],
        )
    }

    fn without_own_address(&mut self, index: u32) -> Result<Outcome, Refused> {
        #[expect(clippy::cast_possible_truncation, reason = "it is 10")]
        let inet6 = libc::AF_INET6 as u16;
        self.0.change(
            format_args!("keeping interface {index} from an IPv6 address of its own"),
            libc::RTM_NEWLINK,
            0,
            |request| {
                request.nested(IFLA_AF_SPEC, |spec| {
                    spec.nested(inet6, |inet6| inet6.attribute(IFLA_INET6_ADDR_GEN_MODE, &[NO_OWN_ADDRESS]))
                })
            },
            &fixed(index, 0, 0),
            // Without IPv6 there is none to be had.
            &[libc::EAFNOSUPPORT],
        )
    }
}
