//! What each path says. Compare the ConfigMap `ha-demo-nginx-config` of the demo deployment.

use std::time::SystemTime;

use hyper::StatusCode;
use jiff::Timestamp;
use serde::Serialize;

use super::Identity;
use super::figures::Figures;

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) kind: &'static str,
    pub(super) body: String,
}

pub(super) fn answer(path: &str, identity: &Identity, now: SystemTime, figures: &Figures) -> Answer {
    match path {
        "/" => Answer { status: StatusCode::OK, kind: "application/json", body: who(identity, now) },
        "/health" => plain(StatusCode::OK, "healthy"),
        "/ready" => plain(StatusCode::OK, "ready"),
        "/status" => plain(StatusCode::OK, figures.to_string()),
        _ => plain(StatusCode::NOT_FOUND, "not found; there are: / /health /ready /status\n"),
    }
}

fn plain(status: StatusCode, body: impl Into<String>) -> Answer {
    Answer { status, kind: "text/plain", body: body.into() }
}

#[derive(Serialize)]
struct Who<'a> {
    status: &'a str,
    pod: &'a str,
    zone: &'a str,
    timestamp: String,
}

fn who(identity: &Identity, now: SystemTime) -> String {
    let timestamp = iso8601(now);
    let who = Who { status: "ok", pod: &identity.name, zone: &identity.zone, timestamp };
    // Text and no maps: it always has a JSON form.
    serde_json::to_string(&who).unwrap_or_default()
}

/// As nginx writes `$time_iso8601` in UTC: `2026-11-22T16:00:00+00:00`.
fn iso8601(now: SystemTime) -> String {
    let now = Timestamp::try_from(now).unwrap_or_default();
    now.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string()
}
