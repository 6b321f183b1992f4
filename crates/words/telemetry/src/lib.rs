//! Every name that others rely on, once: metrics and kinds of events.
//!
//! Dashboards and alerts outlive code; a name that is written in one place can't drift in another.

pub mod event;
pub mod metric;
