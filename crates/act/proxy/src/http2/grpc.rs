//! Answers of ours to a call of gRPC: its clients look for a status of their own, not for HTTP's.

use haechi_http1::{Apology, explain, read_fields};
use haechi_http2::{Connection, Head, StreamId};

/// Whether a request is a call of gRPC.
pub(crate) fn is_call(head: &Head) -> bool {
    head.method() == b"POST"
        && head.fields().any(|(_, field)| field.name == b"content-type" && is_grpc(field.value))
}

/// gRPC-Web is not: its clients have their own type, and look for trailers in the body.
fn is_grpc(content_type: &[u8]) -> bool {
    content_type
        .strip_prefix(b"application/grpc")
        .is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';' | b' ')))
}

/// Answers a call in an endpoint's place, with a head alone ("Trailers-Only" of gRPC's protocol over HTTP/2).
pub(super) fn answer(core: &mut Connection, stream: StreamId, apology: &Apology<'_>) {
    let Some(mut head) = core.respond(stream, 200) else { return };
    fields(apology, |name, value| head.field(name, value));
    head.finish(true);
}

/// What such a head says.
pub(crate) fn fields(apology: &Apology<'_>, mut field: impl FnMut(&[u8], &[u8])) {
    let Apology { fault, id, lines } = *apology;
    field(b"content-type", b"application/grpc");
    field(b"grpc-status", status(fault.status()).to_string().as_bytes());
    // The id has a field of its own, and a message has one line.
    field(b"grpc-message", explain(fault, b"").concat().trim_ascii_end());
    field(b"haechi-fault", fault.name().as_bytes());
    if !id.is_empty() {
        field(b"x-request-id", id);
    }
    read_fields(lines).for_each(|(name, value)| field(&name.to_ascii_lowercase(), value));
}

/// gRPC's status for one of HTTP (grpc/doc/http-grpc-status-mapping.md).
const fn status(http: u16) -> u8 {
    match http {
        400 => INTERNAL,
        401 => UNAUTHENTICATED,
        403 => PERMISSION_DENIED,
        404 => UNIMPLEMENTED,
        429 | 502 | 503 | 504 => UNAVAILABLE,
        _ => UNKNOWN,
    }
}

const UNKNOWN: u8 = 2;
const PERMISSION_DENIED: u8 = 7;
const UNIMPLEMENTED: u8 = 12;
const INTERNAL: u8 = 13;
const UNAVAILABLE: u8 = 14;
const UNAUTHENTICATED: u8 = 16;

#[cfg(test)]
mod tests {
    use haechi_model::Fault;

    use super::*;

    #[test]
    fn grpc_web_is_not_taken_for_grpc() {
        for (content_type, is) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc;x=y", true),
            ("application/grpc-web", false),
            ("application/grpc-web-text+proto", false),
            ("application/json", false),
        ] {
            assert_eq!(is_grpc(content_type.as_bytes()), is, "{content_type}");
        }
    }

    #[test]
    fn every_fault_has_a_message_that_needs_no_escapes() {
        for &fault in Fault::ALL {
            let message = explain(fault, b"").concat();
            let plain =
                message.trim_ascii_end().iter().all(|byte| (0x20..0x7f).contains(byte) && *byte != b'%');
            assert!(plain, "{}", message.escape_ascii());
        }
        assert_eq!((status(503), status(404), status(408)), (UNAVAILABLE, UNIMPLEMENTED, UNKNOWN));
    }
}
