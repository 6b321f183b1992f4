//! CORS: whose scripts may read answers.

use haechi_model::{Cors, OriginMatch};

use crate::Code;
use crate::defaults;
use crate::object::{Object, item, many};
use crate::report::Report;
use crate::value::{Complaint, http};

/// The section `cors` of a route's filters.
pub(super) fn cors(filters: &Object<'_, '_>, report: &mut Report) -> Cors {
    let object = filters.section("cors", report);
    let origins =
        texts(&object, "allowOrigins", "an origin such as `https://shop.example.com`", report, http::origin);
    let methods = texts(&object, "allowMethods", "a method such as `GET`", report, |text| {
        http::method(text).map(Box::from)
    });
    let name = |text: &str| http::header_name(text).map(Box::from);
    let headers = texts(&object, "allowHeaders", "a header name", report, name);
    let expose = texts(&object, "exposeHeaders", "a header name", report, name);
    let credentials = object.flag("allowCredentials", report).or(false);
    let max_age = object.duration("maxAge", report);
    if let Some(span) = max_age.span().filter(|_| max_age.ok().is_some_and(|age| age.subsec_nanos() > 0)) {
        report
            .add(Code::Duration, span, "`maxAge` is told to browsers in whole seconds")
            .help("write `5s` or more, or `0s` for none");
    }
    if credentials && origins.contains(&OriginMatch::Any) {
        report
            .add(
                Code::Contradiction,
                object.key_span("allowCredentials"),
                "every site could read what only the user may",
            )
            .label("`allowOrigins` has `*`")
            .help("name the origins, or leave `allowCredentials` out");
    }
    object.done();
    let methods = if methods.is_empty() { defaults::cors_methods() } else { methods };
    Cors { origins, methods, headers, expose, credentials, max_age: max_age.or(defaults::CORS_AGE) }
}

/// A key that holds one text or a list of them.
fn texts<T>(
    object: &Object<'_, '_>,
    key: &str,
    wanted: &str,
    report: &mut Report,
    parse: impl Fn(&str) -> Result<T, Complaint>,
) -> Vec<T> {
    let Some((node, at)) = object.node(key) else { return Vec::new() };
    many(node).iter().filter_map(|node| item(node, at, key, wanted, report, |text, _| parse(text))).collect()
}
