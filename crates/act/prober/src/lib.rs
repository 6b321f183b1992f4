//! Runs the probes of all pools and tells what changed.
//!
//! One task keeps the schedule of all endpoints; a probe under way is a short-lived task of its own, and
//! their number is bounded. What a result means is decided by [`haechi_health`]; this room only connects,
//! asks, reads and counts the time.
//!
//! An endpoint may be hostile or broken in any way: a probe never takes longer than its timeout, never
//! keeps more than a few KiB, and a program that hangs is killed with all that it started.

mod deadlines;
mod driver;
mod fleet;
mod probe;
mod prober;
mod target;

pub use fleet::{Limits, Load};
pub use probe::run_program;
pub use prober::{Options, Prober};
pub use target::{EndpointReport, Event, Target, Verdict};
