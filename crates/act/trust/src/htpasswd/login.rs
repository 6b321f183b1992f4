//! A user and a password, as a request brings them (RFC 7617).

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::Tag;

/// Longest login in bytes, as text before it is encoded. bcrypt reads 72 bytes of a password, and no form takes a name
/// of more than 255.
const MOST: usize = 384;

/// A user and a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    text: Box<[u8]>,
    colon: usize,
}

/// Never shows the password.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").finish_non_exhaustive()
    }
}

impl Login {
    /// What an `Authorization` field says; none if that is no login.
    pub fn read(field: &[u8]) -> Option<Self> {
        let (scheme, rest) = field.split_at_checked(6)?;
        let encoded = rest.trim_ascii();
        if !scheme.eq_ignore_ascii_case(b"basic ") || encoded.len() > MOST.div_ceil(3) * 4 {
            return None;
        }
        let text = STANDARD.decode(encoded).ok().filter(|text| text.len() <= MOST)?;
        if text.iter().any(u8::is_ascii_control) {
            // RFC 7617 §2: there are none.
            return None;
        }
        let colon = text.iter().position(|byte| *byte == b':')?;
        Some(Self { text: text.into(), colon })
    }

    /// Who it is said to be.
    pub fn user(&self) -> &[u8] {
        &self.text[..self.colon]
    }

    /// What only they know.
    pub fn password(&self) -> &[u8] {
        &self.text[self.colon + 1..]
    }

    /// What stands for it in a table of those that were right: nobody without `key` finds another login with it.
    pub fn tag(&self, key: &[u8; 32]) -> Tag {
        // The tag never leaves the process, so that a hash with its key in front is a code of authentication.
        let hash = Sha256::new_with_prefix(key).chain_update(&self.text).finalize();
        let mut tag = [0; 16];
        tag.copy_from_slice(&hash[..16]);
        Tag(u128::from_be_bytes(tag))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_a_login() {
        for (field, expected) in [
            (&b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="[..], Some(("Aladdin", "open sesame"))),
            (b"bAsIc   dGVzdDoxMjPCow==", Some(("test", "123\u{a3}"))),
            (b"Basic YTpiOmM=", Some(("a", "b:c"))),
            (b"Basic Og==", Some(("", ""))),
            (b"Basic", None),
            (b"Basic ", None),
            (b"Basic:YTpi", None),
            (b"Bearer YTpi", None),
            (b"Basic YTpi YTpi", None),
            (b"Basic YQ==", None),
            (b"Basic YTpi=", None),
            (b"Basic YTpiCg==", None),
            (b"Basic YToA", None),
            (b"Basic \xff\xff", None),
        ] {
            let login = Login::read(field);
            let read = login.as_ref().map(|login| (login.user(), login.password()));
            assert_eq!(read, expected.map(|(user, word)| (user.as_bytes(), word.as_bytes())), "{field:?}");
        }
        let long = |length: usize| format!("Basic {}", STANDARD.encode(format!("a:{}", "b".repeat(length))));
        assert!(Login::read(long(MOST - 2).as_bytes()).is_some());
        assert!(Login::read(long(MOST - 1).as_bytes()).is_none());
        assert_eq!(format!("{:?}", Login::read(b"Basic YTpi").unwrap()), "Login { .. }");
    }

    proptest! {
        #[test]
        fn as_written(user in "[^:\\p{Cc}]{0,20}", password in "[^\\p{Cc}]{0,20}", key in any::<[u8; 32]>()) {
            let field = |user: &str| format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
            let login = Login::read(field(&user).as_bytes()).unwrap();
            prop_assert_eq!((login.user(), login.password()), (user.as_bytes(), password.as_bytes()));
            let other = Login::read(field(&format!("{user}x")).as_bytes()).unwrap();
            prop_assert!(login.tag(&key) == Login::read(field(&user).as_bytes()).unwrap().tag(&key) && login.tag(&key) != other.tag(&key));
        }

        #[test]
        fn any_bytes_end_in_an_answer(field in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = Login::read(&field);
            let _ = Login::read(&[b"Basic ", &*field].concat());
        }
    }
}
