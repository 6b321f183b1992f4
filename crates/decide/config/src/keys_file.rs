//! The file that a virtual router's `keys` names: HMAC keys by id, and which of them signs.
//!
//! A file of its own, so that it can be readable by one user only while everybody reads the config. Nothing
//! here puts a secret into a message, and [`conceal`] takes them out of the text before a person sees it.

use std::fmt;

use crate::object::{self, Object, Read};
use crate::report::Report;
use crate::tree::{self, Data, Entry, Node};
use crate::{Code, Diagnostic, Span, keys};

/// Shortest secret: 128 bits can't be guessed. Longest: the block of SHA-256 (RFC 2104 §2).
const SECRET: std::ops::RangeInclusive<usize> = 16..=64;

/// What a keys file says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Keys {
    /// Id of the key that signs; it is one of `all`.
    pub sign: u8,
    /// What is heard, by id, in the order of the file. No id is there twice.
    pub all: Vec<(u8, Secret)>,
}

/// Bytes that nobody may see: 16 to 64. `Debug` tells how many.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<[u8]>);

/// What [`compile_keys`] made of a text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeysOutcome {
    /// The keys; `None` if there is any error.
    pub keys: Option<Keys>,
    /// Everything noticed, in the order of the text. To render them, pass the text through [`conceal`].
    pub diagnostics: Vec<Diagnostic>,
}

impl Secret {
    /// The bytes themselves.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// So that `haechi_vrrp::envelope::Keys` takes [`Keys::all`] as it is.
impl AsRef<[u8]> for Secret {
    fn as_ref(&self) -> &[u8] {
        self.bytes()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} bytes)", self.0.len())
    }
}

/// Compiles the text of a keys file:
///
/// ```yaml
/// sign: 2
/// keys: { 1: 6a3c…, 2: 09fe… }
/// ```
///
/// Any text is safe to pass, and no message quotes a secret.
pub fn compile_keys(text: &str) -> KeysOutcome {
    let mut report = Report::default();
    let keys = tree::parse(text, &mut report).and_then(|root| read(&root, &mut report));
    let (diagnostics, _, sound) = report.finish();
    KeysOutcome { keys: keys.filter(|_| sound), diagnostics: diagnostics.into_iter().map(discreet).collect() }
}

/// Without what it quotes: a text at a wrong place may be a secret.
fn discreet(diagnostic: Diagnostic) -> Diagnostic {
    match diagnostic.code {
        // These quote names of the format only.
        Code::Secret | Code::MissingKey | Code::WrongType => diagnostic,
        code => Diagnostic::new(code, diagnostic.span, code.title().to_owned()),
    }
}

/// The text with a `*` for each byte after the first colon of a line, and for all of a line without one.
/// Places stay where they are.
pub fn conceal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let colon = line.find(':').map_or(0, |at| at + 1);
        let known = ["sign:", "keys:"].iter().any(|key| line[..colon].trim_start() == *key);
        let digits = line[..colon].trim().trim_end_matches(':');
        let id = digits.len() <= 3 && digits.bytes().all(|byte| byte.is_ascii_digit());
        let shown = if known || id { colon } else { 0 };
        out.push_str(&line[..shown]);
        for byte in line[shown..].bytes() {
            out.push(if byte.is_ascii_whitespace() { char::from(byte) } else { '*' });
        }
    }
    out
}

fn read(root: &Node<'_>, report: &mut Report) -> Option<Keys> {
    let object = Object::open(root, &keys::KEYS_FILE, root.span, report)?;
    let sign = object.int::<u8>("sign", report);
    let (node, at) = object.node("keys")?;
    object.done();
    let before = report.errors();
    let entries = object::map(node, at, "keys", report)?;
    if entries.is_empty() {
        report
            .add(Code::Secret, at, "`keys` needs at least one key")
            .help("`openssl rand -hex 32` makes one");
    }
    let mut all: Vec<(u8, Secret)> = Vec::with_capacity(entries.len());
    for entry in entries {
        if let Some((id, secret)) = id(entry, report).zip(secret(&entry.value, entry.key.span, report)) {
            all.push((id, secret));
        }
    }
    if let Read::Given(id, span) = sign
        && report.errors() == before
        && !all.iter().any(|(other, _)| *other == id)
    {
        report
            .add(Code::Secret, span, format!("`sign` names key {id}, which is not in `keys`"))
            .help("name one of the ids in `keys`");
    }
    Some(Keys { sign: sign.ok()?, all })
}

/// Only the shortest way to write it, so that equal ids are equal keys, which the tree refuses.
fn id(entry: &Entry<'_>, report: &mut Report) -> Option<u8> {
    let text = &entry.key.text;
    let id = text.parse::<u8>().ok().filter(|id| *id.to_string() == **text);
    if id.is_none() {
        report
            .add(Code::Secret, entry.key.span, "a key's id is a number from 0 to 255")
            .help("ids stand before the colon, secrets after it");
    }
    id
}

fn secret(node: &Node<'_>, at: Span, report: &mut Report) -> Option<Secret> {
    let text = match &node.data {
        Data::Text { text, .. } => text,
        Data::Broken => return None,
        _ => {
            let span = if node.span.length == 0 { at } else { node.span };
            report.add(Code::Secret, span, "a secret is one text of hexadecimal digits");
            return None;
        }
    };
    let secret = crate::value::hex(text);
    let wrong = match &secret {
        None => "a secret is an even number of hexadecimal digits".to_owned(),
        Some(bytes) if !SECRET.contains(&bytes.len()) => {
            format!("a secret has {} to {} bytes, this one {}", SECRET.start(), SECRET.end(), bytes.len())
        }
        Some(_) => return secret.map(Secret),
    };
    report.add(Code::Secret, node.span, wrong).help("`openssl rand -hex 32` makes one");
    None
}

#[cfg(test)]
mod tests;
