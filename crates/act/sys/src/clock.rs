//! The one place that asks the clock.
#![expect(clippy::disallowed_methods, reason = "this is the place that the ban points to")]

use std::sync::OnceLock;
use std::time::{Instant, SystemTime};

use haechi_model::Moment;

static ORIGIN: OnceLock<Instant> = OnceLock::new();

/// Monotonic time since the first call in this process.
#[inline]
pub fn now() -> Moment {
    Moment::ORIGIN + ORIGIN.get_or_init(Instant::now).elapsed()
}

/// Wall time, for people.
pub fn wall() -> SystemTime {
    SystemTime::now()
}
