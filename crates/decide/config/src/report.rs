//! Collects diagnostics while readers go on, and guesses what a mistyped word was meant to be.
//! Bounded: a hostile file must not turn its errors into memory or time.

use std::collections::HashSet;

use crate::{Code, Diagnostic, MAX_DIAGNOSTICS, Severity, Span};

/// Longest text quoted in a message; the source line is shown anyway.
const MAX_QUOTE: usize = 60;

/// Longest word that is compared with others, in bytes: names have at most 63.
const MAX_GUESS: usize = 64;

/// Most comparisons for "did you mean" in one file, about 50 ms: 10,000 unknown pools against 10,000 known
/// ones would take a minute, and the first few guesses show the mistake.
const GUESSES: u32 = 100_000;

/// What was noticed so far.
#[derive(Default)]
pub(crate) struct Report {
    diagnostics: Vec<Diagnostic>,
    omitted: usize,
    spare: Option<Diagnostic>,
    guesses: u32,
    errors: usize,
    files: Vec<NamedFile>,
    named: HashSet<Box<str>>,
}

/// A file that the config names, and where: what is wrong with the file is said at that place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NamedFile {
    /// As it stands in the config.
    pub name: Box<str>,
    /// Where it stands first.
    pub span: Span,
}

impl Report {
    /// Notes a fault; the caller adds label, help and suggestion.
    pub(crate) fn add(&mut self, code: Code, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        let diagnostic = Diagnostic::new(code, span, message.into());
        self.errors += usize::from(code.severity() == Severity::Error);
        if self.diagnostics.len() >= MAX_DIAGNOSTICS {
            self.omitted += 1;
            return self.spare.insert(diagnostic);
        }
        self.diagnostics.push(diagnostic);
        let last = self.diagnostics.len() - 1;
        &mut self.diagnostics[last]
    }

    /// How many errors there are by now: lets a check skip what depends on something broken.
    pub(crate) fn errors(&self) -> usize {
        self.errors
    }

    /// Notes a file that the shell is to look at.
    pub(crate) fn names_file(&mut self, name: &str, span: Span) {
        if self.named.insert(name.into()) {
            self.files.push(NamedFile { name: name.into(), span });
        }
    }

    /// The candidate that `word` most probably means.
    pub(crate) fn guess<'c>(
        &mut self,
        word: &str,
        candidates: impl Iterator<Item = &'c str>,
    ) -> Option<&'c str> {
        if word.len() > MAX_GUESS {
            return None;
        }
        let plain = plain(word);
        let most = 1.max(plain.chars().count() / 3);
        let mut best = None;
        for candidate in candidates {
            if self.guesses >= GUESSES {
                break;
            }
            self.guesses += 1;
            let known = self::plain(candidate);
            // `leastconn` is far from `leastConnections`, but nobody means something else by it.
            let start = plain.len() >= 4 && (known.starts_with(&plain) || plain.starts_with(&known));
            let distance = if start { most } else { strsim::osa_distance(&plain, &known) };
            if distance <= most && best.is_none_or(|(least, _)| distance < least) {
                best = Some((distance, candidate));
            }
        }
        best.map(|(_, candidate)| candidate)
    }

    /// Files that the config names.
    pub(crate) fn take_files(&mut self) -> Vec<NamedFile> {
        std::mem::take(&mut self.files)
    }

    /// All diagnostics in the order of the text, how many were left out, and whether none was an error.
    pub(crate) fn finish(mut self) -> (Vec<Diagnostic>, usize, bool) {
        self.diagnostics.sort_by_key(|d| (d.span.offset, d.code));
        // An anchored node that is used twice is read twice, and is wrong in one place.
        self.diagnostics.dedup_by(|b, a| a.code == b.code && a.span == b.span && a.message == b.message);
        (self.diagnostics, self.omitted, self.errors == 0)
    }
}

/// A word without what people mix up: case, and how its parts are joined.
fn plain(word: &str) -> String {
    word.chars().filter(|c| !matches!(c, '-' | '_')).flat_map(char::to_lowercase).collect()
}

/// `text` in back quotes, cut if long, control characters escaped.
pub(crate) fn quote(text: &str) -> String {
    let mut out = String::from("`");
    for (count, c) in text.chars().enumerate() {
        if count == MAX_QUOTE {
            out.push('…');
            break;
        }
        if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out.push('`');
    out
}
