//! Sending many datagrams of one size as one piece that the kernel cuts (`UDP_SEGMENT`, udp(7)), as QUIC does.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

use super::batch::{CONTROL, Control, HEADER, NAME, Name, Unicast, write_address, write_source};
use crate::options;

/// Most bytes of one piece: what a datagram of IPv4 may hold.
pub const PIECE: usize = 65_507;

/// Most datagrams of one piece: the kernel's `UDP_MAX_SEGMENTS` before Linux 6.9.
pub const SEGMENTS: usize = 64;

/// Sends `bytes` to `to`, from `own` if given, cut into datagrams of `segment` bytes if given.
///
/// # Errors
/// `WouldBlock` when the socket is full; `EIO` or `EINVAL` where the kernel or a link can't cut; `EMSGSIZE` when one is
/// larger than the way allows; and as when sending anything.
#[expect(unsafe_code, reason = "sendmsg with these control messages has no safe wrapper")]
pub fn send(
    socket: &UdpSocket,
    bytes: &[u8],
    segment: Option<u16>,
    to: SocketAddr,
    own: Option<Unicast>,
) -> io::Result<()> {
    let (mut name, mut control) = (Name([0; NAME]), Control([0; CONTROL]));
    let name_length = write_address(to, &mut name.0);
    let mut told = own.map_or(0, |own| write_source(own, &mut control.0));
    if let Some(segment) = segment {
        told += write_segment(segment, control.0.get_mut(told..).unwrap_or_default());
    }
    let mut piece = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: a struct of integers and raw pointers, for all of which zero is a value.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_name = name.0.as_mut_ptr().cast();
    header.msg_namelen = name_length;
    header.msg_iov = &raw mut piece;
    header.msg_iovlen = 1;
    if told > 0 {
        header.msg_control = control.0.as_mut_ptr().cast();
        header.msg_controllen = told;
    }
    // SAFETY: every pointer in `header` is to memory of the given length that lives until the call returns (`name`,
    // `control`, `piece`, `bytes`); sendmsg(2) only reads it; the descriptor is open while `socket` is borrowed.
    let sent = unsafe {
        libc::sendmsg(socket.as_raw_fd(), &raw const header, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL)
    };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Lets no datagram of a socket be cut on its way, and learns nothing from the kernel of how large one may be: QUIC
/// finds out by itself (RFC 9000 §14).
///
/// # Errors
/// What the kernel says.
pub fn never_cut(socket: &UdpSocket) -> io::Result<()> {
    if socket.local_addr()?.is_ipv6() {
        options::set(socket, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_PROBE)
    } else {
        options::set(socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_PROBE)
    }
}

/// Appends a control message; gives its length, 0 if there is no room.
fn write_segment(segment: u16, control: &mut [u8]) -> usize {
    let word = size_of::<usize>();
    let length = HEADER + size_of::<u16>();
    let Some(room) = control.get_mut(..length.next_multiple_of(word)) else { return 0 };
    room[..word].copy_from_slice(&length.to_ne_bytes());
    room[word..word + 4].copy_from_slice(&libc::SOL_UDP.to_ne_bytes());
    room[word + 4..HEADER].copy_from_slice(&libc::UDP_SEGMENT.to_ne_bytes());
    room[HEADER..length].copy_from_slice(&segment.to_ne_bytes());
    room.len()
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::time::Duration;

    use super::*;
    use crate::datagrams::stand;
    use crate::net::Presence;

    #[test]
    fn a_piece_comes_as_many_datagrams_from_the_address_that_was_asked() {
        for (standing, own) in [("0.0.0.0:0", "127.9.8.6"), ("[::]:0", "::1"), ("127.9.8.5:0", "127.9.8.5")] {
            let socket = stand(standing.parse().unwrap(), Presence::Here).unwrap();
            never_cut(&socket).unwrap();
            let own: IpAddr = own.parse().unwrap();
            let client = UdpSocket::bind((own, 0)).unwrap();
            client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            let from = Unicast { address: own, interface: 0 };
            let bytes: Vec<u8> = (0..3500_u32).map(|at| at.to_le_bytes()[0]).collect();
            send(&socket, &bytes, Some(1200), client.local_addr().unwrap(), Some(from)).unwrap();
            let mut came = Vec::new();
            for wanted in [1200, 1200, 1100] {
                let mut buf = [0; 2000];
                let (count, peer) = client.recv_from(&mut buf).unwrap();
                assert_eq!((count, peer.ip()), (wanted, own));
                came.extend_from_slice(&buf[..count]);
            }
            assert_eq!(came, bytes);
        }
    }
}
