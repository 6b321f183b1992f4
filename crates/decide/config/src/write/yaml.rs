//! YAML that a person would write: short maps on one line, long ones as blocks, quotes only where needed.

use std::fmt::Write as _;

use super::{Field, Out};

/// Widest line for a map in braces.
const WIDTH: usize = 110;

/// A whole file, with a line feed at its end.
pub(crate) fn document(root: &Out) -> String {
    let mut out = String::new();
    if let Out::Map(fields) = root {
        for field in fields {
            entry(field, 0, &mut out);
        }
    }
    out
}

/// A value on one line.
pub(crate) fn flow(value: &Out) -> String {
    match value {
        Out::Bare(text) => text.clone(),
        Out::Text(text) => quoted(text),
        Out::Null => "null".into(),
        Out::List(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Out::Map(fields) if fields.is_empty() => "{}".into(),
        Out::Map(fields) => {
            let fields: Vec<_> =
                fields.iter().map(|field| format!("{}: {}", key(&field.key), flow(&field.value))).collect();
            format!("{{ {} }}", fields.join(", "))
        }
    }
}

fn entry(field: &Field, indent: usize, out: &mut String) {
    let name = key(&field.key);
    let pad = "  ".repeat(indent);
    let line = flow(short(&field.value));
    // Writing to a String can't fail.
    if is_flat(&field.value) && pad.len() + name.len() + 2 + line.len() <= WIDTH || is_empty(&field.value) {
        let _ = writeln!(out, "{pad}{name}: {line}");
        return;
    }
    match &field.value {
        Out::Map(fields) => {
            let _ = writeln!(out, "{pad}{name}:");
            for field in fields {
                entry(field, indent + 1, out);
            }
        }
        Out::List(items) => {
            let _ = writeln!(out, "{pad}{name}:");
            for item in items {
                let _ = writeln!(out, "{pad}  - {}", flow(item));
            }
        }
        _ => {
            let _ = writeln!(out, "{pad}{name}: {line}");
        }
    }
}

/// An endpoint that is only an address.
fn short(value: &Out) -> &Out {
    match value {
        Out::Map(fields) => match fields.as_slice() {
            [Field { key, value, .. }] if key == "address" => value,
            _ => value,
        },
        _ => value,
    }
}

fn is_empty(value: &Out) -> bool {
    matches!(value, Out::Map(fields) if fields.is_empty())
        || matches!(value, Out::List(items) if items.is_empty())
}

/// Whether it may stand on one line: no map of maps, no list of maps.
fn is_flat(value: &Out) -> bool {
    let plain = |value: &Out| match value {
        Out::Map(_) => false,
        Out::List(items) => items.iter().all(|item| !matches!(item, Out::Map(_) | Out::List(_))),
        _ => true,
    };
    match value {
        Out::Map(fields) => fields.iter().all(|field| plain(&field.value)),
        other => plain(other),
    }
}

/// `retry.on` is text in YAML 1.2; in quotes it would look like a mistake.
fn key(text: &str) -> String {
    if text == "on" { text.to_owned() } else { quoted(text) }
}

/// Text as YAML reads it back, in this and any other parser (1.1 included: `on`, `1:30`).
fn quoted(text: &str) -> String {
    let safe = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'/');
    let first = text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'/' || b == b'_');
    if first && text.bytes().all(safe) && !is_word(text) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            // Separators and marks that YAML or an editor would take for more than text.
            _ if c.is_control()
                || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}') =>
            {
                let _ = write!(out, "\\U{:08X}", u32::from(c));
            }
            _ => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Words that some YAML takes for something else than text.
fn is_word(text: &str) -> bool {
    ["null", "true", "false", "yes", "no", "on", "off", "y", "n"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word))
}
