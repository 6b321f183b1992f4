//! HTTP/3 from clients: QUIC (RFC 9000) on the address and port of an https listener, by quinn-proto's state machine.
//!
//! An [`Inlet`] is one UDP socket of one worker, with the connections that it holds. A task for each connection moves
//! what QUIC has to say and reads heads; each request is a task that runs the same exchange as an HTTP/1 request. What
//! frames and heads mean is decided by `haechi-http3`.
//!
//! ```text
//!  socket ─▶ Inlet ─▶ Endpoint ─▶ connection (task) ─▶ head ─▶ admit ─▶ exchange (task) as everywhere
//!    ▲         │ ▲ another worker's, by its id: `marks`             │
//!    └─────────┴─┴───────────────── datagrams ◀── streams ◀─────────┘
//! ```

mod alarms;
mod config;
mod connection;
mod gate;
mod inlet;
mod marks;
mod read;
mod shared;
mod stream;

pub(crate) use inlet::{Inlet, leave, make_room, serve};
pub(crate) use marks::{Mail, mail};
