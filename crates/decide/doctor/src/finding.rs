//! One line of what was found.

use serde::{Deserialize, Serialize};

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Level {
    /// As it must be.
    Ok,
    /// It could not be looked at, so nothing is said about it.
    Unknown,
    /// The config works, worse than it could.
    Warning,
    /// The config can't do what it says.
    Error,
}

/// One thing that was looked at.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// What was looked at, in one word or two: `rights`, `virtual router id`.
    pub check: String,
    /// What it concerns: `virtual router edge`, `listener web`, `node`.
    pub subject: String,
    /// What was found.
    pub found: String,
    /// Why it matters; empty where all is well.
    pub why: String,
    /// What to do about it; empty where all is well.
    pub way_out: String,
}
