//! Edits as cuts over the bytes that came: what stays goes on as it was sent.

/// A half-open range of bytes in a head. 32 bits are enough: heads are limited to far less than 4 GiB.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    #[inline]
    pub(crate) fn new(start: usize, end: usize) -> Self {
        // `parse` refuses heads longer than a u32 limit before it makes spans.
        Self { start: u32::try_from(start).unwrap_or(u32::MAX), end: u32::try_from(end).unwrap_or(u32::MAX) }
    }

    /// The bytes it stands for; empty if it does not lie in `buf`.
    #[inline]
    pub fn of(self, buf: &[u8]) -> &[u8] {
        buf.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// Number of bytes.
    pub const fn len(self) -> usize {
        self.end.saturating_sub(self.start) as usize
    }

    /// Whether it holds nothing.
    pub const fn is_empty(self) -> bool {
        self.start >= self.end
    }
}

/// Lines to leave out, in ascending order and without overlap.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cuts(Vec<Span>);

impl Cuts {
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Adds a cut behind all others; lines that touch become one cut.
    #[inline]
    pub(crate) fn push(&mut self, line: Span) {
        match self.0.last_mut() {
            Some(last) if last.end == line.start => last.end = line.end,
            _ => self.0.push(line),
        }
    }

    /// Adds a cut anywhere (fields that `Connection` named further down, lengths that do not hold). A line
    /// that is cut already stays cut: lines are cut whole, so a cut holds a line or does not touch it.
    pub(crate) fn insert(&mut self, line: Span) {
        let at = self.0.partition_point(|cut| cut.end <= line.start);
        if self.0.get(at).is_none_or(|cut| line.end <= cut.start) {
            self.0.insert(at, line);
        }
    }

    /// All of them, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Span> + Clone {
        self.0.iter().copied()
    }

    /// Whether the head goes on as it came.
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What stays of `buf[from..to]`, in order.
    pub(crate) fn kept<'a>(
        &'a self,
        buf: &'a [u8],
        from: usize,
        to: usize,
    ) -> impl Iterator<Item = &'a [u8]> {
        let starts = std::iter::once(from).chain(self.0.iter().map(|cut| cut.end as usize));
        let ends = self.0.iter().map(|cut| cut.start as usize).chain(std::iter::once(to));
        starts
            .zip(ends)
            .filter_map(move |(start, end)| buf.get(start.max(from)..end.min(to)))
            .filter(|kept| !kept.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(cuts: &Cuts, text: &str) -> String {
        cuts.kept(text.as_bytes(), 0, text.len()).map(|b| String::from_utf8_lossy(b).into_owned()).collect()
    }

    #[test]
    fn cuts_leave_the_rest_in_order() {
        let mut cuts = Cuts::default();
        assert_eq!(kept(&cuts, "abcdef"), "abcdef");
        cuts.push(Span::new(1, 2));
        cuts.push(Span::new(2, 3));
        assert_eq!(kept(&cuts, "abcdef"), "adef");
        cuts.insert(Span::new(0, 1));
        cuts.insert(Span::new(5, 6));
        cuts.insert(Span::new(5, 6));
        assert_eq!(kept(&cuts, "abcdef"), "de");
    }

    #[test]
    fn a_line_inside_a_merged_cut_stays_cut() {
        let mut cuts = Cuts::default();
        for line in 0..3 {
            cuts.push(Span::new(line, line + 1));
        }
        for line in 0..3 {
            cuts.insert(Span::new(line, line + 1));
            assert_eq!(kept(&cuts, "abcdef"), "def", "line {line}");
        }
    }
}
