//! One page: where the lab is, the table, what happened, what to try.

use haechi_admin::api::EndpointStatus;
use haechi_model::{AdminOrigin, AdminState, Health};

use super::Look;
use super::hints::Hints;
use super::table::{Cell, Column, Tone, clip, lines};
use super::time::{age, latency};
use crate::status::{Endpoint, LabStatus, Process, Told};

/// Events shown.
const EVENTS: usize = 5;

/// Commands shorter than this have their remarks in one column.
const ALIGNED: usize = 60;

const COLUMNS: [Column; 12] = [
    Column { title: "endpoint", right: false, spare: 0 },
    Column { title: "zone", right: false, spare: 1 },
    Column { title: "process", right: false, spare: 4 },
    Column { title: "health", right: false, spare: 0 },
    Column { title: "for", right: true, spare: 0 },
    Column { title: "admin", right: false, spare: 0 },
    Column { title: "requests", right: true, spare: 0 },
    Column { title: "req/s", right: true, spare: 3 },
    Column { title: "in flight", right: true, spare: 0 },
    Column { title: "p50", right: true, spare: 2 },
    Column { title: "p99", right: true, spare: 0 },
    Column { title: "why", right: false, spare: 0 },
];

/// The lab at one moment, for `haechi lab status`: a page without what to try next.
pub fn page(status: &LabStatus, look: Look) -> String {
    let mut page = state(status, look);
    page.extend(happened(status, EVENTS, look));
    finish(page)
}

/// The same with what to try next, cut to the screen's height.
pub(super) fn full(status: &LabStatus, hints: &Hints, look: Look) -> Vec<String> {
    let state = state(status, look);
    let room = look.height.map_or(usize::MAX, |height| height.saturating_sub(1));
    let hints = tries(status, hints, look);
    // Events give way to the hints, down to one; then the hints do.
    let spare = room.saturating_sub(state.len() + hints.len());
    let mut page = state;
    page.extend(happened(status, spare.saturating_sub(2).clamp(1, EVENTS), look));
    page.extend(hints);
    page.truncate(room);
    page
}

pub(super) fn finish(lines: Vec<String>) -> String {
    lines.into_iter().map(|line| line + "\n").collect()
}

fn state(status: &LabStatus, look: Look) -> Vec<String> {
    let mut page = vec![head(status, look), String::new()];
    let rows: Vec<Vec<Cell>> = status.endpoints.iter().map(|endpoint| row(status, endpoint)).collect();
    let (table, has_why) = lines(&COLUMNS, &rows, look.width, look.colour);
    page.extend(table);
    let mut notes = Vec::new();
    if !has_why {
        notes.extend(status.endpoints.iter().filter_map(|endpoint| doubt(status, endpoint)));
    }
    notes.extend(troubles(status));
    notes.extend(load(status));
    page.extend(notes.into_iter().map(|(text, tone)| tone.paint(&clip(&text, look.width), look.colour)));
    page
}

fn head(status: &LabStatus, look: Look) -> String {
    let algorithm =
        status.node.as_ref().and_then(|node| node.pools.first()).map_or("", |pool| &pool.algorithm);
    let up = age(status.at_ms.saturating_sub(status.started_at_ms));
    let text = format!("haechi lab   http://{}/   {algorithm}   up {up}", status.address);
    clip(&text, look.width)
}

/// What the node knows of an endpoint, found by address: names and pools are the user's to change.
fn known<'a>(status: &'a LabStatus, endpoint: &Endpoint) -> Option<&'a EndpointStatus> {
    let node = status.node.as_ref()?;
    node.pools.iter().flat_map(|pool| &pool.endpoints).find(|known| known.address == endpoint.address)
}

fn row(status: &LabStatus, endpoint: &Endpoint) -> Vec<Cell> {
    let process = match endpoint.process {
        Process::Running => Tone::Plain,
        Process::Paused => Tone::Doubtful,
        Process::Killed | Process::Gone => Tone::Bad,
    };
    let mut row = vec![
        Cell::plain(&endpoint.name),
        Cell::plain(&endpoint.zone),
        Cell::new(endpoint.process.name(), process),
    ];
    match known(status, endpoint) {
        Some(known) => row.extend([
            health(known),
            Cell::plain(since(known, status.at_ms)),
            admin(known),
            Cell::plain(known.requests.to_string()),
            Cell::plain(endpoint.requests_per_second.map_or("-".to_owned(), |rate| format!("{rate:.0}"))),
            Cell::plain(known.in_flight.to_string()),
            Cell::plain(latency(known.p50_ms)),
            Cell::plain(latency(known.p99_ms)),
            Cell::plain(&*known.reason),
        ]),
        None => {
            row.extend((0..8).map(|_| Cell::plain("-")));
            row.push(Cell::plain(unknown(status)));
        }
    }
    row
}

fn health(known: &EndpointStatus) -> Cell {
    if known.ejected {
        return Cell::new("ejected", Tone::Bad);
    }
    match known.health {
        Health::Healthy => Cell::new("healthy", Tone::Good),
        Health::Unhealthy => Cell::new("unhealthy", Tone::Bad),
        Health::Unknown => Cell::new("unknown", Tone::Doubtful),
    }
}

fn admin(known: &EndpointStatus) -> Cell {
    let word = match known.admin {
        AdminState::Enabled => "enabled",
        AdminState::Draining => "draining",
        AdminState::Disabled => "disabled",
    };
    // What an operator said outlives a reload, so it must be told apart from the config.
    let mark = if known.admin_origin == AdminOrigin::Operator { "*" } else { "" };
    let tone = if known.admin == AdminState::Enabled { Tone::Plain } else { Tone::Doubtful };
    Cell::new(format!("{word}{mark}"), tone)
}

/// How long its health is what it is.
fn since(known: &EndpointStatus, now_ms: u64) -> String {
    age(now_ms.saturating_sub(known.since_ms))
}

/// What is the matter with an endpoint, where the table has no room for it.
fn doubt(status: &LabStatus, endpoint: &Endpoint) -> Option<(String, Tone)> {
    let process = match endpoint.process {
        Process::Running => String::new(),
        other => format!(" ({})", other.name()),
    };
    let reason = match known(status, endpoint) {
        Some(known) if known.health == Health::Healthy && !known.ejected && process.is_empty() => {
            return None;
        }
        Some(known) => &*known.reason,
        None => unknown(status),
    };
    Some((format!("{}{process}: {reason}", endpoint.name), Tone::Doubtful))
}

/// Why the node says nothing of an endpoint.
fn unknown(status: &LabStatus) -> &'static str {
    if status.node.is_some() { "not in the config" } else { "the node does not answer" }
}

fn troubles(status: &LabStatus) -> Vec<(String, Tone)> {
    let mut troubles: Vec<String> = status.trouble.iter().cloned().collect();
    if let Some(node) = &status.node {
        troubles.extend(node.config.refused.iter().map(|refused| {
            format!("config refused: {}; generation {} stays in force", refused.message, node.generation)
        }));
        troubles.extend(node.pools.iter().filter_map(|pool| {
            pool.empty.as_ref().map(|reason| format!("pool {} answers 503: {reason}", pool.name))
        }));
    }
    troubles.into_iter().map(|text| (text, Tone::Bad)).collect()
}

fn load(status: &LabStatus) -> Option<(String, Tone)> {
    let load = &status.load;
    if load.rate == 0 && load.answered + load.failed == 0 {
        return None;
    }
    let mut text =
        format!("load from the lab: {}/s, {} answered, {} failed", load.rate, load.answered, load.failed);
    if let Some(why) = &load.last_failure {
        text.push_str(&format!(" (last: {why})"));
    }
    if load.held_back > 0 {
        text.push_str(&format!(", {} held back", load.held_back));
    }
    Some((text, if load.failed == 0 { Tone::Plain } else { Tone::Bad }))
}

fn happened(status: &LabStatus, count: usize, look: Look) -> Vec<String> {
    let newest = &status.events[status.events.len().saturating_sub(count)..];
    if newest.is_empty() {
        return Vec::new();
    }
    let mut page = vec![String::new(), Tone::Faint.paint("what happened", look.colour)];
    page.extend(newest.iter().map(|told| {
        let ago = format!("{} ago", age(status.at_ms.saturating_sub(told.at_ms)));
        clip(&format!("{ago:>11}  {}", said(told)), look.width)
    }));
    page
}

/// One event in one line.
pub(super) fn said(told: &Told) -> String {
    format!("{}: {}", told.subject, told.text)
}

fn tries(status: &LabStatus, hints: &Hints, look: Look) -> Vec<String> {
    let hints = hints.all(status);
    let widest = hints
        .iter()
        .map(|(command, _)| command.chars().count())
        .filter(|width| *width < ALIGNED)
        .max()
        .unwrap_or(0);
    let mut page = vec![
        String::new(),
        Tone::Faint.paint("try in a second terminal (Ctrl-C here ends the lab)", look.colour),
    ];
    page.extend(hints.iter().map(|(command, what)| {
        let line = format!("  {command:<widest$}  # {what}");
        // A command cut in half is worse than none: without room the remark goes, then the terminal wraps.
        if line.chars().count() <= look.width { line } else { format!("  {command}") }
    }));
    page
}
