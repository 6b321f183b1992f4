//! What the control plane knows of a pool, and the keys that hashes work on.

use std::net::{IpAddr, SocketAddr};

use haechi_model::{Algorithm, EndpointName, EndpointState, PoolName, SourceMask};

use crate::hash::{fnv1a, mix};

/// One endpoint as a [`View`](crate::View) is made from it. Its position in the slice is what a pick returns.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Member {
    /// From [`member_id`]: the identity that `ipHash` uses instead of address or position.
    pub hash_id: u64,
    /// Share of new work in its tier; 0 means none.
    pub weight: u16,
    /// Lower tiers first.
    pub tier: u8,
    /// Admin state, health, ejection, warmth.
    pub state: EndpointState,
}

/// What a pool asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Policy {
    /// How to choose.
    pub algorithm: Algorithm,
    /// In percent; below it all enabled members of a tier are used. 0 turns that off.
    pub panic_threshold: u8,
    /// The same on every node of a cluster, so that `ipHash` agrees; another one on other clusters, so that a
    /// client who learned to hit one endpoint of one cluster learned nothing about the others.
    pub seed: u64,
}

/// An endpoint's identity for hashing: FNV-1a over pool name, byte 0xFF and endpoint name, then the finaliser
/// of splitmix64. 0xFF is in no UTF-8 text, so `a` + `bc` and `ab` + `c` differ. Stable over processes,
/// versions and platforms: changing it moves every client of every `ipHash` pool.
pub fn member_id(pool: &PoolName, endpoint: &EndpointName) -> u64 {
    mix(fnv1a(&[pool.as_str().as_bytes(), &[0xff], endpoint.as_str().as_bytes()]))
}

/// The key of a client's address for `ipHash`: the bits that `mask` keeps, hashed, with the port if it counts.
///
/// An IPv4-mapped IPv6 address (what a dual-stack socket shows) has the key of its IPv4 address. Prefix lengths
/// beyond the address count as the whole address.
pub fn source_key(client: SocketAddr, mask: SourceMask) -> u64 {
    let key = address_key(client.ip(), mask);
    if mask.port { mix(key ^ u64::from(client.port())) } else { key }
}

fn address_key(ip: IpAddr, mask: SourceMask) -> u64 {
    match ip.to_canonical() {
        IpAddr::V4(v4) => {
            let drop = 32_u32.saturating_sub(u32::from(mask.v4));
            let kept = v4.to_bits() & u32::MAX.checked_shl(drop).unwrap_or(0);
            mix(u64::from(kept))
        }
        IpAddr::V6(v6) => {
            let drop = 128_u32.saturating_sub(u32::from(mask.v6));
            let kept = v6.to_bits() & u128::MAX.checked_shl(drop).unwrap_or(0);
            mix(fnv1a(&[&kept.to_be_bytes()]))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_these_for_ever() {
        // Computed outside of this code base from the definition in the doc of `member_id`.
        let id = |pool: &str, endpoint: &str| member_id(&pool.into(), &endpoint.into());
        assert_eq!(id("web", "web-1"), 0x6545_df7a_a263_a850);
        assert_eq!(id("web", "web-2"), 0x534b_e5c2_664a_bdaf);
        assert_eq!(id("", ""), 0x01df_27c8_adb0_f2d1);
        assert_eq!(id("가게", "하나"), 0x34d1_5a6f_d5ca_679b);
        assert_ne!(id("a", "bc"), id("ab", "c"));
    }

    #[test]
    fn addresses_by_their_kept_bits() {
        let key = |ip: &str, v4, v6| {
            let mask = SourceMask { v4, v6, port: false };
            source_key(SocketAddr::new(ip.parse().unwrap(), 7), mask)
        };
        let port = |port| {
            source_key(
                (std::net::Ipv4Addr::LOCALHOST, port).into(),
                SourceMask { port: true, ..SourceMask::default() },
            )
        };
        assert_ne!(port(1), port(2));
        assert_eq!(port(1), port(1));
        assert_eq!(key("192.0.2.7", 32, 64), key("::ffff:192.0.2.7", 32, 64));
        assert_ne!(key("192.0.2.7", 32, 64), key("192.0.2.8", 32, 64));
        assert_eq!(key("192.0.2.7", 24, 64), key("192.0.2.250", 24, 64));
        assert_ne!(key("192.0.2.7", 24, 64), key("192.0.3.7", 24, 64));
        assert_eq!(key("2001:db8::1", 32, 64), key("2001:db8::ffff:0:0:2", 32, 64));
        assert_ne!(key("2001:db8::1", 32, 64), key("2001:db8:0:1::1", 32, 64));
        assert_ne!(key("2001:db8::1", 32, 128), key("2001:db8::2", 32, 128));
        // Nothing kept: one key for everyone of a family. More than there is: the whole address.
        assert_eq!(key("192.0.2.7", 0, 0), key("203.0.113.9", 0, 0));
        assert_eq!(key("2001:db8::1", 0, 0), key("fe80::1", 0, 0));
        assert_eq!(key("192.0.2.7", 255, 255), key("192.0.2.7", 32, 64));
        assert_eq!(key("2001:db8::1", 255, 255), key("2001:db8::1", 32, 128));
        assert_eq!(key("192.0.2.7", 32, 64), 0xd4fe_fcfb_ecf4_9320);
        assert_eq!(key("2001:db8::1", 32, 64), 0xeda4_0ea5_b5a3_957f);
    }
}
