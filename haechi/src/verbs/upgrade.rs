//! `haechi upgrade`: the running haechi lets the program that stands in its place take over.

use std::process::ExitCode;

use super::{Outcome, wait_for};
use crate::cli::UpgradeArgs;
use crate::failure::Failure;
use crate::output::{self, Format, Tone};

pub(super) fn upgrade(args: &UpgradeArgs, format: Format) -> Outcome {
    let upgraded = wait_for(async { args.admin.client().upgrade(args.wait).await.map_err(Failure::from) })?;
    match format {
        Format::Json => output::json(&upgraded),
        Format::Text => {
            let versions = if upgraded.from_version == upgraded.to_version {
                format!("haechi {}", upgraded.to_version)
            } else {
                format!("haechi {} -> {}", upgraded.from_version, upgraded.to_version)
            };
            let line = format!("process {} serves ({versions})", upgraded.pid);
            output::print(&format!("{}\n", output::paint().text(Tone::Good, &line)));
        }
    }
    Ok(ExitCode::SUCCESS)
}
