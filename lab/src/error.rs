//! What went wrong, in words for the person at the keyboard, with the way out.

use std::fmt;
use std::io;

/// One sentence: what went wrong and what to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LabError(String);

impl LabError {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// For `map_err`: what was tried when the system said no.
    pub(crate) fn doing(what: impl fmt::Display) -> impl FnOnce(io::Error) -> Self {
        move |error| Self(format!("can't {what}: {error}"))
    }
}

impl fmt::Display for LabError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for LabError {}
