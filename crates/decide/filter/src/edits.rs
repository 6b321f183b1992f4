//! Edits of header fields, as whoever writes a head needs them: which names go, and which lines come.

use haechi_model::HeaderEdits;

/// Which fields are taken out of a head, and which are put behind the rest.
#[derive(Clone, Debug, Default)]
pub struct Edits {
    gone: Box<[Box<str>]>,
    added: Box<[(Box<str>, Box<str>)]>,
    lines: Box<[u8]>,
}

impl Edits {
    /// A field that is set is taken out and put in, so that it stands there once.
    pub(crate) fn new(edits: &HeaderEdits) -> Self {
        let mut gone: Vec<Box<str>> = edits.remove.clone();
        gone.extend(edits.set.iter().map(|line| line.name.clone()));
        let added: Box<[_]> =
            edits.set.iter().chain(&edits.add).map(|line| (line.name.clone(), line.value.clone())).collect();
        let lines: String = added.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        Self { gone: gone.into(), added, lines: lines.into_bytes().into() }
    }

    /// Whether a head goes on as it is.
    pub const fn is_empty(&self) -> bool {
        self.gone.is_empty() && self.added.is_empty()
    }

    /// Whether fields of this name are taken out, in any case of letters.
    pub fn removes(&self, name: &[u8]) -> bool {
        self.gone.iter().any(|gone| gone.as_bytes().eq_ignore_ascii_case(name))
    }

    /// What is put in, as whole lines of HTTP/1.
    pub const fn lines(&self) -> &[u8] {
        &self.lines
    }

    /// What is put in, as names in lower case with their values.
    pub fn added(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.added.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()))
    }
}
