//! One line of what was found.

use std::fmt::Display;

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
    /// What was looked at, in a word or two: `rights`, `id`.
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

/// What all findings of one look have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct About<'a> {
    pub(crate) check: &'static str,
    pub(crate) subject: &'a str,
}

impl About<'_> {
    pub(crate) fn ok(self, found: impl Display) -> Finding {
        self.finding(Level::Ok, found, "", "")
    }

    /// Nobody could look, and why.
    pub(crate) fn unknown(self, reason: impl Display) -> Finding {
        let why = "nothing is said about what was not looked at";
        self.finding(Level::Unknown, format!("not looked at: {reason}"), why, "run `haechi doctor` as root")
    }

    pub(crate) fn warning(self, found: impl Display, why: &str, way_out: impl Display) -> Finding {
        self.finding(Level::Warning, found, why, way_out)
    }

    pub(crate) fn error(self, found: impl Display, why: &str, way_out: impl Display) -> Finding {
        self.finding(Level::Error, found, why, way_out)
    }

    fn finding(self, level: Level, found: impl Display, why: &str, way_out: impl Display) -> Finding {
        Finding {
            level,
            check: self.check.to_owned(),
            subject: self.subject.to_owned(),
            found: found.to_string(),
            why: why.to_owned(),
            way_out: way_out.to_string(),
        }
    }
}
