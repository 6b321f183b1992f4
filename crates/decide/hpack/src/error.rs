//! Which rule a block broke. All of these end the connection: the table is no longer shared.

use std::fmt;

/// A block that can't be decoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// It ends in the middle of a representation.
    Short,
    /// An integer beyond 32 bits, or written with more octets than such a one needs.
    Integer,
    /// An index that stands for nothing (RFC 7541 §2.3.3).
    Index,
    /// A string that is not Huffman code: a code of EOS, or padding that is too long or not all ones (§5.2).
    Huffman,
    /// A change of the table's size after the first field, or beyond what we allow (§4.2, §6.3).
    TableSize,
    /// Decoded to so much that it can only be meant to cost us: see [`crate::Bounds::most_work`].
    Work,
}

impl Error {
    /// The rule in words for a log line.
    pub const fn rule(self) -> &'static str {
        match self {
            Self::Short => "field block ends early",
            Self::Integer => "integer in a field block is out of range",
            Self::Index => "index into no field",
            Self::Huffman => "string is not Huffman code",
            Self::TableSize => "table size changed in the wrong place or beyond what is allowed",
            Self::Work => "field block decodes to far more than is allowed",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.rule())
    }
}

impl std::error::Error for Error {}
