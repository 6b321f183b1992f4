//! A process that goes on where another one was: alone in its program, because a process has one origin.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use haechi_model::Moment;
use haechi_sys::clock::{continue_from, now, origin_nanos};

#[test]
fn moments_count_from_another_process_origin() {
    assert!(continue_from(0), "the machine's start");
    let up: f64 =
        std::fs::read_to_string("/proc/uptime").unwrap().split(' ').next().unwrap().parse().unwrap();
    let since = now().since(Moment::ORIGIN).as_secs_f64();
    assert!((up - 60.0..up + 60.0).contains(&since), "{since} of {up} s");
    assert!(origin_nanos() < 1_000_000, "within a millisecond: {} ns", origin_nanos());
    assert!(!continue_from(0), "moments that were given out must stay what they are");
}
