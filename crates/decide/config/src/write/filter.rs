//! The filters of a route as keys and values.

use haechi_model::{Filters, HeaderEdits, HeaderLine, PathRewrite, Redirect, Rewrite};

use super::compression;
use super::tree::{Field, Out, count, must};
use crate::defaults;

/// The section `filters`.
pub(crate) fn filters(filters: &Filters) -> Out {
    let mut fields = Vec::new();
    fields.extend(edits("requestHeaderModifier", &filters.request_headers));
    fields.extend(edits("responseHeaderModifier", &filters.response_headers));
    if filters.rewrite != Rewrite::default() {
        let mut keys = Vec::new();
        keys.extend(filters.rewrite.host.as_ref().map(|host| must("hostname", Out::text(host))));
        keys.extend(filters.rewrite.path.as_ref().map(path));
        fields.push(must("urlRewrite", Out::Map(keys)));
    }
    fields.extend(filters.redirect.as_ref().map(redirect));
    fields.extend(compression::route(&filters.compression));
    Out::Map(fields)
}

fn edits(key: &str, edits: &HeaderEdits) -> Option<Field> {
    let lines = |key: &str, lines: &[HeaderLine]| {
        let lines = lines.iter().map(|line| must(&line.name, Out::text(&line.value)));
        must(key, Out::Map(lines.collect()))
    };
    let mut keys = Vec::new();
    keys.extend((!edits.set.is_empty()).then(|| lines("set", &edits.set)));
    keys.extend((!edits.add.is_empty()).then(|| lines("add", &edits.add)));
    if !edits.remove.is_empty() {
        keys.push(must("remove", Out::List(edits.remove.iter().map(Out::text).collect())));
    }
    (!edits.is_empty()).then(|| must(key, Out::Map(keys)))
}

fn path(path: &PathRewrite) -> Field {
    let (key, path) = match path {
        PathRewrite::Full(path) => ("replaceFullPath", path),
        PathRewrite::Prefix(path) => ("replacePrefixMatch", path),
    };
    must("path", Out::Map(vec![must(key, Out::text(path))]))
}

fn redirect(redirect: &Redirect) -> Field {
    let mut keys = Vec::new();
    keys.extend(redirect.scheme.map(|scheme| must("scheme", Out::bare(scheme.name()))));
    keys.extend(redirect.host.as_ref().map(|host| must("hostname", Out::text(host))));
    keys.extend(redirect.port.map(|port| must("port", Out::bare(&port))));
    keys.extend(redirect.path.as_ref().map(path));
    keys.push(count("statusCode", &redirect.status, &defaults::REDIRECT_STATUS));
    must("requestRedirect", Out::Map(keys))
}
