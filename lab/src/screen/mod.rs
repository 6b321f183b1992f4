//! What a person sees: one page of text from one [`LabStatus`], and the two ways to show it.
//!
//! Colour only repeats what words say, so that a page without it, or a screen reader, loses nothing.

mod display;
mod hints;
mod page;
mod table;
mod time;

pub(crate) use display::Display;
pub(crate) use hints::Hints;
pub use page::page;

/// How a page may look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Look {
    /// Columns of the terminal.
    pub width: usize,
    /// Its rows, if the page must fit on it.
    pub height: Option<usize>,
    /// Whether it may be coloured.
    pub colour: bool,
}

#[cfg(test)]
mod tests;
