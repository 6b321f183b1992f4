//! YAML events to a tree of nodes that know their place.
//!
//! Aliases are expanded (a copy each, counted) and merge keys (`<<`) applied here, so that readers see plain
//! maps and lists. Refused: texts over [`MAX_BYTES`], more than [`MAX_NODES`] nodes (alias bombs), depth over
//! [`MAX_DEPTH`], custom tags, a second document, keys that are not text.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet, hash_map};

use granit_parser::{ErrorKind, Event, Marker, Parser, ScalarStyle, ScanError, Tag};

use crate::report::{Report, quote};
use crate::{Code, Span};

/// Largest text, in bytes: 10,000 routes and 10,000 endpoints are about 2 MiB, so this is eight times that.
pub const MAX_BYTES: usize = 16 << 20;

/// Most nodes, those that aliases stand for included: 10,000 routes and 10,000 endpoints are about 200,000,
/// so this is five times that. A node takes about 100 bytes.
pub const MAX_NODES: usize = 1_000_000;

/// Deepest nesting; the deepest value of the format stands at 8.
pub(crate) const MAX_DEPTH: usize = 32;

/// A long text counts as one node for each so many bytes, so that aliases cannot multiply one.
const BYTES_PER_NODE: usize = 256;

/// Up to so many keys a plain search is faster than a hash table.
const FEW: usize = 16;

/// A value and its place.
#[derive(Clone, Debug)]
pub(crate) struct Node<'t> {
    pub(crate) span: Span,
    pub(crate) data: Data<'t>,
}

/// What a node holds.
#[derive(Clone, Debug)]
pub(crate) enum Data<'t> {
    /// Nothing, `~` or `null`.
    Null,
    /// Any other scalar. Readers give it its type, so `1.10` and `on` stay what was written.
    Text {
        text: Cow<'t, str>,
        quoted: bool,
    },
    List(Vec<Node<'t>>),
    Map(Vec<Entry<'t>>),
    /// Reported already.
    Broken,
}

/// A key with its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry<'t> {
    pub(crate) key: Key<'t>,
    pub(crate) value: Node<'t>,
}

/// A key and its place.
#[derive(Clone, Debug)]
pub(crate) struct Key<'t> {
    pub(crate) text: Cow<'t, str>,
    pub(crate) span: Span,
}

impl Node<'_> {
    /// What to call it in a message.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.data {
            Data::Null | Data::Broken => "empty",
            Data::Text { .. } => "text",
            Data::List(_) => "a list",
            Data::Map(_) => "a map",
        }
    }

    /// Whether something in it was reported already, so that what can be read of it is not what was meant.
    pub(crate) fn is_broken(&self) -> bool {
        match &self.data {
            Data::Broken => true,
            Data::Null | Data::Text { .. } => false,
            Data::List(items) => items.iter().any(Self::is_broken),
            Data::Map(entries) => entries.iter().any(|entry| entry.value.is_broken()),
        }
    }
}

/// Reads `text` into a tree; `None` if there is nothing to go on with (and a diagnostic says why).
pub(crate) fn parse<'t>(text: &'t str, report: &mut Report) -> Option<Node<'t>> {
    if text.len() > MAX_BYTES {
        report
            .add(
                Code::TooLarge,
                Span::START,
                format!("the file has {} bytes, at most {MAX_BYTES} are read", text.len()),
            )
            .help("10,000 routes and 10,000 endpoints take about 2 MiB; is this the right file?");
        return None;
    }
    let mut builder = Builder { report, nodes: 0, stack: Vec::new(), anchors: HashMap::new(), root: None };
    let options = granit_parser::options! {
        emit_unresolved_aliases: true,
        emit_comments: false,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    };
    for event in Parser::new_from_str_with_options(text, options) {
        let step = match event {
            Ok((event, at)) => builder.event(event, at),
            Err(error) => builder.syntax(&error, text),
        };
        match step {
            Step::On => {}
            Step::End => break,
            Step::Stop => return None,
        }
    }
    match builder.root.take() {
        Some(Node { data: Data::Null, .. }) | None => {
            report
                .add(Code::Empty, Span::START, "the file is empty")
                .help("start with `haechi run --listen :8080 --to HOST:PORT --print-config`");
            None
        }
        root => root,
    }
}

enum Step {
    On,
    /// The first document is complete.
    End,
    /// What was read is of no use.
    Stop,
}

struct Builder<'t, 'r> {
    report: &'r mut Report,
    nodes: usize,
    stack: Vec<Frame<'t>>,
    anchors: HashMap<usize, Anchored<'t>>,
    root: Option<Node<'t>>,
}

/// A collection whose end has not come yet.
struct Frame<'t> {
    span: Span,
    anchor: usize,
    size: Size,
    items: Items<'t>,
}

enum Items<'t> {
    List(Vec<Node<'t>>),
    Map { entries: Vec<Entry<'t>>, merges: Vec<Node<'t>>, key: Pending<'t> },
}

/// Which half of an entry comes next.
enum Pending<'t> {
    Key,
    Value {
        key: Key<'t>,
        merge: bool,
    },
    /// The key was reported; its value is skipped.
    Skip,
}

struct Anchored<'t> {
    node: Node<'t>,
    size: Size,
}

/// How much a node stands for: nodes in all, and levels.
#[derive(Clone, Copy)]
struct Size {
    nodes: usize,
    depth: usize,
}

impl Size {
    const fn text(text: &str) -> Self {
        Self { nodes: 1 + text.len() / BYTES_PER_NODE, depth: 1 }
    }

    fn hold(&mut self, child: Self) {
        self.nodes += child.nodes;
        self.depth = self.depth.max(child.depth + 1);
    }
}

impl<'t> Builder<'t, '_> {
    fn event(&mut self, event: Event<'t>, at: granit_parser::Span) -> Step {
        let span = span(at);
        match event {
            Event::DocumentStart(..) if self.root.is_some() => {
                self.report
                    .add(Code::Documents, span, "a second document starts here")
                    .help("remove `---`, or keep the documents in files of their own");
                Step::End
            }
            Event::Scalar(text, style, anchor, tag) => {
                let size = Size::text(&text);
                let node = Node { span, data: self.scalar(text, style, tag.as_deref(), at) };
                self.finish(node, size, anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.check_tag(tag.as_deref(), at);
                self.open(Frame::new(span, anchor, Items::List(Vec::new())))
            }
            Event::MappingStart(_, anchor, tag) => {
                self.check_tag(tag.as_deref(), at);
                let items = Items::Map { entries: Vec::new(), merges: Vec::new(), key: Pending::Key };
                self.open(Frame::new(span, anchor, items))
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Alias(anchor) => self.alias(anchor, span),
            Event::UnresolvedAlias(name) => self.unknown_alias(&name, span),
            _ => Step::On,
        }
    }

    fn scalar(
        &mut self,
        text: Cow<'t, str>,
        style: ScalarStyle,
        tag: Option<&Tag>,
        at: granit_parser::Span,
    ) -> Data<'t> {
        self.check_tag(tag, at);
        let quoted = style != ScalarStyle::Plain || tag.is_some_and(|tag| tag.is_yaml_core_schema_tag("str"));
        if !quoted
            && matches!(&*text, "" | "~" | "null" | "Null" | "NULL")
            && !matches!(self.next_is_key(), Some(true))
        {
            return Data::Null;
        }
        // The parser gives an omitted key or value as `~` of no length.
        let omitted = !quoted && at.start == at.end;
        Data::Text { text: if omitted { "".into() } else { text }, quoted }
    }

    fn next_is_key(&self) -> Option<bool> {
        match &self.stack.last()?.items {
            Items::Map { key, .. } => Some(matches!(key, Pending::Key)),
            Items::List(_) => Some(false),
        }
    }

    fn check_tag(&mut self, tag: Option<&Tag>, at: granit_parser::Span) {
        if let Some(tag) = tag.filter(|tag| tag.is_custom()) {
            self.report
                .add(
                    Code::Tag,
                    at.tag_span().map_or_else(|| span(at), span),
                    format!("the tag {} means nothing here", quote(&tag.original())),
                )
                .help("remove it");
        }
    }

    fn open(&mut self, frame: Frame<'t>) -> Step {
        if self.stack.len() >= MAX_DEPTH {
            return self.too_deep(frame.span);
        }
        self.stack.push(frame);
        Step::On
    }

    fn close(&mut self) -> Step {
        let Some(frame) = self.stack.pop() else { return Step::On };
        let data = match frame.items {
            Items::List(items) => Data::List(items),
            Items::Map { entries, merges, .. } => Data::Map(self.map(entries, merges)),
        };
        self.finish(Node { span: frame.span, data }, frame.size, frame.anchor)
    }

    /// Counts a complete node, remembers it for aliases and hands it to its parent.
    fn finish(&mut self, node: Node<'t>, size: Size, anchor: usize) -> Step {
        if anchor != 0 {
            if !self.charge(size.nodes) {
                return self.too_many(node.span);
            }
            self.anchors.insert(anchor, Anchored { node: node.clone(), size });
        }
        // Children were counted when they came.
        let own = if matches!(node.data, Data::List(_) | Data::Map(_)) { 1 } else { size.nodes };
        if !self.charge(own) {
            return self.too_many(node.span);
        }
        self.attach(node, size);
        Step::On
    }

    fn charge(&mut self, nodes: usize) -> bool {
        self.nodes = self.nodes.saturating_add(nodes);
        self.nodes <= MAX_NODES
    }

    fn alias(&mut self, anchor: usize, at: Span) -> Step {
        let Some(anchored) = self.anchors.get(&anchor) else {
            self.report
                .add(Code::Alias, at, "this alias stands inside of what it refers to")
                .help("a value can't contain itself; write it out");
            self.attach(Node { span: at, data: Data::Broken }, Size { nodes: 1, depth: 1 });
            return Step::On;
        };
        let size = anchored.size;
        if self.stack.len() + size.depth > MAX_DEPTH {
            return self.too_deep(at);
        }
        if !self.charge(size.nodes) {
            return self.too_many(at);
        }
        if let Some(anchored) = self.anchors.get(&anchor) {
            let node = anchored.node.clone();
            self.attach(node, size);
        }
        Step::On
    }

    fn unknown_alias(&mut self, name: &str, at: Span) -> Step {
        let diagnostic = self.report.add(
            Code::Alias,
            at,
            format!("no anchor {} comes before this alias", quote(&format!("&{name}"))),
        );
        if name.starts_with('.') {
            diagnostic.help("a text that starts with `*` needs quotes").suggest(Some(format!("\"*{name}\"")));
        } else {
            diagnostic.help(format!("mark the value that is meant with `&{name}`, above this line"));
        }
        self.attach(Node { span: at, data: Data::Broken }, Size { nodes: 1, depth: 1 });
        Step::On
    }

    fn attach(&mut self, node: Node<'t>, size: Size) {
        let Some(frame) = self.stack.last_mut() else {
            self.root = Some(node);
            return;
        };
        frame.size.hold(size);
        match &mut frame.items {
            Items::List(items) => items.push(node),
            Items::Map { entries, merges, key } => match std::mem::replace(key, Pending::Key) {
                Pending::Key => *key = as_key(node, self.report),
                Pending::Value { merge: true, key } => merges.push(Node { span: key.span, ..node }),
                Pending::Value { key, merge: false } => entries.push(Entry { key, value: node }),
                Pending::Skip => {}
            },
        }
    }

    /// Reports keys that were given twice, and adds what merge keys bring (own keys win, then earlier maps).
    fn map(&mut self, mut entries: Vec<Entry<'t>>, merges: Vec<Node<'t>>) -> Vec<Entry<'t>> {
        if repeats(&entries) {
            let mut lines = HashMap::with_capacity(entries.len());
            entries.retain(|Entry { key, .. }| match lines.entry(key.text.clone()) {
                hash_map::Entry::Vacant(free) => {
                    free.insert(key.span.line);
                    true
                }
                hash_map::Entry::Occupied(taken) => {
                    self.report
                        .add(Code::DuplicateKey, key.span, format!("{} is given twice", quote(&key.text)))
                        .label(format!("first given on line {}", taken.get()))
                        .help("remove or rename one of them");
                    false
                }
            });
        }
        if !merges.is_empty() {
            let mut seen: HashSet<Cow<'t, str>> =
                entries.iter().map(|entry| entry.key.text.clone()).collect();
            for merge in merges {
                self.merge(merge, &mut entries, &mut seen, true);
            }
        }
        entries
    }

    fn merge(
        &mut self,
        node: Node<'t>,
        into: &mut Vec<Entry<'t>>,
        seen: &mut HashSet<Cow<'t, str>>,
        lists: bool,
    ) {
        match node.data {
            Data::Map(entries) => {
                into.extend(entries.into_iter().filter(|entry| seen.insert(entry.key.text.clone())));
            }
            Data::List(maps) if lists => {
                for map in maps {
                    self.merge(map, into, seen, false);
                }
            }
            Data::Broken => {}
            _ => {
                self.report
                    .add(Code::Merge, node.span, format!("`<<` merges maps, this is {}", node.kind()))
                    .help("write `<<: *anchor`, where the anchor marks a map, or a list of such aliases");
            }
        }
    }

    fn too_many(&mut self, at: Span) -> Step {
        self.report
            .add(Code::TooMuch, at, "the file stands for more than a million values")
            .label("counted up to here, with all that aliases stand for")
            .help("10,000 routes and 10,000 endpoints are about 200,000 values; does an alias repeat a large part many times?");
        Step::Stop
    }

    fn too_deep(&mut self, at: Span) -> Step {
        self.report
            .add(Code::TooMuch, at, format!("nested more than {MAX_DEPTH} levels deep"))
            .help("the deepest value of this format stands at level 8; is a bracket not closed?");
        Step::Stop
    }

    fn syntax(&mut self, error: &ScanError, text: &str) -> Step {
        let mark = *error.marker();
        let mut at = span(granit_parser::Span::empty(mark));
        if *error.kind() == ErrorKind::RecursionLimitExceeded {
            return self.too_deep(at);
        }
        let offset = mark.byte_offset().unwrap_or(text.len());
        let next = text.get(offset..).and_then(|rest| rest.chars().next()).filter(|c| !c.is_control());
        at.length = next.map_or(0, |c| small(c.len_utf8()));
        let diagnostic = self.report.add(Code::Syntax, at, "this is not valid YAML").label(error.info());
        if matches!(
            error.kind(),
            ErrorKind::TabInIndentation | ErrorKind::TabInBlockIndentation | ErrorKind::TabNotAllowed
        ) {
            diagnostic.help("indent with spaces");
        } else {
            diagnostic.help("if this line looks right, a bracket or a quote above it may not be closed");
        }
        Step::Stop
    }
}

impl<'t> Frame<'t> {
    fn new(span: Span, anchor: usize, items: Items<'t>) -> Self {
        Self { span, anchor, size: Size { nodes: 1, depth: 1 }, items }
    }
}

/// Whether some key comes twice. Nearly all maps are short, and a plain search needs no memory.
fn repeats(entries: &[Entry<'_>]) -> bool {
    if entries.len() > FEW {
        let mut seen = HashSet::with_capacity(entries.len());
        return !entries.iter().all(|entry| seen.insert(&*entry.key.text));
    }
    entries
        .iter()
        .enumerate()
        .any(|(at, entry)| entries[..at].iter().any(|known| known.key.text == entry.key.text))
}

fn as_key<'t>(node: Node<'t>, report: &mut Report) -> Pending<'t> {
    match node.data {
        Data::Text { text, quoted } => {
            let merge = !quoted && text == "<<";
            Pending::Value { key: Key { text, span: node.span }, merge }
        }
        Data::Broken => Pending::Skip,
        _ => {
            report
                .add(Code::WrongType, node.span, format!("a key must be text, this is {}", node.kind()))
                .help("if a text was meant that starts with `{`, `[` or `?`, put it in quotes");
            Pending::Skip
        }
    }
}

fn span(at: granit_parser::Span) -> Span {
    let offset = byte(at.start);
    Span {
        line: small(at.start.line()),
        column: small(at.start.col() + 1),
        offset,
        length: byte(at.end).saturating_sub(offset),
    }
}

fn byte(mark: Marker) -> u32 {
    small(mark.byte_offset().unwrap_or_default())
}

/// Texts are at most [`MAX_BYTES`] long, so nothing is cut here.
fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
