//! HTTP/2 as a pure core for both roles: bytes and `now` in, events and bytes out, the next deadline on demand.
//!
//! One [`Connection`] is one side of one TCP or TLS connection. It holds the state of streams in a slab that is
//! used again, decodes heads into a flat list (never a map), hands DATA on as slices of the input, and gathers all
//! that is to be sent in one output that is flushed once a turn. Once warm it allocates nothing.
//!
//! ```text
//!  socket ─▶ bytes ─▶ Input ─▶ receive(input, head, now) ─▶ Event ─▶ what the shell does with it
//!                                │        └─▶ Head: method, path, fields (lent by the shell, one a thread)
//!                                ▼
//!                             streams, windows, HPACK, limits ◀── respond · request · trailers  (HeadWriter)
//!                                │                            ◀── allowance · send_data · gather_data
//!                                │                            ◀── release (the endpoint took so many bytes)
//!                                ▼                            ◀── reset · shut_down · ping · tick(now)
//!  socket ◀─ one flush a turn ◀─ output() · sent(n)                └── deadline(): when to tick
//! ```
//!
//! A turn of the shell:
//!
//! 1. Read into the hot buffer; `while let Some(event) = connection.receive(&mut input, &mut head, now)`. A slice of
//!    DATA is good for as long as the buffer; what the other side does not take now must be copied, and is bounded
//!    by the windows: only [`Connection::release`] opens them again.
//! 2. Tasks of the streams write heads and bodies. They ask [`Connection::allowance`] before they read from their
//!    endpoint, so that no more is read than can go on.
//! 3. Write [`Connection::output`] once. Do not read on while much of it is left: what a peer makes us answer is
//!    bounded by what it sent, and what it sends by our reading.
//!
//! Strict, like the HTTP/1 core: a head that breaks a rule of RFC 9113 §8 never becomes an event. Every flood known
//! has its limit by name ([`Limits`], [`Limit`]). It refuses to know sockets, TLS, routes, what a target means, and
//! what a message means beyond its framing: HEAD, 204 and 304 bear on lengths only. Server push is refused,
//! priorities are checked and not used.

mod code;
mod connection;
mod event;
mod frames;
mod head;
mod limits;
mod message;
mod names;
mod section;
mod settings;
mod streams;

pub use code::{Code, Why};
pub use connection::{Config, Connection, Gather, HeadWriter, Input, NotNow, PREFACE, Request, Role};
pub use event::{Event, StreamId};
pub use haechi_hpack::Field;
pub use head::Head;
pub use limits::{Limit, Limits, Rate, TINY};
pub use names::Name;
pub use section::{SectionKind, Unfit};
