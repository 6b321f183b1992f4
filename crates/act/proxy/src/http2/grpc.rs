//! Answers of ours to a call of gRPC: its clients look for a status of their own, not for HTTP's.

use haechi_http1::explain;
use haechi_http2::{Connection, Head, StreamId};
use haechi_model::Fault;

/// Whether a request is a call of gRPC.
pub(super) fn is_call(head: &Head) -> bool {
    let is = |name: &[u8], value: &[u8]| name == b"content-type" && value.starts_with(b"application/grpc");
    head.method() == b"POST" && head.fields().any(|(_, field)| is(field.name, field.value))
}

/// Answers a call in an endpoint's place, with a head alone ("Trailers-Only" of gRPC's protocol over HTTP/2).
pub(super) fn answer(
    core: &mut Connection,
    stream: StreamId,
    fault: Fault,
    id: &[u8],
    retry_after: Option<u64>,
) {
    let Some(mut head) = core.respond(stream, 200) else { return };
    head.field(b"content-type", b"application/grpc");
    head.field(b"grpc-status", status(fault.status()).to_string().as_bytes());
    // The id has a field of its own, and a message has one line.
    head.field(b"grpc-message", explain(fault, b"").concat().trim_ascii_end());
    head.field(b"haechi-fault", fault.name().as_bytes());
    if !id.is_empty() {
        head.field(b"x-request-id", id);
    }
    if let Some(seconds) = retry_after {
        head.field(b"retry-after", seconds.to_string().as_bytes());
    }
    head.finish(true);
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
    use super::*;

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
