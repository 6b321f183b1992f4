//! What of the answers is compressed, on a listener and on a route.

use haechi_model::{Coding, CodingLevels, Compression, RouteCompression};

use super::not_here;
use crate::Code;
use crate::keys;
use crate::object::{Object, item, many};
use crate::report::{Report, quote};
use crate::shape::Kind;
use crate::tree::{Data, Node};
use crate::value::http;

/// That of a listener.
pub(super) fn listener(object: &Object<'_, '_>, report: &mut Report) -> Option<Compression> {
    if !object.has("compression") {
        object.node("compression");
        return None;
    }
    let object = object.section("compression", report);
    Some(compression(object, report))
}

/// That of a route; `redirects`: none of its answers has a body.
pub(super) fn route(filters: &Object<'_, '_>, redirects: bool, report: &mut Report) -> RouteCompression {
    let Some((node, at)) = filters.node("compression") else { return RouteCompression::AsListener };
    if redirects {
        let help = "remove it; what redirects has no body";
        not_here(filters, "compression", "a redirected request reaches no endpoint", help, report);
        return RouteCompression::AsListener;
    }
    if let Data::Text { .. } = node.data {
        let wanted = "`off`, or a section such as `{ types: text/html }`";
        item(node, at, "compression", wanted, report, |text, _| http::one_of(text, &["off"]));
        return RouteCompression::Off;
    }
    match Object::open(node, &keys::COMPRESSION, at, report) {
        Some(object) => RouteCompression::Of(compression(object, report)),
        None => RouteCompression::AsListener,
    }
}

fn compression(object: Object<'_, '_>, report: &mut Report) -> Compression {
    let default = Compression::default();
    let codings = list(&object, "codings", report, |node, at, report| {
        let Kind::Many(Kind::Word(words, _)) = keys::CODINGS else { return None };
        let wanted = "a coding such as `gzip`";
        let name = item(node, at, "codings", wanted, report, |text, _| http::one_of(text, words))?;
        Coding::ALL.into_iter().find(|coding| coding.name() == name)
    });
    let types = list(&object, "types", report, |node, at, report| {
        let wanted = "a media type such as `text/html`";
        item(node, at, "types", wanted, report, |text, _| http::media_type(text)).map(Box::<str>::from)
    });
    let minimum_size = object.size("minimumSize", report).or(default.minimum_size);
    let given = object.section("levels", report);
    let levels = CodingLevels {
        gzip: given.int("gzip", report).or(default.levels.gzip),
        br: given.int("br", report).or(default.levels.br),
        zstd: given.int("zstd", report).or(default.levels.zstd),
    };
    given.done();
    object.done();
    Compression {
        codings: codings.unwrap_or(default.codings),
        types: types.unwrap_or(default.types),
        minimum_size,
        levels,
    }
}

/// What is given, each once; none if the key is left out.
fn list<T: PartialEq>(
    object: &Object<'_, '_>,
    key: &str,
    report: &mut Report,
    read: impl Fn(&Node<'_>, crate::Span, &mut Report) -> Option<T>,
) -> Option<Vec<T>> {
    let (node, at) = object.node(key)?;
    if matches!(&node.data, Data::List(items) if items.is_empty()) {
        report
            .add(Code::WrongType, node.span, format!("{} needs at least one entry", quote(key)))
            .help("where nothing is to be compressed, leave out `compression`; on a route, write `compression: off`");
    }
    let mut values = Vec::new();
    for node in many(node) {
        values.extend(read(node, at, report).filter(|value| !values.contains(value)));
    }
    Some(values)
}
