//! UDP sockets, and moving many datagrams with one call (recvmmsg(2), sendmmsg(2)).
//!
//! A listening socket that stands on all addresses is told which one a datagram came to (`IP_PKTINFO`,
//! `IPV6_RECVPKTINFO`, RFC 3542 §4), and an answer says which one it comes from: without that the kernel answers from
//! the address of the way out, and a client drops what it did not ask.

mod batch;
pub mod segments;

use std::io;
use std::net::{SocketAddr, UdpSocket};

use rustix::net::sockopt;
use socket2::{Domain, Protocol, Socket, Type};

use crate::net::{Presence, prepared};
use crate::options;

pub use batch::{AT_ONCE, Batch, Datagram, Unicast};

/// What the kernel keeps of a listening socket until somebody comes round: 4 MiB are a tick of 20 ms at 200 MB/s.
const RECEIVE_BUFFER: usize = 4 << 20;

/// Opens a non-blocking socket that answers from the address that was asked; several may stand on one address
/// (`SO_REUSEPORT`), and then a client's datagrams come to the same one as long as there are as many.
///
/// # Errors
/// What the kernel says: in use, not permitted, not available.
pub fn stand(address: SocketAddr, presence: Presence) -> io::Result<UdpSocket> {
    let socket = unbound(address, presence)?;
    socket.set_reuse_port(true)?;
    if address.ip().is_unspecified() {
        tell_destination(&socket, address.is_ipv6())?;
    }
    // Beyond net.core.rmem_max with CAP_NET_ADMIN only; without it up to there.
    if sockopt::set_socket_recv_buffer_size_force(&socket, RECEIVE_BUFFER).is_err() {
        let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// Binds `address` without sharing it, to learn whether another program has it.
///
/// # Errors
/// What the kernel says: in use, not permitted, not available.
pub fn stand_alone(address: SocketAddr, presence: Presence) -> io::Result<UdpSocket> {
    let socket = unbound(address, presence)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

fn unbound(address: SocketAddr, presence: Presence) -> io::Result<Socket> {
    prepared(address, Type::DGRAM, Protocol::UDP, presence)
}

fn tell_destination(socket: &Socket, six: bool) -> io::Result<()> {
    if six {
        options::set(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)
    } else {
        options::set(socket, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)
    }
}

/// A non-blocking socket that sends to `address` and hears from it alone, and that is told when nobody listens there
/// (an ICMP answer becomes an error of the next call).
///
/// # Errors
/// What the kernel says: no way there, out of ports (`EAGAIN`), out of descriptors.
pub fn connect(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    socket.connect(&address.into())?;
    Ok(socket.into())
}
