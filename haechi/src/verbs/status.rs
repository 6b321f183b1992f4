//! `haechi status`: everything that runs on one screen.

use std::process::ExitCode;
use std::time::UNIX_EPOCH;

use super::screen::Screen;
use super::{Outcome, wait_for};
use crate::cli::StatusArgs;
use crate::failure::Failure;
use crate::output::{self, Format};

pub(super) fn status(args: &StatusArgs, format: Format) -> Outcome {
    let client = args.admin.client();
    let status = wait_for(async { client.status().await.map_err(Failure::from) })?;
    match format {
        Format::Json => output::json(&status),
        Format::Text => {
            let screen = Screen { status: &status, rates: None, now_ms: now_ms(), paint: output::paint() };
            output::print(&screen.render());
            output::print(&super::screen::sources(
                client.socket(),
                "/v1/status",
                "haechi status -o json",
                output::paint(),
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Wall time in milliseconds since 1970.
pub(super) fn now_ms() -> u64 {
    let since = haechi_sys::clock::wall().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
