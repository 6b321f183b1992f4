//! HTTP/1 as a pure core: bytes in, spans and pieces out.
//!
//! A head is parsed once, in place, into spans; nothing is copied and nothing is put in a map. What must
//! change on its way through (hop-by-hop fields, forwarding fields) is a list of cuts over the same bytes.
//! Bodies are followed, not stored: each call says which bytes of the buffer go on.
//!
//! Strict on purpose: where RFC 9112 lets a recipient be lenient, two recipients may be lenient in
//! different ways, and the difference is request smuggling. Anything ambiguous is refused with the rule
//! that it breaks. It refuses to know sockets, TLS, routing and time.
//!
//! ```text
//!   bytes ─▶ request::parse ─▶ RequestHead (spans, framing, cuts) ─▶ write_upstream ─▶ bytes
//!   bytes ─▶ response::parse ─▶ ResponseHead ─▶ downstream pieces (or the same bytes, untouched)
//!   another protocol's head ─▶ Parts::write ─▶ bytes, which are then judged like any other
//!   bytes ─▶ Body::advance ─▶ which ranges go on, when it ends
//! ```

mod answer;
mod body;
mod compose;
mod edit;
mod error;
mod fields;
mod framing;
mod request;
mod response;
mod scan;
mod target;
mod trailers;
mod written;

pub use answer::{Apology, Persistence, explain, write_answer, write_fault};
pub use body::{Advance, Body, Chunks, Pieces};
pub use compose::{Parts, write_chunk};
pub use edit::Span;
pub use error::HeadError;
pub use framing::Framing;
pub use request::{Method, Onward, Parsed, RequestHead, Version};
pub use response::{Downstream, ResponseHead};
pub use scan::head_end;
pub use trailers::{Trailers, read_fields, write_last_chunk};
pub use written::Written;
