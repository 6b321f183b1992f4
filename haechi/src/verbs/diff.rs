//! `haechi diff`: what would change, and whom it would disturb. Between two files it needs nothing that runs;
//! otherwise the running haechi is asked, because it knows what it runs.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use haechi_admin::Client;
use haechi_config::{Disruption, Plan, Step};
use haechi_model::Snapshot;
use serde_json::{Value, json};

use super::{Outcome, wait_for};
use crate::cli::DiffArgs;
use crate::control::Source;
use crate::failure::Failure;
use crate::output::{self, Format, Tone};

/// With `--exit-code`: as diff(1), `git diff --exit-code` and `kubectl diff` have them.
const CHANGES: u8 = 1;
const TROUBLE: u8 = 2;

pub(super) fn diff(args: &DiffArgs, format: Format) -> Outcome {
    let changed = match (&args.old, &args.new) {
        (Some(old), Some(new)) => between_files(old, new, format),
        _ => wait_for(against_running(args, format)),
    };
    match changed {
        Ok(true) if args.exit_code => Ok(ExitCode::from(CHANGES)),
        Ok(_) => Ok(ExitCode::SUCCESS),
        Err(failure) if args.exit_code => {
            failure.tell(format);
            Ok(ExitCode::from(TROUBLE))
        }
        Err(failure) => Err(failure),
    }
}

fn between_files(old: &Path, new: &Path, format: Format) -> Result<bool, Failure> {
    let plan = haechi_config::diff(&*load(old)?, &*load(new)?);
    match format {
        Format::Json => output::json(&json!({ "disruption": plan.disruption(), "steps": plan })),
        Format::Text => show(&plan),
    }
    Ok(!plan.steps.is_empty())
}

/// Warnings are `check`'s to tell.
fn load(path: &Path) -> Result<std::sync::Arc<Snapshot>, Failure> {
    Ok(Source::File(path.to_owned()).load(output::colour_on_stderr())?.snapshot)
}

fn show(plan: &Plan) {
    let paint = output::paint();
    if plan.steps.is_empty() {
        output::print("no changes\n");
    }
    for step in &plan.steps {
        let tone = match step.disruption {
            Disruption::None => Tone::Plain,
            Disruption::Drains => Tone::Doubtful,
            Disruption::Readvertises | Disruption::Rebinds => Tone::Bad,
        };
        let Step { subject, change, disruption } = step;
        let disruption = paint.text(tone, &format!("({disruption})"));
        output::print(&format!("{}: {} {disruption}\n", output::clean(subject), output::clean(change)));
    }
}

async fn against_running(args: &DiffArgs, format: Format) -> Result<bool, Failure> {
    let client = args.admin.client();
    if let Some(file) = &args.config {
        check_source(&client, file).await?;
    }
    let applied = client.reload(true).await?;
    match format {
        Format::Json => output::json(&json!({ "disruption": worst(&applied.steps), "steps": applied.steps })),
        Format::Text => {
            output::error_text(&applied.warnings);
            output::print(&applied.plan);
        }
    }
    Ok(!applied.steps.is_empty())
}

/// The running haechi reads its own file, so another one would be compared in name only.
async fn check_source(client: &Client, file: &Path) -> Result<(), Failure> {
    let source = client.status().await?.config.source;
    let same = |a: &Path, b: &Path| {
        fs::canonicalize(a).ok().zip(fs::canonicalize(b).ok()).is_some_and(|(a, b)| a == b)
    };
    if same(file, Path::new(&source)) {
        return Ok(());
    }
    let file = file.display();
    Err(Failure::new(format!(
        "the running haechi takes its config from {source}, not from {file}; to compare two files: haechi diff {source} \
         {file}"
    )))
}

/// The worst disruption of steps that came as JSON.
fn worst(steps: &[Value]) -> Disruption {
    let says = |word: Disruption| {
        let word = serde_json::to_value(word).ok();
        steps.iter().any(|step| step.get("disruption") == word.as_ref())
    };
    let worst_first = [Disruption::Rebinds, Disruption::Readvertises, Disruption::Drains];
    worst_first.into_iter().find(|word| says(*word)).unwrap_or(Disruption::None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_step_counts() {
        let rows = [
            (vec![], Disruption::None),
            (vec!["none"], Disruption::None),
            (vec!["none", "drains", "none"], Disruption::Drains),
            (vec!["drains", "readvertises"], Disruption::Readvertises),
            (vec!["rebinds", "readvertises", "drains"], Disruption::Rebinds),
        ];
        for (steps, expected) in rows {
            let steps: Vec<Value> = steps.iter().map(|word| json!({ "disruption": word })).collect();
            assert_eq!(worst(&steps), expected, "{steps:?}");
        }
    }
}
