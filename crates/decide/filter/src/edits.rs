//! Edits of header fields, as whoever writes a head needs them: which names go, and which lines come.

use haechi_model::HeaderEdits;

/// Which fields are taken out of a head, and which are put behind the rest.
#[derive(Clone, Debug, Default)]
pub struct Edits {
    gone: Box<[Box<str>]>,
    lines: Box<[u8]>,
}

impl Edits {
    /// A field that is set is taken out and put in, so that it stands there once.
    pub(crate) fn new(edits: &HeaderEdits) -> Self {
        let mut gone: Vec<Box<str>> = edits.remove.clone();
        gone.extend(edits.set.iter().map(|line| line.name.clone()));
        let added = edits.set.iter().chain(&edits.add);
        let lines: String = added.map(|line| format!("{}: {}\r\n", line.name, line.value)).collect();
        Self { gone: gone.into(), lines: lines.into_bytes().into() }
    }

    /// Whether a head goes on as it is.
    pub const fn is_empty(&self) -> bool {
        self.gone.is_empty() && self.lines.is_empty()
    }

    /// Whether fields of this name are taken out, in any case of letters.
    pub fn removes(&self, name: &[u8]) -> bool {
        self.gone.iter().any(|gone| gone.as_bytes().eq_ignore_ascii_case(name))
    }

    /// What is put in, as whole lines of HTTP/1.
    pub const fn lines(&self) -> &[u8] {
        &self.lines
    }
}
