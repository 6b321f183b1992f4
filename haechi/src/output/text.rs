//! Text from elsewhere as data: reasons, bodies and names come from endpoints, and must not write to the
//! terminal what their author wants.

use unicode_width::UnicodeWidthChar;

/// One line that does nothing to a terminal: no escape sequences, no line ends, no reversal of the reading
/// direction.
pub(crate) fn clean(text: &str) -> String {
    text.chars().map(|c| if c == '\n' || c == '\t' { ' ' } else { harmless(c) }).collect()
}

/// The same for a text of several lines.
pub(super) fn clean_lines(text: &str) -> String {
    text.chars().map(|c| if c == '\n' { c } else { harmless(c) }).collect()
}

fn harmless(c: char) -> char {
    match c {
        _ if c.is_control() => '\u{fffd}',
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => {
            '\u{fffd}'
        }
        _ => c,
    }
}

/// Columns that a text takes, colours not counted.
pub(crate) fn width(text: &str) -> usize {
    pieces(text).map(|piece| piece.columns).sum()
}

/// The longest start within `columns`, with all colours in it.
pub(crate) fn fit(text: &str, columns: usize) -> String {
    let (mut out, mut left, mut full) = (String::new(), columns, false);
    for piece in pieces(text) {
        let colour = piece.text.starts_with('\x1b');
        full |= !colour && piece.columns > left;
        if colour || !full {
            left -= piece.columns;
            out.push_str(piece.text);
        }
    }
    out
}

/// The first `count` characters; `…` shows that there was more.
pub(crate) fn first(text: &str, count: usize) -> String {
    let mut short: String = text.chars().take(count).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

struct Piece<'t> {
    text: &'t str,
    columns: usize,
}

/// Characters, and colour sequences (`ESC [ … m`) as pieces of no width.
fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let c = rest.chars().next()?;
        let (end, columns) = match rest.strip_prefix("\x1b[").and_then(|colour| colour.find('m')) {
            Some(end) => (end + 3, 0),
            None => (c.len_utf8(), c.width().unwrap_or(0)),
        };
        let (text, after) = rest.split_at(end);
        rest = after;
        Some(Piece { text, columns })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_but_text() {
        assert_eq!(clean("ok\x1b[2J\r\nnext\tcell\u{202e}"), "ok\u{fffd}[2J\u{fffd} next cell\u{fffd}");
        assert_eq!(clean_lines("one\n\x07two"), "one\n\u{fffd}two");
    }

    #[test]
    fn colours_take_no_room_and_wide_letters_take_two() {
        for (text, columns) in
            [("", 0), ("abc", 3), ("\x1b[1;31mabc\x1b[0m", 3), ("해치", 4), ("e\u{301}", 1)]
        {
            assert_eq!(width(text), columns, "{text:?}");
        }
    }

    #[test]
    fn what_is_cut_keeps_its_colours_closed() {
        let rows = [
            ("abc", 3, "abc"),
            ("abcd", 3, "abc"),
            ("\x1b[32mabcd\x1b[0m e", 3, "\x1b[32mabc\x1b[0m"),
            ("해치", 3, "해"),
            ("해a", 1, ""),
            ("", 5, ""),
        ];
        for (text, columns, cut) in rows {
            assert_eq!(fit(text, columns), cut, "{text:?}");
            assert!(width(cut) <= columns);
        }
    }

    #[test]
    fn a_long_text_says_that_there_is_more() {
        assert_eq!(first("해치 stands", 2), "해치…");
        assert_eq!(first("ab", 2), "ab");
    }
}
