//! Why a run stopped, in words for whoever started it. The bench has no fault to classify: any problem ends
//! it, because a figure from a run with errors is worse than none.

use std::fmt;

/// Text for a person: what was tried, what came back.
#[derive(Debug)]
pub(crate) struct Problem(String);

/// What everything here returns.
pub(crate) type Outcome<T> = Result<T, Problem>;

impl Problem {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<std::io::Error> for Problem {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

/// Says what was being done when something failed.
pub(crate) trait While<T> {
    /// `while_doing(|| "reading x")` turns `refused` into `reading x: refused`.
    fn while_doing(self, what: impl FnOnce() -> String) -> Outcome<T>;
}

impl<T, E: fmt::Display> While<T> for Result<T, E> {
    fn while_doing(self, what: impl FnOnce() -> String) -> Outcome<T> {
        self.map_err(|error| Problem(format!("{}: {error}", what())))
    }
}
