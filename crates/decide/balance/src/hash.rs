//! Hashes that are the same on every node, version and platform.
//!
//! std's hashers promise none of that, and nodes must agree on a client's endpoint without talking. These are
//! for spreading names and addresses, not against forgery: who knows the seed can compute them.

/// FNV-1a, 64 bits (draft-eastlake-fnv): names are short, and its definition fits on one line for whoever must
/// compute the same id elsewhere.
pub(crate) fn fnv1a(parts: &[&[u8]]) -> u64 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    parts
        .iter()
        .flat_map(|part| part.iter())
        .fold(BASIS, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME))
}

/// The finaliser of splitmix64 (Steele, Lea and Flood 2014; constants of Stafford's variant 13): a bijection
/// in which every input bit moves every output bit, what FNV alone does not do for short names.
pub(crate) const fn mix(value: u64) -> u64 {
    let z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Maps a uniform `random` to `0..bound` by multiplication; the bias is below `bound` / 2⁶⁴.
pub(crate) fn scale(random: u64, bound: usize) -> usize {
    let wide = (u128::from(random) * bound as u128) >> 64;
    usize::try_from(wide).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_vectors() {
        assert_eq!(fnv1a(&[]), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(&[b"a"]), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(&[b"foo", b"bar"]), 0x8594_4171_f739_67e8);
        // First two outputs of splitmix64 with seed 0.
        assert_eq!(mix(0), 0xe220_a839_7b1d_cdaf);
        assert_eq!(mix(0x9e37_79b9_7f4a_7c15), 0x6e78_9e6a_a1b9_65f4);
    }

    #[test]
    fn scale_stays_below_its_bound() {
        for bound in [1, 2, 3, 1000] {
            assert_eq!(scale(0, bound), 0);
            assert_eq!(scale(u64::MAX, bound), bound - 1);
        }
    }
}
