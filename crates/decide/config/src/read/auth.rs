//! Who else is asked whether requests may go on.

use std::collections::HashSet;

use haechi_model::ExternalAuth;

use super::References;
use super::filter::{Of, editable};
use super::listener::NOWHERE;
use crate::object::{Object, item, many};
use crate::report::{Report, quote};
use crate::value::http;
use crate::{Code, defaults};

pub(super) fn external_auth(
    filters: &Object<'_, '_>,
    references: &mut References,
    report: &mut Report,
) -> ExternalAuth {
    let object = filters.section("externalAuth", report);
    let pool = references.follow(&object, report).unwrap_or(NOWHERE);
    let path = object.parsed("path", "a path", report, |text, _| http::target(text));
    let host =
        object.parsed("host", "a host such as `auth.example.com`", report, |text, _| http::authority(text));
    let request_headers = names(&object, "requestHeaders", report).unwrap_or_else(defaults::auth_headers);
    let response_headers = names(&object, "responseHeaders", report).unwrap_or_default();
    let timeout = object.duration("timeout", report).or(defaults::AUTH_TIMEOUT);
    let allow_on_failure = object.flag("allowOnFailure", report).or(false);
    object.done();
    ExternalAuth {
        pool,
        path: path.or("/").into(),
        host: host.ok().map(Into::into),
        request_headers,
        response_headers,
        timeout,
        allow_on_failure,
    }
}

fn names(object: &Object<'_, '_>, key: &str, report: &mut Report) -> Option<Vec<Box<str>>> {
    let (node, at) = object.node(key)?;
    let mut seen = HashSet::new();
    let name = |node| {
        let name = item(node, at, key, "a header name", report, |text, _| http::header_name(text))?;
        let name = editable(name, node.span, Of::Request, &mut seen, report)?;
        if key == "requestHeaders" && name.starts_with("x-forwarded-") {
            report
                .add(
                    Code::FixedHeader,
                    node.span,
                    format!("a question can't have {} of the client", quote(&name)),
                )
                .label("haechi writes it itself")
                .help("remove it; who asks, and for what, is told in any case");
            return None;
        }
        Some(name.into())
    };
    Some(many(node).iter().filter_map(name).collect())
}
