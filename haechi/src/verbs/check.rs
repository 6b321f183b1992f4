//! `haechi check`: all that is wrong with a file and the keys files that it names, in one run.

use std::process::ExitCode;

use haechi_config::{Outcome as Compiled, Severity, compile, render};
use haechi_model::{ListenerKind, Snapshot, VirtualRouter};
use haechi_trust::Trust;
use serde_json::{Value, json};

use super::Outcome;
use crate::cli::CheckArgs;
use crate::control::{Found, KeysFile, Severely, keys_files, look, read};
use crate::failure::Failure;
use crate::output::{self, Format, Tone};

pub(super) fn check(args: &CheckArgs, format: Format) -> Outcome {
    let name = args.config.display().to_string();
    let text = read(&args.config).map_err(|reason| Failure::new(format!("can't read {name}: {reason}")))?;
    let mut compiled = compile(&text);
    look(&args.config, &mut compiled, &Trust::default(), &Severely::All);
    let compiled = compiled;
    let colour = output::colour_on_stdout();
    let keys = compiled.snapshot.as_ref().map(|snapshot| keys_files(&args.config, snapshot, colour));
    let keys = keys.unwrap_or_default();
    let tally = Tally::of(&compiled, &keys);
    match format {
        Format::Json => output::json(&as_json(&name, &compiled, &keys, &tally)),
        Format::Text => {
            let shown = render(&compiled.diagnostics, &name, &text, colour);
            output::print(&if shown.is_empty() { shown } else { format!("{shown}\n") });
            keys.iter().for_each(show_keys);
            let routers = compiled.snapshot.iter().flat_map(|snapshot| &snapshot.virtual_routers);
            routers.for_each(|router| output::print(&virtual_router(router)));
            output::print(&summary(&name, &compiled, &tally));
        }
    }
    let fine =
        tally.errors == 0 && compiled.snapshot.is_some() && (tally.warnings == 0 || !args.deny_warnings);
    Ok(if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// How many of each, in the config and its keys files.
struct Tally {
    errors: usize,
    warnings: usize,
}

impl Tally {
    fn of(compiled: &Compiled, keys: &[KeysFile]) -> Self {
        let warnings = compiled.diagnostics.iter().filter(|one| one.severity == Severity::Warning).count();
        let mut tally = Self { errors: compiled.diagnostics.len() - warnings, warnings };
        for file in keys {
            match &file.found {
                Found::Unreadable(_) => tally.warnings += 1,
                Found::Read { diagnostics, .. } => tally.errors += diagnostics.len(),
            }
        }
        tally
    }
}

fn show_keys(file: &KeysFile) {
    let shown = match &file.found {
        Found::Unreadable(reason) => {
            let head = output::paint().text(Tone::Doubtful, "warning:");
            let path = output::clean(&file.path.display().to_string());
            format!("{head} can't read the keys file {path}: {reason}\n\n")
        }
        Found::Read { rendered, .. } if rendered.is_empty() => String::new(),
        Found::Read { rendered, .. } => format!("{rendered}\n"),
    };
    output::print(&shown);
}

/// What this node would be in it, which for a spread one nobody wrote down.
fn virtual_router(router: &VirtualRouter) -> String {
    let addresses = match router.addresses.as_slice() {
        [one] => format!("{}/{}", one.address, one.prefix),
        many => format!("{} addresses", many.len()),
    };
    let (id, priority) = (router.id, router.priority);
    let owner = if priority.get() == u8::MAX { ", their owner" } else { "" };
    let (name, interface) = (output::clean(router.name.as_str()), output::clean(router.interface.as_str()));
    format!("virtual router {name}: {addresses} on {interface}, id {id}, priority {priority} here{owner}\n")
}

fn summary(name: &str, compiled: &Compiled, tally: &Tally) -> String {
    let paint = output::paint();
    let doubts = (tally.warnings > 0).then(|| paint.text(Tone::Doubtful, &number(tally.warnings, "warning")));
    let rest = (compiled.omitted > 0).then(|| format!("{} more not shown", compiled.omitted));
    let verdict = match &compiled.snapshot {
        Some(_) if tally.errors == 0 => paint.text(Tone::Good, "ok"),
        _ => paint.text(Tone::Bad, &number(tally.errors, "error")),
    };
    let verdict: Vec<String> = std::iter::once(verdict).chain(doubts).chain(rest).collect();
    let content = compiled.snapshot.as_ref().map(|snapshot| {
        let Content { listeners, pools, endpoints, routes, virtual_routers } = Content::of(snapshot);
        let mut parts =
            vec![(listeners, "listener"), (pools, "pool"), (endpoints, "endpoint"), (routes, "route")];
        // Most nodes stand alone, and need not be told so.
        parts.extend((virtual_routers > 0).then_some((virtual_routers, "virtual router")));
        let parts: Vec<String> = parts.into_iter().map(|(count, what)| number(count, what)).collect();
        format!("{}: ", parts.join(", "))
    });
    format!("{}: {}{}\n", output::clean(name), content.unwrap_or_default(), verdict.join(", "))
}

fn number(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn as_json(name: &str, compiled: &Compiled, keys: &[KeysFile], tally: &Tally) -> Value {
    let mut json = json!({
        "file": name,
        "valid": compiled.snapshot.is_some() && tally.errors == 0,
        "errors": tally.errors,
        "warnings": tally.warnings,
        "omitted": compiled.omitted,
        "diagnostics": compiled.diagnostics,
        "keysFiles": keys.iter().map(keys_as_json).collect::<Vec<_>>(),
    });
    if let Some(snapshot) = &compiled.snapshot {
        let Content { listeners, pools, endpoints, routes, virtual_routers } = Content::of(snapshot);
        json["content"] = json!({
            "listeners": listeners,
            "pools": pools,
            "endpoints": endpoints,
            "routes": routes,
            "virtualRouters": virtual_routers,
        });
    }
    json
}

fn keys_as_json(file: &KeysFile) -> Value {
    let path = file.path.display().to_string();
    match &file.found {
        Found::Unreadable(reason) => json!({ "file": path, "unreadable": reason, "diagnostics": [] }),
        Found::Read { diagnostics, .. } => json!({ "file": path, "diagnostics": diagnostics }),
    }
}

/// How many of each a config has.
struct Content {
    listeners: usize,
    pools: usize,
    endpoints: usize,
    routes: usize,
    virtual_routers: usize,
}

impl Content {
    fn of(snapshot: &Snapshot) -> Self {
        let routes = snapshot.listeners.iter().map(|listener| match &listener.kind {
            ListenerKind::Http(http) => http.routes.len(),
            ListenerKind::Tls(tls) => tls.routes.len(),
            ListenerKind::Tcp(_) | ListenerKind::Udp(_) => 0,
        });
        Self {
            listeners: snapshot.listeners.len(),
            pools: snapshot.pools.len(),
            endpoints: snapshot.pools.iter().map(|pool| pool.endpoints.len()).sum(),
            routes: routes.sum(),
            virtual_routers: snapshot.virtual_routers.len(),
        }
    }
}
