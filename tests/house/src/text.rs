//! A file as its author wrote it.

/// Path and content.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    /// From the root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Text {
    pub(crate) fn extension(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        name.rsplit_once('.').map_or("", |(_, extension)| extension)
    }

    /// Whether a machine acts on it: code, build files, workflows.
    pub(crate) fn is_code(&self) -> bool {
        let folder = |name: &str| self.path.starts_with(name);
        match self.extension() {
            "rs" | "toml" | "yaml" | "yml" | "sh" | "py" | "ts" | "tsx" | "js" | "css" | "html" | "lua" => {
                true
            }
            "" => self.path == "Makefile" || folder("scripts/") || folder(".ci/"),
            _ => false,
        }
    }

    /// Lines with their numbers from 1.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines())
    }
}

/// Whether `word` stands in `line` with no letter, digit or underscore beside it.
pub(crate) fn has_word(line: &str, word: &str) -> bool {
    let joins = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(joins) && !after.is_some_and(joins)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_not_a_part_of_one() {
        for (line, found) in [
            ("XY", true),
            ("a XY: b", true),
            ("(XY)", true),
            ("XYZ", false),
            ("a_XY", false),
            ("ZXY XY", true),
        ] {
            assert_eq!(has_word(line, "XY"), found, "{line}");
        }
    }

    #[test]
    fn code_is_what_a_machine_acts_on() {
        let is_code = |path: &str| Text { path: path.into(), text: String::new() }.is_code();
        for yes in ["Makefile", ".ci/run", "scripts/fuzz", "a/b.rs", "bench/peers.sh", "Cargo.toml"] {
            assert!(is_code(yes), "{yes}");
        }
        for no in ["README.md", "LICENSE", "docs/x.md", "fuzz/notes"] {
            assert!(!is_code(no), "{no}");
        }
    }
}
