//! What a newcomer reads first: descriptions, module docs, decisions, and citations that lead somewhere.

use crate::text::Text;
use crate::{House, Place, Rule};

/// A crate in one line, as `cargo tree` and the README show it.
pub(crate) const DESCRIPTIONS: Rule = Rule {
    name: "every crate says in its description what it is for",
    reason: "the list of crates is the first map that a newcomer sees",
    way_out: "write `description = \"…\"`: what it decides or does, in a line",
    check: |house| {
        let members = house.packages.members.iter();
        let silent = members.filter(|package| package.description.split_whitespace().count() < 3);
        silent.map(|package| Place::new(format!("{}/Cargo.toml", package.folder), "says nothing")).collect()
    },
};

/// The same for a file.
pub(crate) const MODULE_DOCS: Rule = Rule {
    name: "every Rust file begins with `//!`: why it exists",
    reason: "whoever opens a file wants to know whether it is the right one before reading it",
    way_out: "write why this file exists and what it refuses, in words that its name does not say already",
    check: |house| {
        let rust = house.texts.iter().filter(|text| text.extension() == "rs");
        let silent = rust.filter(|text| !text.lines().next().is_some_and(|(_, line)| is_module_doc(line)));
        silent.map(|text| Place::line(&text.path, 1, "no module doc")).collect()
    },
};

fn is_module_doc(line: &str) -> bool {
    line.strip_prefix("//!").is_some_and(|doc| doc.split_whitespace().count() >= 2)
}

/// Where decisions live.
const FOLDER: &str = "docs/decisions/";

/// What each of them tells.
const PARTS: &[&str] = &["## Context", "## Decision", "## Consequences"];

/// A page on a screen: a decision that needs more is two.
const MOST_LINES: usize = 60;

/// Numbers without gaps, so that a lost file is noticed; one shape, so that they can be skimmed.
pub(crate) const DECISIONS: Rule = Rule {
    name: "decisions are numbered without gaps, fit a page, and say context, decision and consequences",
    reason: "code cites them by number, and a why that can't be skimmed is not read",
    way_out: "name it docs/decisions/NNNN-title.md with the next number and the three headings",
    check: |house| {
        let mut places = Vec::new();
        for (expected, text) in (1..).zip(decisions(house)) {
            if number(&text.path) != Some(expected) {
                places.push(Place::new(&text.path, format!("{expected:04} is the next number")));
            }
            let missing = PARTS.iter().filter(|part| !text.text.lines().any(|line| line == **part));
            places.extend(missing.map(|part| Place::new(&text.path, format!("no `{part}`"))));
            if text.lines().count() > MOST_LINES {
                places.push(Place::new(&text.path, format!("more than {MOST_LINES} lines")));
            }
        }
        places
    },
};

fn decisions(house: &House) -> impl Iterator<Item = &Text> {
    house.texts.iter().filter(|text| text.path.starts_with(FOLDER))
}

fn number(path: &str) -> Option<usize> {
    let (digits, title) = path.strip_prefix(FOLDER)?.split_once('-')?;
    let kebab =
        title.strip_suffix(".md")?.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    (digits.len() == 4 && kebab).then(|| digits.parse().ok())?
}

/// Folders of the workplace where this project was written. Written apart, so that this file does not cite them.
const ELSEWHERE: &[&str] =
    &[concat!("/wo", "rk/"), concat!("refer", "ence/"), concat!("sha", "red/"), concat!(".lib", "rary/")];

/// Decisions by number, and nothing outside this tree.
pub(crate) const CITATIONS: Rule = Rule {
    name: "what code and docs cite is in this tree",
    reason: "a reason that can't be looked up is none",
    way_out: "cite an RFC, a peer, or a file that is committed here; write the figure itself where it matters",
    check: |house| {
        let mut places = Vec::new();
        for text in house.texts.iter().filter(|text| text.is_code() || text.extension() == "md") {
            for (line_number, line) in text.lines() {
                let dangling = line.split(FOLDER).skip(1).filter(|rest| !is_there(house, rest));
                places.extend(dangling.map(|rest| {
                    let shown: String = rest.chars().take(30).collect();
                    Place::line(&text.path, line_number, format!("no such decision: {shown}"))
                }));
                let outside = ELSEWHERE.iter().filter(|prefix| cites(line, prefix));
                places.extend(
                    outside.map(|prefix| Place::line(&text.path, line_number, format!("`{prefix}…`"))),
                );
            }
        }
        places
    },
};

/// Whether `rest`, what follows the folder's name, begins with the number of a decision or with no number.
fn is_there(house: &House, rest: &str) -> bool {
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.is_empty()
        || decisions(house).any(|text| text.path[FOLDER.len()..].starts_with(&format!("{digits}-")))
}

/// As a path of its own: not the tail of a longer one.
fn cites(line: &str, prefix: &str) -> bool {
    line.match_indices(prefix).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '/' | '.' | '}'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::tests::sample;

    fn found(rule: &Rule, files: &[(&str, &str)]) -> usize {
        (rule.check)(&House::of(files)).len()
    }

    #[test]
    fn a_silent_crate_is_seen() {
        let with = |description| {
            let packages = sample(&[("x", "crates/act/x", description, &[])]);
            (DESCRIPTIONS.check)(&House { packages, ..House::default() }).len()
        };
        assert_eq!(with(""), 1);
        assert_eq!(with("later"), 1);
        assert_eq!(with("Runs the probes"), 0);
    }

    #[test]
    fn a_silent_file_is_seen() {
        assert_eq!(found(&MODULE_DOCS, &[("haechi/src/a.rs", "use x;\n//! Late.")]), 1);
        assert_eq!(found(&MODULE_DOCS, &[("haechi/src/a.rs", "//! a\n")]), 1);
        assert_eq!(found(&MODULE_DOCS, &[("haechi/src/a.rs", "")]), 1);
        assert_eq!(found(&MODULE_DOCS, &[("haechi/src/a.rs", "//! Why this exists.\n")]), 0);
    }

    #[test]
    fn a_decision_out_of_shape_is_seen() {
        let good = "# A\n## Context\nx\n## Decision\ny\n## Consequences\nz\n";
        let found = |files: &[(&str, &str)]| {
            let files: Vec<_> = files.iter().map(|(name, text)| (format!("{FOLDER}{name}"), *text)).collect();
            found(&DECISIONS, &files.iter().map(|(path, text)| (path.as_str(), *text)).collect::<Vec<_>>())
        };
        assert_eq!(found(&[("0001-a.md", good), ("0002-b-c.md", good)]), 0);
        assert_eq!(found(&[("0001-a.md", good), ("0003-b.md", good)]), 1);
        assert_eq!(found(&[("1-a.md", good)]), 1);
        assert_eq!(found(&[("0001-A b.md", good)]), 1);
        assert_eq!(found(&[("0001-a.md", "## Context\n## Decision\n")]), 1);
        assert_eq!(found(&[("0001-a.md", &format!("{good}{}", "\n".repeat(60)))]), 1);
    }

    #[test]
    fn a_citation_that_leads_nowhere_is_seen() {
        let there = format!("{FOLDER}0001-a.md");
        let found = |text: &str| found(&CITATIONS, &[(&there, ""), ("haechi/src/a.rs", text)]);
        assert_eq!(found(&format!("//! See {there} and {FOLDER}NNNN.\n")), 0);
        assert_eq!(found(&format!("//! See {FOLDER}0001.\n")), 0);
        assert_eq!(found(&format!("//! See {there} and {FOLDER}0002.\n")), 1);
        for prefix in ELSEWHERE {
            assert_eq!(found(&format!("// see `{prefix}x`")), 1, "{prefix}");
            assert_eq!(found(&format!("// x{prefix}y")), 0, "a part of another path");
        }
    }
}
