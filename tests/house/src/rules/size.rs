//! How long a file may be.

use crate::{Place, Rule};

/// Most bytes of a file that people read. A thousand lines is where reviews of our models begin to skim, and
/// where a state machine turns out to be mixed with I/O.
const MOST: usize = 30 << 10;

/// Made by programs, and committed.
const GENERATED: &[&str] = &[];

/// Code only: prose and data are read differently.
pub(crate) const FILES_STAY_SMALL: Rule = Rule {
    name: "no source file is above 30 KiB",
    reason: "a file that can't be held in one head hides what it decides",
    way_out: "split it by decision, not by length: each part says in its first line what it decides",
    check: |house| {
        let ours = house.texts.iter().filter(|text| !GENERATED.contains(&text.path.as_str()));
        ours.filter(|text| text.is_code() && !matches!(text.extension(), "yaml" | "yml" | "toml"))
            .filter(|text| text.text.len() > MOST)
            .map(|text| Place::new(&text.path, format!("{} KiB", text.text.len() >> 10)))
            .collect()
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::House;

    #[test]
    fn a_long_file_is_seen() {
        let found = |path, bytes| (FILES_STAY_SMALL.check)(&House::of(&[(path, &" ".repeat(bytes))])).len();
        assert_eq!(found("a.rs", MOST + 1), 1);
        assert_eq!(found("web/src/a.tsx", MOST + 1), 1);
        assert_eq!(found("a.rs", MOST), 0);
        assert_eq!(found("README.md", MOST + 1), 0);
    }
}
