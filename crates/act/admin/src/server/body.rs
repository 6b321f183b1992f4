//! A request body, bounded in bytes and time.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::StatusCode;
use http_body_util::LengthLimitError;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::refusal::Refusal;

/// Largest request body, in bytes; the largest meaningful one has thirty.
pub const MAX_BODY: usize = 64 << 10;

/// From the head to the end of the body.
const BODY_TIME: Duration = Duration::from_secs(10);

/// Reads it as JSON.
pub(super) async fn read<T: DeserializeOwned>(body: Body) -> Result<T, Refusal> {
    let bytes = timeout(BODY_TIME, to_bytes(body, MAX_BODY))
        .await
        .map_err(|_| Refusal::new(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time"))?
        .map_err(|error| match is_too_long(&error) {
            true => Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is over {MAX_BODY} bytes")),
            false => Refusal::bad("the body did not arrive whole"),
        })?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Refusal::bad(format!("not the JSON that this path takes: {error}")))
}

fn is_too_long(error: &axum::Error) -> bool {
    std::error::Error::source(error).is_some_and(|cause| cause.is::<LengthLimitError>())
}
