//! A request head: read the same in pieces, written on with the same meaning, and never laxer than a peer.

#![no_main]

use haechi_fuzz::{AUTHORITY, Meaning, Sizes, TIGHT, WIDE, pieces};
use haechi_http1::{HeadError, Onward, Parsed, RequestHead, Version, head_end};
use haechi_model::HttpLimits;
use libfuzzer_sys::fuzz_target;

const ONWARD: Onward<'static> = Onward {
    authority: AUTHORITY,
    forwarding: b"X-Forwarded-For: 192.0.2.1\r\n",
    target: None,
    host: None,
    lines: b"",
};

fuzz_target!(|data: &[u8]| {
    for limits in [HttpLimits::default(), TIGHT] {
        let mut head = RequestHead::default();
        let whole = head.parse(data, &limits);
        shorter_agrees(data, &limits, whole);
        // With fewer fields or bytes allowed, heads break earlier in pieces than as a whole.
        if limits == HttpLimits::default() {
            piecewise_agrees(data, &limits, whole);
        }
        if let Ok(Parsed::Complete(len)) = whole {
            written_reads_the_same(&head, data);
            a_peer_agrees(&head, &data[..len]);
        }
    }
});

/// What begins a good head is partial, and what begins with a broken one is broken.
fn shorter_agrees(data: &[u8], limits: &HttpLimits, whole: Result<Parsed, HeadError>) {
    let mut head = RequestHead::default();
    let mut sizes = Sizes::of(data);
    for _ in 0..8 {
        let prefix = &data[..sizes.below(data.len() + 1)];
        match (head.parse(prefix, limits), whole) {
            (Ok(Parsed::Complete(short)), whole) => assert_eq!(whole, Ok(Parsed::Complete(short))),
            (Ok(Parsed::Partial), Ok(Parsed::Complete(len))) => assert!(prefix.len() < len),
            (Ok(Parsed::Partial), _) => {}
            (Err(error), whole) => assert!(whole.is_err(), "{error} was forgiven later"),
        }
    }
}

/// As the shell reads: it looks for the end of the head as bytes come, and parses once.
fn piecewise_agrees(data: &[u8], limits: &HttpLimits, whole: Result<Parsed, HeadError>) {
    let (mut buf, mut seen) = (Vec::new(), 0);
    for piece in pieces(data) {
        buf.extend_from_slice(piece);
        match head_end(&buf, seen) {
            Ok(None) => seen = buf.len(),
            Ok(Some(end)) => {
                let parsed = RequestHead::default().parse(&buf[..end], limits);
                return match (parsed, whole) {
                    (Ok(parsed), whole) => assert_eq!(whole, Ok(parsed)),
                    (Err(_), whole) => assert!(whole.is_err()),
                };
            }
            Err(error) => return assert!(whole.is_err(), "{error} only in pieces"),
        }
    }
    assert!(!matches!(whole, Ok(Parsed::Complete(_))), "an end that is not found in pieces");
}

fn written_reads_the_same(head: &RequestHead, data: &[u8]) {
    let mut first = Vec::new();
    head.clone().write_upstream(data, &ONWARD, &mut first);
    let mut again = RequestHead::default();
    assert_eq!(again.parse(&first, &WIDE), Ok(Parsed::Complete(first.len())), "{}", first.escape_ascii());
    let mut meant = Meaning::of(head, data);
    if head.host.is_none() {
        // HTTP/1.0 without a host: the listener's own name stands in.
        meant.host = AUTHORITY.to_vec();
    }
    assert_eq!(Meaning::of(&again, &first), meant);
    assert_eq!(again.version, Version::Http11);
    let expects = Meaning::of(head, data).expects;
    assert_eq!(again.values(&first, "expect").next().is_some(), expects, "an expectation of nobody");
    for gone in ["keep-alive", "proxy-connection", "x-real-ip", "forwarded"] {
        assert_eq!(again.values(&first, gone).count(), 0, "{gone} went on");
    }
    assert_eq!(again.values(&first, "x-forwarded-for").collect::<Vec<_>>(), [b"192.0.2.1"]);
    let connection: Vec<_> = again.values(&first, "connection").collect();
    let te: Vec<_> = again.values(&first, "te").collect();
    let (own, wanted): (&[&[u8]], &[&[u8]]) = match (head.upgrade, head.takes_trailers) {
        (true, _) => (&[b"upgrade"], &[]),
        (false, true) => (&[b"TE"], &[b"trailers"]),
        (false, false) => (&[], &[]),
    };
    assert_eq!((&*connection, &*te), (own, wanted));
    // A second haechi on the way changes nothing more.
    let mut second = Vec::new();
    again.write_upstream(&first, &ONWARD, &mut second);
    assert_eq!(first.escape_ascii().to_string(), second.escape_ascii().to_string());
}

/// What we take, hyper's parser takes too, with the same words and as many fields.
fn a_peer_agrees(head: &RequestHead, bytes: &[u8]) {
    let mut fields = [httparse::EMPTY_HEADER; 256];
    let mut peer = httparse::Request::new(&mut fields);
    assert_eq!(peer.parse(bytes), Ok(httparse::Status::Complete(bytes.len())), "{}", bytes.escape_ascii());
    assert_eq!(peer.method.map(str::as_bytes), Some(head.method_name(bytes)));
    assert_eq!(peer.version, Some(u8::from(head.version == Version::Http11)));
    for field in peer.headers.iter() {
        let same = head.values(bytes, field.name).filter(|value| *value == field.value).count();
        assert!(same > 0, "{} = {}", field.name, field.value.escape_ascii());
    }
}
