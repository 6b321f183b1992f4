//! What a config can say of compression.

use haechi_model::{Coding, CodingLevels, Compression, RouteCompression};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

/// Boxed, because a strategy holds those that it is made of, and a test's stack has 2 MiB.
pub(super) fn compression() -> BoxedStrategy<Compression> {
    let codings = prop_oneof![
        Just(Compression::default().codings),
        Just(vec![Coding::Gzip]),
        Just(vec![Coding::Br, Coding::Zstd])
    ];
    let types = of(vec("[a-z]{1,5}/([a-z]{1,5}|\\*)", 1..2));
    let levels = (1..=9_u8, 0..=4_u8, 1..=6_u8).prop_map(|(gzip, br, zstd)| CodingLevels { gzip, br, zstd });
    (codings, types, 0..4096_u64, of(levels))
        .prop_map(|(codings, types, minimum_size, levels)| Compression {
            codings,
            types: types.map_or_else(
                || Compression::default().types,
                |types| types.into_iter().map(Into::into).collect(),
            ),
            minimum_size,
            levels: levels.unwrap_or_default(),
        })
        .boxed()
}

/// What a route says of it.
pub(super) fn route_compression() -> BoxedStrategy<RouteCompression> {
    prop_oneof![
        Just(RouteCompression::AsListener),
        Just(RouteCompression::Off),
        compression().prop_map(RouteCompression::Of)
    ]
    .boxed()
}
