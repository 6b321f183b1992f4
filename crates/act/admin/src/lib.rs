//! The admin API: what people and programs see of a running haechi, and what they may ask of it.
//!
//! [`api`] is what goes over the wire, [`Control`] is what stands behind it. It refuses to decide anything.

pub mod api;
mod control;

pub use control::{Control, Problem};
