//! Where routes lead, as strategies.

use haechi_model::{Destination, PoolIndex, Share, Split, SplitBy};
use proptest::option::of;
use proptest::prelude::*;

/// One pool or several of so many.
pub(crate) fn destination(pools: u32) -> BoxedStrategy<Destination> {
    let weights = proptest::collection::btree_map(0..pools, 0..=1_000_000_u32, 1..4);
    let by = prop_oneof![
        Just(SplitBy::ClientAddress),
        "[a-z!#$%&'*+.^_`|~-]{1,6}".prop_map(|name| SplitBy::Header(name.into())),
        "[A-Za-z!#$%&'*+.^_`|~-]{1,6}".prop_map(|name| SplitBy::Cookie(name.into())),
    ];
    let split = (weights, of(by)).prop_map(|(weights, by)| {
        let shares = weights.into_iter().map(|(pool, weight)| Share { pool: PoolIndex(pool), weight });
        Destination::Split(Box::new(Split { shares: shares.collect(), by }))
    });
    prop_oneof![3 => (0..pools).prop_map(|pool| Destination::Pool(PoolIndex(pool))), 1 => split].boxed()
}
