//! What is committed is done.

use crate::text::has_word;
use crate::{House, Place, Rule};

/// Written apart, so that this file does not break its own rule.
const MARKS: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

/// Code that says of itself that it is not done.
const CALLS: &[&[&str]] = &[&["todo", "!"], &["unimplemented", "!"], &["#", "[", "ignore"]];

/// Lints that point at what nobody uses. Test helpers may allow them: each test binary uses some of them.
const DEAD: &[&[&str]] = &[
    &["allow", "(", "dead_code"],
    &["expect", "(", "dead_code"],
    &["allow", "(", "unused"],
    &["expect", "(", "unused"],
];

/// Marks in anything that a machine acts on; calls and attributes in Rust.
pub(crate) const NOTHING_UNFINISHED: Rule = Rule {
    name: "nothing unfinished: no marks for later, no todo!(), no ignored test, no allowed dead code",
    reason: "what is put off in a comment is seen by nobody who plans, and a test that does not run proves nothing",
    way_out: "finish it, leave it out, or open an issue and say here only what is true today",
    check: |house| {
        let mut places = marks(house);
        for source in &house.sources {
            let calls = (0..source.tokens.len()).filter(|at| CALLS.iter().any(|it| source.follows(*at, it)));
            let shipped = source.shipped().map(|(at, _)| at);
            let dead = shipped.filter(|at| DEAD.iter().any(|it| source.follows(*at, it)));
            places.extend(calls.chain(dead).map(|at| {
                let token = &source.tokens[at];
                Place::line(&source.path, token.line, format!("`{}…`", token.text))
            }));
        }
        places
    },
};

fn marks(house: &House) -> Vec<Place> {
    let mut places = Vec::new();
    for text in house.texts.iter().filter(|text| text.is_code()) {
        for (number, line) in text.lines() {
            let found = MARKS.iter().filter(|mark| has_word(line, mark));
            places.extend(found.map(|mark| Place::line(&text.path, number, format!("`{mark}`"))));
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unfinished_is_seen() {
        let found = |path, text: &str| (NOTHING_UNFINISHED.check)(&House::of(&[(path, text)])).len();
        for mark in MARKS {
            assert_eq!(found("haechi/src/main.rs", &format!("// {mark}: later")), 1);
            assert_eq!(found("scripts/setup", &format!("# {mark} later")), 1);
            assert_eq!(found("lab/Cargo.toml", &format!("description = \"{mark}\"")), 1);
            assert_eq!(found("docs/x.md", mark), 0, "prose may name them");
            assert_eq!(found("scripts/x", &format!("mktemp a.{mark}{mark}")), 0);
        }
        for code in ["fn f() { todo!() }", "fn f() { unimplemented!(\"x\") }", "#[ignore] fn f() {}"] {
            assert_eq!(found("a.rs", code), 1, "{code}");
        }
        assert_eq!(found("a.rs", "#[ignore = \"slow\"] #[test] fn f() {}"), 1);
        assert_eq!(found("a.rs", "#[allow(dead_code)] fn f() {}"), 1);
        assert_eq!(found("a.rs", "#![expect(unused, reason = \"later\")]"), 1);
        assert_eq!(found("tests/common/mod.rs", "#![allow(dead_code)]"), 0);
        assert_eq!(found("a.rs", "fn f() { ignore(\"todo!()\"); let unused_port = 1; }"), 0);
    }
}
