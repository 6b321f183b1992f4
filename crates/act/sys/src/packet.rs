//! Whole Ethernet frames through one interface (packet(7)).

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use haechi_model::InterfaceName;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use socket2::{Domain, SockAddr, SockAddrStorage, SockFilter, Socket, Type};

use crate::interface::index_of;

/// `ETH_P_ARP`.
pub(crate) const ARP: u16 = 0x0806;
/// `ETH_P_IP`.
pub(crate) const IPV4: u16 = 0x0800;
/// `ETH_P_IPV6`.
pub(crate) const IPV6: u16 = 0x86dd;

/// A non-blocking socket for frames.
#[derive(Debug)]
pub(crate) struct Frames(Socket);

impl Frames {
    /// To send only, through any interface. Needs `CAP_NET_RAW`.
    pub(crate) fn to_any() -> io::Result<Self> {
        // With protocol 0 it hears nothing until it is bound to one, and then of one interface only.
        Ok(Self(Socket::new(Domain::PACKET, Type::RAW.nonblocking(), None)?))
    }

    /// To send, and to hear what others send of one Ethernet type; what this host sends is heard by sockets for
    /// all types only. Needs `CAP_NET_RAW`.
    pub(crate) fn of(interface: &InterfaceName, ethertype: u16) -> io::Result<Self> {
        let frames = Self::to_any()?;
        let index = index_of(&frames.0, interface)?;
        frames.0.bind(&address(index, ethertype))?;
        Ok(frames)
    }

    /// Lets the kernel drop what this program does not take (socket(7), `SO_ATTACH_FILTER`).
    pub(crate) fn hear_only(&self, program: &[SockFilter]) -> io::Result<()> {
        self.0.attach_filter(program)
    }

    /// Sends one frame as it is through the interface with this number.
    pub(crate) fn send_through(&self, interface: u32, frame: &[u8]) -> io::Result<()> {
        self.0.send_to(frame, &address(interface, 0)).map(drop)
    }

    /// Sends one frame as it is through the interface that it hears.
    pub(crate) fn send(&self, frame: &[u8]) -> io::Result<()> {
        Ok(send(&self.0, frame, SendFlags::empty()).map(|_| ())?)
    }

    /// The next frame that was heard; what does not fit is cut off. `WouldBlock` when there is none.
    pub(crate) fn receive<'a>(&self, buffer: &'a mut [u8]) -> io::Result<&'a [u8]> {
        let (_, length) = recv(&self.0, &mut *buffer, RecvFlags::empty())?;
        Ok(buffer.get(..length).unwrap_or_default())
    }
}

impl AsFd for Frames {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// `struct sockaddr_ll` of an interface and an Ethernet type.
#[expect(unsafe_code, reason = "neither socket2 nor rustix has this kind of address")]
#[expect(clippy::cast_possible_truncation, reason = "see inside")]
fn address(index: u32, ethertype: u16) -> SockAddr {
    let mut storage = SockAddrStorage::zeroed();
    // AF_PACKET is 17, the kernel's interface numbers are positive ints, and the structure has 20 bytes.
    let (family, index) = (libc::AF_PACKET as libc::sa_family_t, index as libc::c_int);
    let length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    // SAFETY: sockaddr_ll is one of the kernel's socket addresses, no larger than the storage, which is aligned
    // for all of them; all its bytes are zero, which is valid for its integers.
    let link: &mut libc::sockaddr_ll = unsafe { storage.view_as() };
    link.sll_family = family;
    link.sll_protocol = ethertype.to_be();
    link.sll_ifindex = index;
    // SAFETY: the storage holds a sockaddr_ll with its family set, and the length is that of a sockaddr_ll.
    unsafe { SockAddr::new(storage, length) }
}
