//! What the kernel really does, between hosts that are network namespaces of this machine. Frames are judged at the
//! other end of a cable, the kernel's state by `ip`: nothing is judged by what it says of itself.
//!
//! One program for all, so that the rig is built once and nothing of it is unused.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that can not go on ends, and says why"
)]

mod advertisements;
mod neighbours;
mod network;
mod rig;
mod virtual_mac;
mod watching;
