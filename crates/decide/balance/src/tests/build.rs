//! What a view of 10,000 members costs. Printed, not asserted: `cargo test -p haechi-balance build -- --nocapture`.

use haechi_model::Algorithm;

use super::{ALGORITHMS, ask, idle, member, view};
use crate::hash::mix;
use crate::{Member, Pick, Tried};

#[test]
#[expect(clippy::disallowed_methods, reason = "a measurement")]
fn ten_thousand_members() {
    let now = std::time::Instant::now;
    for (kind, warmth) in [("equal", 100), ("warming", 37)] {
        let mut members: Vec<Member> = (0..10_000).map(|id| member(mix(id), 1 + (id % 256) as u16)).collect();
        members[77].state.warmth = warmth;
        for algorithm in ALGORITHMS {
            let start = now();
            let view = view(&members, algorithm);
            let built = start.elapsed();
            let start = now();
            let found = (0..10_000)
                .filter(|n| matches!(view.pick(&ask(*n, &Tried::new()), &idle()), Pick::Member(_)));
            assert_eq!(found.count(), 10_000);
            println!("{kind:8} {algorithm:?}: built in {built:?}, {:?} per pick", start.elapsed() / 10_000);
        }
    }
    for size in [8, 32, 64, 65, 1000] {
        let members: Vec<Member> = (0..size).map(|id| member(mix(id), 1)).collect();
        let start = now();
        let view = view(&members, Algorithm::IpHash);
        let built = start.elapsed();
        let start = now();
        let found = (0..100_000).filter(|n| view.pick(&ask(*n, &Tried::new()), &idle()) != Pick::Nobody);
        assert_eq!(found.count(), 100_000);
        println!("ipHash {size}: built in {built:?}, {:?} per pick", start.elapsed() / 100_000);
    }
}
