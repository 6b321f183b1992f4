//! Columns that line up, and that make room for each other on a narrow terminal.

/// Space between columns.
const GAP: usize = 2;

/// Narrowest last column worth having: `3 probes in a row failed: no answer within 500ms` just fits. A reason
/// cut shorter is a riddle.
const LEAST_LAST: usize = 48;

/// How a cell looks where colour is allowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Tone {
    Plain,
    Good,
    Bad,
    Doubtful,
    Faint,
}

impl Tone {
    pub(super) fn paint(self, text: &str, colour: bool) -> String {
        let code = match self {
            _ if !colour => return text.to_owned(),
            Self::Plain => return text.to_owned(),
            Self::Good => "32",
            Self::Bad => "31",
            Self::Doubtful => "33",
            Self::Faint => "2",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

#[derive(Clone, Debug)]
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) tone: Tone,
}

impl Cell {
    pub(super) fn new(text: impl Into<String>, tone: Tone) -> Self {
        Self { text: text.into(), tone }
    }

    pub(super) fn plain(text: impl Into<String>) -> Self {
        Self::new(text, Tone::Plain)
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub(super) title: &'static str,
    /// Numbers stand on the right.
    pub(super) right: bool,
    /// Columns of a higher number go first when there is no room; 0 stays.
    pub(super) spare: u8,
}

/// A table as lines, none wider than `width` as long as the columns that stay have room; the last column
/// takes what is left. Also says whether the last column is there.
pub(super) fn lines(
    columns: &[Column],
    rows: &[Vec<Cell>],
    width: usize,
    colour: bool,
) -> (Vec<String>, bool) {
    let widths: Vec<usize> = (0..columns.len())
        .map(|at| {
            rows.iter()
                .map(|row| row[at].text.chars().count())
                .chain([columns[at].title.len()])
                .max()
                .unwrap_or(0)
        })
        .collect();
    let last = columns.len().saturating_sub(1);
    let (kept, has_last) = choose(columns, &widths, width);
    let used: usize = kept.iter().filter(|at| **at != last).map(|at| widths[*at] + GAP).sum();
    let room = |at: usize| if at == last { width.saturating_sub(used) } else { widths[at] };
    let line = |cells: &dyn Fn(usize) -> Cell| {
        let mut text = String::new();
        for (place, at) in kept.iter().copied().enumerate() {
            let cell = cells(at);
            let shown = clip(&cell.text, room(at));
            let painted = cell.tone.paint(&shown, colour);
            let ends = place + 1 == kept.len();
            let pad = || " ".repeat(widths[at].saturating_sub(shown.chars().count()));
            text.push_str(&match (columns[at].right, ends) {
                (true, _) => format!("{}{painted}", pad()),
                (false, true) => painted,
                (false, false) => format!("{painted}{}", pad()),
            });
            if !ends {
                text.push_str(&" ".repeat(GAP));
            }
        }
        text
    };
    let head = line(&|at| Cell::new(columns[at].title, Tone::Faint));
    let body = rows.iter().map(|row| line(&|at| row[at].clone()));
    (std::iter::once(head).chain(body).collect(), has_last)
}

/// Which columns there is room for. The last one goes before any other does: it is prose, and its owner says
/// it elsewhere.
fn choose(columns: &[Column], widths: &[usize], width: usize) -> (Vec<usize>, bool) {
    let last = columns.len().saturating_sub(1);
    let mut kept: Vec<usize> = (0..last).collect();
    let used = |kept: &[usize]| {
        kept.iter().map(|at| widths[*at]).sum::<usize>() + GAP * kept.len().saturating_sub(1)
    };
    let wanted = widths.get(last).copied().unwrap_or(0).min(LEAST_LAST);
    if used(&kept) + GAP + wanted <= width {
        kept.push(last);
        return (kept, true);
    }
    while used(&kept) > width {
        let Some(spare) =
            kept.iter().copied().filter(|at| columns[*at].spare > 0).max_by_key(|at| columns[*at].spare)
        else {
            break;
        };
        kept.retain(|at| *at != spare);
    }
    (kept, false)
}

/// At most `width` characters, none of which moves the cursor.
pub(super) fn clip(text: &str, width: usize) -> String {
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    if text.chars().count() <= width {
        return clean.collect();
    }
    let mut shown: String = clean.take(width.saturating_sub(1)).collect();
    if width > 0 {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const COLUMNS: [Column; 4] = [
        Column { title: "name", right: false, spare: 0 },
        Column { title: "count", right: true, spare: 1 },
        Column { title: "more", right: true, spare: 2 },
        Column { title: "why", right: false, spare: 0 },
    ];

    fn rows() -> Vec<Vec<Cell>> {
        let row = |texts: [&str; 4]| texts.map(Cell::plain).to_vec();
        vec![
            row(["web-1", "7", "1", "a reason that is so much longer than all others are, and then some"]),
            row(["x", "1000", "", "\n"]),
        ]
    }

    #[test]
    fn columns_line_up_and_the_last_takes_the_rest() {
        let (lines, has_last) = lines(&COLUMNS, &rows(), 71, false);
        assert!(has_last);
        let expected = [
            "name   count  more  why",
            "web-1      7     1  a reason that is so much longer than all others ar…",
            "x       1000         ",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn without_room_the_least_needed_columns_go() {
        for (width, head) in [
            (67, "name   count  more"),
            (18, "name   count  more"),
            (17, "name   count"),
            (11, "name "),
            (1, "name "),
        ] {
            let (lines, has_last) = lines(&COLUMNS, &rows(), width, false);
            assert!(!has_last);
            assert_eq!(lines[0].trim_end(), head.trim_end(), "{width}");
        }
    }

    #[test]
    fn no_text_moves_the_cursor() {
        assert_eq!(clip("a\u{1b}[2J\nb", 20), "a [2J b");
        assert_eq!(clip("abc", 2), "a…");
        assert_eq!(clip("abc", 0), "");
    }

    #[test]
    fn colour_is_only_where_it_is_allowed() {
        assert_eq!(Tone::Bad.paint("x", true), "\u{1b}[31mx\u{1b}[0m");
        for tone in [Tone::Plain, Tone::Good, Tone::Bad, Tone::Doubtful, Tone::Faint] {
            assert_eq!(tone.paint("x", false), "x");
        }
    }

    proptest! {
        #[test]
        fn no_line_is_too_wide_and_none_moves_the_cursor(
            texts in prop::collection::vec(prop::array::uniform4("\\PC{0,9}[\\x00-\\x1f]?"), 0..5),
            width in 12_usize..80,
        ) {
            let rows: Vec<Vec<Cell>> = texts.iter().map(|row| row.iter().map(Cell::plain).collect()).collect();
            let (lines, _) = lines(&COLUMNS, &rows, width, false);
            prop_assert_eq!(lines.len(), rows.len() + 1);
            for line in lines {
                prop_assert!(line.chars().count() <= width, "{}", line);
                prop_assert!(!line.contains(char::is_control));
            }
        }
    }
}
