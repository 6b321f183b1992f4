//! The lab: haechi on one laptop, without root, in a minute. Six demo endpoints in three zones as processes
//! of their own, one node in front of them, and verbs to break and mend them while a table shows what the
//! node makes of it.
//!
//! It exists so that a stranger learns by trying: each word on the screen is the word of the config, the
//! API and the docs. It leaves nothing behind, however it ends: children die with it (see [`leash`]), and
//! what it writes stands in one folder that it removes.
//!
//! What it refuses: to be a load test (see `bench/`), to listen on other hosts by itself, and to touch
//! anything outside its folder.

pub mod endpoint;
pub mod leash;

mod algorithm;
mod block;
mod child;
mod client;
mod command;
mod error;
mod fleet;
mod folder;
mod hints;
mod load;
mod node;
mod plan;
mod rates;
mod run;
mod screen;
mod server;
mod status;
mod story;

pub use client::ask;
pub use command::{Command, Reply};
pub use error::LabError;
pub use folder::{Environment, candidates};
pub use load::MAX_RATE;
pub use plan::MAX_ENDPOINTS;
pub use run::{Options, Output, run};
pub use screen::{Look, page};
pub use status::{Endpoint, LabStatus, Load, Process, Told};
