//! Why a verb could not do its work, for people on stderr or for programs on stdout.

use std::process::ExitCode;

use haechi_admin::api::ErrorBody;
use haechi_admin::{ClientError, Problem};
use haechi_config::Diagnostic;

use crate::output::{self, Format};

/// A no with its reason and, if there are any, config diagnostics. Exit code 1.
#[derive(Debug)]
pub(crate) struct Failure(ErrorBody);

impl Failure {
    pub(crate) fn new(error: impl Into<String>) -> Self {
        Self(ErrorBody { error: error.into(), rendered: String::new(), diagnostics: Vec::new() })
    }

    /// A refused config with its diagnostics, as people and as programs read them.
    pub(crate) fn config(error: String, rendered: String, diagnostics: &[Diagnostic]) -> Self {
        let diagnostics = diagnostics.iter().filter_map(|one| serde_json::to_value(one).ok()).collect();
        Self(ErrorBody { error, rendered, diagnostics })
    }

    /// Shows it and gives the exit code.
    pub(crate) fn tell(&self, format: Format) -> ExitCode {
        match format {
            Format::Json => output::json(&self.0),
            Format::Text => {
                if !self.0.rendered.is_empty() {
                    output::error_text(&format!("{}\n", self.0.rendered));
                }
                output::error(&self.0.error);
            }
        }
        ExitCode::FAILURE
    }

    /// The sentence, and the diagnostics if there are any.
    pub(crate) fn whole_text(&self) -> String {
        let ErrorBody { error, rendered, .. } = &self.0;
        if rendered.is_empty() { error.clone() } else { format!("{error}\n{rendered}") }
    }

    /// The sentence without the diagnostics.
    pub(crate) fn text(&self) -> &str {
        &self.0.error
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Refused { body, .. } => Self(body),
            other => Self::new(other.to_string()),
        }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::NotFound(error) | Problem::Conflict(error) => Self::new(error),
            Problem::Refused { message, rendered, diagnostics } => {
                Self(ErrorBody { error: message, rendered, diagnostics })
            }
        }
    }
}
