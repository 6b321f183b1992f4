//! Which worlds are played: as many as asked for, or the one whose seed is given.

use std::panic::{AssertUnwindSafe, catch_unwind};

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

/// Plays `HAECHI_SEEDS` worlds, `few` if it is not set, or that of `HAECHI_SEED` aloud. `play` gives how many takeovers
/// there were.
pub(crate) fn play_worlds(few: u64, play: impl Fn(u64, bool) -> u64) {
    if let Some(seed) = number("HAECHI_SEED") {
        play(seed, true);
        return;
    }
    let (seeds, mut takeovers) = (number("HAECHI_SEEDS").unwrap_or(few), 0);
    for seed in 0..seeds {
        match catch_unwind(AssertUnwindSafe(|| play(seed, false))) {
            Ok(count) => takeovers += count,
            Err(_) => panic!("a promise was broken; HAECHI_SEED={seed} shows how"),
        }
    }
    assert!(takeovers > 5 * seeds, "worlds in which nothing happens prove nothing: {takeovers} takeovers");
}
