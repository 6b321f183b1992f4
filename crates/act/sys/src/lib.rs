//! The kernel's side: sockets with their options, splice, resource limits, and the one place that asks the
//! clock. Everything here is mechanism; what to do with it is decided elsewhere.
//!
//! The only room that may hold `unsafe`: where a system call has no safe wrapper in `rustix` or `socket2`,
//! item by item and with its SAFETY argument.

pub mod clock;
pub mod limits;
pub mod net;
pub mod pipe;
