//! A response head: the same for every client that it may go to, and passed on with the same meaning.

#![no_main]

use haechi_fuzz::{Sizes, TIGHT, WIDE};
use haechi_http1::{Downstream, Framing, Parsed, ResponseHead, Version};
use haechi_model::{Fault, HttpLimits};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for limits in [HttpLimits::default(), TIGHT] {
        for to in clients() {
            let mut head = ResponseHead::default();
            match head.parse(data, &limits, &to) {
                Ok(Parsed::Complete(len)) => {
                    passed_on_reads_the_same(&head, &data[..len], &to);
                    a_peer_agrees(&head, &data[..len]);
                    shorter_is_partial(&data[..len], &limits, &to);
                }
                Ok(Parsed::Partial) => {}
                Err(error) => assert_eq!(error.fault, Fault::BadResponse, "the fault is the endpoint's"),
            }
        }
    }
});

fn clients() -> impl Iterator<Item = Downstream> {
    (0..32_u8).map(|bits| Downstream {
        version: if bits & 1 == 0 { Version::Http11 } else { Version::Http10 },
        keep_alive: bits & 2 == 0,
        head: bits & 4 != 0,
        upgrade: bits & 8 != 0,
        own_framing: bits & 16 != 0,
    })
}

fn passed_on_reads_the_same(head: &ResponseHead, bytes: &[u8], to: &Downstream) {
    let mut out = Vec::new();
    head.write_downstream(bytes, b"", &mut out);
    assert!(!head.untouched() || out == bytes, "{}", out.escape_ascii());
    let mut again = ResponseHead::default();
    assert_eq!(again.parse(&out, &WIDE, to), Ok(Parsed::Complete(out.len())), "{}", out.escape_ascii());
    assert_eq!(again.status, head.status);
    assert_eq!(again.interim(), head.interim());
    let framing = if head.dechunk { Framing::UntilClose } else { head.framing };
    assert_eq!(again.framing, framing, "{}", out.escape_ascii());
    for gone in ["te", "keep-alive", "proxy-connection"] {
        assert_eq!(again.values(&out, gone).count(), 0, "{gone} went on");
    }
    if !head.interim() && head.status != 101 {
        // What the client reads of its connection is what we do with it.
        let said: Vec<_> = again.values(&out, "connection").map(<[u8]>::to_ascii_lowercase).collect();
        let says_close = said.iter().any(|value| value == b"close");
        assert_eq!(says_close, !head.keep_alive, "{}", out.escape_ascii());
    }
    // A second haechi on the way changes nothing more.
    let mut twice = Vec::new();
    again.write_downstream(&out, b"", &mut twice);
    if !head.dechunk {
        assert_eq!(out.escape_ascii().to_string(), twice.escape_ascii().to_string());
    }
}

fn a_peer_agrees(head: &ResponseHead, bytes: &[u8]) {
    let mut fields = [httparse::EMPTY_HEADER; 256];
    let mut peer = httparse::Response::new(&mut fields);
    assert_eq!(peer.parse(bytes), Ok(httparse::Status::Complete(bytes.len())), "{}", bytes.escape_ascii());
    assert_eq!(peer.code, Some(head.status));
    for field in peer.headers.iter() {
        let same = head.values(bytes, field.name).filter(|value| *value == field.value).count();
        assert!(same > 0, "{} = {}", field.name, field.value.escape_ascii());
    }
}

fn shorter_is_partial(bytes: &[u8], limits: &HttpLimits, to: &Downstream) {
    let mut sizes = Sizes::of(bytes);
    for _ in 0..4 {
        let prefix = &bytes[..sizes.below(bytes.len())];
        let parsed = ResponseHead::default().parse(prefix, limits, to);
        assert_eq!(parsed, Ok(Parsed::Partial), "{}", prefix.escape_ascii());
    }
}
