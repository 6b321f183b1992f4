//! What a connection tells its consumer.

use crate::{Code, Why};

/// A stream's number. Never used twice on a connection, so what is said of a stream that is gone reaches nobody.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StreamId(pub(crate) u32);

impl StreamId {
    /// As on the wire.
    pub const fn number(self) -> u32 {
        self.0
    }
}

/// Something that happened. `end` means that nothing comes after it on this stream from their side.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event<'b> {
    /// A request, or the final head of a response; its fields are in the [`crate::Head`] that was lent.
    Head {
        /// Which.
        stream: StreamId,
        /// Without a body.
        end: bool,
    },
    /// A head of status 1xx; the final one follows.
    Interim {
        /// Which.
        stream: StreamId,
    },
    /// A request whose head is too large: its fields are not to be used, but it can be answered (431).
    TooLarge {
        /// Which.
        stream: StreamId,
        /// Without a body.
        end: bool,
    },
    /// Bytes of a body, lying in the input. They count against the window until
    /// [`crate::Connection::release`] gives them back.
    Data {
        /// Which.
        stream: StreamId,
        /// May be empty, if only the end came.
        bytes: &'b [u8],
        /// The last ones.
        end: bool,
    },
    /// Fields after the body, and its end.
    Trailers {
        /// Which.
        stream: StreamId,
    },
    /// A stream ended before its time and is gone.
    Reset {
        /// Which.
        stream: StreamId,
        /// By the peer, not by us.
        by_peer: bool,
        /// Code and rule.
        why: Why,
    },
    /// A request that broke a rule and never became a stream; the peer knows already. For log and counters.
    Refused {
        /// Which.
        stream: StreamId,
        /// Code and rule.
        why: Why,
    },
    /// The window is open again for a stream that asked in vain, or for all (`None`).
    Writable {
        /// Which.
        stream: Option<StreamId>,
    },
    /// The peer's settings came: how many streams can be opened may have changed.
    Settings,
    /// The answer to [`crate::Connection::ping`].
    Pong,
    /// The peer takes no further streams; those that it will not look at are reset after this, to be tried again.
    GoingAway {
        /// Why, as the peer says.
        code: Code,
    },
    /// The connection is broken. What is left of the output should be sent; then it is to be closed.
    Closed(Why),
}
