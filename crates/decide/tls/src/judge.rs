//! Whether a certificate can be used now.

use crate::{Facts, KeyKind};

/// What may be left of a certificate's time before people are warned, in seconds: two weeks. ACME clients renew
/// with a month left, so one that has two weeks was forgotten, and there is time to act.
pub const EXPIRES_SOON: i64 = 14 * 86_400;

/// RSA below 2048 bits is refused by browsers (CA/Browser Forum, 6.1.5).
const LEAST_RSA_BITS: usize = 2048;

/// What speaks against a certificate, in order of weight.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Doubt {
    /// Its time was over so many seconds ago.
    Expired(i64),
    /// Its time begins in so many seconds.
    NotYetValid(i64),
    /// Its RSA key has only so many bits.
    ShortKey(usize),
    /// It was signed with SHA-1 or MD5.
    WeakSignature,
    /// Its time is over in so many seconds. It can be used until then.
    ExpiresSoon(i64),
}

/// All that speaks against a certificate at `now`, in seconds since 1970.
pub fn judge(facts: &Facts, now: i64) -> Vec<Doubt> {
    let mut doubts = Vec::new();
    let left = facts.not_after.saturating_sub(now);
    if left < 0 {
        doubts.push(Doubt::Expired(left.saturating_neg()));
    } else if facts.not_before > now {
        doubts.push(Doubt::NotYetValid(facts.not_before.saturating_sub(now)));
    }
    if let KeyKind::Rsa(bits @ ..LEAST_RSA_BITS) = facts.key {
        doubts.push(Doubt::ShortKey(bits));
    }
    if facts.weakly_signed {
        doubts.push(Doubt::WeakSignature);
    }
    if (0..EXPIRES_SOON).contains(&left) {
        doubts.push(Doubt::ExpiresSoon(left));
    }
    doubts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_doubt_has_its_bound() {
        let good = Facts {
            names: Vec::new(),
            addresses: Vec::new(),
            common_name: None,
            not_before: 1000,
            not_after: 10_000_000,
            key: KeyKind::Ecdsa(256),
            weakly_signed: false,
        };
        let at = |now| judge(&good, now);
        assert_eq!(at(1000), []);
        assert_eq!(at(999), [Doubt::NotYetValid(1)]);
        assert_eq!(at(10_000_000 - EXPIRES_SOON), []);
        assert_eq!(at(10_000_000 - EXPIRES_SOON + 1), [Doubt::ExpiresSoon(EXPIRES_SOON - 1)]);
        assert_eq!(at(10_000_000), [Doubt::ExpiresSoon(0)]);
        assert_eq!(at(10_000_001), [Doubt::Expired(1)]);
        let ancient = Facts { not_after: i64::MIN, ..good.clone() };
        assert_eq!(judge(&ancient, 1000), [Doubt::Expired(i64::MAX)], "found by fuzzing");
        let with = |key, weakly_signed| judge(&Facts { key, weakly_signed, ..good.clone() }, 2000);
        assert_eq!(with(KeyKind::Rsa(2048), false), []);
        assert_eq!(with(KeyKind::Rsa(2047), true), [Doubt::ShortKey(2047), Doubt::WeakSignature]);
    }
}
