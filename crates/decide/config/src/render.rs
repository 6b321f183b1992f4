//! Diagnostics for people: rustc's layout, which most readers know. Config text is shown as data: control
//! and direction characters in it never reach the terminal.

use std::fmt::Write as _;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::{Diagnostic, Severity, Span};

/// Columns of source shown: with the gutter it fits a terminal of 120.
const WIDTH: usize = 110;
/// How much is kept before a place far to the right.
const LEAD: usize = 40;

/// Shows diagnostics with their source lines, separated by empty lines; empty for none.
///
/// `file` is only a name; `source` is the text that [`crate::compile`] was given. `colour` adds ANSI colours:
/// pass `false` if the output is no terminal or `NO_COLOR` is set.
pub fn render(diagnostics: &[Diagnostic], file: &str, source: &str, colour: bool) -> String {
    let paint = Paint { colour };
    let mut out = String::new();
    for diagnostic in diagnostics {
        if !out.is_empty() {
            out.push('\n');
        }
        one(diagnostic, file, source, &paint, &mut out);
    }
    out
}

fn one(diagnostic: &Diagnostic, file: &str, source: &str, paint: &Paint, out: &mut String) {
    let Diagnostic { code, severity, message, span, label, help, suggestion } = diagnostic;
    let (word, tone) = match severity {
        Severity::Error => ("error", Tone::Error),
        Severity::Warning => ("warning", Tone::Warning),
    };
    let number = span.line.to_string();
    let margin = " ".repeat(number.len());
    let bar = paint.text(Tone::Frame, "|");
    let (line, under) = excerpt(source, *span);
    let head = paint.text(tone, &format!("{word}[{code}]"));
    let message = paint.text(Tone::Strong, &format!(": {}", clean(message)));
    let arrow = paint.text(Tone::Frame, "-->");
    let carets = paint.text(tone, format!("{} {}", "^".repeat(under.width), clean(label)).trim_end());
    // Writing to a String can't fail.
    let _ = writeln!(out, "{head}{message}");
    let _ = writeln!(out, "{margin}{arrow} {}:{}:{}", clean(file), span.line, span.column);
    let _ = writeln!(out, "{margin} {bar}");
    let _ = writeln!(out, "{} {bar} {line}", paint.text(Tone::Frame, &number));
    let _ = writeln!(out, "{margin} {bar} {}{carets}", " ".repeat(under.before));
    let hint = suggestion.as_ref().map(|text| format!("did you mean `{}`?", clean(text)));
    for help in hint.into_iter().chain(help.as_deref().map(clean)) {
        let _ = writeln!(out, "{margin} {} help: {help}", paint.text(Tone::Frame, "="));
    }
}

/// Where to underline, in columns of the excerpt.
struct Under {
    before: usize,
    width: usize,
}

/// The line of a span as it can be shown, cut around the span if it is long.
fn excerpt(source: &str, span: Span) -> (String, Under) {
    let offset = floor(source, span.offset as usize);
    let start = source[..offset].rfind(['\n', '\r']).map_or(0, |at| at + 1);
    let end = source[offset..].find(['\n', '\r']).map_or(source.len(), |at| offset + at);
    let stop = floor(source, offset.saturating_add(span.length as usize)).clamp(offset, end);
    let marked = clean(&source[offset..stop]);
    let mut before = clean(&source[start..offset]);
    if before.width() + marked.width().min(WIDTH - LEAD) > WIDTH {
        before = format!("…{}", last(&before, LEAD));
    }
    let room = WIDTH.saturating_sub(before.width());
    let under = Under { before: before.width(), width: marked.width().clamp(1, room.max(1)) };
    let rest = clean(&source[offset..end]);
    let shown = first(&rest, room);
    let cut = if shown.len() < rest.len() { "…" } else { "" };
    (format!("{before}{shown}{cut}").trim_end().to_owned(), under)
}

/// The nearest character boundary that is not after `offset`.
fn floor(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

/// The longest start of `text` within `columns`.
fn first(text: &str, columns: usize) -> &str {
    let mut used = 0;
    let end = text.char_indices().find(|(_, c)| {
        used += c.width().unwrap_or(0);
        used > columns
    });
    &text[..end.map_or(text.len(), |(at, _)| at)]
}

/// The longest end of `text` within `columns`.
fn last(text: &str, columns: usize) -> &str {
    let mut used = 0;
    let start = text.char_indices().rev().find(|(_, c)| {
        used += c.width().unwrap_or(0);
        used > columns
    });
    &text[start.map_or(0, |(at, c)| at + c.len_utf8())..]
}

/// Text that does nothing to a terminal: no escape sequences, no reversal of the reading direction.
fn clean(text: &str) -> String {
    let shown = |c: char| match c {
        '\t' => ' ',
        _ if c.is_control() => '\u{fffd}',
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => {
            '\u{fffd}'
        }
        _ => c,
    };
    text.chars().map(shown).collect()
}

#[derive(Clone, Copy)]
enum Tone {
    Error,
    Warning,
    Frame,
    Strong,
}

struct Paint {
    colour: bool,
}

impl Paint {
    fn text(&self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Error => "1;31",
            Tone::Warning => "1;33",
            Tone::Frame => "1;34",
            Tone::Strong => "1",
        };
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests;
