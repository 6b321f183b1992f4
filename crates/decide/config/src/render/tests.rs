//! How diagnostics look: columns, long lines, colour.

use super::*;
use crate::{Code, compile};

fn at(source: &str, offset: usize, length: usize) -> String {
    let small = |n: usize| u32::try_from(n).unwrap();
    let span = Span { line: 1, column: small(offset + 1), offset: small(offset), length: small(length) };
    let mut one = Diagnostic::new(Code::Text, span, "m".into());
    one.label("here");
    render(&[one], "f", source, false)
}

fn caret_columns(shown: &str) -> (usize, usize) {
    let line = shown.lines().nth(4).unwrap();
    let start = line.find('^').unwrap();
    (start - "  | ".len(), line.matches('^').count())
}

#[test]
fn underlines_what_is_meant() {
    assert_eq!(caret_columns(&at("abc def", 4, 3)), (4, 3));
    assert_eq!(caret_columns(&at("\u{ac12} def", 4, 3)), (3, 3), "a wide character takes two columns");
    assert_eq!(caret_columns(&at("\tdef", 1, 3)), (1, 3), "a tab is shown as one space");
    assert_eq!(caret_columns(&at("abc", 3, 0)), (3, 1), "something missing still has a place");
    assert_eq!(caret_columns(&at("ab\ncd", 0, 5)), (0, 2), "a long text is marked on its first line");
    assert_eq!(caret_columns(&at("ab", 40, 5)), (2, 1), "a place behind the end is the end");
}

#[test]
fn long_lines_are_cut_around_the_place() {
    let long = format!("{}x{}", "a".repeat(5000), "b".repeat(5000));
    let shown = at(&long, 5000, 1);
    assert_eq!(caret_columns(&shown), (LEAD + 1, 1));
    assert!(shown.lines().all(|line| line.width() <= WIDTH + 12), "{shown}");
    let shown = at(&long, 0, 10_000);
    assert!(shown.lines().all(|line| line.width() <= WIDTH + 12), "{shown}");
}

#[test]
fn nothing_reaches_the_terminal() {
    let text = "\"\\e[31m\\u202e\": 1\nlisteners: {}\n# \u{202e}\nx\u{200f}: 1";
    let shown = render(&compile(text).diagnostics, "f\u{1b}[0m", text, false);
    assert!(shown.contains("x\u{fffd}: 1"), "{shown}");
    assert!(!shown.contains(['\u{1b}', '\u{202e}', '\u{200f}']), "{shown:?}");
}

#[test]
fn colour_is_only_colour() {
    let text = "listners: {}";
    let diagnostics = compile(text).diagnostics;
    let (plain, coloured) = (render(&diagnostics, "f", text, false), render(&diagnostics, "f", text, true));
    let mut stripped = coloured.clone();
    for code in ["\x1b[1;31m", "\x1b[1;33m", "\x1b[1;34m", "\x1b[1m", "\x1b[0m"] {
        stripped = stripped.replace(code, "");
    }
    assert!(coloured.len() > plain.len());
    assert_eq!(stripped, plain);
}

#[test]
fn json_is_stable() {
    let text = "listeners: {}\nworkrs: 2";
    let diagnostics = compile(text).diagnostics;
    assert_eq!(
        serde_json::to_value(&diagnostics[1]).unwrap(),
        serde_json::json!({
            "code": "HCH0201",
            "severity": "error",
            "message": "the config has no key `workrs`",
            "span": { "line": 2, "column": 1, "offset": 14, "length": 6 },
            "label": "unknown key",
            "help": null,
            "suggestion": "workers",
        })
    );
}
