//! One fault or doubt in a config text, with its place. Plain data: [`crate::render`] shows it to people,
//! serde gives it to editors.

use serde::Serialize;

use crate::{Code, Severity};

/// A place in the text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
pub struct Span {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Byte offset from the start of the text.
    pub offset: u32,
    /// Length in bytes; 0 for a place where something is missing.
    pub length: u32,
}

impl Span {
    /// The start of the text.
    pub const START: Self = Self { line: 1, column: 1, offset: 0, length: 0 };
}

/// One thing to tell the author of a config.
///
/// As JSON: `{"code":"HCH0201","severity":"error","message":…,"span":{…},"label":…,"help":…,"suggestion":…}`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Diagnostic {
    /// Its stable code; `haechi explain` tells more.
    pub code: Code,
    /// Whether the config is refused for it.
    pub severity: Severity,
    /// What is wrong, in one sentence.
    pub message: String,
    /// The key or value that it is about.
    pub span: Span,
    /// What to say at that place; may be empty.
    pub label: String,
    /// What to do.
    pub help: Option<String>,
    /// Text to put in place of the span: the probable meaning.
    pub suggestion: Option<String>,
}

impl Diagnostic {
    /// One without label, help and suggestion.
    pub fn new(code: Code, span: Span, message: String) -> Self {
        let severity = code.severity();
        Self { code, severity, message, span, label: String::new(), help: None, suggestion: None }
    }

    /// Says something at the place.
    pub fn label(&mut self, label: impl Into<String>) -> &mut Self {
        self.label = label.into();
        self
    }

    /// Says what to do.
    pub fn help(&mut self, help: impl Into<String>) -> &mut Self {
        self.help = Some(help.into());
        self
    }

    pub(crate) fn suggest(&mut self, suggestion: Option<impl Into<String>>) -> &mut Self {
        self.suggestion = suggestion.map(Into::into);
        self
    }
}
