//! Any answer that is not 2xx: why, and what to do, as JSON.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::Problem;
use crate::api::ErrorBody;

/// A no with its reason.
pub(super) struct Refusal {
    status: StatusCode,
    body: ErrorBody,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self {
            status,
            body: ErrorBody { error: error.into(), rendered: String::new(), diagnostics: Vec::new() },
        }
    }

    /// The request makes no sense.
    pub(super) fn bad(error: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::NotFound(text) => Self::new(StatusCode::NOT_FOUND, text),
            Problem::Conflict(text) => Self::new(StatusCode::CONFLICT, text),
            Problem::Refused { message, rendered, diagnostics } => Self {
                status: StatusCode::UNPROCESSABLE_ENTITY,
                body: ErrorBody { error: message, rendered, diagnostics },
            },
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(self.body)).into_response()
    }
}
