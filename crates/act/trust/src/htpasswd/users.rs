//! Who may come in, by a file of lines `name:hash` as `htpasswd` and `mkpasswd` write them.

use std::collections::HashMap;

use base64::Engine;
use sha_crypt::{PasswordVerifier, ShaCrypt};
use subtle::ConstantTimeEq;

use super::Login;

/// Dearest hash of bcrypt, 2¹⁴ rounds: a second of a core. Its own default is 10 to 12.
const MOST_COST: u32 = 14;

/// The least that bcrypt knows.
const LEAST_COST: u32 = 4;

/// Most rounds of SHA-crypt: half a second of a core. Its own default is 5,000.
const MOST_ROUNDS: u32 = 1_000_000;

/// Most complaints about one file: a file of something else is wrong in each line.
const MOST_COMPLAINTS: usize = 5;

/// Longest name, as long as a login may have one.
const LONGEST_NAME: usize = 255;

/// What is wrong with a file. It never shows a hash.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Complaint {
    /// Which line, from 1 on; none for all of it.
    pub(crate) line: Option<usize>,
    /// In one sentence without its end.
    pub(crate) message: &'static str,
    /// What to do.
    pub(crate) help: &'static str,
}

const WRITE: &str = "`htpasswd -B FILE NAME` writes a line with bcrypt, `mkpasswd -m sha-512` a hash";

/// Users and the hashes of their passwords.
#[derive(Clone, PartialEq, Eq)]
pub struct Users {
    hashes: HashMap<Box<[u8]>, Hash>,
    /// Somebody's, for who is nobody.
    decoy: Hash,
}

/// Never shows a hash.
impl std::fmt::Debug for Users {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Users").field("count", &self.hashes.len()).finish_non_exhaustive()
    }
}

#[derive(Clone, PartialEq, Eq)]
enum Hash {
    Bcrypt { cost: u32, salt: [u8; 16], sum: [u8; 23] },
    Sha(Box<str>),
}

impl Users {
    /// Reads a file.
    ///
    /// # Errors
    /// All that is wrong with it, up to five lines. A file of which a line can't be used is not used at all: who stands
    /// in that line would be locked out in silence.
    pub(crate) fn read(text: &[u8]) -> Result<Self, Vec<Complaint>> {
        let mut complaints = Vec::new();
        let mut hashes = HashMap::new();
        let mut decoy = None;
        for (at, line) in text.split(|byte| *byte == b'\n').enumerate() {
            let line = line.trim_ascii_end();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            let added = user(line).and_then(|(name, hash)| {
                decoy.get_or_insert_with(|| hash.clone());
                let twice = ("the name stands in it twice", "remove one of the two lines");
                hashes.insert(Box::from(name), hash).map_or(Ok(()), |_| Err(twice))
            });
            if let Err((message, help)) = added {
                complaints.push(Complaint { line: Some(at + 1), message, help });
                if complaints.len() == MOST_COMPLAINTS {
                    break;
                }
            }
        }
        match decoy {
            Some(decoy) if complaints.is_empty() => Ok(Self { hashes, decoy }),
            None if complaints.is_empty() => {
                Err(vec![Complaint { line: None, message: "it names nobody", help: WRITE }])
            }
            _ => Err(complaints),
        }
    }

    /// Whether this login is right. It takes as long as the hash was made to take, also for a name that is not there.
    pub fn take(&self, login: &Login) -> bool {
        let hash = self.hashes.get(login.user());
        let right = hash.unwrap_or(&self.decoy).is_of(login.password());
        right && hash.is_some()
    }
}

type Wrong = (&'static str, &'static str);

fn user(line: &[u8]) -> Result<(&[u8], Hash), Wrong> {
    let colon = line.iter().position(|byte| *byte == b':').ok_or(("it has no `:`", WRITE))?;
    let (name, hash) = (&line[..colon], &line[colon + 1..]);
    if name.is_empty() || name.len() > LONGEST_NAME || name.iter().any(u8::is_ascii_control) {
        return Err(("its name is empty, too long or holds control characters", WRITE));
    }
    let hash = std::str::from_utf8(hash).map_err(|_| ("its hash is no text", WRITE))?;
    Ok((name, Hash::read(hash)?))
}

impl Hash {
    fn read(hash: &str) -> Result<Self, Wrong> {
        let weak = |message| {
            (message, "such hashes are broken in no time; `htpasswd -B FILE NAME` writes a new one")
        };
        let kind = hash.strip_prefix('$').and_then(|rest| rest.split_once('$'));
        match kind {
            Some(("2a" | "2b" | "2y", rest)) => bcrypt(rest),
            Some(("5", rest)) => sha(hash, rest, 43),
            Some(("6", rest)) => sha(hash, rest, 86),
            Some(("apr1" | "1", _)) => Err(weak("its hash is MD5")),
            Some(_) => Err(("its hash is of a kind that is not known", WRITE)),
            None if hash.starts_with("{SHA}") => Err(weak("its hash is SHA-1 without salt")),
            // DES shows no sign of itself, and neither does a password.
            None => Err(weak("its password is plain, or its hash is DES")),
        }
    }

    fn is_of(&self, password: &[u8]) -> bool {
        match self {
            Self::Bcrypt { cost, salt, sum } => {
                // As all others do: with the zero at its end, and 72 bytes of it at the most.
                let mut key = [0; 72];
                let length = password.len().min(72);
                key[..length].copy_from_slice(&password[..length]);
                let made = bcrypt::bcrypt(*cost, *salt, &key[..(length + 1).min(72)]);
                made[..23].ct_eq(sum).into()
            }
            Self::Sha(hash) => ShaCrypt::default().verify_password(password, &**hash).is_ok(),
        }
    }
}

fn is_crypt_base64(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/'))
}

fn bcrypt(rest: &str) -> Result<Hash, Wrong> {
    let broken = ("its hash is cut short or damaged", WRITE);
    let (cost, rest) = rest.split_once('$').ok_or(broken)?;
    let cost: u32 = cost.parse().map_err(|_| broken)?;
    let (mut salt, mut sum) = ([0; 16], [0; 23]);
    let (first, second) = rest.split_at_checked(22).ok_or(broken)?;
    for (text, bytes) in [(first, &mut salt[..]), (second, &mut sum[..])] {
        let whole = bcrypt::BASE_64.decode_slice(text, bytes).is_ok_and(|count| count == bytes.len());
        whole.then_some(()).ok_or(broken)?;
    }
    if cost < LEAST_COST {
        return Err(broken);
    }
    if cost > MOST_COST {
        return Err((
            "its hash takes more than 2¹⁴ rounds of bcrypt",
            "a login would take seconds; `htpasswd -B -C 12` is safe",
        ));
    }
    Ok(Hash::Bcrypt { cost, salt, sum })
}

fn sha(hash: &str, rest: &str, length: usize) -> Result<Hash, Wrong> {
    let broken = ("its hash is cut short or damaged", WRITE);
    let rest = match rest.strip_prefix("rounds=") {
        None => rest,
        Some(rest) => {
            let (rounds, rest) = rest.split_once('$').ok_or(broken)?;
            let rounds: u32 = rounds.parse().map_err(|_| broken)?;
            if !(1000..=MOST_ROUNDS).contains(&rounds) {
                return Err(("its hash takes less than 1,000 or more than 1,000,000 rounds", WRITE));
            }
            rest
        }
    };
    let (salt, sum) = rest.split_once('$').ok_or(broken)?;
    let salted = (1..=16).contains(&salt.len()) && salt.bytes().all(|byte| byte.is_ascii_graphic());
    if !salted || sum.len() != length || !is_crypt_base64(sum) {
        return Err(broken);
    }
    Ok(Hash::Sha(hash.into()))
}

#[cfg(test)]
mod tests;
