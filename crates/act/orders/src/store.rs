//! What outlives the process: account, certificates, and what was tried. Files of one issuer stand in a folder of their
//! own, for our user alone, and each is written whole and then put in its place.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use haechi_acme::{Blame, Held, History};
use haechi_model::Issuer;
use haechi_trust::{given, issuer_folder, ordered_file};
use instant_acme::AccountCredentials;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// Largest file that is read: chains have some 10 KiB.
const MOST: u64 = 1 << 20;

/// Stands in front of a certificate, as text that PEM has room for (RFC 7468 section 2).
const FROM: &str = "Ordered from: ";

/// The state directory.
#[derive(Clone, Debug)]
pub struct Store(PathBuf);

/// An account as it is kept.
#[derive(Serialize, Deserialize)]
pub(crate) struct Kept {
    directory: String,
    /// In whose name it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key_id: Option<String>,
    credentials: AccountCredentials,
}

/// What was tried for a name, as it is kept.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Tried {
    /// What bears on when to try again.
    pub history: History,
    /// Why the last order failed, for people.
    pub reason: String,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Written {
    failures: u32,
    failed_at: Option<i64>,
    blame: String,
    reason: String,
    refusals: Vec<i64>,
    told: Option<i64>,
}

impl Kept {
    pub(crate) fn of(issuer: &Issuer, credentials: AccountCredentials) -> Self {
        let key_id = issuer.external_account.as_ref().map(|account| account.key_id.to_string());
        Self { directory: issuer.directory.to_string(), key_id, credentials }
    }

    fn is_of(&self, issuer: &Issuer) -> bool {
        let key_id = issuer.external_account.as_ref().map(|account| &*account.key_id);
        *self.directory == *issuer.directory && self.key_id.as_deref() == key_id
    }
}

impl Store {
    /// In this folder, which need not be there yet.
    pub fn new(state: PathBuf) -> Self {
        Self(state)
    }

    /// The certificate that is there for a name, if it can be used.
    pub fn held(&self, issuer: &Issuer, name: &str) -> Option<Held> {
        let pem = read(&ordered_file(&self.0, &issuer.name, name)).ok()?;
        let facts = given(&pem, name).ok()?;
        let from = pem.split(|byte| *byte == b'\n').next()?.strip_prefix(FROM.as_bytes());
        let of_issuer = from == Some(issuer.directory.as_bytes());
        Some(Held { not_before: facts.not_before, not_after: facts.not_after, of_issuer, suggested: None })
    }

    /// What was tried; nothing if nothing is known.
    pub fn tried(&self, issuer: &str, name: &str) -> Tried {
        let written = read(&self.tries(issuer, name)).ok();
        let written: Written =
            written.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        let blame = Blame::ALL.into_iter().find(|blame| blame.word() == written.blame);
        let last = written.failed_at.zip(blame);
        let history =
            History { failures: written.failures, last, refusals: written.refusals, told: written.told };
        Tried { history, reason: written.reason }
    }

    /// Keeps what was tried.
    ///
    /// # Errors
    /// It can't be written.
    pub fn keep_tried(&self, issuer: &str, name: &str, tried: &Tried) -> Result<(), Failure> {
        let Tried { history, reason } = tried;
        let written = Written {
            failures: history.failures,
            failed_at: history.last.map(|(at, _)| at),
            blame: history.last.map_or("", |(_, blame)| blame.word()).to_owned(),
            reason: reason.clone(),
            refusals: history.refusals.clone(),
            told: history.told,
        };
        let bytes = serde_json::to_vec(&written).map_err(|error| unkept(&self.0, &error.into()))?;
        self.write(issuer, &self.tries(issuer, name), &bytes)
    }

    /// Puts a new certificate with its key in the place of the old one.
    pub(crate) fn keep_certificate(&self, issuer: &Issuer, name: &str, pem: &str) -> Result<(), Failure> {
        let text = format!("{FROM}{}\n{pem}", issuer.directory);
        self.write(&issuer.name, &ordered_file(&self.0, &issuer.name, name), text.as_bytes())
    }

    /// Our account, if it is one with this directory.
    pub(crate) fn account(&self, issuer: &Issuer) -> Result<Option<AccountCredentials>, Failure> {
        let file = self.account_file(issuer);
        let bytes = match read(&file) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                let text = format!("our account in {} can't be read: {error}", file.display());
                return Err(Failure::new(Blame::Us, text));
            }
        };
        // What can't be understood is lost, as an account of another directory is: a new one costs a question.
        let kept = serde_json::from_slice::<Kept>(&bytes).ok();
        Ok(kept.filter(|kept| kept.is_of(issuer)).map(|kept| kept.credentials))
    }

    pub(crate) fn keep_account(&self, kept: &Kept, issuer: &Issuer) -> Result<(), Failure> {
        let bytes = serde_json::to_vec(kept).map_err(|error| unkept(&self.0, &error.into()))?;
        self.write(&issuer.name, &self.account_file(issuer), &bytes)
    }

    /// The directory does not know it any more.
    pub(crate) fn forget_account(&self, issuer: &Issuer) {
        // If it stays, the next order finds out again.
        let _ = fs::remove_file(self.account_file(issuer));
    }

    /// A number of this node's and of the name's own, to spread what would come at once: nodes of a pair differ in where
    /// their account stands and in what it is.
    pub fn seed(&self, node: &str, issuer: &str, name: &str) -> u64 {
        let text = format!("{node}\0{issuer}\0{name}\0{}", self.0.display());
        let hash = digest(&SHA256, text.as_bytes());
        let first = hash.as_ref().first_chunk().copied().unwrap_or_default();
        u64::from_be_bytes(first)
    }

    /// A name of a host has at least one letter before the first dot or no dot at all, so these two names can't meet: one
    /// has no ending that the other one has.
    fn account_file(&self, issuer: &Issuer) -> PathBuf {
        issuer_folder(&self.0, &issuer.name).join("account.json")
    }

    fn tries(&self, issuer: &str, name: &str) -> PathBuf {
        issuer_folder(&self.0, issuer).join(format!("{name}.tried"))
    }

    fn write(&self, issuer: &str, file: &Path, bytes: &[u8]) -> Result<(), Failure> {
        let folder = issuer_folder(&self.0, issuer);
        write_whole(&folder, file, bytes).map_err(|error| unkept(file, &error))
    }
}

fn unkept(file: &Path, error: &io::Error) -> Failure {
    let text = format!("{} can't be written: {error}; the state directory must be ours", file.display());
    Failure::new(Blame::Us, text)
}

fn write_whole(folder: &Path, file: &Path, bytes: &[u8]) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut new = file.as_os_str().to_owned();
    new.push(".new");
    // What a process that died in the middle left behind.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    out.write_all(bytes)?;
    // A name that leads to nothing after a loss of power would be worse than the old file.
    out.sync_all()?;
    fs::rename(&new, file)?;
    File::open(folder)?.sync_all()
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MOST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A MAC key in base64url, as issuers give it out.
pub(crate) fn mac_key(path: &Path) -> Result<Vec<u8>, Failure> {
    let ours = |text: String| Failure::new(Blame::Us, text);
    let bytes = read(path).map_err(|error| ours(format!("{} can't be read: {error}", path.display())))?;
    let text = String::from_utf8_lossy(&bytes);
    decode(text.trim()).ok_or_else(|| {
        // It is not repeated: it is a secret.
        ours(format!("{} holds no key in base64url, as issuers give it out", path.display()))
    })
}

/// RFC 4648 section 5, with or without its padding. Some issuers give out the other alphabet.
fn decode(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=');
    let (mut out, mut bits, mut held) = (Vec::new(), 0_u32, 0_u32);
    for byte in text.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'-' | b'+' => 62,
            b'_' | b'/' => 63,
            _ => return None,
        };
        (bits, held) = ((bits << 6 | u32::from(value)) & 0xffff, held + 6);
        if held >= 8 {
            held -= 8;
            out.push(u8::try_from(bits >> held & 0xff).ok()?);
        }
    }
    (!out.is_empty() && held < 6).then_some(out)
}
