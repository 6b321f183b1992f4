//! Sockets with the options that a proxy needs.

use std::io::{self, IoSlice};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{
    RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown, SocketFlags, acceptfrom_with, connect, recv, send,
    sendmsg, shutdown,
};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::options;

/// Connections that the kernel holds for one listening socket until a worker accepts them. Linux cuts it
/// to `net.core.somaxconn` (4096 by default since 5.4).
const BACKLOG: i32 = 4096;

/// What a listening socket is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Speaks {
    /// The client: the kernel may hold a connection back until its first bytes are there.
    ClientFirst,
    /// Either side.
    Anyone,
}

/// Where the address of a listening socket is when it is bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Presence {
    /// On an interface of this machine: the kernel refuses any other, which is how a mistyped one is noticed.
    Here,
    /// Here or on another node, because a virtual router moves it (`IP_FREEBIND`, ip(7)). What connects while
    /// it is elsewhere goes there; when it comes, the socket already listens.
    Anywhere,
}

/// Opens a non-blocking listening socket; several may stand on one address (`SO_REUSEPORT`).
///
/// `TCP_NODELAY` is set here because accepted sockets inherit it on Linux, which saves a system call for
/// each. An IPv6 socket takes IPv6 only, so that `0.0.0.0:80` and `[::]:80` do not fight.
///
/// # Errors
/// What the kernel says: in use, not permitted, not available.
pub fn listen(address: SocketAddr, speaks: Speaks, presence: Presence) -> io::Result<TcpListener> {
    let socket = unbound(address, presence)?;
    socket.set_reuse_port(true)?;
    socket.set_tcp_nodelay(true)?;
    if speaks == Speaks::ClientFirst {
        // One wake-up fewer for each connection; a client that stays silent is handed over after a second.
        defer_accept(&socket);
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Binds `address` without sharing it, to learn whether another program has it.
///
/// # Errors
/// What the kernel says: in use, not permitted, not available.
pub fn listen_alone(address: SocketAddr, presence: Presence) -> io::Result<TcpListener> {
    let socket = unbound(address, presence)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

fn unbound(address: SocketAddr, presence: Presence) -> io::Result<Socket> {
    let socket = prepared(address, Type::STREAM, Protocol::TCP, presence)?;
    socket.set_reuse_address(true)?;
    Ok(socket)
}

/// A non-blocking socket of one family that may be bound to an address that is elsewhere now.
pub(crate) fn prepared(
    address: SocketAddr,
    kind: Type,
    protocol: Protocol,
    presence: Presence,
) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind.nonblocking(), Some(protocol))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if presence == Presence::Anywhere {
        if address.is_ipv6() { socket.set_freebind_v6(true)? } else { socket.set_freebind_v4(true)? }
    }
    Ok(socket)
}

/// Lets the kernel hold a connection back until its first bytes are there, for a second at most.
fn defer_accept(socket: &Socket) {
    // A refusal costs one wake-up for each connection and nothing else.
    let _ = options::set(socket, libc::IPPROTO_TCP, libc::TCP_DEFER_ACCEPT, 1);
}

/// Accepts one connection, non-blocking. Sockets that [`listen`] opened give connections without Nagle's delay.
///
/// # Errors
/// `WouldBlock` when none waits; else what the kernel says, of which most concern only that connection.
pub fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (fd, from) = acceptfrom_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)?;
    let peer = from
        .and_then(|address| SocketAddr::try_from(address).ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::ConnectionAborted, "peer without an address"))?;
    Ok((TcpStream::from(fd), peer))
}

/// Begins a connection without Nagle's delay. It stands when the socket is writable and [`outcome`] finds no error.
///
/// # Errors
/// What the kernel knows at once: unreachable, out of ports, out of descriptors.
pub fn begin_connect(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    socket.set_tcp_nodelay(true)?;
    match connect(&socket, &address) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket.into()),
        Err(error) => Err(error.into()),
    }
}

/// How a connection that was begun came out.
///
/// # Errors
/// Why it does not stand.
pub fn outcome(socket: &TcpStream) -> io::Result<()> {
    socket.take_error()?.map_or(Ok(()), Err)
}

/// Takes what has come; 0 is the end.
///
/// # Errors
/// `WouldBlock` when nothing has; else what broke the connection.
#[inline]
pub fn receive(socket: &TcpStream, buf: &mut [u8]) -> io::Result<usize> {
    Ok(recv(socket, buf, RecvFlags::empty())?.0)
}

/// Like [`receive`], and leaves it there.
///
/// # Errors
/// The same.
pub fn look(socket: &TcpStream, buf: &mut [u8]) -> io::Result<usize> {
    Ok(recv(socket, buf, RecvFlags::PEEK)?.0)
}

/// Gives bytes to the kernel, as many as it takes.
///
/// # Errors
/// `WouldBlock` when it takes none; else what broke the connection.
#[inline]
pub fn transmit(socket: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    Ok(send(socket, bytes, SendFlags::NOSIGNAL)?)
}

/// Like [`transmit`], for two pieces in a row.
///
/// # Errors
/// The same.
pub fn transmit_two(socket: &TcpStream, first: &[u8], second: &[u8]) -> io::Result<usize> {
    let pieces = [IoSlice::new(first), IoSlice::new(second)];
    Ok(sendmsg(socket, &pieces, &mut SendAncillaryBuffer::default(), SendFlags::NOSIGNAL)?)
}

/// What stands at the head of a socket's receive queue, without taking it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Waiting {
    /// Nothing yet.
    Nothing,
    /// Bytes.
    Bytes,
    /// The peer has ended its side.
    End,
    /// The connection is broken.
    Broken,
}

/// Looks without taking (`MSG_PEEK`).
pub fn peek(socket: impl AsFd) -> Waiting {
    let mut byte = [0u8; 1];
    match recv(socket, &mut byte, RecvFlags::PEEK | RecvFlags::DONTWAIT) {
        Ok((0, _)) => Waiting::End,
        Ok(_) => Waiting::Bytes,
        Err(Errno::AGAIN | Errno::INTR) => Waiting::Nothing,
        Err(_) => Waiting::Broken,
    }
}

/// Ends our side of a connection (FIN); the other one may go on.
pub fn end_writing(socket: impl AsFd) {
    // A peer that is gone already needs no end.
    let _ = shutdown(socket, Shutdown::Write);
}

/// Makes the coming close send RST, so that the peer notices that something was cut off.
pub fn reset_on_close(socket: impl AsFd) {
    // If it fails, the peer gets a FIN and must trust its framing.
    let _ = SockRef::from(&socket).set_linger(Some(Duration::ZERO));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Addresses for documentation (RFC 5737, RFC 3849): a machine that has one is set up wrongly.
    const ELSEWHERE: [&str; 2] = ["203.0.113.1:0", "[2001:db8::1]:0"];

    #[test]
    fn an_address_of_another_node_is_taken_only_if_it_may_come() {
        for address in ELSEWHERE {
            let address: SocketAddr = address.parse().unwrap();
            for speaks in [Speaks::ClientFirst, Speaks::Anyone] {
                let refused = listen(address, speaks, Presence::Here).unwrap_err();
                assert_eq!(refused.kind(), io::ErrorKind::AddrNotAvailable, "{address}");
                let socket = listen(address, speaks, Presence::Anywhere).unwrap();
                assert_eq!(socket.local_addr().unwrap().ip(), address.ip());
            }
            let refused = listen_alone(address, Presence::Here).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::AddrNotAvailable, "{address}");
            let alone = listen_alone(address, Presence::Anywhere).unwrap().local_addr().unwrap();
            assert_ne!(alone.port(), 0, "the kernel gave it a port");
        }
    }

    #[test]
    fn an_address_that_may_come_is_still_not_shared_unasked() {
        let first = listen_alone("203.0.113.1:0".parse().unwrap(), Presence::Anywhere).unwrap();
        let taken = listen_alone(first.local_addr().unwrap(), Presence::Anywhere);
        // Bound alone is not listening: only a listening socket makes its address taken (SO_REUSEADDR).
        assert!(taken.is_ok());
        let serving = listen("203.0.113.1:0".parse().unwrap(), Speaks::Anyone, Presence::Anywhere).unwrap();
        let refused = listen_alone(serving.local_addr().unwrap(), Presence::Anywhere).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
    }
}
