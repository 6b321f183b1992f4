//! A block of ports for one lab. The port of a killed endpoint is free for anyone; were another lab to start
//! there, the node would find its dead endpoint healthy.
//!
//! A lab owns a block as long as it holds the block's first port: bound, so that nobody else gets it, but
//! without a listener, so that nobody can connect to it.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with};

/// Guard of the first block. All blocks lie below Linux' range for outgoing connections (from 32768), so
/// that none of those takes the port of a killed endpoint by accident.
const FIRST: u16 = 9000;

/// Most endpoints and as many ports again that other programs may have.
const SIZE: u16 = 100;

/// More labs than a machine has use for; the last block ends at 19000.
const BLOCKS: u16 = 100;

#[derive(Debug)]
pub(crate) struct Block {
    _guard: OwnedFd,
    first: u16,
}

impl Block {
    /// The first block that no other lab has.
    pub(crate) fn claim() -> Option<Self> {
        (0..BLOCKS).map(|number| FIRST + number * SIZE).find_map(|first| {
            // Without SO_REUSEADDR: two labs must not both get it.
            let guard =
                socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None).ok()?;
            bind(&guard, &loopback(first)).ok()?;
            Some(Self { _guard: guard, first })
        })
    }

    /// Its first free address above `port`, or at all.
    pub(crate) fn free_above(&self, port: Option<u16>) -> Option<SocketAddr> {
        let first = port.unwrap_or(self.first).saturating_add(1);
        (first..self.first + SIZE).map(loopback).find(is_free)
    }
}

/// Whether nobody listens there.
pub(crate) fn is_free(address: &SocketAddr) -> bool {
    TcpListener::bind(address).is_ok()
}

pub(crate) fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_labs_never_share_a_block() {
        let (one, other) = (Block::claim().unwrap(), Block::claim().unwrap());
        assert_ne!(one.first, other.first);
        assert!(!is_free(&loopback(one.first)), "the guard is held");
        assert!(std::net::TcpStream::connect(loopback(one.first)).is_err(), "and takes no connections");
    }

    #[test]
    fn taken_ports_are_passed_over_and_the_end_is_the_end() {
        let block = Block::claim().unwrap();
        let first = block.free_above(None).unwrap();
        let taken = TcpListener::bind(first).unwrap();
        let next = block.free_above(None).unwrap();
        assert!(next.port() > first.port());
        assert_eq!(block.free_above(Some(first.port())), Some(next));
        assert_eq!(block.free_above(Some(block.first + SIZE - 1)), None);
        drop(taken);
    }
}
