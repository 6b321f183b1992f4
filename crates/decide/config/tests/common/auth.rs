//! External auth as a strategy.

use std::time::Duration;

use haechi_model::{ExternalAuth, PoolIndex};
use proptest::collection::btree_set;
use proptest::option::of;
use proptest::prelude::*;

/// A question to one of so many pools.
pub(crate) fn external_auth(pools: u32) -> BoxedStrategy<ExternalAuth> {
    let names = || {
        btree_set("z[a-z!#$%&'*+.^_`|~-]{1,6}", 0..3)
            .prop_map(|names| names.into_iter().map(Into::into).collect::<Vec<Box<str>>>())
    };
    let usual = Just(vec!["authorization".into(), "cookie".into()]);
    let place = ("(/[a-z0-9:@]{1,4}){1,3}(\\?[a-z=&]{0,5})?", of("[a-z]{1,5}\\.[a-z]{2}(:80)?"));
    let times = (1..86_400_000_u64, any::<bool>());
    (0..pools, place, prop_oneof![usual, names()], names(), times)
        .prop_map(|(pool, (path, host), request_headers, response_headers, (ms, allow_on_failure))| {
            ExternalAuth {
                pool: PoolIndex(pool),
                path: path.into(),
                host: host.map(Into::into),
                request_headers,
                response_headers,
                timeout: Duration::from_millis(ms),
                allow_on_failure,
            }
        })
        .boxed()
}
