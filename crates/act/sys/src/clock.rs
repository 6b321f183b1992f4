//! The one place that asks the clock.
#![expect(clippy::disallowed_methods, reason = "this is the place that the ban points to")]

use std::io;
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

use haechi_model::Moment;
use rustix::time::{ClockId, clock_gettime};

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

/// A moment as those have it who can't take ours.
pub fn instant(moment: Moment) -> Instant {
    origin() + Duration::from_nanos(moment.as_nanos())
}

/// The way back. What lies before the origin is the origin.
pub fn moment(instant: Instant) -> Moment {
    Moment::ORIGIN + instant.saturating_duration_since(origin())
}

/// The origin on the kernel's monotonic clock, which all processes of this host share: ns.
pub fn origin_nanos() -> u64 {
    kernel_nanos().saturating_sub(now().as_nanos())
}

/// Lets the moments of this process count from the origin of another one, so that what it noted means the same here.
/// Says whether that worked: not after anything here was asked.
pub fn continue_from(origin_nanos: u64) -> bool {
    let ago = Duration::from_nanos(kernel_nanos().saturating_sub(origin_nanos));
    Instant::now().checked_sub(ago).is_some_and(|origin| ORIGIN.set(origin).is_ok())
}

/// `Instant`'s own clock, as a number.
fn kernel_nanos() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let (seconds, nanos) = (u64::try_from(now.tv_sec), u64::try_from(now.tv_nsec));
    // Neither is negative for a machine that runs.
    seconds.unwrap_or_default().saturating_mul(1_000_000_000).saturating_add(nanos.unwrap_or_default())
}

/// Wall time, for people.
pub fn wall() -> SystemTime {
    SystemTime::now()
}

/// Whether the kernel's clock follows another one, as NTP has it do (adjtimex(2), `STA_UNSYNC`). Changes nothing.
///
/// # Errors
/// A sandbox that forbids the question.
#[expect(unsafe_code, reason = "adjtimex(2) has no safe wrapper among our dependencies")]
pub fn is_synchronised() -> io::Result<bool> {
    // SAFETY: a plain struct of numbers, for which all zeros is a value; `modes` 0 asks only.
    let mut state: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes no more than this struct, which outlives the call.
    let told = unsafe { libc::adjtimex(&raw mut state) };
    if told < 0 { Err(io::Error::last_os_error()) } else { Ok(state.status & libc::STA_UNSYNC == 0) }
}
