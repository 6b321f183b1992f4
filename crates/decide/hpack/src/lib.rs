//! HPACK (RFC 7541) as a pure core: field blocks in, flat lists of fields out, and the way back.
//!
//! It is a room of its own because it is the one part of HTTP/2 where a few bytes in can be many bytes out:
//! what bounds that stands in one place and is fuzzed alone. A block is decoded whole, since a decoder that
//! stops in the middle has lost the table that it shares with its peer. It refuses to know what a field means:
//! a [`Judge`] says what a name is, once for each entry of the table and not once for each use.
//!
//! ```text
//!   block ─▶ Decoder ─▶ Fields (one arena of bytes, one list of places in it; both are used again)
//!              │ ▲
//!            Table (one arena, entries that go out at the far end)      the same on the other side:
//!                                                    name, value ─▶ Encoder ─▶ block, straight into the output
//! ```
//!
//! Steady state: no allocation, in either direction.
//!
//! QPACK (RFC 9204) of HTTP/3 is here too, as far as two need it who keep no dynamic table: the same strings, integers
//! and bounds.

mod decode;
mod encode;
mod error;
mod fields;
mod huffman;
mod integer;
mod qpack;
mod qpack_static;
mod static_table;
mod table;

pub use decode::Decoder;
pub use encode::{Encoder, Secrecy};
pub use error::Error;
pub use fields::{Bounds, Field, Fields, Judge, Unjudged};
pub use qpack::{begin_section, decode_section, write_section_field};
pub use static_table::{STATIC, static_name};

/// Size of a dynamic table before anybody says otherwise (RFC 9113 §6.5.2), in bytes as RFC 7541 §4.1 counts them.
pub const DEFAULT_TABLE: u32 = 4096;

/// What each entry counts beyond its name and value (RFC 7541 §4.1, and RFC 9113 §10.5.1 for whole lists).
pub const ENTRY_OVERHEAD: u32 = 32;
