//! The keys that envelopes are sealed with: several are accepted, one signs, so that keys can be changed
//! without a moment in which nodes don't understand each other. A new one is first accepted everywhere, then
//! signs, then the old one goes.

use std::collections::BTreeMap;
use std::fmt;

use aws_lc_rs::hmac;

/// Fewest bytes of a key: 128 bits can't be guessed. HMAC-SHA256 gains nothing from more than 32
/// (RFC 2104 §3).
pub const MIN_KEY: usize = 16;

/// Keys by number. Never printed.
///
/// From aws-lc-rs and not from `hmac` and `sha2`: rustls brings it along, so it is the one piece of crypto
/// that must be kept up to date, and it has the comparison in constant time built in. It computes only; no
/// call of it touches the world.
#[derive(Clone)]
pub struct Keys {
    all: BTreeMap<u8, hmac::Key>,
    signing_id: u8,
    signing: hmac::Key,
}

/// Why some keys can't be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyError {
    /// This one has fewer than [`MIN_KEY`] bytes.
    Short(u8),
    /// Two have this number.
    Twice(u8),
    /// None has this number, but it should sign.
    NotThere(u8),
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short(id) => write!(f, "key {id} has fewer than {MIN_KEY} bytes"),
            Self::Twice(id) => write!(f, "two keys have the number {id}"),
            Self::NotThere(id) => write!(f, "key {id} should sign and is not there"),
        }
    }
}

impl std::error::Error for KeyError {}

impl Keys {
    /// All of `keys` are accepted, and the one with the number `signing` signs.
    ///
    /// # Errors
    /// One of them is too short or there twice, or the one that signs is missing.
    pub fn new<K: AsRef<[u8]>>(
        keys: impl IntoIterator<Item = (u8, K)>,
        signing: u8,
    ) -> Result<Self, KeyError> {
        let mut all = BTreeMap::new();
        for (id, bytes) in keys {
            let bytes = bytes.as_ref();
            if bytes.len() < MIN_KEY {
                return Err(KeyError::Short(id));
            }
            if all.insert(id, hmac::Key::new(hmac::HMAC_SHA256, bytes)).is_some() {
                return Err(KeyError::Twice(id));
            }
        }
        let key = all.get(&signing).cloned().ok_or(KeyError::NotThere(signing))?;
        Ok(Self { all, signing_id: signing, signing: key })
    }

    pub(super) fn signing(&self) -> (u8, &hmac::Key) {
        (self.signing_id, &self.signing)
    }

    pub(super) fn get(&self, id: u8) -> Option<&hmac::Key> {
        self.all.get(&id)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<u8> = self.all.keys().copied().collect();
        f.debug_struct("Keys").field("ids", &ids).field("signing", &self.signing_id).finish_non_exhaustive()
    }
}
