//! The one place that asks the clock.
#![expect(clippy::disallowed_methods, reason = "this is the place that the ban points to")]

use std::sync::OnceLock;
use std::time::{Instant, SystemTime};

use haechi_model::Moment;

static ORIGIN: OnceLock<Instant> = OnceLock::new();

/// The origin of all moments of this process: the first call of anything here.
pub fn origin() -> Instant {
    *ORIGIN.get_or_init(Instant::now)
}

/// Monotonic time since the origin.
#[inline]
pub fn now() -> Moment {
    Moment::ORIGIN + origin().elapsed()
}

/// Wall time, for people.
pub fn wall() -> SystemTime {
    SystemTime::now()
}
