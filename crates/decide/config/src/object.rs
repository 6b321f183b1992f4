//! Reading one map by its [`Shape`]: typed values that note their faults and let the reader go on.
//!
//! A reader asks for each key of the shape by name; the kind and bounds come from the shape, so that the
//! JSON Schema cannot say something else. A key that a shape has and no reader asks for fails in tests.

use std::cell::Cell;
use std::time::Duration;

use crate::report::{Report, quote};
use crate::shape::{Key, Kind, Shape};
use crate::tree::{Data, Entry, Node};
use crate::value::{self, Complaint};
use crate::{Code, Span};

/// What a key held.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Read<T> {
    Given(T, Span),
    Absent,
    /// Given but wrong, and reported: what depends on it must not be reported again.
    Broken,
}

impl<T> Read<T> {
    pub(crate) fn or(self, default: T) -> T {
        self.ok().unwrap_or(default)
    }

    pub(crate) fn ok(self) -> Option<T> {
        match self {
            Self::Given(value, _) => Some(value),
            Self::Absent | Self::Broken => None,
        }
    }

    pub(crate) fn span(&self) -> Option<Span> {
        match self {
            Self::Given(_, span) => Some(*span),
            Self::Absent | Self::Broken => None,
        }
    }

    pub(crate) fn is_broken(&self) -> bool {
        matches!(self, Self::Broken)
    }

    pub(crate) fn and_then<U>(self, change: impl FnOnce(T, Span) -> Option<U>) -> Read<U> {
        match self {
            Self::Given(value, span) => {
                change(value, span).map_or(Read::Broken, |value| Read::Given(value, span))
            }
            Self::Absent => Read::Absent,
            Self::Broken => Read::Broken,
        }
    }
}

/// A map that is read by its shape.
pub(crate) struct Object<'a, 't> {
    shape: &'static Shape,
    entries: &'a [Entry<'t>],
    /// Where to point when a key is missing: the name or key that introduced the map.
    pub(crate) at: Span,
    /// One bit for each key of the shape that was asked for.
    asked: Cell<u64>,
}

impl<'a, 't> Object<'a, 't> {
    /// Opens a map; reports another kind of value, unknown keys and missing ones.
    pub(crate) fn open(
        node: &'a Node<'t>,
        shape: &'static Shape,
        at: Span,
        report: &mut Report,
    ) -> Option<Self> {
        let entries = match &node.data {
            Data::Map(entries) => entries,
            Data::Broken => return None,
            _ => {
                wrong_type(node, at, shape.title, "a map", report);
                return None;
            }
        };
        // A mistyped key is not also a missing one.
        let mut meant = Vec::new();
        for Entry { key, .. } in entries {
            if !shape.keys.iter().any(|known| known.name == key.text) {
                meant.extend(unknown(shape, &key.text, key.span, report));
            }
        }
        for key in shape.keys.iter().filter(|key| key.required) {
            if !meant.contains(&key.name) && !entries.iter().any(|entry| entry.key.text == key.name) {
                report
                    .add(Code::MissingKey, at, format!("{} needs `{}`", shape.title, key.name))
                    .help(format!("`{}`: {}", key.name, key.doc));
            }
        }
        Some(Self { shape, entries, at, asked: Cell::new(0) })
    }

    /// A map without entries: everything at its default.
    pub(crate) fn empty(shape: &'static Shape, at: Span) -> Self {
        Self { shape, entries: &[], at, asked: Cell::new(0) }
    }

    /// Says that all was asked for.
    pub(crate) fn done(self) {
        let all = (1_u64 << self.shape.keys.len()) - 1;
        debug_assert_eq!(
            self.asked.get(),
            all,
            "{} has a key that its reader never asks for",
            self.shape.title
        );
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.entry(name).is_some()
    }

    /// Where the key itself stands.
    pub(crate) fn key_span(&self, name: &str) -> Span {
        self.entry(name).map_or(self.at, |entry| entry.key.span)
    }

    /// The raw value, for kinds that have readers of their own.
    pub(crate) fn node(&self, name: &str) -> Option<(&'a Node<'t>, Span)> {
        self.key(name);
        self.entry(name).map(|entry| (&entry.value, entry.key.span))
    }

    /// A section; an absent or broken one reads as all defaults.
    pub(crate) fn section(&self, name: &str, report: &mut Report) -> Self {
        let Some(Kind::Section(shape)) = self.key(name).map(|key| key.kind) else {
            return Self::empty(self.shape, self.at);
        };
        self.node(name)
            .and_then(|(node, at)| Object::open(node, shape, at, report))
            .unwrap_or_else(|| Self::empty(shape, self.key_span(name)))
    }

    pub(crate) fn duration(&self, name: &str, report: &mut Report) -> Read<Duration> {
        let Some(Kind::Duration(least, most)) = self.key(name).map(|key| key.kind) else {
            return Read::Broken;
        };
        self.parsed(name, "a duration such as `10s`", report, |text, _| {
            let duration = value::duration::parse(text)?;
            if (least..=most).contains(&duration) {
                return Ok(duration);
            }
            let range = format!(
                "it takes from {} to {}",
                value::duration::format(least),
                value::duration::format(most)
            );
            Err(Complaint::new(Code::Duration, "out of range").help(range))
        })
    }

    pub(crate) fn size<T: TryFrom<u64>>(&self, name: &str, report: &mut Report) -> Read<T> {
        let Some(Kind::Size(least, most)) = self.key(name).map(|key| key.kind) else { return Read::Broken };
        let read = self
            .parsed(name, "a size such as `8KiB`", report, |text, _| value::number::size(text, least, most));
        read.and_then(|bytes, _| T::try_from(bytes).ok())
    }

    /// A whole number. The shape's bounds keep it within `T`.
    pub(crate) fn int<T: TryFrom<u64>>(&self, name: &str, report: &mut Report) -> Read<T> {
        let Some(Kind::Int(least, most)) = self.key(name).map(|key| key.kind) else { return Read::Broken };
        let read = self.parsed(name, "a whole number", report, |text, quoted| {
            let number = value::number::int(text, least, most)?;
            if quoted {
                Err(Complaint::new(Code::Number, "a number has no quotes").suggest(text))
            } else {
                Ok(number)
            }
        });
        read.and_then(|number, _| T::try_from(number).ok())
    }

    pub(crate) fn percent(&self, name: &str, report: &mut Report) -> Read<u8> {
        self.parsed(name, "a percentage such as `50`", report, |text, _| value::number::percent(text))
    }

    pub(crate) fn flag(&self, name: &str, report: &mut Report) -> Read<bool> {
        self.parsed(name, "`true` or `false`", report, |text, _| value::number::flag(text))
    }

    pub(crate) fn name(&self, name: &str, report: &mut Report) -> Read<&'a str> {
        self.parsed(name, "a name", report, |text, _| value::name(text))
    }

    /// One of the shape's words.
    pub(crate) fn word(&self, name: &str, report: &mut Report) -> Read<&'static str> {
        let words = self.key(name).and_then(|key| match key.kind {
            Kind::Word(words, later) => Some((words, later)),
            Kind::Either([Kind::Word(words, later), ..]) => Some((*words, *later)),
            _ => None,
        });
        let Some((words, later)) = words else { return Read::Broken };
        let Some((node, at)) = self.node(name) else { return Read::Absent };
        let Some((text, _)) = scalar(node, at, name, "a word", report) else { return Read::Broken };
        match words.iter().find(|word| **word == text) {
            Some(word) => Read::Given(word, node.span),
            None => {
                unknown_word(name, text, node.span, words, later, report);
                Read::Broken
            }
        }
    }

    /// A scalar that `parse` makes into a value or refuses; it is told whether there were quotes.
    pub(crate) fn parsed<T>(
        &self,
        name: &str,
        wanted: &str,
        report: &mut Report,
        parse: impl FnOnce(&'a str, bool) -> Result<T, Complaint>,
    ) -> Read<T> {
        let Some((node, at)) = self.node(name) else { return Read::Absent };
        match item(node, at, name, wanted, report, parse) {
            Some(value) => Read::Given(value, node.span),
            None => Read::Broken,
        }
    }

    /// The declaration of a key; notes that the reader asked for it.
    fn key(&self, name: &str) -> Option<&'static Key> {
        let index = self.shape.keys.iter().position(|key| key.name == name);
        debug_assert!(index.is_some(), "{} has no key {name}", self.shape.title);
        let index = index?;
        self.asked.set(self.asked.get() | 1 << index);
        Some(&self.shape.keys[index])
    }

    fn entry(&self, name: &str) -> Option<&'a Entry<'t>> {
        self.entries.iter().find(|entry| entry.key.text == name)
    }
}

/// A scalar's text and whether it had quotes.
pub(crate) fn scalar<'a>(
    node: &'a Node<'_>,
    at: Span,
    what: &str,
    wanted: &str,
    report: &mut Report,
) -> Option<(&'a str, bool)> {
    match &node.data {
        Data::Text { text, quoted } => Some((text, *quoted)),
        Data::Broken => None,
        _ => {
            wrong_type(node, at, &format!("`{what}`"), wanted, report);
            None
        }
    }
}

/// A scalar that `parse` makes into a value; `what` is the key that holds it.
pub(crate) fn item<'a, T>(
    node: &'a Node<'_>,
    at: Span,
    what: &str,
    wanted: &str,
    report: &mut Report,
    parse: impl FnOnce(&'a str, bool) -> Result<T, Complaint>,
) -> Option<T> {
    let (text, quoted) = scalar(node, at, what, wanted, report)?;
    match parse(text, quoted) {
        Ok(value) => Some(value),
        Err(complaint) => {
            let headline = format!("`{what}` can't be {}", quote(text));
            complaint.clone().tell(report.add(complaint.code, node.span, headline));
            None
        }
    }
}

/// The items of a list, or the one value that stands for a list of one.
pub(crate) fn many<'a, 't>(node: &'a Node<'t>) -> &'a [Node<'t>] {
    match &node.data {
        Data::List(items) => items,
        _ => std::slice::from_ref(node),
    }
}

/// The items of a list.
pub(crate) fn list<'a, 't>(
    node: &'a Node<'t>,
    at: Span,
    what: &str,
    report: &mut Report,
) -> Option<&'a [Node<'t>]> {
    match &node.data {
        Data::List(items) => Some(items),
        Data::Broken => None,
        _ => {
            wrong_type(node, at, &format!("`{what}`"), "a list", report);
            None
        }
    }
}

/// The entries of a map with keys of the author's choice.
pub(crate) fn map<'a, 't>(
    node: &'a Node<'t>,
    at: Span,
    what: &str,
    report: &mut Report,
) -> Option<&'a [Entry<'t>]> {
    match &node.data {
        Data::Map(entries) => Some(entries),
        Data::Broken => None,
        _ => {
            wrong_type(node, at, &format!("`{what}`"), "a map", report);
            None
        }
    }
}

fn wrong_type(node: &Node<'_>, at: Span, what: &str, wanted: &str, report: &mut Report) {
    // Nothing has no place, and a block map or list starts on a line of its own; the key says it better.
    let span = if node.span.length == 0 { at } else { node.span };
    let diagnostic = report.add(Code::WrongType, span, format!("{what} must be {wanted}"));
    diagnostic.label(format!("this is {}", node.kind()));
    if matches!(node.data, Data::Null) {
        diagnostic.help(if wanted == "a map" {
            "remove the key to leave it out, or write `{}` for all defaults"
        } else {
            "remove the key to leave it out"
        });
    }
}

/// Reports an unknown key, and gives the one that was probably meant.
fn unknown(shape: &'static Shape, key: &str, span: Span, report: &mut Report) -> Option<&'static str> {
    if shape.extensible && key.starts_with("x-") {
        return None;
    }
    if shape.later.contains(&key) {
        report
            .add(Code::NotYet, span, format!("`{key}` is not yet supported in this version"))
            .help("remove it; it would have no effect");
        return None;
    }
    let guess = report.guess(key, shape.keys.iter().map(|key| key.name));
    let diagnostic = report.add(Code::UnknownKey, span, format!("{} has no key {}", shape.title, quote(key)));
    diagnostic.label("unknown key").suggest(guess);
    if guess.is_none() {
        diagnostic.help(format!("it takes {}", words(shape.keys.iter().map(|key| key.name))));
    }
    guess
}

fn unknown_word(
    what: &str,
    text: &str,
    span: Span,
    all: &[&'static str],
    later: &[&str],
    report: &mut Report,
) {
    if later.contains(&text) {
        report
            .add(Code::NotYet, span, format!("`{what}: {text}` is not yet supported in this version"))
            .help(format!("it takes {}", words(all.iter().copied())));
        return;
    }
    let guess = report.guess(text, all.iter().copied());
    report
        .add(Code::Word, span, format!("`{what}` can't be {}", quote(text)))
        .label("not one of its words")
        .suggest(guess)
        .help(format!("it takes {}", words(all.iter().copied())));
}

/// `a`, `b` or `c`.
fn words<'w>(words: impl Iterator<Item = &'w str>) -> String {
    let quoted: Vec<String> = words.map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}
