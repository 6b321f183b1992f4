//! The kernel's side: sockets with their options, splice, resource limits, the network's configuration, frames,
//! rights, and the one place that asks the clock. Everything here is mechanism; what to do with it is decided
//! elsewhere.
//!
//! The only room that may hold `unsafe`: where a system call has no safe wrapper in `rustix` or `socket2`,
//! item by item and with its SAFETY argument.
//!
//! What a virtual router needs is synchronous and never waits longer than it says, so that it can stand in a
//! plain thread around poll(2). Each call says which right it takes; `capabilities` says which there are.

pub mod capabilities;
pub mod clock;
pub mod datagrams;
pub mod events;
pub mod flows;
pub mod handoff;
mod interface;
pub mod knock;
pub mod limits;
mod mac;
pub mod neighbour;
pub mod net;
pub mod netlink;
mod options;
mod packet;
pub mod pipe;
pub mod program;
pub mod raw;
pub mod resets;
pub mod scheduling;
pub mod service;
pub mod sysctl;
mod waiting;

pub use mac::{Family, Mac, NoMac};
