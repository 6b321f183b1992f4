//! `haechi doctor`: whether this machine can do what the config asks.

use std::process::ExitCode;

use haechi_admin::api::Status;
use haechi_doctor::{Finding, Level, examine};
use serde::Serialize;

use super::{Outcome, wait_for};
use crate::cli::DoctorArgs;
use crate::control::Source;
use crate::doctor::{Asked, look};
use crate::failure::Failure;
use crate::output::{self, Format, Paint, Tone};

/// Columns of a finding's first line, so that the eye finds what is wrong.
const CHECK: usize = 12;

#[derive(Serialize)]
struct Report<'a> {
    errors: usize,
    warnings: usize,
    unknown: usize,
    findings: &'a [Finding],
}

pub(super) fn doctor(args: &DoctorArgs, format: Format) -> Outcome {
    let admin_socket = args.admin.path();
    let running = running(args);
    let config = match (&args.config, &running) {
        (Some(path), _) => path.clone(),
        (None, Some(status)) => status.config.source.clone().into(),
        (None, None) => {
            return Err(Failure::new(
                "name the config with -c: no haechi answers that could tell which it has",
            ));
        }
    };
    let config = std::path::absolute(&config)
        .map_err(|error| Failure::new(format!("can't find {}: {error}", config.display())))?;
    let compiled = Source::File(config.clone()).load(output::colour_on_stderr())?;
    let asked = Asked { snapshot: &compiled.snapshot, config: &config, admin_socket: &admin_socket, running };
    let findings = examine(&compiled.snapshot, &look(&asked));
    let count = |level| findings.iter().filter(|finding| finding.level == level).count();
    let report = Report {
        errors: count(Level::Error),
        warnings: count(Level::Warning),
        unknown: count(Level::Unknown),
        findings: &findings,
    };
    match format {
        Format::Json => output::json(&report),
        Format::Text => output::print(&render(&report, output::paint())),
    }
    Ok(if report.errors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The haechi that runs, if one answers.
fn running(args: &DoctorArgs) -> Option<Status> {
    wait_for(async { args.admin.client().status().await.map_err(Failure::from) }).ok()
}

fn render(report: &Report<'_>, paint: Paint) -> String {
    let mut out = String::new();
    for finding in report.findings {
        let (tone, word) = match finding.level {
            Level::Ok => (Tone::Good, "ok     "),
            Level::Unknown => (Tone::Faint, "unknown"),
            Level::Warning => (Tone::Doubtful, "warning"),
            Level::Error => (Tone::Bad, "error  "),
        };
        let Finding { check, subject, found, why, way_out, .. } = finding;
        let line = output::clean(&format!("{check:CHECK$}  {subject}: {found}"));
        out.push_str(&format!("{}  {line}\n", paint.text(tone, word)));
        if finding.level > Level::Unknown {
            for (label, text) in [("why", why), ("way out", way_out)] {
                out.push_str(&format!("         {label}: {}\n", output::clean(text)));
            }
        }
    }
    let Report { errors, warnings, unknown, .. } = report;
    let unseen =
        if *unknown > 0 { format!(", {unknown} not looked at (run it as root)") } else { String::new() };
    out.push_str(&format!("\n{errors} error(s), {warnings} warning(s){unseen}\n"));
    out
}
