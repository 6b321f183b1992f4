//! `haechi check`: all that is wrong with a file, in one run.

use std::process::ExitCode;

use haechi_config::{Outcome as Compiled, Severity, compile, render};
use haechi_model::{ListenerKind, Snapshot};
use serde_json::json;

use super::Outcome;
use crate::cli::CheckArgs;
use crate::control::read;
use crate::failure::Failure;
use crate::output::{self, Format, Tone};

pub(super) fn check(args: &CheckArgs, format: Format) -> Outcome {
    let name = args.config.display().to_string();
    let text = read(&args.config).map_err(|reason| Failure::new(format!("can't read {name}: {reason}")))?;
    let compiled = compile(&text);
    let warnings = compiled.diagnostics.iter().filter(|one| one.severity == Severity::Warning).count();
    let fine = compiled.snapshot.is_some() && (warnings == 0 || !args.deny_warnings);
    match format {
        Format::Json => output::json(&as_json(&name, &compiled, warnings)),
        Format::Text => {
            let shown = render(&compiled.diagnostics, &name, &text, output::colour_on_stdout());
            output::print(&if shown.is_empty() { shown } else { format!("{shown}\n") });
            output::print(&summary(&name, &compiled, warnings));
        }
    }
    Ok(if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn summary(name: &str, compiled: &Compiled, warnings: usize) -> String {
    let paint = output::paint();
    let doubts = (warnings > 0).then(|| paint.text(Tone::Doubtful, &number(warnings, "warning")));
    let rest = (compiled.omitted > 0).then(|| format!("{} more not shown", compiled.omitted));
    let verdict = match &compiled.snapshot {
        Some(_) => paint.text(Tone::Good, "ok"),
        None => paint.text(Tone::Bad, &number(compiled.diagnostics.len() - warnings, "error")),
    };
    let verdict: Vec<String> = std::iter::once(verdict).chain(doubts).chain(rest).collect();
    let content = compiled.snapshot.as_ref().map(|snapshot| {
        let Content { listeners, pools, endpoints, routes } = Content::of(snapshot);
        let parts = [(listeners, "listener"), (pools, "pool"), (endpoints, "endpoint"), (routes, "route")];
        format!("{}: ", parts.map(|(count, what)| number(count, what)).join(", "))
    });
    format!("{}: {}{}\n", output::clean(name), content.unwrap_or_default(), verdict.join(", "))
}

fn number(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn as_json(name: &str, compiled: &Compiled, warnings: usize) -> serde_json::Value {
    let mut json = json!({
        "file": name,
        "valid": compiled.snapshot.is_some(),
        "errors": compiled.diagnostics.len() - warnings,
        "warnings": warnings,
        "omitted": compiled.omitted,
        "diagnostics": compiled.diagnostics,
    });
    if let Some(snapshot) = &compiled.snapshot {
        let Content { listeners, pools, endpoints, routes } = Content::of(snapshot);
        json["content"] =
            json!({ "listeners": listeners, "pools": pools, "endpoints": endpoints, "routes": routes });
    }
    json
}

/// How many of each a config has.
struct Content {
    listeners: usize,
    pools: usize,
    endpoints: usize,
    routes: usize,
}

impl Content {
    fn of(snapshot: &Snapshot) -> Self {
        let routes = snapshot.listeners.iter().map(|listener| match &listener.kind {
            ListenerKind::Http(http) => http.routes.len(),
            ListenerKind::Tcp(_) => 0,
        });
        Self {
            listeners: snapshot.listeners.len(),
            pools: snapshot.pools.len(),
            endpoints: snapshot.pools.iter().map(|pool| pool.endpoints.len()).sum(),
            routes: routes.sum(),
        }
    }
}
