//! HTTP/3 (RFC 9114) as a pure core, for servers: bytes of QUIC's streams in, messages out, and the way back.
//!
//! QUIC has streams and windows of its own, so there is far less to do than in HTTP/2: a [`Messages`] for each request
//! reads frames and judges heads, an [`OneWay`] for each stream that goes one way reads settings, and what goes out is
//! appended to a vector. It keeps the beginning of a frame that was cut off, and of a field section, up to
//! [`haechi_http2::Limits::block`]; bodies it passes on as slices of the input and never keeps.
//!
//! ```text
//!  a request's stream ─▶ Messages::receive ─▶ Head · Data · Trailers            RFC 9114 §4, §7
//!  a one-way stream   ─▶ OneWay::receive   ─▶ listen on, or stop it             §6.2
//!  status, fields     ─▶ write::…          ─▶ bytes of a frame
//! ```
//!
//! A head is judged by the rules of `http2`, which RFC 9114 §4.3 repeats, and decoded by `hpack` without a dynamic
//! table. It refuses to know QUIC, sockets, routes, push, extended CONNECT, datagrams and priorities.

mod code;
mod messages;
mod one_way;
mod varint;
pub mod write;

pub use code::{Broken, Code, Scope};
pub use messages::{Event, Messages};
pub use one_way::{Heard, OneWay, Seen};
