//! The filters of a route as keys and values.

use haechi_model::{
    Addresses, BasicAuth, Cors, Filters, HeaderEdits, HeaderLine, Network, OriginMatch, PathRewrite, Pool,
    Rate, Redirect, Rewrite,
};

use super::auth::external_auth;
use super::compression;
use super::tree::{Field, Out, count, may, must, time};
use crate::defaults;
use crate::value::number;

/// The section `filters`.
pub(crate) fn filters(filters: &Filters, pools: &[Pool]) -> Out {
    let mut fields = Vec::new();
    let networks = |key: &str, list: &[Network]| {
        (!list.is_empty()).then(|| must(key, Out::List(list.iter().map(Out::text).collect())))
    };
    if filters.addresses != Addresses::default() {
        let keys = [("allow", &filters.addresses.allow), ("deny", &filters.addresses.deny)];
        let keys = keys.into_iter().filter_map(|(key, list)| networks(key, list)).collect();
        fields.push(must("clientAddresses", Out::Map(keys)));
    }
    fields.extend(filters.rate.as_ref().map(rate));
    fields.extend(filters.max_concurrent.map(|most| must("maxConcurrentRequests", Out::bare(&most))));
    fields.extend(filters.basic_auth.as_ref().map(basic_auth));
    let size = |key: &str, most: u64| must(key, Out::Bare(number::format_size(most)));
    fields.extend(filters.max_request_body.map(|most| size("maxRequestBody", most)));
    fields.extend(filters.max_response_body.map(|most| size("maxResponseBody", most)));
    fields.extend(filters.cors.as_ref().map(cors));
    fields.extend(filters.auth.as_ref().map(|auth| external_auth(auth, pools)));
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

fn basic_auth(auth: &BasicAuth) -> Field {
    let keys = vec![
        must("file", Out::text(&auth.file)),
        may("realm", Out::text(&auth.realm), &*auth.realm == defaults::REALM),
        count("passOn", &auth.passes_on, &false),
    ];
    must("basicAuth", Out::Map(keys))
}

fn rate(rate: &Rate) -> Field {
    let keys = vec![
        must("requests", Out::bare(&rate.requests)),
        time("per", rate.per, defaults::RATE_TIME),
        count("burst", &rate.burst, &rate.requests),
    ];
    must("rateLimit", Out::Map(keys))
}

fn cors(cors: &Cors) -> Field {
    let origin = |origin: &OriginMatch| match origin {
        OriginMatch::Any => Out::Text("*".into()),
        OriginMatch::Exact(origin) => Out::text(origin),
        OriginMatch::Within { scheme, parent } => Out::Text(format!("{}://*.{parent}", scheme.name())),
    };
    let texts = |list: &[Box<str>]| Out::List(list.iter().map(Out::text).collect());
    let mut keys = vec![must("allowOrigins", Out::List(cors.origins.iter().map(origin).collect()))];
    keys.push(may("allowMethods", texts(&cors.methods), cors.methods == defaults::cors_methods()));
    for (key, list) in [("allowHeaders", &cors.headers), ("exposeHeaders", &cors.expose)] {
        keys.extend((!list.is_empty()).then(|| must(key, texts(list))));
    }
    keys.push(count("allowCredentials", &cors.credentials, &false));
    keys.push(time("maxAge", cors.max_age, defaults::CORS_AGE));
    must("cors", Out::Map(keys))
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
