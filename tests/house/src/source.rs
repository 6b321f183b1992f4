//! A Rust file as tokens: comments and strings can't be mistaken for code.

use std::str::FromStr;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A Rust file.
#[derive(Debug)]
pub struct Source {
    /// From the root, with `/`.
    pub path: String,
    /// Every token in order, doc comments left out.
    pub tokens: Vec<Token>,
    /// Lines of doc comments with their numbers.
    pub docs: Vec<(usize, String)>,
}

/// One token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Token {
    /// As written; a delimiter is its character.
    pub text: String,
    /// From 1.
    pub line: usize,
    /// Compiled for tests only.
    pub test: bool,
}

impl Source {
    /// # Errors
    /// The text is no Rust.
    pub fn parse(path: &str, text: &str) -> Result<Self, String> {
        let stream = TokenStream::from_str(text)
            .map_err(|error| format!("{path}:{}: not Rust: {error}", error.span().start().line))?;
        let mut source = Self { path: path.into(), tokens: Vec::new(), docs: Vec::new() };
        let test = path.split('/').any(|part| matches!(part, "tests" | "tests.rs" | "benches"));
        source.flatten(stream, test);
        Ok(source)
    }

    /// The tokens of what is shipped.
    pub fn shipped(&self) -> impl Iterator<Item = (usize, &Token)> {
        self.tokens.iter().enumerate().filter(|(_, token)| !token.test)
    }

    /// Whether the tokens from `at` on are these.
    pub fn follows(&self, at: usize, wanted: &[&str]) -> bool {
        let found = self.tokens.get(at..).unwrap_or_default();
        found.len() >= wanted.len() && found.iter().zip(wanted).all(|(token, wanted)| token.text == *wanted)
    }

    /// Whether the token at `at` is the first part of a path, or the whole of an import.
    pub fn starts_path(&self, at: usize) -> bool {
        let before = |back: usize| at.checked_sub(back).map_or("", |at| self.tokens[at].text.as_str());
        let inside = before(1) == ":" && before(2) == ":" && is_word(before(3));
        !inside && (self.follows(at + 1, &[":", ":"]) || matches!(before(1), "use" | "crate"))
    }

    fn flatten(&mut self, stream: TokenStream, test: bool) {
        let mut trees = stream.into_iter().peekable();
        // An item after `#[cfg(test)]` or `#[test]` is a test up to its `;` or its braces.
        let mut item_is_test = false;
        while let Some(tree) = trees.next() {
            let line = tree.span().start().line;
            let is_test = test || item_is_test;
            match tree {
                TokenTree::Punct(hash) if hash.as_char() == '#' => {
                    let inner = trees.next_if(|next| next.to_string() == "!");
                    self.push(&"#", line, is_test);
                    if inner.is_some() {
                        self.push(&"!", line, is_test);
                    }
                    let Some(TokenTree::Group(group)) = trees.next_if(is_attribute) else { continue };
                    if let Some(doc) = doc_text(&group.stream()) {
                        self.tokens.truncate(self.tokens.len() - 1 - usize::from(inner.is_some()));
                        self.docs
                            .extend((line..).zip(doc.lines()).map(|(line, text)| (line, text.to_owned())));
                        continue;
                    }
                    item_is_test |= inner.is_none() && is_for_tests(&group.stream());
                    self.group(&group, test || item_is_test);
                }
                TokenTree::Group(group) => {
                    let ends = group.delimiter() == Delimiter::Brace;
                    self.group(&group, is_test);
                    item_is_test &= !ends;
                }
                TokenTree::Punct(punct) => {
                    self.push(&punct.as_char(), line, is_test);
                    item_is_test &= punct.as_char() != ';';
                }
                TokenTree::Ident(ident) => self.push(&ident, line, is_test),
                TokenTree::Literal(literal) => self.push(&literal, line, is_test),
            }
        }
    }

    fn group(&mut self, group: &proc_macro2::Group, test: bool) {
        let (open, close) = match group.delimiter() {
            Delimiter::Parenthesis => ("(", ")"),
            Delimiter::Brace => ("{", "}"),
            Delimiter::Bracket => ("[", "]"),
            Delimiter::None => ("", ""),
        };
        self.push(&open, group.span_open().start().line, test);
        self.flatten(group.stream(), test);
        self.push(&close, group.span_close().start().line, test);
    }

    fn push(&mut self, text: &impl ToString, line: usize, test: bool) {
        self.tokens.push(Token { text: text.to_string(), line, test });
    }
}

fn is_word(text: &str) -> bool {
    text.chars().next().is_some_and(|first| first.is_alphabetic() || first == '_' || first == '>')
}

fn is_attribute(tree: &TokenTree) -> bool {
    matches!(tree, TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket)
}

/// `cfg(test)` and the like, but not `cfg(not(test))`.
fn is_for_tests(attribute: &TokenStream) -> bool {
    let text = attribute.to_string().replace(' ', "");
    text == "test"
        || text.starts_with("tokio::test")
        || (text.starts_with("cfg(") && {
            !text.contains("not(test)") && crate::text::has_word(&text, "test")
        })
}

/// The text of `doc = "…"`, which is what a doc comment becomes.
fn doc_text(attribute: &TokenStream) -> Option<String> {
    let mut trees = attribute.clone().into_iter();
    let (Some(TokenTree::Ident(name)), Some(TokenTree::Punct(_)), Some(TokenTree::Literal(text))) =
        (trees.next(), trees.next(), trees.next())
    else {
        return None;
    };
    let quoted = text.to_string();
    let inner = quoted.trim_start_matches('r').trim_matches('#').trim_matches('"');
    (name == "doc").then(|| inner.replace("\\n", "\n").replace("\\\"", "\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_strings_are_no_code() {
        let source =
            Source::parse("a.rs", "//! Doc.\n// unsafe\n/// More \"x\".\nfn f() { g(\"unsafe\") }").unwrap();
        assert!(source.tokens.iter().all(|token| token.text != "unsafe"));
        assert_eq!(source.docs, [(1, " Doc.".to_owned()), (3, " More \"x\".".to_owned())]);
        assert_eq!(source.tokens[0], Token { text: "fn".into(), line: 4, test: false });
    }

    #[test]
    fn only_the_item_after_the_attribute_is_a_test() {
        let text = "#[cfg(test)] mod tests { fn a() { b; } }\nfn c() {}\n#[cfg(test)]\nmod d;\nfn e() {}\n#[cfg(not(test))] fn f() {}";
        let source = Source::parse("a.rs", text).unwrap();
        let shipped: Vec<_> = source.shipped().map(|(_, token)| token.text.as_str()).collect();
        for (word, expected) in
            [("tests", false), ("b", false), ("c", true), ("d", false), ("e", true), ("f", true)]
        {
            assert_eq!(shipped.contains(&word), expected, "{word}");
        }
        let whole = Source::parse("x/tests/a.rs", "fn c() {}").unwrap();
        assert_eq!(whole.shipped().count(), 0);
    }

    #[test]
    fn a_path_starts_at_its_first_part() {
        let starts = |text: &str| {
            let source = Source::parse("a.rs", text).unwrap();
            let at = source.tokens.iter().position(|token| token.text == "tokio").unwrap();
            source.starts_path(at)
        };
        for yes in [
            "use tokio;",
            "use tokio::x;",
            "use {a, tokio::x};",
            "fn f() { ::tokio::x() }",
            "extern crate tokio;",
        ] {
            assert!(starts(yes), "{yes}");
        }
        for no in ["fn f() { crate::tokio::x() }", "let tokio = 1;", "self::tokio::x();"] {
            assert!(!starts(no), "{no}");
        }
    }
}
