//! `haechi schema`: the config file's JSON Schema.

use std::process::ExitCode;

use super::Outcome;
use crate::output;

pub(super) fn schema() -> Outcome {
    output::json(&haechi_config::schema());
    Ok(ExitCode::SUCCESS)
}
