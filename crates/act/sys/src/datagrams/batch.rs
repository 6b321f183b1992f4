//! Memory for many datagrams on their way, and the calls that fill and empty it. The layouts of addresses and control
//! messages are the kernel's interface (ip(7), ipv6(7), cmsg(3)), read and written as bytes.

use std::ffi::c_uint;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::ops::Range;
use std::os::fd::AsRawFd;

/// Most datagrams of one call. A call costs as much as five small datagrams, so 32 make it small beside them.
pub const AT_ONCE: usize = 32;

/// Room for each: more than the largest, 65,507 bytes over IPv4 and 65,527 over IPv6. Pages that nothing large came to
/// cost nothing.
const SLOT: usize = 64 << 10;

/// `struct sockaddr_in6`; `sockaddr_in` is shorter.
pub(super) const NAME: usize = 28;
/// `struct cmsghdr`.
pub(super) const HEADER: usize = size_of::<usize>() + 8;
/// Room for two control messages: the largest values are `in6_pktinfo` with 20 bytes, and the size of segments with 2.
pub(super) const CONTROL: usize = 64;

/// An address as the kernel wants it, aligned as `sockaddr_storage`.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(8))]
pub(super) struct Name(pub(super) [u8; NAME]);

/// Control messages, aligned as `cmsghdr`.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(8))]
pub(super) struct Control(pub(super) [u8; CONTROL]);

/// What a datagram of one of our sockets came to, and what its answer comes from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Unicast {
    /// An address of this host.
    pub address: IpAddr,
    /// The interface, where the address means nothing without it (link-local ones); else 0.
    pub interface: u32,
}

/// A datagram that came in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Datagram<'a> {
    /// Who says that it sent it.
    pub from: SocketAddr,
    /// Where to; `None` for broadcast and multicast, and where the socket stands on one address.
    pub to: Option<Unicast>,
    /// What it holds; may be nothing.
    pub bytes: &'a [u8],
}

/// Up to [`AT_ONCE`] datagrams.
#[derive(Debug)]
pub struct Batch {
    memory: Box<[u8]>,
    lengths: [usize; AT_ONCE],
    names: Box<[Name; AT_ONCE]>,
    controls: Box<[Control; AT_ONCE]>,
    told: [usize; AT_ONCE],
}

impl Default for Batch {
    fn default() -> Self {
        Self {
            memory: vec![0; AT_ONCE * SLOT].into(),
            lengths: [0; AT_ONCE],
            names: Box::new([Name([0; NAME]); AT_ONCE]),
            controls: Box::new([Control([0; CONTROL]); AT_ONCE]),
            told: [0; AT_ONCE],
        }
    }
}

impl Batch {
    /// Takes what has come, with who sent it and where to; gives how many.
    ///
    /// # Errors
    /// `WouldBlock` when there is none.
    pub fn receive(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        self.fill(socket, true)
    }

    /// Takes what has come to a connected socket; gives how many.
    ///
    /// # Errors
    /// `WouldBlock` when there is none; `ConnectionRefused` and the like when an ICMP message came.
    pub fn receive_connected(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        self.fill(socket, false)
    }

    /// The bytes of one of them.
    pub fn bytes(&self, index: usize) -> &[u8] {
        let start = index * SLOT;
        let length = self.lengths.get(index).copied().unwrap_or(0);
        self.memory.get(start..start + length).unwrap_or_default()
    }

    /// One that [`receive`](Self::receive) took; `None` if the kernel did not say who sent it.
    pub fn get(&self, index: usize) -> Option<Datagram<'_>> {
        let from = address(&self.names.get(index)?.0)?;
        let control = self.controls.get(index)?.0.get(..*self.told.get(index)?)?;
        Some(Datagram { from, to: destination(control), bytes: self.bytes(index) })
    }

    /// Sends some of them on a connected socket; gives how many it took.
    ///
    /// # Errors
    /// It took none: `WouldBlock` when it is full; `ConnectionRefused` and the like when an ICMP message came for an
    /// earlier one; `EMSGSIZE` when the first one is larger than the way allows.
    pub fn send(&self, which: Range<usize>, socket: &UdpSocket) -> io::Result<usize> {
        self.empty(which, socket, None)
    }

    /// Sends some of them to `to`, from `own` if given.
    ///
    /// # Errors
    /// As [`send`](Self::send); `EINVAL` or `ENETUNREACH` also when `own` is no address of this host any more.
    pub fn send_to(
        &self,
        which: Range<usize>,
        socket: &UdpSocket,
        to: SocketAddr,
        own: Option<Unicast>,
    ) -> io::Result<usize> {
        self.empty(which, socket, Some((to, own)))
    }

    #[expect(unsafe_code, reason = "recvmmsg has no safe wrapper")]
    fn fill(&mut self, socket: &UdpSocket, strangers: bool) -> io::Result<usize> {
        let mut pieces = no_pieces();
        let mut headers = no_headers();
        let slots = self.memory.chunks_exact_mut(SLOT).zip(&mut pieces).zip(&mut headers);
        for ((slot, piece), header) in slots {
            *piece = libc::iovec { iov_base: slot.as_mut_ptr().cast(), iov_len: SLOT };
            header.msg_hdr.msg_iov = piece;
            header.msg_hdr.msg_iovlen = 1;
        }
        if strangers {
            let rooms = self.names.iter_mut().zip(self.controls.iter_mut()).zip(&mut headers);
            for ((name, control), header) in rooms {
                header.msg_hdr.msg_name = name.0.as_mut_ptr().cast();
                header.msg_hdr.msg_namelen = NAME_LEN;
                header.msg_hdr.msg_control = control.0.as_mut_ptr().cast();
                header.msg_hdr.msg_controllen = CONTROL;
            }
        }
        // SAFETY: every pointer in `headers` is to memory of the given length that this function borrows mutably and
        // alone (`self.memory`, `self.names`, `self.controls`, `pieces`) and that outlives the call; `headers` has
        // AT_ONCE entries; the timeout may be null; the descriptor is open while `socket` is borrowed.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                COUNT,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        for (index, header) in headers.iter().enumerate().take(count) {
            self.lengths[index] = usize::try_from(header.msg_len).unwrap_or(0).min(SLOT);
            self.told[index] = header.msg_hdr.msg_controllen.min(CONTROL);
        }
        Ok(count)
    }

    #[expect(unsafe_code, reason = "sendmmsg has no safe wrapper")]
    fn empty(
        &self,
        which: Range<usize>,
        socket: &UdpSocket,
        to: Option<(SocketAddr, Option<Unicast>)>,
    ) -> io::Result<usize> {
        let (mut name, mut control) = (Name([0; NAME]), Control([0; CONTROL]));
        let name_length = to.map_or(0, |(to, _)| write_address(to, &mut name.0));
        let told = to.and_then(|(_, own)| own).map_or(0, |own| write_source(own, &mut control.0));
        let mut pieces = no_pieces();
        let mut headers = no_headers();
        let mut count: c_uint = 0;
        for ((index, piece), header) in which.take(AT_ONCE).zip(&mut pieces).zip(&mut headers) {
            let bytes = self.bytes(index);
            *piece = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
            header.msg_hdr.msg_iov = piece;
            header.msg_hdr.msg_iovlen = 1;
            if name_length > 0 {
                header.msg_hdr.msg_name = name.0.as_mut_ptr().cast();
                header.msg_hdr.msg_namelen = name_length;
            }
            if told > 0 {
                header.msg_hdr.msg_control = control.0.as_mut_ptr().cast();
                header.msg_hdr.msg_controllen = told;
            }
            count += 1;
        }
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        // SAFETY: every pointer in `headers` is to memory of the given length that lives until the call returns
        // (`self.memory`, `name`, `control`, `pieces`); sendmmsg(2) only reads all of it but the lengths in `headers`,
        // which is borrowed mutably; the first `count` entries are filled; the descriptor is open while `socket` is
        // borrowed.
        let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), count, flags) };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }
}

#[expect(clippy::cast_possible_truncation, reason = "28")]
const NAME_LEN: libc::socklen_t = NAME as libc::socklen_t;
#[expect(clippy::cast_possible_truncation, reason = "32")]
const COUNT: c_uint = AT_ONCE as c_uint;

const fn no_pieces() -> [libc::iovec; AT_ONCE] {
    [const { libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 } }; AT_ONCE]
}

#[expect(unsafe_code, reason = "a C struct with padding that differs between C libraries")]
const fn no_headers() -> [libc::mmsghdr; AT_ONCE] {
    // SAFETY: a struct of integers and raw pointers, for all of which zero is a value.
    unsafe { std::mem::zeroed() }
}

fn address(name: &[u8; NAME]) -> Option<SocketAddr> {
    let port = u16::from_be_bytes([name[2], name[3]]);
    match i32::from(u16::from_ne_bytes([name[0], name[1]])) {
        libc::AF_INET => {
            let octets: [u8; 4] = *name.get(4..)?.first_chunk()?;
            Some(SocketAddrV4::new(Ipv4Addr::from(octets), port).into())
        }
        libc::AF_INET6 => {
            let octets: [u8; 16] = *name.get(8..)?.first_chunk()?;
            let scope = u32::from_ne_bytes(*name.get(24..)?.first_chunk()?);
            Some(SocketAddrV6::new(Ipv6Addr::from(octets), port, 0, scope).into())
        }
        _ => None,
    }
}

/// Gives its length.
pub(super) fn write_address(address: SocketAddr, name: &mut [u8; NAME]) -> libc::socklen_t {
    let (family, length) = match address {
        SocketAddr::V4(v4) => {
            name[4..8].copy_from_slice(&v4.ip().octets());
            (libc::AF_INET, 16)
        }
        SocketAddr::V6(v6) => {
            name[8..24].copy_from_slice(&v6.ip().octets());
            name[24..28].copy_from_slice(&v6.scope_id().to_ne_bytes());
            (libc::AF_INET6, NAME_LEN)
        }
    };
    name[..2].copy_from_slice(&u16::try_from(family).unwrap_or(0).to_ne_bytes());
    name[2..4].copy_from_slice(&address.port().to_be_bytes());
    length
}

/// The one control message that the sockets here ask for.
fn destination(control: &[u8]) -> Option<Unicast> {
    let number = |at: usize| Some(i32::from_ne_bytes(*control.get(at..)?.first_chunk()?));
    let value = control.get(HEADER..)?;
    match (number(size_of::<usize>())?, number(size_of::<usize>() + 4)?) {
        (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
            let [local, header] = [4, 8].map(|at| value.get(at..).and_then(|it| it.first_chunk::<4>()));
            // The second is what the packet says; for broadcast and multicast the first is another one.
            let address = Ipv4Addr::from(*local.filter(|_| local == header)?);
            Some(Unicast { address: address.into(), interface: 0 })
        }
        (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
            let address = Ipv6Addr::from(*value.first_chunk::<16>()?);
            let interface = u32::from_ne_bytes(*value.get(16..)?.first_chunk()?);
            let interface = if address.is_unicast_link_local() { interface } else { 0 };
            (!address.is_multicast()).then_some(Unicast { address: address.into(), interface })
        }
        _ => None,
    }
}

/// Gives its length.
pub(super) fn write_source(own: Unicast, control: &mut [u8; CONTROL]) -> usize {
    let (level, kind, length) = match own.address {
        IpAddr::V4(address) => {
            control[HEADER + 4..HEADER + 8].copy_from_slice(&address.octets());
            (libc::IPPROTO_IP, libc::IP_PKTINFO, 12)
        }
        IpAddr::V6(address) => {
            control[HEADER..HEADER + 16].copy_from_slice(&address.octets());
            control[HEADER + 16..HEADER + 20].copy_from_slice(&own.interface.to_ne_bytes());
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, 20)
        }
    };
    let word = size_of::<usize>();
    control[..word].copy_from_slice(&(HEADER + length).to_ne_bytes());
    control[word..word + 4].copy_from_slice(&level.to_ne_bytes());
    control[word + 4..HEADER].copy_from_slice(&kind.to_ne_bytes());
    (HEADER + length).next_multiple_of(word)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::datagrams::{connect, stand};
    use crate::net::Presence;

    #[test]
    fn addresses_are_read_as_they_are_written() {
        for text in ["192.0.2.7:53", "[2001:db8::7]:53", "[fe80::1%3]:65535"] {
            let written: SocketAddr = text.parse().unwrap();
            let mut name = [0; NAME];
            write_address(written, &mut name);
            assert_eq!(address(&name), Some(written));
        }
        assert_eq!(address(&[0; NAME]), None);
    }

    #[test]
    fn what_is_not_sent_to_one_host_is_no_unicast() {
        let message = |level: i32, kind: i32, value: &[u8]| {
            let length = (HEADER + value.len()).to_ne_bytes();
            [&length[..], &level.to_ne_bytes(), &kind.to_ne_bytes(), value].concat()
        };
        let four = |header: [u8; 4]| {
            destination(&message(
                libc::IPPROTO_IP,
                libc::IP_PKTINFO,
                &[&[0; 4][..], &[10, 0, 0, 1], &header].concat(),
            ))
        };
        assert_eq!(four([10, 0, 0, 1]).unwrap().address, IpAddr::from([10, 0, 0, 1]));
        assert_eq!(four([255; 4]), None);
        let six = |address: &str| {
            let address: Ipv6Addr = address.parse().unwrap();
            let value = [&address.octets()[..], &3_u32.to_ne_bytes()].concat();
            destination(&message(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &value)).map(|own| own.interface)
        };
        assert_eq!(six("2001:db8::1"), Some(0));
        assert_eq!(six("fe80::1"), Some(3));
        assert_eq!(six("ff02::1"), None);
    }

    #[test]
    fn datagrams_of_all_sizes_come_and_go_and_their_answers_come_from_where_they_went() {
        for (standing, asked) in [("0.0.0.0:0", "127.9.8.7"), ("[::]:0", "::1")] {
            let socket = stand(standing.parse().unwrap(), Presence::Here).unwrap();
            let to = SocketAddr::new(asked.parse().unwrap(), socket.local_addr().unwrap().port());
            let client = connect(to).unwrap();
            let sizes = [0, 1, 1472, 65_507];
            for size in sizes {
                client.send(&vec![7; size]).unwrap();
            }
            let mut batch = Batch::default();
            assert_eq!(batch.receive(&socket).unwrap(), sizes.len());
            let first = batch.get(0).unwrap();
            assert_eq!(first.from, client.local_addr().unwrap());
            let own = first.to.unwrap();
            assert_eq!(own.address, to.ip());
            assert_eq!(sizes, [0, 1, 2, 3].map(|index| batch.bytes(index).len()));
            assert_eq!(batch.send_to(0..4, &socket, first.from, Some(own)).unwrap(), 4);
            let mut answers = Batch::default();
            assert_eq!(answers.receive_connected(&client).unwrap(), 4, "it takes them from there only");
            assert!(answers.bytes(3) == vec![7; 65_507]);
            assert_eq!(answers.send(1..3, &client).unwrap(), 2);
            assert_eq!(batch.receive(&socket).unwrap(), 2);
            assert_eq!(batch.receive(&socket).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        }
    }

    #[test]
    fn nobody_there_is_an_error_of_the_next_call() {
        let gone = stand("127.0.0.1:0".parse().unwrap(), Presence::Here).unwrap().local_addr().unwrap();
        let client = connect(gone).unwrap();
        client.send(b"x").unwrap();
        let refused = Batch::default().receive_connected(&client).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    }

    proptest! {
        #[test]
        fn any_control_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..CONTROL)) {
            let _ = destination(&bytes);
        }
    }
}
