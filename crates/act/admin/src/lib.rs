//! The admin API: what people and programs see of a running haechi, and what they may ask of it.
//!
//! [`api`] is what goes over the wire, [`Control`] is what stands behind it, [`server`] and [`client`] are the
//! two ends, [`metrics`] is the same truth for scrapers. It refuses to decide anything, and it refuses to
//! change anything for a caller that came over TCP.

pub mod api;
pub mod client;
mod control;
pub mod metrics;
pub mod server;
pub mod words;

pub use client::{Client, ClientError};
pub use control::{Control, Problem};
pub use server::{Doors, LentDoors, Server, SocketError};
