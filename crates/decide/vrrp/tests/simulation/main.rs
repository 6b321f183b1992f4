//! Three to five nodes in a network that loses, delays, reorders and cuts, on machines that stop and start:
//! whatever happens, the promises hold.
//!
//! `HAECHI_SEEDS=100000 cargo test -p haechi-vrrp --test simulation` plays so many worlds;
//! `HAECHI_SEED=4711` plays one and prints all that happened in it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, which clippy takes for more")]
#![expect(clippy::print_stdout, reason = "one world tells its story to whoever asked for it")]

mod chance;
mod chaos;
mod network;
mod node;
mod promises;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use world::World;

/// What the dev profile plays in a few seconds.
const SEEDS: u64 = 10_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

#[test]
fn the_promises_hold_in_every_world() {
    if let Some(seed) = number("HAECHI_SEED") {
        let mut world = World::new(seed, true);
        world.play();
        return;
    }
    let mut takeovers = 0;
    let seeds = number("HAECHI_SEEDS").unwrap_or(SEEDS);
    for seed in 0..seeds {
        let mut world = World::new(seed, false);
        if catch_unwind(AssertUnwindSafe(|| world.play())).is_err() {
            panic!("a promise was broken; HAECHI_SEED={seed} shows how");
        }
        takeovers += world.takeovers;
    }
    assert!(takeovers > 5 * seeds, "worlds in which nothing happens prove nothing: {takeovers} takeovers");
}
