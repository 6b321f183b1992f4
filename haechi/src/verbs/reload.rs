//! `haechi reload`: the running haechi reads its config again.

use std::process::ExitCode;

use super::{Outcome, wait_for};
use crate::cli::ReloadArgs;
use crate::failure::Failure;
use crate::output::{self, Format, Tone};

pub(super) fn reload(args: &ReloadArgs, format: Format) -> Outcome {
    let applied = wait_for(async { args.admin.client().reload(args.dry_run).await.map_err(Failure::from) })?;
    if format == Format::Json {
        output::json(&applied);
        return Ok(ExitCode::SUCCESS);
    }
    output::error_text(&applied.warnings);
    output::print(&applied.plan);
    let generation = applied.generation;
    let verdict = match (applied.applied, args.dry_run) {
        (true, _) => output::paint().text(Tone::Good, &format!("generation {generation} is in force")),
        (false, true) => format!("dry run: generation {generation} stays in force"),
        (false, false) => format!("generation {generation} stays in force"),
    };
    output::print(&format!("{verdict}\n"));
    Ok(ExitCode::SUCCESS)
}
