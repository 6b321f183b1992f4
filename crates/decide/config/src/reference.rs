//! The reference of the file, as Markdown, printed from the same tables that the reader reads by: a page that
//! is written by hand is wrong by the second release.
//!
//! What tables can't say (how a thing behaves) stands in `behaviour`, what each section is for and an example
//! of it in `sections`; a test compiles every example, and another compares the pages with `docs/`.

mod acme;
mod auth;
mod behaviour;
mod compression;
mod filters;
mod http2;
mod http3;
mod memory;
mod sections;
mod splits;
mod tls;

use std::fmt::Write as _;
use std::time::Duration;

use self::sections::{SECTIONS, Section};
use crate::shape::{Key, Kind, Shape, Text};
use crate::value::{duration, number};
use crate::{Code, Severity, keys};

/// Said at the top of both pages, for whoever opens them to edit them.
const MADE: &str = "<!-- Printed from crates/decide/config/src: change it there, then\n     \
                    HAECHI_UPDATE_GOLDEN=1 cargo test -p haechi-config --test reference -->\n";

/// All keys with their types, defaults and bounds, an example of each section, and how it all behaves:
/// `docs/config.md`.
pub fn reference() -> String {
    let mut out = format!("{MADE}\n{}", behaviour::OPENING);
    out.push_str(&behaviour::values());
    out.push_str("\n## All keys\n");
    for section in all_sections() {
        self::section(section, &mut out);
    }
    for part in behaviour::PARTS {
        out.push_str(part);
    }
    out.push_str(&bounds());
    out
}

/// All codes with what they mean and what to do: `docs/diagnostics.md`.
pub fn diagnostics_reference() -> String {
    let mut out = format!("{MADE}\n{}", behaviour::DIAGNOSTICS);
    let mut group = "";
    for code in Code::ALL {
        let number = code.number();
        if number[..5] != *group {
            group = &number[..5];
            let _ = writeln!(out, "\n## {group}xx: {}", group_of(group));
        }
        let severity = match code.severity() {
            Severity::Error => "",
            Severity::Warning => " (warning)",
        };
        let _ = writeln!(out, "\n### {number}: {}{severity}\n\n{}", code.title(), wrap(code.explanation()));
    }
    out
}

/// Filters stand behind what a route matches.
fn all_sections() -> impl Iterator<Item = &'static Section> {
    let routes =
        SECTIONS.iter().position(|section| std::ptr::eq(section.shape, &keys::PATH)).map_or(0, |at| at + 1);
    let (before, after) = SECTIONS.split_at(routes);
    let filters = filters::SECTIONS.iter().chain(auth::SECTIONS).chain(compression::SECTIONS);
    before.iter().chain(splits::SECTIONS).chain(filters).chain(after).chain(acme::SECTIONS)
}

fn group_of(group: &str) -> &'static str {
    match group {
        "HCH01" => "the text",
        "HCH02" => "keys and shapes",
        "HCH03" => "single values",
        "HCH04" => "the file as a whole",
        "HCH05" => "warnings",
        _ => "files that it names",
    }
}

fn section(section: &Section, out: &mut String) {
    let Section { heading, path, shape, intro, example } = section;
    let at = if path.is_empty() { "the top of the file".to_owned() } else { format!("`{path}`") };
    let _ = write!(
        out,
        "\n### {heading}\n\nAt {at}. {intro}\n\n| key | takes | default | meaning |\n|---|---|---|---|\n"
    );
    for key in shape.keys {
        row(key, out);
    }
    if !shape.later.is_empty() {
        let later: Vec<_> = shape.later.iter().map(|key| format!("`{key}`")).collect();
        let _ = writeln!(out, "\nWith a place here, but refused in this version: {}.", later.join(", "));
    }
    let _ = write!(out, "\n```yaml\n{example}```\n");
}

fn row(key: &Key, out: &mut String) {
    let default = match key.default {
        Some(default) => format!("`{default}`"),
        None if key.required => "**required**".into(),
        None => "–".into(),
    };
    let cells = [format!("`{}`", key.name), takes(&key.kind), default, key.doc.to_owned()];
    let cells = cells.map(|cell| cell.replace('|', "\\|"));
    let _ = writeln!(out, "| {} |", cells.join(" | "));
}

/// What a value may be, in words.
fn takes(kind: &Kind) -> String {
    match kind {
        Kind::Text(text) => text_name(*text).into(),
        Kind::Word(words, later) => {
            let quoted =
                |words: &[&str]| words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
            match later {
                [] => quoted(words),
                later => format!("{} (not yet: {})", quoted(words), quoted(later)),
            }
        }
        Kind::Duration(..) => format!("duration, {}", range(kind)),
        Kind::Size(..) => format!("size, {}", range(kind)),
        Kind::Int(..) => range(kind),
        Kind::Percent => "percentage".into(),
        Kind::Flag => "`true` or `false`".into(),
        Kind::Section(shape) => link(shape),
        Kind::Named(value) => format!("map of names, each to {}", takes(value)),
        Kind::Keyed(text, value) => format!("map of {}s, each to {}", text_name(*text), takes(value)),
        Kind::Headers => "map of header names, each to a text or null".into(),
        Kind::Fields => "map of header names, each to a text".into(),
        Kind::List(item) => format!("list of: {}", takes(item)),
        Kind::Many(item) => format!("{}, or a list of them", takes(item)),
        Kind::Either(kinds) => kinds.iter().map(takes).collect::<Vec<_>>().join(", or "),
    }
}

fn text_name(text: Text) -> &'static str {
    match text {
        Text::Any => "text",
        Text::Name => "name",
        Text::Address => "address",
        Text::Bind => "address, or `:PORT`",
        Text::Host => "host",
        Text::Path => "path",
        Text::Method => "method",
        Text::Origin => "`*`, or `https://` with a host",
        Text::HeaderName => "header name",
        Text::CookieName => "cookie name",
        Text::Redirect => "301, 302, 303, 307 or 308",
        Text::Status => "status code or range",
        Text::Interface => "interface",
        Text::VirtualAddress => "virtual address",
        Text::Peer => "IP address, or address",
        Text::Network => "network",
        Text::Payload => "text, or `hex:` with bytes",
        Text::MediaType => "media type",
        Text::KeyId => "key id",
        Text::Secret => "secret",
    }
}

/// Bounds as they are written.
fn range(kind: &Kind) -> String {
    match *kind {
        Kind::Duration(least, most) => format!("{} to {}", days(least), days(most)),
        Kind::Size(least, most) => format!("{} to {}", number::format_size(least), number::format_size(most)),
        Kind::Int(least, most) if most >= u64::from(u32::MAX) => format!("from {least}"),
        Kind::Int(least, most) => format!("{least} to {most}"),
        _ => String::new(),
    }
}

/// As people say it: 365d, not 8760h.
fn days(time: Duration) -> String {
    match (time.as_secs() / 86_400, time.as_secs() % 86_400) {
        (days @ 1.., 0) => format!("{days}d"),
        _ => duration::format(time),
    }
}

fn link(shape: &Shape) -> String {
    let found = all_sections().find(|section| std::ptr::eq(section.shape, shape));
    found.map_or_else(
        || shape.title.into(),
        |section| format!("[{}](#{})", section.heading, section.heading.to_lowercase().replace(' ', "-")),
    )
}

fn bounds() -> String {
    let mut out = behaviour::BOUNDS.to_owned();
    for (what, kind, reason) in &keys::SHARED {
        let _ = writeln!(out, "| {what} | {} | {reason} |", range(kind));
    }
    for section in all_sections() {
        for key in section.shape.keys {
            if let Some(reason) = key.because {
                let path = if section.path.is_empty() { String::new() } else { format!("{}.", section.path) };
                let _ = writeln!(out, "| `{path}{}` | {} | {reason} |", key.name, range(&key.kind));
            }
        }
    }
    out.push_str(&behaviour::file_bounds());
    out
}

/// Lines of a width that shows in any editor and in a diff.
fn wrap(text: &str) -> String {
    const COLUMNS: usize = 100;
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= COLUMNS => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests;
