//! Aligned columns, as wide as what stands in them. A column in which nothing stands is left out.

use super::paint::{Paint, Tone};
use super::text::{clean, width};

/// Which side of a column its texts stand on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Align {
    Left,
    /// For numbers.
    Right,
}

/// One text of a table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// A text from anywhere, cleaned.
    pub(crate) fn new(tone: Tone, text: impl AsRef<str>) -> Self {
        Self { text: clean(text.as_ref()), tone }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(Tone::Plain, text)
    }
}

/// Rows under titles.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    pub(crate) fn new(columns: &[(&'static str, Align)]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row; cells that are missing at its end are empty.
    pub(crate) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// One line for the titles and each row.
    pub(crate) fn render(&self, paint: Paint) -> String {
        let used: Vec<(usize, usize)> = (0..self.columns.len())
            .filter(|column| self.is_used(*column))
            .map(|column| (column, self.width(column)))
            .collect();
        let titles = self.columns.iter().map(|(title, _)| Cell::new(Tone::Faint, title)).collect();
        let mut out = String::new();
        for row in std::iter::once(&titles).chain(&self.rows) {
            let line: Vec<String> =
                used.iter().map(|(column, width)| self.cell(row, *column, *width, paint)).collect();
            out.push_str(line.join("  ").trim_end());
            out.push('\n');
        }
        out
    }

    fn is_used(&self, column: usize) -> bool {
        self.rows.iter().any(|row| row.get(column).is_some_and(|cell| !cell.text.is_empty()))
    }

    fn cell(&self, row: &[Cell], column: usize, columns: usize, paint: Paint) -> String {
        let (text, tone) = row.get(column).map_or(("", Tone::Plain), |cell| (&*cell.text, cell.tone));
        let gap = " ".repeat(columns.saturating_sub(width(text)));
        match self.columns[column].1 {
            Align::Left => format!("{}{gap}", paint.text(tone, text)),
            Align::Right => format!("{gap}{}", paint.text(tone, text)),
        }
    }

    fn width(&self, column: usize) -> usize {
        let texts = self.rows.iter().filter_map(|row| row.get(column)).map(|cell| width(&cell.text));
        texts.max().unwrap_or(0).max(width(self.columns[column].0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[(&str, Align)] =
        &[("NAME", Align::Left), ("ZONE", Align::Left), ("REQUESTS", Align::Right)];

    fn render(rows: &[[&str; 3]], colour: bool) -> String {
        let mut table = Table::new(COLUMNS);
        rows.iter().for_each(|row| table.row(row.iter().map(|text| Cell::from(*text)).collect()));
        table.render(Paint::new(colour))
    }

    #[test]
    fn columns_are_aligned_by_what_stands_in_them() {
        let text = render(&[["web-1", "kr1-a", "7"], ["a-long-name", "", "123456789"]], false);
        assert_eq!(
            text,
            "NAME         ZONE    REQUESTS\nweb-1        kr1-a          7\na-long-name         123456789\n"
        );
    }

    #[test]
    fn a_column_of_nothing_is_left_out() {
        assert_eq!(render(&[["web-1", "", "7"]], false), "NAME   REQUESTS\nweb-1         7\n");
    }

    #[test]
    fn wide_letters_and_colours_keep_the_columns() {
        let mut table = Table::new(COLUMNS);
        table.row(vec![Cell::new(Tone::Bad, "해치"), "z".into(), "1".into()]);
        table.row(vec!["plain".into(), "z".into()]);
        assert_eq!(
            table.render(Paint::new(true)).lines().skip(1).collect::<Vec<_>>(),
            ["\x1b[1;31m해치\x1b[0m   z            1", "plain  z"]
        );
    }

    #[test]
    fn no_cell_breaks_a_line() {
        let text = render(&[["evil\nname\x1b[2J", "z", "1"]], false);
        assert_eq!(text.lines().count(), 2);
        assert!(!text.contains('\x1b'));
    }

    #[test]
    fn no_rows_no_columns() {
        assert_eq!(render(&[], false), "\n");
    }
}
