//! Whose word on where something comes from counts: prefaces of connections, fields of requests.

use haechi_model::{Forwarded, ForwardedBy, Network, ProxyProtocol, RequestIds};

use crate::object::{Object, item, many};
use crate::report::Report;
use crate::tree::Data;
use crate::{Code, defaults, value};

/// Who sends a preface.
pub(super) fn proxy_protocol(object: &Object<'_, '_>, report: &mut Report) -> Option<ProxyProtocol> {
    let section = object.section("proxyProtocol", report);
    let read = ProxyProtocol {
        from: networks(&section, "from", report),
        others: section.word("others", report).or("refuse") == "serve",
        timeout: section.duration("timeout", report).or(defaults::PREFACE),
    };
    section.done();
    object.has("proxyProtocol").then_some(read)
}

/// A key that holds one network or a list of them.
pub(super) fn networks(object: &Object<'_, '_>, key: &str, report: &mut Report) -> Vec<Network> {
    let Some((node, at)) = object.node(key) else { return Vec::new() };
    if matches!(&node.data, Data::List(items) if items.is_empty()) {
        report
            .add(Code::WrongType, node.span, format!("`{key}` needs at least one network"))
            .help("such as `10.0.0.0/8`, or the address of one host");
    }
    let wanted = "a network such as `10.0.0.0/8`";
    let one = |node| item(node, at, key, wanted, report, |text, _| value::net::network(text));
    many(node).iter().filter_map(one).collect()
}

/// The section `forwarded` of an http listener.
pub(super) fn forwarded(object: &Object<'_, '_>, report: &mut Report) -> Option<Forwarded> {
    let section = object.section("forwarded", report);
    let read = Forwarded {
        trust: networks(&section, "trust", report),
        by: match section.word("by", report).or("xForwardedFor") {
            "forwarded" => ForwardedBy::Forwarded,
            _ => ForwardedBy::XForwardedFor,
        },
        request_id: match section.word("requestId", report).or("untouched") {
            "pass" => RequestIds::Passed,
            "answer" => RequestIds::Answered,
            _ => RequestIds::Untouched,
        },
    };
    section.done();
    object.has("forwarded").then_some(read)
}
