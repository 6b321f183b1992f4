//! HTTP/2 with clients and with endpoints: one task reads a connection and writes it once a turn. Each request of a
//! client is a task of its own that runs the same exchange as an HTTP/1 request; to an endpoint, many share a connection.

mod call;
mod connection;
pub(crate) mod grpc;
mod link;
mod links;
mod shared;
mod stream;
mod tunnel;
mod websocket;

pub(crate) use connection::serve;
#[cfg(feature = "http3")]
pub(crate) use connection::{refused_tunnel, write as write_head};
pub(crate) use links::{Links, call};
#[cfg(feature = "http3")]
pub(crate) use stream::fault_fields;

/// What a client that begins with HTTP/2 sends first (RFC 9113 §3.4). No request of HTTP/1 begins so.
pub(crate) use haechi_http2::PREFACE;

/// Whether these bytes are the beginning of a connection in HTTP/2, as far as they go.
pub(crate) fn may_begin(bytes: &[u8]) -> bool {
    let len = bytes.len().min(PREFACE.len());
    !bytes.is_empty() && bytes[..len] == PREFACE[..len]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preface_is_told_by_its_first_bytes() {
        for begins in [&b"P"[..], b"PRI * HT", PREFACE, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04"] {
            assert!(may_begin(begins), "{}", begins.escape_ascii());
        }
        for other in [&b""[..], b"GET / HTTP/1.1\r\n", b"POST", b"PRI * HTTP/1.1\r\n"] {
            assert!(!may_begin(other), "{}", other.escape_ascii());
        }
    }
}
