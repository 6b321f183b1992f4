//! Decides which node holds a virtual router's addresses (RFC 9568).
//!
//! ```text
//!  bytes ──► packet ──┐                              ┌──► advertise, claim, announce, chain, demote, release
//!   (or ──► envelope ─┤                              │
//!            for UDP) ├─► Input ─► Router ─► Output ─┤
//!  link, tracked      │     (or a Group of them)     └──► state and its reason, alarms
//!  health, operator,  │              │
//!  results, pauses ───┘              └──► the next deadline
//! ```
//!
//! [`packet`] and [`envelope`] turn bytes into advertisements and back; [`Router`] decides for one virtual
//! router, [`Group`] for several that move together; [`record`] keeps what happened so that it can be played
//! again.
//!
//! This room sends nothing, claims nothing and never looks at a clock. What it asks for is executed by a
//! shell, and *results come back as inputs*: a claim that failed is a state like any other. It does not know
//! what is tracked or why, nor who moves addresses and how.

mod alarm;
pub mod envelope;
mod group;
mod input;
mod output;
pub mod packet;
mod reason;
pub mod record;
mod router;
mod settings;
pub mod timing;

pub use alarm::{Alarm, AlarmKind};
pub use group::Group;
pub use input::{Effect, Input};
pub use output::{Output, State};
pub use reason::Reason;
pub use router::Router;
pub use settings::Settings;
