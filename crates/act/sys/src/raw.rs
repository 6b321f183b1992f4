//! Sockets for VRRP advertisements: IP protocol 112 (RFC 9568 §5.1).
//!
//! The kernel builds and takes off the IP header, and nothing more:
//! - **Checksums are the caller's.** Of IPv4 the kernel has none for this protocol. Of IPv6 it would compute and
//!   check one (`IPV6_CHECKSUM`, RFC 3542 §3.1); that stays off, so that one codec does both families, and that
//!   a wrong one is counted with its reason and not dropped unseen.
//! - **The hop limit is told, not judged.** RFC 9568 §5.1.1.3 wants 255, or somebody beyond a router sent it.
//! - What this node sends by multicast does not come back to it.
//!
//! Each socket belongs to one interface. When that goes, sending fails, and a new socket is needed when it comes
//! back, because it is another interface then and the group is not joined on it.
//!
//! The `udp` transport needs nothing of this: `std::net::UdpSocket` with [`mark_as_control`] does.

mod control;

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};

use haechi_model::InterfaceName;
use rustix::net::{RecvFlags, recv};
use socket2::{
    Domain, InterfaceIndexOrAddress, MaybeUninitSlice, MsgHdr, MsgHdrMut, SockAddr, SockRef, Socket, Type,
};

use crate::interface::{checked, index_of};
use crate::mac::Family;
use crate::options;

/// VRRP's protocol number.
const PROTOCOL: i32 = 112;
/// The hop limit of every advertisement (RFC 9568 §5.1.1.3, §5.1.2.3).
const HOPS: u32 = 255;
/// DSCP CS6, "network control" (RFC 4594 §3.1), as keepalived sends.
const NETWORK_CONTROL: u32 = 0xc0;
/// `TC_PRIO_CONTROL`: before everything else in the queue of the interface.
const PRIORITY: u32 = 7;

/// Where IPv4 advertisements go (RFC 9568 §5.1.1.2).
pub const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
/// Where IPv6 advertisements go (RFC 9568 §5.1.2.2).
pub const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);

/// Bytes that hold any advertisement: a header of 8 and 255 addresses of 16, and before them an IPv4 header of
/// at most 60.
pub const LARGEST: usize = 8 + 255 * 16 + 60;

/// The group of a family.
pub const fn group(family: Family) -> IpAddr {
    match family {
        Family::V4 => IpAddr::V4(GROUP_V4),
        Family::V6 => IpAddr::V6(GROUP_V6),
    }
}

/// What a socket hears.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hears {
    /// The group, and what comes to this host alone.
    Group,
    /// Only what comes to this host alone: for peers that are known by address.
    Unicast,
}

/// An advertisement that came in. Nothing of it was checked, not even whether all of it is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Received<'a> {
    /// What stands behind the IP header.
    pub payload: &'a [u8],
    /// Who says that it sent it.
    pub source: IpAddr,
    /// The group, or an address of this host.
    pub destination: IpAddr,
    /// TTL or hop limit as it arrived.
    pub hop_limit: u8,
}

/// What the kernel tells of a packet, and where in the buffer its payload is.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Told {
    payload: Range<usize>,
    source: IpAddr,
    destination: IpAddr,
    hop_limit: u8,
}

/// A non-blocking socket for the advertisements of one family on one interface. Readable (poll(2)) when there is
/// one.
#[derive(Debug)]
pub struct Advertisements {
    socket: Socket,
    family: Family,
    interface: u32,
    hears: Hears,
}

impl Advertisements {
    /// Opens it. Needs `CAP_NET_RAW`.
    ///
    /// # Errors
    /// `EPERM`: the right is missing. `ENODEV`: no such interface, or IPv6 is off on it. `InvalidInput`: no name
    /// of an interface. `EAFNOSUPPORT`: the kernel has no IPv6. `ENOBUFS`: too many groups are joined
    /// (`net.ipv4.igmp_max_memberships`).
    pub fn open(family: Family, interface: &InterfaceName, hears: Hears) -> io::Result<Self> {
        let domain = match family {
            Family::V4 => Domain::IPV4,
            Family::V6 => Domain::IPV6,
        };
        let socket = Socket::new(domain, Type::RAW.nonblocking(), Some(PROTOCOL.into()))?;
        socket.bind_device(Some(checked(interface)?.as_bytes()))?;
        let index = index_of(&socket, interface)?;
        match family {
            Family::V4 => prepare_v4(&socket, index, hears)?,
            Family::V6 => prepare_v6(&socket, index, hears)?,
        }
        mark(&SockRef::from(&socket), family);
        Ok(Self { socket, family, interface: index, hears })
    }

    /// The number that its interface had when it was opened.
    pub const fn interface(&self) -> u32 {
        self.interface
    }

    /// Sends one advertisement. Both addresses must be of the socket's family, and `source` one of this host's,
    /// though not necessarily of this interface, unless it is link-local: a macvlan sends from its parent's IPv4
    /// address, but needs an IPv6 one of its own. Needs no right any more.
    ///
    /// # Errors
    /// `ENETUNREACH` with IPv4, `EINVAL` with IPv6: the source is no address of this host (yet). `ENETUNREACH`,
    /// `ENETDOWN`: the interface is off. `ENODEV`, `ENETUNREACH`: it is gone. `EPERM`: a firewall said no.
    /// `WouldBlock`, `ENOBUFS`: its queue is full. `InvalidInput`: another family.
    pub fn send(&self, payload: &[u8], source: IpAddr, destination: IpAddr) -> io::Result<()> {
        let control = match (self.family, source, destination) {
            (Family::V4, IpAddr::V4(source), IpAddr::V4(_)) => control::from_v4(self.interface, source),
            (Family::V6, IpAddr::V6(source), IpAddr::V6(_)) => control::from_v6(self.interface, source),
            _ => return Err(io::Error::new(io::ErrorKind::InvalidInput, "addresses of another family")),
        };
        let to: SockAddr = match destination {
            IpAddr::V4(to) => SocketAddrV4::new(to, 0).into(),
            // A link-local address and the group mean nothing without their interface.
            IpAddr::V6(to) => SocketAddrV6::new(to, 0, 0, self.interface).into(),
        };
        let payload = [IoSlice::new(payload)];
        let message = MsgHdr::new().with_addr(&to).with_buffers(&payload).with_control(&control);
        self.socket.sendmsg(&message, libc::MSG_NOSIGNAL).map(|_| ())
    }

    /// Takes the next one into a buffer of [`LARGEST`] bytes; what does not fit is cut off, and then its own
    /// length or checksum gives it away. Needs no right any more.
    ///
    /// # Errors
    /// `WouldBlock`: there is none yet. `ENETDOWN`: the interface was switched off (told once). `InvalidData`:
    /// no header, which the kernel never lets through.
    pub fn receive<'a>(&self, buffer: &'a mut [u8]) -> io::Result<Received<'a>> {
        loop {
            let told = match self.family {
                Family::V4 => {
                    let (_, length) = recv(&self.socket, &mut *buffer, RecvFlags::empty())?;
                    control::before_ipv4(buffer.get(..length).unwrap_or_default())
                }
                Family::V6 => self.receive_v6(buffer)?,
            };
            let headless =
                || io::Error::new(io::ErrorKind::InvalidData, "an advertisement without its header");
            let Told { source, destination, hop_limit, payload } = told.ok_or_else(headless)?;
            if self.is_for_us(destination) {
                let payload = buffer.get(payload).unwrap_or_default();
                return Ok(Received { payload, source, destination, hop_limit });
            }
        }
    }

    /// An IPv6 socket hears every group that somebody on this host joined, whatever `IPV6_MULTICAST_ALL` says: the
    /// kernel asks for the membership only if the socket is bound to an address (`raw_v6_match`).
    fn is_for_us(&self, destination: IpAddr) -> bool {
        !destination.is_multicast() || (self.hears == Hears::Group && destination == group(self.family))
    }

    fn receive_v6(&self, buffer: &mut [u8]) -> io::Result<Option<Told>> {
        let mut from: SockAddr = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 0).into();
        let mut control = [0; control::SPACE];
        let (length, used) = {
            let mut payload = [MaybeUninitSlice::new(uninit(buffer))];
            let mut message = MsgHdrMut::new()
                .with_addr(&mut from)
                .with_buffers(&mut payload)
                .with_control(uninit(&mut control));
            let length = self.socket.recvmsg(&mut message, 0)?;
            (length, message.control_len())
        };
        let told = control::told(control.get(..used).unwrap_or_default());
        Ok(from.as_socket_ipv6().zip(told).map(|(from, (destination, hop_limit))| Told {
            payload: 0..length,
            source: (*from.ip()).into(),
            destination: destination.into(),
            hop_limit,
        }))
    }
}

impl AsFd for Advertisements {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Lets what a socket of this family sends go before other traffic, here and in the network. What the kernel or
/// the missing `CAP_NET_ADMIN` refuses is left as it is: an advertisement without it is still one.
pub fn mark_as_control(socket: impl AsFd, family: Family) {
    mark(&SockRef::from(&socket), family);
}

fn mark(socket: &SockRef<'_>, family: Family) {
    let _ = match family {
        Family::V4 => socket.set_tos_v4(NETWORK_CONTROL),
        Family::V6 => socket.set_tclass_v6(NETWORK_CONTROL),
    };
    // After it, because IP_TOS also sets the priority, to that of a TOS of before 1998.
    let _ = socket.set_priority(PRIORITY);
}

fn prepare_v4(socket: &Socket, index: u32, hears: Hears) -> io::Result<()> {
    socket.set_ttl_v4(HOPS)?;
    socket.set_multicast_ttl_v4(HOPS)?;
    socket.set_multicast_loop_v4(false)?;
    // Otherwise it would also hear the groups that others on this host joined.
    socket.set_multicast_all_v4(false)?;
    match hears {
        Hears::Group => socket.join_multicast_v4_n(&GROUP_V4, &InterfaceIndexOrAddress::Index(index)),
        Hears::Unicast => Ok(()),
    }
}

fn prepare_v6(socket: &Socket, index: u32, hears: Hears) -> io::Result<()> {
    socket.set_unicast_hops_v6(HOPS)?;
    socket.set_multicast_hops_v6(HOPS)?;
    socket.set_multicast_loop_v6(false)?;
    socket.set_multicast_all_v6(false)?;
    socket.set_recv_hoplimit_v6(true)?;
    options::set(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)?;
    // -1: the kernel neither computes nor checks one. That is its default; here it is what the codec relies on.
    options::set(socket, libc::IPPROTO_IPV6, IPV6_CHECKSUM, -1)?;
    match hears {
        Hears::Group => socket.join_multicast_v6(&GROUP_V6, index),
        Hears::Unicast => Ok(()),
    }
}

/// `IPV6_CHECKSUM` (RFC 3542 §3.1), which libc does not know on Linux.
const IPV6_CHECKSUM: libc::c_int = 7;

/// Bytes as socket2 wants them for receiving.
#[expect(unsafe_code, reason = "socket2 receives into memory that may be uninitialised only")]
fn uninit(bytes: &mut [u8]) -> &mut [MaybeUninit<u8>] {
    // SAFETY: both have the same layout, and the result borrows the bytes as the argument did. Nothing writes
    // uninitialised bytes through it: it goes to recvmsg(2) only, where the kernel copies bytes into it.
    unsafe { &mut *(std::ptr::from_mut(bytes) as *mut [MaybeUninit<u8>]) }
}
