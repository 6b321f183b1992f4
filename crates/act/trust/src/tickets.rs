//! Tickets that several nodes understand: sealed with keys from a file.

use std::fmt;
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use haechi_model::ListenerName;
use rustls::pki_types::UnixTime;
use rustls::server::ProducesTickets;

use crate::file;
use crate::finding::{Finding, Problem};

/// As long as rustls' own tickets may be used with each of their keys. Nobody has to change those of a file, so the
/// time stands in the ticket too: what was verified of a client does not hold for ever.
const LIFETIME_SECONDS: u32 = 12 * 60 * 60;

/// Longest ticket that is looked at: a session with a client's chain of certificates has a few KiB.
const MOST: usize = 16 << 10;

/// What says which key sealed a ticket.
const ID: usize = 16;

/// When it was sealed, in seconds since 1970.
const TIME: usize = 8;

/// A secret as `openssl rand -hex 32` prints it.
const SECRET: usize = 32;

/// Most keys in a file: more are never rotated out.
const MOST_KEYS: usize = 8;

/// Keys of one listener, derived from those of a file.
pub(crate) struct Tickets {
    keys: Vec<Key>,
    /// The one that seals.
    current: usize,
}

struct Key {
    id: [u8; ID],
    seal: RandomizedNonceKey,
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tickets").finish_non_exhaustive()
    }
}

impl Tickets {
    /// Reads the secrets, oldest first. The last but one seals, so that a new one is known everywhere before any node
    /// uses it; all open. `asks` is what the listener asks of clients: who was not asked that gets in by no ticket
    /// (CVE-2025-23419).
    pub(crate) fn read(
        folder: &Path,
        name: &str,
        listener: &ListenerName,
        asks: &[u8],
    ) -> Result<Self, Finding> {
        let text = file::read(folder, name)?;
        let wrong = |what: &str| {
            Finding::new(name, Problem::TicketKeys, format!("{name} {what}"))
                .help("a key for each line, as `openssl rand -hex 32` prints it, the oldest first")
        };
        let text = std::str::from_utf8(&text).map_err(|_| wrong("is no text"))?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let secrets: Option<Vec<_>> = lines.map(secret).collect();
        // What stands there is not repeated: it may be most of a secret.
        let secrets = secrets.ok_or_else(|| wrong("holds a line that is no key of 32 bytes"))?;
        if secrets.is_empty() || secrets.len() > MOST_KEYS {
            return Err(wrong("must hold 1 to 8 keys"));
        }
        let keys: Option<Vec<_>> = secrets.iter().map(|secret| Key::derive(secret, listener, asks)).collect();
        let keys = keys.ok_or_else(|| wrong("holds keys that can't be used"))?;
        Ok(Self { current: keys.len().saturating_sub(2), keys })
    }
}

fn secret(line: &str) -> Option<[u8; SECRET]> {
    let mut secret = [0; SECRET];
    if line.len() != 2 * SECRET || !line.is_ascii() {
        return None;
    }
    for (at, byte) in secret.iter_mut().enumerate() {
        *byte = u8::from_str_radix(line.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(secret)
}

impl Key {
    fn derive(secret: &[u8], listener: &ListenerName, asks: &[u8]) -> Option<Self> {
        let from = Salt::new(HKDF_SHA256, b"haechi tickets").extract(secret);
        let expand = |what: &[u8], out: &mut [u8]| {
            let info = [what, listener.as_str().as_bytes(), &[0], asks];
            from.expand(&info, Length(out.len())).and_then(|expanded| expanded.fill(out)).ok()
        };
        let (mut id, mut key) = ([0; ID], [0; 32]);
        expand(b"id", &mut id)?;
        expand(b"key", &mut key)?;
        Some(Self { id, seal: RandomizedNonceKey::new(&AES_256_GCM_SIV, &key).ok()? })
    }
}

struct Length(usize);

impl aws_lc_rs::hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        LIFETIME_SECONDS
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.seal(plain, UnixTime::now().as_secs())
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        self.open(ticket, UnixTime::now().as_secs())
    }
}

impl Tickets {
    fn seal(&self, plain: &[u8], now: u64) -> Option<Vec<u8>> {
        let key = self.keys.get(self.current)?;
        let head = [&key.id[..], &now.to_be_bytes()].concat();
        let mut sealed = plain.to_vec();
        let nonce = key.seal.seal_in_place_append_tag(Aad::from(&head), &mut sealed).ok()?;
        Some([&head[..], &nonce.as_ref()[..], &sealed].concat())
    }

    fn open(&self, ticket: &[u8], now: u64) -> Option<Vec<u8>> {
        let (head, rest) = ticket.split_first_chunk::<{ ID + TIME }>().filter(|_| ticket.len() <= MOST)?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
        let (id, time) = head.split_first_chunk::<ID>()?;
        let key = self.keys.iter().find(|key| key.id == *id)?;
        // Another node's clock may be ahead of ours.
        let age = now.abs_diff(u64::from_be_bytes(*time.first_chunk()?));
        if age > LIFETIME_SECONDS.into() {
            return None;
        }
        let mut open = sealed.to_vec();
        let length = key.seal.open_in_place(Nonce::from(nonce), Aad::from(head), &mut open).ok()?.len();
        open.truncate(length);
        Some(open)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    const LINES: [&str; 3] = ["11", "22", "33"];

    fn tickets(keys: &[&str], listener: &str, asks: &[u8]) -> Tickets {
        let folder = std::env::temp_dir();
        // Tests run side by side, with the same keys.
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("haechi-tickets-{}-{number}", std::process::id());
        let text: String = keys.iter().map(|key| format!("{}\n", key.repeat(SECRET))).collect();
        std::fs::write(folder.join(&name), format!("# oldest first\n{text}")).unwrap();
        let read = Tickets::read(&folder, &name, &listener.into(), asks);
        std::fs::remove_file(folder.join(&name)).unwrap();
        read.unwrap()
    }

    #[test]
    fn all_keys_open_and_the_last_but_one_seals() {
        let [old, current, next] = LINES;
        let three = tickets(&[old, current, next], "web", b"");
        let sealed = three.encrypt(b"session").unwrap();
        assert_eq!(three.decrypt(&sealed).unwrap(), b"session");
        assert_eq!(tickets(&[current], "web", b"").decrypt(&sealed).unwrap(), b"session");
        assert_eq!(tickets(&[current, next, "44"], "web", b"").decrypt(&sealed).unwrap(), b"session");
        assert_eq!(tickets(&[old], "web", b"").decrypt(&sealed), None);
        assert_eq!(tickets(&[next], "web", b"").decrypt(&sealed), None);
        let by_old = tickets(&[old, current], "web", b"").encrypt(b"x").unwrap();
        assert_eq!(three.decrypt(&by_old).unwrap(), b"x");
    }

    #[test]
    fn a_ticket_opens_at_its_listener_and_under_its_rules_only() {
        let here = tickets(&LINES, "web", b"");
        let sealed = here.encrypt(b"session").unwrap();
        assert_eq!(tickets(&LINES, "inner", b"").decrypt(&sealed), None);
        assert_eq!(tickets(&LINES, "web", b"ca").decrypt(&sealed), None);
        for at in 0..sealed.len() {
            let mut bent = sealed.clone();
            bent[at] ^= 1;
            assert_eq!(here.decrypt(&bent), None, "byte {at}");
            assert_eq!(here.decrypt(&sealed[..at]), None);
        }
        assert_eq!(here.decrypt(&vec![0; MOST + 1]), None);
    }

    #[test]
    fn a_ticket_has_its_time_though_its_key_stays() {
        let here = tickets(&LINES, "web", b"");
        let life = u64::from(LIFETIME_SECONDS);
        let sealed = here.seal(b"session", 100 * life).unwrap();
        for (now, opens) in [
            (99 * life - 1, false),
            (100 * life - 60, true),
            (100 * life, true),
            (101 * life, true),
            (101 * life + 1, false),
            (u64::MAX, false),
        ] {
            assert_eq!(here.open(&sealed, now).is_some(), opens, "{now}");
        }
    }

    #[test]
    fn a_file_without_keys_says_so_and_no_secret() {
        let folder = std::env::temp_dir();
        let name = format!("haechi-tickets-{}-bad", std::process::id());
        for text in
            ["", "# nothing", "cafecafe", &"zz".repeat(32), &format!("{}\n", "11".repeat(32)).repeat(9)]
        {
            std::fs::write(folder.join(&name), text).unwrap();
            let finding = Tickets::read(&folder, &name, &"web".into(), b"").unwrap_err();
            assert_eq!(finding.problem, Problem::TicketKeys, "{text}");
            assert!(!finding.message.contains("cafe"), "{}", finding.message);
        }
        std::fs::remove_file(folder.join(&name)).unwrap();
    }
}
