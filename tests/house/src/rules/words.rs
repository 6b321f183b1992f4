//! One word for each thing (`docs/lexicon.md`), as far as a program can tell.
//!
//! Only words that have no honest second meaning here are on the list: "upstream" is a fine direction and
//! "session" a fine TLS word, so people must watch those.

use crate::{House, Place, Rule, Source};

/// What not to say, and what to say.
const WORDS: &[(&str, &str)] = &[
    ("whitelist", "allow list"),
    ("blacklist", "deny list"),
    ("master", "active"),
    ("slave", "backup"),
    ("frontend", "listener"),
    ("vhost", "route"),
    ("entrypoint", "listener"),
    ("backend", "endpoint or pool"),
    ("failback", "hand-over"),
    ("stickiness", "affinity"),
    ("sticky", "affinity"),
    ("datacenter", "zone, region or site"),
    ("maint", "admin state"),
];

/// Where a word may stand all the same: path, word, reason.
const ALLOWED: &[(&str, &str, &str)] = &[("tests/house/src/rules/words.rs", "", "the list itself")];

/// Names and docs. Strings are left alone: they quote peers, formats and people.
pub(crate) const ONE_WORD_EACH: Rule = Rule {
    name: "one word for each thing: the lexicon's, in names and docs",
    reason: "two words for one thing make readers look for the difference; other products use these for two things",
    way_out: "take the word of docs/lexicon.md; a peer's own word may stand in back quotes",
    check: |house| {
        let listed = |path: &str, word: &str| {
            ALLOWED
                .iter()
                .any(|allowed| path.starts_with(allowed.0) && (allowed.1.is_empty() || allowed.1 == word))
        };
        said(house)
            .filter(|(source, _, wrong)| !listed(&source.path, wrong.0))
            .map(|(source, line, wrong)| {
                Place::line(&source.path, line, format!("`{}`; say {}", wrong.0, wrong.1))
            })
            .collect()
    },
};

type Wrong = (&'static str, &'static str);

fn said(house: &House) -> impl Iterator<Item = (&Source, usize, Wrong)> {
    house.sources.iter().flat_map(|source| {
        let names = source.tokens.iter().filter(|token| is_name(&token.text));
        let names = names.flat_map(|token| wrong(&token.text).map(|word| (token.line, word)));
        let docs = source
            .docs
            .iter()
            .flat_map(|(line, doc)| wrong(&unquoted(doc)).map(|word| (*line, word)).collect::<Vec<_>>());
        names.chain(docs).map(move |(line, word)| (source, line, word)).collect::<Vec<_>>()
    })
}

fn is_name(text: &str) -> bool {
    text.chars().all(|c| c.is_alphanumeric() || c == '_')
}

/// Words of the list among the parts of names (`BackendPool`, `backend_pool`) and of prose.
fn wrong(text: &str) -> impl Iterator<Item = Wrong> {
    let mut parts = String::new();
    let mut last_was_small = false;
    for c in text.chars() {
        if c.is_uppercase() && last_was_small {
            parts.push(' ');
        }
        last_was_small = c.is_lowercase();
        parts.extend(c.to_lowercase());
    }
    let parts: Vec<String> = parts.split(|c: char| !c.is_alphanumeric()).map(str::to_owned).collect();
    WORDS.iter().copied().filter(move |word| {
        parts.iter().any(|part| part.strip_suffix('s').unwrap_or(part) == word.0 || part == word.0)
    })
}

/// Without what stands in back quotes or quotes: that is somebody else's word.
fn unquoted(text: &str) -> String {
    let mut out = String::new();
    let mut open = None;
    for c in text.chars() {
        match (open, c) {
            (Some(quote), c) if quote == c => open = None,
            (None, '`' | '"') => open = Some(c),
            (None, c) => out.push(c),
            (Some(_), _) => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_word_is_seen() {
        let found = |text: &str| (ONE_WORD_EACH.check)(&House::of(&[("crates/act/x/src/a.rs", text)])).len();
        for (wrong, _) in WORDS {
            assert_eq!(found(&format!("/// The {wrong}.\nfn f() {{}}")), 1, "{wrong}");
            assert_eq!(found(&format!("fn pick_{wrong}() {{}}")), 1, "{wrong}");
            assert_eq!(
                found(&format!("/// Like `{wrong}` in HAProxy.\nfn f() {{ g(\"{wrong}\") }}")),
                0,
                "{wrong}"
            );
        }
        assert_eq!(found("struct BackendPool;"), 1);
        assert_eq!(found("enum X { Masters }"), 1);
        assert_eq!(found("fn remaster(maintain: u8, upstream: u8) {}"), 0);
    }

    #[test]
    fn exceptions_have_reasons() {
        assert!(ALLOWED.iter().all(|allowed| allowed.2.len() > 5));
    }
}
