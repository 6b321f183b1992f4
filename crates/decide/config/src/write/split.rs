//! Where a route leads, as keys and values.

use haechi_model::{Destination, Pool, Split, SplitBy};

use super::tree::{Field, Out, must, pool_name};

/// `pool`, or `pools` and `splitBy`.
pub(super) fn destination(to: &Destination, pools: &[Pool]) -> Vec<Field> {
    match to {
        Destination::Nowhere => Vec::new(),
        Destination::Pool(pool) => vec![must("pool", pool_name(*pool, pools))],
        Destination::Split(split) => self::split(split, pools),
    }
}

fn split(split: &Split, pools: &[Pool]) -> Vec<Field> {
    let shares = split.shares.iter().filter_map(|share| {
        let pool = pools.get(share.pool.index())?;
        Some(must(&pool.name, Out::bare(&share.weight)))
    });
    let mut fields = vec![must("pools", Out::Map(shares.collect()))];
    fields.extend(split.by.as_ref().map(|by| {
        let by = match by {
            SplitBy::ClientAddress => Out::bare("clientAddress"),
            SplitBy::Header(name) => Out::Map(vec![must("header", Out::text(name))]),
            SplitBy::Cookie(name) => Out::Map(vec![must("cookie", Out::text(name))]),
        };
        must("splitBy", by)
    }));
    fields
}
