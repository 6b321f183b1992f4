//! What the kernel knows of the network and can change in it: interfaces, addresses, routes, rules.
//!
//! Every call is synchronous and short (the kernel answers within it), so that it can stand in a plain thread
//! with poll(2). Reading takes no right. Changing takes `CAP_NET_ADMIN` in the network namespace. What is so
//! already is no error: [`Outcome`] tells it, so that a node that starts again can make things so without
//! looking first.
//!
//! It refuses to decide: which address, when, and what to do about a no stands with the caller.

mod address;
mod connection;
mod interface;
mod macvlan;
mod routing;
mod watch;
pub(crate) mod wire;

pub use address::InterfaceAddress;
pub use connection::{Outcome, Refused};
pub use interface::Interface;
pub use macvlan::{Macvlan, MacvlanMode};
pub use routing::{Mark, Route, Rule};
pub use watch::{Event, Watch};

pub(crate) use connection::Connection;

use std::io;

/// A socket to the kernel's network configuration. Belongs to the network namespace of the thread that opened
/// it, wherever it is used later.
#[derive(Debug)]
pub struct Network(Connection);

impl Network {
    /// Opens it. Needs no right.
    ///
    /// # Errors
    /// Out of descriptors.
    pub fn open() -> io::Result<Self> {
        Connection::open(None).map(Self)
    }
}

/// The kernel's number of a family, as one byte of a fixed part.
#[expect(clippy::cast_possible_truncation, reason = "they are 2 and 10")]
pub(crate) const fn family_byte(family: crate::mac::Family) -> u8 {
    match family {
        crate::mac::Family::V4 => libc::AF_INET as u8,
        crate::mac::Family::V6 => libc::AF_INET6 as u8,
    }
}

/// The octets of an address, as attributes carry them.
pub(crate) fn octets(address: std::net::IpAddr) -> Vec<u8> {
    match address {
        std::net::IpAddr::V4(address) => address.octets().to_vec(),
        std::net::IpAddr::V6(address) => address.octets().to_vec(),
    }
}
