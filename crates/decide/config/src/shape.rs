//! What a key may hold, as data: the reader checks by it, and the JSON Schema is printed from it.

use std::time::Duration;

/// A map with fixed keys.
pub(crate) struct Shape {
    /// What to call it in a message: "a pool".
    pub(crate) title: &'static str,
    pub(crate) keys: &'static [Key],
    /// Keys that have a place in the format but not in this version.
    pub(crate) later: &'static [&'static str],
    /// Whether keys that start with `x-` are left to the author.
    pub(crate) extensible: bool,
}

/// One key of a [`Shape`].
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) doc: &'static str,
    pub(crate) kind: Kind,
    /// As it would be written. A test proves that writing it changes nothing.
    pub(crate) default: Option<&'static str>,
    pub(crate) required: bool,
    /// Why its bounds are what they are, where they are its own.
    pub(crate) because: Option<&'static str>,
}

/// What a value may be.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Text(Text),
    /// One of these; the second list is for a later version.
    Word(&'static [&'static str], &'static [&'static str]),
    Duration(Duration, Duration),
    /// In bytes.
    Size(u64, u64),
    Int(u64, u64),
    Percent,
    Flag,
    Section(&'static Shape),
    /// A map from names to this.
    Named(&'static Kind),
    /// A map from texts of a kind to this.
    Keyed(Text, &'static Kind),
    /// A map from header names to a text or nothing.
    Headers,
    /// A map from header names to a text.
    Fields,
    List(&'static Kind),
    /// One or a list.
    Many(&'static Kind),
    /// Any of these.
    Either(&'static [Kind]),
}

/// Kinds of text, each with its own rules in [`crate::value`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Text {
    Any,
    Name,
    Address,
    Bind,
    Host,
    Path,
    Method,
    HeaderName,
    CookieName,
    /// Where a script comes from.
    Origin,
    /// A status that sends a client elsewhere.
    Redirect,
    Status,
    Interface,
    /// An address with a prefix length.
    VirtualAddress,
    /// An address, with or without a port.
    Peer,
    /// An address, or one with a prefix length.
    Network,
    /// Bytes, as a text or in hexadecimal digits.
    Payload,
    /// `text/html`, `text/*`, `*/*`.
    MediaType,
    KeyId,
    Secret,
}

impl Shape {
    pub(crate) const fn new(title: &'static str, keys: &'static [Key]) -> Self {
        Self { title, keys, later: &[], extensible: false }
    }
}

impl Key {
    pub(crate) const fn new(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self { name, doc, kind, default: None, required: false, because: None }
    }

    pub(crate) const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    pub(crate) const fn default(mut self, default: &'static str) -> Self {
        self.default = Some(default);
        self
    }

    pub(crate) const fn because(mut self, because: &'static str) -> Self {
        self.because = Some(because);
        self
    }
}
