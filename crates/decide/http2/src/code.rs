//! Error codes (RFC 9113 §7), and a refusal with its reason.

use std::fmt;

use crate::Limit;

/// Why a stream or a connection ended. Unknown numbers are kept: they mean nothing, but people look for them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Code(pub u32);

macro_rules! codes {
    ($( $id:ident = $number:literal $text:literal; )*) => {
        impl Code {
            $( #[doc = concat!("`", stringify!($id), "`: ", $text)] pub const $id: Self = Self($number); )*

            /// Its name in the RFC; `UNKNOWN` if it has none.
            pub const fn name(self) -> &'static str {
                match self.0 { $( $number => stringify!($id), )* _ => "UNKNOWN" }
            }
        }
    };
}

codes! {
    NO_ERROR = 0 "nothing is wrong";
    PROTOCOL_ERROR = 1 "a rule was broken that has no code of its own";
    INTERNAL_ERROR = 2 "an error on the sender's side";
    FLOW_CONTROL_ERROR = 3 "more came than the window allowed";
    SETTINGS_TIMEOUT = 4 "settings were not acknowledged in time";
    STREAM_CLOSED = 5 "a frame for a stream that had ended";
    FRAME_SIZE_ERROR = 6 "a frame of the wrong size";
    REFUSED_STREAM = 7 "nothing was done for it: it can be tried again";
    CANCEL = 8 "nobody needs it any more";
    COMPRESSION_ERROR = 9 "the compression state is lost";
    CONNECT_ERROR = 10 "the tunnel's far side broke";
    ENHANCE_YOUR_CALM = 11 "too much of something";
    INADEQUATE_SECURITY = 12 "TLS is too weak";
    HTTP_1_1_REQUIRED = 13 "to be asked with HTTP/1.1";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.0)
    }
}

/// A stream or connection that ended before its time: the code on the wire, the rule, and the limit if one was
/// reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Why {
    /// What stands on the wire.
    pub code: Code,
    /// The rule in words, for a log line.
    pub rule: &'static str,
    /// The limit that bit, for a counter.
    pub limit: Option<Limit>,
}

impl Why {
    pub(crate) const fn new(code: Code, rule: &'static str) -> Self {
        Self { code, rule, limit: None }
    }

    pub(crate) const fn protocol(rule: &'static str) -> Self {
        Self::new(Code::PROTOCOL_ERROR, rule)
    }

    pub(crate) const fn limit(limit: Limit) -> Self {
        Self { code: Code::ENHANCE_YOUR_CALM, rule: limit.text(), limit: Some(limit) }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.rule)
    }
}

/// What a broken rule costs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Broken {
    /// Everything.
    Connection(Why),
    /// This stream.
    Stream(u32, Why),
}

impl From<Why> for Broken {
    fn from(why: Why) -> Self {
        Self::Connection(why)
    }
}
