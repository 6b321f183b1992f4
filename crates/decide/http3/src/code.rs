//! Error codes (RFC 9114 §8.1, RFC 9204 §6), and a broken rule with what it costs.

use std::fmt;

/// Why a stream or a connection ended before its time.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Code(pub u64);

macro_rules! codes {
    ($( $id:ident = $number:literal $text:literal; )*) => {
        impl Code {
            $( #[doc = concat!("`H3_", stringify!($id), "`, or with the prefix `QPACK_`: ", $text)] pub const $id: Self = Self($number); )*

            /// Its name in the RFC without the prefix; `UNKNOWN` if it has none.
            pub const fn name(self) -> &'static str {
                match self.0 { $( $number => stringify!($id), )* _ => "UNKNOWN" }
            }
        }
    };
}

codes! {
    NO_ERROR = 0x100 "nothing is wrong";
    GENERAL_PROTOCOL_ERROR = 0x101 "a rule was broken that has no code of its own";
    INTERNAL_ERROR = 0x102 "an error on the sender's side";
    STREAM_CREATION_ERROR = 0x103 "a stream that this side does not take";
    CLOSED_CRITICAL_STREAM = 0x104 "a stream ended that the connection needs";
    FRAME_UNEXPECTED = 0x105 "a frame in the wrong place";
    FRAME_ERROR = 0x106 "a frame of a wrong form or size";
    EXCESSIVE_LOAD = 0x107 "too much of something";
    ID_ERROR = 0x108 "a wrong number of a stream or a push";
    SETTINGS_ERROR = 0x109 "settings of a wrong form";
    MISSING_SETTINGS = 0x10a "no settings at the beginning";
    REQUEST_REJECTED = 0x10b "nothing was done for it: it can be tried again";
    REQUEST_CANCELLED = 0x10c "nobody needs it any more";
    REQUEST_INCOMPLETE = 0x10d "it ended in its middle";
    MESSAGE_ERROR = 0x10e "not a message of HTTP";
    DECOMPRESSION_FAILED = 0x200 "a field section that can't be read";
    ENCODER_STREAM_ERROR = 0x201 "an instruction for a table that there is not";
    DECODER_STREAM_ERROR = 0x202 "an answer to an instruction that was never given";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (0x{:x})", self.name(), self.0)
    }
}

/// What a broken rule costs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// Everything.
    Connection,
    /// This request.
    Stream,
}

/// A broken rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Broken {
    /// What it costs.
    pub scope: Scope,
    /// What stands on the wire.
    pub code: Code,
    /// The rule in words, for a log line.
    pub rule: &'static str,
}

impl Broken {
    pub(crate) const fn connection(code: Code, rule: &'static str) -> Self {
        Self { scope: Scope::Connection, code, rule }
    }

    pub(crate) const fn stream(code: Code, rule: &'static str) -> Self {
        Self { scope: Scope::Stream, code, rule }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.rule)
    }
}
