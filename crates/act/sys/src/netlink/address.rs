//! Addresses of interfaces: which there are, putting one there, taking it away.

use std::net::IpAddr;

use super::wire::{Message, Request, address, u32_at};
use super::{Network, Outcome, Refused, connection, family_byte, octets};
use crate::mac::Family;

/// Bytes of `struct ifaddrmsg`.
const FIXED: usize = 8;

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_CACHEINFO: u16 = 6;
const IFA_FLAGS: u16 = 8;

/// `IFA_F_NODAD`: no duplicate address detection.
const NO_DAD: u32 = 0x02;
/// `IFA_F_DADFAILED`.
const DUPLICATE: u32 = 0x08;
/// `IFA_F_TENTATIVE`.
const TENTATIVE: u32 = 0x40;
/// `IFA_F_DEPRECATED`.
const DEPRECATED: u32 = 0x20;
/// `RT_SCOPE_HOST`: an address that is known inside this host only.
const SCOPE_HOST: u8 = 254;
/// `RT_SCOPE_LINK`.
const SCOPE_LINK: u8 = 253;

/// An address that an interface has.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct InterfaceAddress {
    /// The interface's number.
    pub interface: u32,
    /// The address itself; on a point-to-point link this end of it.
    pub address: IpAddr,
    /// Bits of its network's prefix.
    pub prefix: u8,
    /// Valid on its link only (`fe80::/10`).
    pub link_local: bool,
    /// IPv6 still asks whether somebody else has it; it does not answer yet.
    pub tentative: bool,
    /// IPv6 found that somebody else has it; it does not answer. To be removed and added again.
    pub duplicate: bool,
    /// This host's own connections do not come from it, unless they ask to.
    pub deprecated: bool,
}

impl InterfaceAddress {
    pub(super) fn read(message: &Message<'_>) -> Option<Self> {
        let [_, prefix, short_flags, scope] = *message.body.first_chunk()?;
        let (mut local, mut peer, mut flags) = (None, None, u32::from(short_flags));
        for (kind, value) in message.attributes(FIXED) {
            match kind {
                // IPv4 gives both, and they differ on a point-to-point link; IPv6 often the second only.
                IFA_LOCAL => local = address(value),
                IFA_ADDRESS => peer = address(value),
                IFA_FLAGS => flags = u32_at(value, 0).unwrap_or(flags),
                _ => {}
            }
        }
        Some(Self {
            interface: u32_at(message.body, 4)?,
            address: local.or(peer)?,
            prefix,
            link_local: scope == SCOPE_LINK,
            tentative: flags & TENTATIVE != 0,
            duplicate: flags & DUPLICATE != 0,
            deprecated: flags & DEPRECATED != 0,
        })
    }
}

fn fixed(interface: u32, address: IpAddr, prefix: u8) -> [u8; FIXED] {
    let scope = if address.is_loopback() { SCOPE_HOST } else { 0 };
    let [a, b, c, d] = interface.to_ne_bytes();
    [family_byte(Family::of(address)), prefix, 0, scope, a, b, c, d]
}

fn named(address: IpAddr) -> impl FnOnce(Request) -> Request {
    move |request| request.attribute(IFA_LOCAL, &octets(address)).attribute(IFA_ADDRESS, &octets(address))
}

/// `struct ifa_cacheinfo`: preferred for no time, valid for ever.
fn never_preferred() -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[4..8].copy_from_slice(&u32::MAX.to_ne_bytes());
    bytes
}

impl Network {
    /// All addresses of all interfaces. Needs no right.
    ///
    /// # Errors
    /// The kernel does not answer.
    pub fn addresses(&mut self) -> Result<Vec<InterfaceAddress>, Refused> {
        let request = |flags| Request::new(libc::RTM_GETADDR, flags, &[0; FIXED]);
        self.0.list("listing addresses", request, |message| {
            (message.kind == libc::RTM_NEWADDR).then(|| InterfaceAddress::read(message)).flatten()
        })
    }

    /// Gives an interface an address. Needs `CAP_NET_ADMIN`. That the interface has it already is no error
    /// (`EEXIST`); IPv6 then keeps the prefix that it had.
    ///
    /// An IPv6 address does without duplicate address detection: its second of silence is longer than a whole
    /// takeover, and the former active, which may still have it, would win. And it is deprecated at once, so
    /// that this host's own connections (to endpoints, to peers) do not come from an address that may move
    /// away under them; keepalived does the same for addresses with a prefix of 128. An IPv4 address needs no
    /// such mark: a source is taken from the first address of a network, and this one comes after it.
    ///
    /// # Errors
    /// `ENODEV`: no such interface. `EINVAL`: the prefix is longer than the address. `EPERM`: the right is
    /// missing. `EACCES`: IPv6 is switched off on this interface.
    pub fn add_address(&mut self, interface: u32, address: IpAddr, prefix: u8) -> Result<Outcome, Refused> {
        let build = |request: Request| {
            let request = named(address)(request);
            if address.is_ipv6() {
                request.number(IFA_FLAGS, NO_DAD).attribute(IFA_CACHEINFO, &never_preferred())
            } else {
                request
            }
        };
        self.0.change(
            format_args!("adding {address}/{prefix} to interface {interface}"),
            libc::RTM_NEWADDR,
            connection::CREATE | connection::EXCLUSIVE,
            build,
            &fixed(interface, address, prefix),
            &[libc::EEXIST],
        )
    }

    /// Takes an address away from an interface. Needs `CAP_NET_ADMIN`. That it is not there is no error
    /// (`EADDRNOTAVAIL`), nor that the interface itself is gone (`ENODEV`).
    ///
    /// The kernel wants the prefix that it has. If there is none with `prefix` but one with another, that one
    /// goes: an address that stays on a node that gave it up is worse than any surprise about its prefix.
    ///
    /// # Errors
    /// `EPERM`: the right is missing.
    pub fn remove_address(
        &mut self,
        interface: u32,
        address: IpAddr,
        prefix: u8,
    ) -> Result<Outcome, Refused> {
        let removed = self.remove_exactly(interface, address, prefix)?;
        if removed == Outcome::Changed {
            return Ok(removed);
        }
        let left =
            self.addresses()?.into_iter().filter(|it| it.interface == interface && it.address == address);
        left.map(|it| self.remove_exactly(interface, address, it.prefix)).last().unwrap_or(Ok(removed))
    }

    fn remove_exactly(&mut self, interface: u32, address: IpAddr, prefix: u8) -> Result<Outcome, Refused> {
        self.0.change(
            format_args!("removing {address}/{prefix} from interface {interface}"),
            libc::RTM_DELADDR,
            0,
            named(address),
            &fixed(interface, address, prefix),
            &[libc::EADDRNOTAVAIL, libc::ENODEV],
        )
    }
}
