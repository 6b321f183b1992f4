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
mod seeds;
mod world;

use seeds::play_worlds;
use world::World;

/// What the dev profile plays in a few seconds.
const SEEDS: u64 = 10_000;

#[test]
fn the_promises_hold_in_every_world() {
    play_worlds(SEEDS, |seed, aloud| {
        let mut world = World::new(seed, aloud);
        world.play();
        world.takeovers
    });
}
