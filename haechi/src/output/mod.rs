//! The screen. Every verb writes through here, so that colour, JSON and a reader that goes away are handled
//! once.

mod human;
mod paint;
mod table;
mod text;

use std::io::{self, ErrorKind, IsTerminal, Write};

use serde::Serialize;

pub(crate) use human::{age, count, latency, rate, timestamp};
pub(crate) use paint::{Paint, Tone};
pub(crate) use table::{Align, Cell, Table};
pub(crate) use text::{clean, first, fit};

// Values without docs: help lists them in one line.
/// For whom the output is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub(crate) enum Format {
    #[default]
    Text,
    Json,
}

/// Whether stdout takes colours.
pub(crate) fn colour_on_stdout() -> bool {
    takes_colour(&io::stdout())
}

/// Whether stderr takes colours.
pub(crate) fn colour_on_stderr() -> bool {
    takes_colour(&io::stderr())
}

/// Paints for stdout.
pub(crate) fn paint() -> Paint {
    Paint::new(colour_on_stdout())
}

/// <https://no-color.org>: set to anything but nothing.
fn takes_colour(stream: &impl IsTerminal) -> bool {
    let set = |name, refuses: fn(&str) -> bool| std::env::var(name).is_ok_and(|value| refuses(&value));
    stream.is_terminal()
        && !set("NO_COLOR", |value| !value.is_empty())
        && !set("TERM", |value| value == "dumb")
}

/// Writes to stdout.
pub(crate) fn print(text: &str) {
    let mut out = io::stdout().lock();
    if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        if error.kind() == ErrorKind::BrokenPipe {
            // `haechi status | head` has read what it wants.
            std::process::exit(0);
        }
        self::error(&format!("can't write the output: {error}"));
        std::process::exit(1);
    }
}

/// Writes JSON for programs, indented so that people can look at it too.
pub(crate) fn json(value: &impl Serialize) {
    line(serde_json::to_string_pretty(value));
}

/// Writes JSON on one line, for streams.
pub(crate) fn json_line(value: &impl Serialize) {
    line(serde_json::to_string(value));
}

fn line(json: serde_json::Result<String>) {
    match json {
        Ok(mut text) => {
            text.push('\n');
            print(&text);
        }
        Err(problem) => error(&format!("the answer can't be written as JSON: {problem}")),
    }
}

/// Says on stderr what went wrong. The text may hold what other programs said, so it is cleaned.
pub(crate) fn error(text: &str) {
    let head = Paint::new(colour_on_stderr()).text(Tone::Bad, "error:");
    error_text(&format!("{head} {}\n", text::clean_lines(text)));
}

/// Says on stderr what is worth knowing.
pub(crate) fn note(text: &str) {
    error_text(&format!("{}\n", text::clean_lines(text)));
}

/// Writes a whole text to stderr as it is.
pub(crate) fn error_text(text: &str) {
    // Where stderr is gone, nobody is left to tell.
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
