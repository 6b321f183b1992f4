//! When a certificate is ordered, and when again after a failure.
//!
//! It is a function of what stands in the state directory and of the time, so a restart changes nothing: whoever starts
//! a hundred times a minute orders as seldom as whoever runs for a year.
//!
//! ```text
//! held, history, place, now ──▶ next ──▶ order, or wait until then, and why
//! what came of it           ──▶ History::note
//! ```
//!
//! It refuses to know how an order goes, to read certificates, and to ask the clock: all times are seconds since 1970,
//! because that is what stands in certificates, and what outlives a process.

mod history;
mod plan;

pub use history::{Blame, History};
pub use plan::{Held, Next, Place, Wait, Why, next, renew_at};
