//! The two ways to show a lab: a page that is drawn over itself, or lines that follow each other.

use std::io::{self, IsTerminal, Write};

use rustix::termios::tcgetwinsize;

use super::page::{finish, full, said};
use super::{Hints, Look};
use crate::run::Output;
use crate::status::LabStatus;
use crate::story::Story;

/// Where the terminal does not say its size.
const WIDTH: usize = 80;

#[derive(Debug)]
pub(crate) struct Display {
    output: Output,
    hints: Hints,
    /// Events told so far.
    told: usize,
    introduced: bool,
    drawn: Drawn,
}

/// What stands on the terminal.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Drawn {
    rows: usize,
    width: usize,
}

impl Display {
    pub(crate) fn new(output: Output, hints: Hints) -> Self {
        Self { output, hints, told: 0, introduced: false, drawn: Drawn::default() }
    }

    pub(crate) fn show(&mut self, status: &LabStatus, story: &Story, out: &mut dyn Write) -> io::Result<()> {
        match self.output {
            Output::Screen { colour } => self.draw(status, colour, out),
            Output::Lines => self.tell(status, story, out),
        }
    }

    pub(crate) fn farewell(&self, out: &mut dyn Write) -> io::Result<()> {
        if let Output::Screen { .. } = self.output {
            // Over the `^C` that the terminal wrote there.
            out.write_all(b"\r\x1b[K")?;
        }
        writeln!(out, "the lab has ended; nothing is left of it")?;
        out.flush()
    }

    fn draw(&mut self, status: &LabStatus, colour: bool, out: &mut dyn Write) -> io::Result<()> {
        let (width, height) = size();
        let page = full(status, &self.hints, Look { width, height, colour });
        // A line wider than the terminal takes more than one row of it.
        let rows = page.iter().map(|line| shown_width(line).div_ceil(width).max(1)).sum();
        let drawn = Drawn { rows, width };
        out.write_all(redraw(self.drawn, drawn, &page).as_bytes())?;
        self.drawn = drawn;
        out.flush()
    }

    fn tell(&mut self, status: &LabStatus, story: &Story, out: &mut dyn Write) -> io::Result<()> {
        if !self.introduced {
            self.introduced = true;
            let look = Look { width: usize::MAX, height: None, colour: false };
            out.write_all(
                finish(full(&LabStatus { events: Vec::new(), ..status.clone() }, &self.hints, look))
                    .as_bytes(),
            )?;
            writeln!(out)?;
        }
        let (fresh, told) = story.since(self.told);
        for event in fresh {
            let millis = event.at_ms.saturating_sub(status.started_at_ms);
            writeln!(out, "{:>6}.{}s  {}", millis / 1000, millis % 1000 / 100, said(event))?;
        }
        self.told = told;
        out.flush()
    }
}

/// One write that puts `page` over what stands there, with the cursor hidden while it moves.
fn redraw(before: Drawn, now: Drawn, page: &[String]) -> String {
    let start = match before {
        Drawn { rows: 0, .. } => String::new(),
        // After a change of width nobody knows how the old lines are wrapped.
        before if before.width != now.width => "\u{1b}[2J\u{1b}[H".to_owned(),
        before => format!("\u{1b}[{}A\r", before.rows),
    };
    let lines: String = page.iter().map(|line| format!("{line}\u{1b}[K\r\n")).collect();
    format!("\u{1b}[?25l{start}{lines}\u{1b}[J\u{1b}[?25h")
}

/// Characters of a line without its colours.
fn shown_width(line: &str) -> usize {
    let mut width = 0;
    let mut inside = false;
    for c in line.chars() {
        match (inside, c) {
            (false, '\u{1b}') => inside = true,
            (true, 'm') => inside = false,
            (true, _) => {}
            (false, _) => width += 1,
        }
    }
    width
}

/// Columns and rows of the terminal.
fn size() -> (usize, Option<usize>) {
    let out = io::stdout();
    let size = out.is_terminal().then(|| tcgetwinsize(&out).ok()).flatten();
    match size.filter(|size| size.ws_col > 0 && size.ws_row > 0) {
        Some(size) => (size.ws_col.into(), Some(size.ws_row.into())),
        None => (WIDTH, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_goes_over_the_last_one() {
        let page = ["a".to_owned(), "b".to_owned()];
        let now = Drawn { rows: 2, width: 80 };
        let first = redraw(Drawn::default(), now, &page);
        assert_eq!(first, "\u{1b}[?25la\u{1b}[K\r\nb\u{1b}[K\r\n\u{1b}[J\u{1b}[?25h");
        assert!(redraw(now, now, &page).starts_with("\u{1b}[?25l\u{1b}[2A\ra"));
        assert!(redraw(now, Drawn { rows: 2, width: 90 }, &page).contains("\u{1b}[2J"));
    }

    #[test]
    fn colours_take_no_room() {
        assert_eq!(shown_width("\u{1b}[31mab\u{1b}[0mc"), 3);
    }
}
