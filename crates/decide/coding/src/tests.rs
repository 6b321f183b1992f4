//! Tables of RFC 9110's own examples and of what servers do, and properties against a model that works on text.

use haechi_model::{CodingLevels, Compression};
use proptest::prelude::*;

use super::*;

type Lines<'a> = &'a [(&'a str, &'a str)];

fn fields<'a>(lines: Lines<'a>) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone {
    lines.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()))
}

fn rules() -> Rules {
    Rules::new(&Compression::default())
}

fn wish(accept: &str) -> Wish {
    rules().wish(fields(&[("Accept-Encoding", accept)]), true)
}

fn decide(wish: &Wish, status: u16, lines: Lines<'_>, filtered: Lines<'_>) -> (Verdict, String) {
    let mut out = Vec::new();
    let verdict = rules().decide(wish, &Answer { status }, fields(lines), fields(filtered), &mut out);
    (verdict, String::from_utf8(out).unwrap())
}

#[test]
fn what_a_client_likes_best() {
    use Coding::{Br, Gzip, Zstd};
    for (accept, expected) in [
        ("gzip", Some(Gzip)),
        ("GZip", Some(Gzip)),
        ("x-gzip", Some(Gzip)),
        ("gzip, deflate, br, zstd", Some(Zstd)),
        ("gzip, deflate, br", Some(Br)),
        ("gzip;q=1.0, br;q=0.9", Some(Gzip)),
        ("gzip;q=0.5, br;q=0.501", Some(Br)),
        ("gzip ; q=0.5 , br ;\tQ=0.5", Some(Br)),
        // RFC 9110 §12.5.3.
        ("compress, gzip", Some(Gzip)),
        ("", None),
        ("*", Some(Zstd)),
        ("compress;q=0.5, gzip;q=1.0", Some(Gzip)),
        ("gzip;q=1.0, identity; q=0.5, *;q=0", Some(Gzip)),
        ("*;q=0.1, br;q=0", Some(Zstd)),
        ("*;q=0", None),
        ("gzip;q=0", None),
        ("gzip;q=0.000", None),
        ("gzip;q=0.001", Some(Gzip)),
        ("gzip;q=0.5, identity", None),
        ("gzip;q=0.5, identity;q=0.5", Some(Gzip)),
        ("gzip;q=0.5, *;q=0.8", Some(Zstd)),
        ("identity;q=0, deflate", None),
        // Said twice, and once no.
        ("gzip, gzip;q=0", None),
        // What nobody can read.
        ("gzip;q=2", None),
        ("gzip;q=1.001", None),
        ("gzip;q=0.1234", None),
        ("gzip;q=", None),
        ("gzip;q=.5", None),
        ("gzip;q=-1", None),
        ("gzip;level=9", None),
        ("gzip;q=1;level=9", None),
        ("gzip br", None),
        (";q=1", None),
        (",, ,gzip,", Some(Gzip)),
        ("gzip;q=bad, br", Some(Br)),
    ] {
        assert_eq!(wish(accept).coding.ok(), expected, "{accept}");
    }
    assert_eq!(rules().wish(fields(&[("host", "a")]), true).coding, Err(Why::Unwanted));
    let two = [("accept-encoding", "br;q=0.1"), ("ACCEPT-ENCODING", "gzip")];
    assert_eq!(rules().wish(fields(&two), true).coding, Ok(Gzip));
    assert_eq!(rules().wish(fields(&two), false).coding, Err(Why::Version));
    let keeps = [("accept-encoding", "br"), ("cache-control", "max-age=0, No-Transform")];
    assert_eq!(rules().wish(fields(&keeps), true).coding, Err(Why::NoTransform));
}

#[test]
fn only_what_is_on_offer_in_its_order() {
    let offers =
        Rules::new(&Compression { codings: vec![Coding::Gzip, Coding::Br], ..Compression::default() });
    let best = |accept| offers.wish(fields(&[("Accept-Encoding", accept)]), true).coding;
    assert_eq!(best("zstd, br, gzip"), Ok(Coding::Gzip));
    assert_eq!(best("br, *;q=0.5"), Ok(Coding::Br));
    assert_eq!(best("zstd"), Err(Why::Unwanted));
}

const HTML: (&str, &str) = ("Content-Type", "text/html; charset=utf-8");

#[test]
fn what_is_coded_and_what_is_not() {
    let br = wish("br");
    let kind = |kind| [("Content-Type", kind)];
    let with = |name, value| [HTML, (name, value)];
    for (status, lines, expected) in [
        (200, &[HTML][..], Ok(Coding::Br)),
        (404, &[HTML], Ok(Coding::Br)),
        (200, &kind("TEXT/HTML"), Ok(Coding::Br)),
        (200, &kind("image/png"), Err(Why::Type)),
        (200, &kind("text/htmlx"), Err(Why::Type)),
        (200, &kind(""), Err(Why::Type)),
        (200, &[], Err(Why::Type)),
        (200, &[HTML, HTML], Err(Why::Type)),
        (200, &with("Content-Length", "1024"), Ok(Coding::Br)),
        (200, &with("Content-Length", "1023"), Err(Why::Small)),
        (200, &with("Content-Length", "0"), Err(Why::Empty)),
        (200, &with("Content-Encoding", "gzip"), Err(Why::Coded)),
        (200, &with("content-encoding", ""), Err(Why::Coded)),
        (200, &with("Cache-Control", "public, no-transform"), Err(Why::NoTransform)),
        (200, &with("Cache-Control", "public, x-no-transform"), Ok(Coding::Br)),
        (200, &with("Content-Range", "bytes 0-9/10"), Err(Why::Status)),
        (206, &[HTML], Err(Why::Status)),
        (101, &[HTML], Err(Why::Status)),
        (204, &[HTML], Err(Why::Status)),
        (205, &[HTML], Err(Why::Status)),
        (304, &[HTML], Err(Why::Status)),
        (416, &with("Content-Range", "bytes */10"), Err(Why::Status)),
    ] {
        let (verdict, lines_out) = decide(&br, status, lines, &[]);
        assert_eq!(verdict.coding, expected, "{status} {lines:?}");
        assert_eq!(lines_out.contains("Content-Encoding: br\r\n"), expected.is_ok(), "{lines_out}");
        // Whoever could get it coded is told of it; of what nobody gets coded, nobody is. 304 stands for the former.
        assert_eq!(lines_out.contains("Vary"), expected.is_ok() || status == 304, "{status} {lines:?}");
    }
}

#[test]
fn grpc_is_left_alone_and_kinds_are_a_choice() {
    let all = Rules::new(&Compression { types: vec!["*/*".into()], ..Compression::default() });
    let text =
        Rules::new(&Compression { types: vec!["text/*".into(), "a/b".into()], ..Compression::default() });
    for (kind, by_all, by_text) in [
        ("application/grpc", false, false),
        ("Application/gRPC+proto", false, false),
        ("application/grpc-web-text", false, false),
        ("image/png", true, false),
        ("text/event-stream", true, true),
        ("Text/Plain;charset=x", true, true),
        ("text", true, false),
        ("a/b ; c", true, true),
        ("a/bc", true, false),
        (";", false, false),
    ] {
        assert_eq!(
            (all.has_type(kind.as_bytes()), text.has_type(kind.as_bytes())),
            (by_all, by_text),
            "{kind}"
        );
    }
}

#[test]
fn who_takes_nothing_uncoded_gets_small_ones_coded_too() {
    let small = [HTML, ("Content-Length", "10")];
    assert_eq!(decide(&wish("gzip, identity;q=0"), 200, &small, &[]).0.coding, Ok(Coding::Gzip));
    assert_eq!(decide(&wish("gzip, *;q=0"), 200, &small, &[]).0.coding, Ok(Coding::Gzip));
    assert_eq!(decide(&wish("deflate, *;q=0"), 200, &small, &[]).0.coding, Err(Why::Unwanted));
}

#[test]
fn caches_are_told_also_where_this_client_gets_it_as_it_is() {
    for (vary, expected) in [
        (&[][..], "Vary: Accept-Encoding\r\n"),
        (&[("Vary", "Origin")], "Vary: Origin, Accept-Encoding\r\n"),
        (&[("Vary", "Origin, Cookie"), ("vary", "")], "Vary: Origin, Cookie, Accept-Encoding\r\n"),
        (&[("Vary", "Origin"), ("vary", "Cookie")], "Vary: Origin, Cookie, Accept-Encoding\r\n"),
        (&[("Vary", "Origin, accept-encoding")], ""),
        (&[("Vary", "*")], ""),
    ] {
        let lines: Vec<_> = [&[HTML][..], vary].concat();
        for (accept, extra) in [("", ""), ("gzip", "Content-Encoding: gzip\r\n")] {
            let (verdict, out) = decide(&wish(accept), 200, &lines, &[]);
            assert_eq!(out, format!("{extra}{expected}"), "{vary:?}");
            assert_eq!(verdict.removes(b"VARY"), !expected.is_empty());
            assert_eq!(verdict.changes_nothing(), out.is_empty());
        }
    }
    // A filter says it already.
    assert_eq!(decide(&wish(""), 200, &[HTML], &[("vary", "accept-encoding")]).1, "");
}

#[test]
fn validators_become_weak_and_what_measures_bytes_goes() {
    let lines = [HTML, ("ETag", "\"a\""), ("Vary", "*")];
    let (verdict, out) = decide(&wish("gzip"), 200, &lines, &[]);
    assert_eq!(out, "Content-Encoding: gzip\r\nETag: W/\"a\"\r\n");
    for gone in ["etag", "Digest", "Content-Digest", "repr-digest", "CONTENT-MD5", "Accept-Ranges"] {
        assert!(verdict.removes(gone.as_bytes()), "{gone}");
    }
    for stays in ["Content-Length", "Content-Type", "Vary", "Last-Modified", "Set-Cookie", "Want-Digest"] {
        assert!(!verdict.removes(stays.as_bytes()), "{stays}");
    }
    let lines = [HTML, ("ETag", "W/\"a\"")];
    let (verdict, out) = decide(&wish("gzip"), 200, &lines, &[]);
    assert!(!out.contains("ETag") && !verdict.removes(b"etag"));
    let (verdict, out) = decide(&wish(""), 200, &[HTML, ("ETag", "\"a\"")], &[]);
    assert!(!out.contains("ETag") && !verdict.removes(b"etag") && !verdict.removes(b"digest"));
}

#[test]
fn a_304_updates_what_the_client_holds() {
    let asks = |tag| rules().wish(fields(&[("accept-encoding", "gzip"), ("If-None-Match", tag)]), true);
    let etag = [("ETag", "\"a\"")];
    let weak = "ETag: W/\"a\"\r\nVary: Accept-Encoding\r\n";
    assert_eq!(decide(&asks("W/\"a\""), 304, &etag, &[]).1, weak);
    assert_eq!(decide(&asks("\"b\", W/\"a\""), 304, &etag, &[]).1, weak);
    assert_eq!(decide(&asks("\"a\""), 304, &etag, &[]).1, "Vary: Accept-Encoding\r\n");
    // It has the endpoint's own coding, or a picture.
    assert_eq!(decide(&asks("W/\"a\""), 304, &[etag[0], ("content-encoding", "gzip")], &[]).1, "");
    assert_eq!(decide(&asks("W/\"a\""), 304, &[etag[0], ("content-type", "image/png")], &[]).1, "");
}

#[test]
fn filters_have_their_say() {
    let gzip = wish("gzip");
    for (line, expected) in [
        (("x-a", "b"), Ok(Coding::Gzip)),
        (("cache-control", "no-transform"), Err(Why::NoTransform)),
        (("content-encoding", "br"), Err(Why::Coded)),
        (("etag", "\"a\""), Err(Why::Filter)),
        (("etag", "W/\"a\""), Ok(Coding::Gzip)),
        (("repr-digest", "sha-256=:x:"), Err(Why::Filter)),
    ] {
        assert_eq!(decide(&gzip, 200, &[HTML], &[line]).0.coding, expected, "{line:?}");
    }
    assert_eq!(decide(&gzip, 200, &[], &[HTML]).0.coding, Ok(Coding::Gzip));
    let denied = decide(&gzip.denied(Why::Busy), 200, &[HTML], &[]);
    assert_eq!((denied.0.coding, &*denied.1), (Err(Why::Busy), "Vary: Accept-Encoding\r\n"));
}

#[test]
fn levels_are_those_of_the_config() {
    let levels = CodingLevels { gzip: 1, br: 2, zstd: 3 };
    let rules = Rules::new(&Compression { levels, ..Compression::default() });
    assert_eq!(Coding::ALL.map(|coding| rules.level(coding)), [1, 2, 3]);
}

/// The same by text and floating point.
fn model(accept: &str) -> Option<Coding> {
    let mut said: Vec<(String, f64)> = Vec::new();
    for element in accept.split(',') {
        let mut parts = element.split(';').map(str::trim);
        let name = parts.next().unwrap().to_ascii_lowercase().replace("x-gzip", "gzip");
        let rest: Vec<_> = parts.collect();
        let weight = match &rest[..] {
            [] => Some(1.0),
            [one] => one
                .strip_prefix("q=")
                .filter(|text| {
                    text.len() <= 5
                        && text.starts_with(['0', '1'])
                        && text[1..].chars().next().is_none_or(|c| c == '.')
                })
                .and_then(|text| text.parse::<f64>().ok())
                .filter(|weight| *weight <= 1.0),
            _ => None,
        };
        if let Some(weight) = weight {
            said.push((name, weight));
        }
    }
    let least = |name: &str| {
        said.iter().filter(|(other, _)| other == name).map(|(_, weight)| *weight).min_by(f64::total_cmp)
    };
    let weight = |name: &str| least(name).or(least("*"));
    let most = ["zstd", "br", "gzip"].into_iter().filter_map(weight).fold(0.0, f64::max);
    let coding = [Coding::Zstd, Coding::Br, Coding::Gzip]
        .into_iter()
        .find(|coding| most > 0.0 && weight(coding.name()) == Some(most));
    coding.filter(|_| weight("identity").is_none_or(|identity| identity <= most))
}

proptest! {
    #[test]
    fn any_list_is_read_as_by_the_model(
        accept in "((gzip|x-gzip|br|zstd|identity|deflate|\\*|)( ?; ?(q=(0|1|0\\.[0-9]{0,4}|1\\.0{0,3}|2|)|level=1)){0,2} ?,? ?){0,5}",
    ) {
        prop_assert_eq!(wish(&accept).coding.ok(), model(&accept), "{}", accept);
    }

    #[test]
    fn any_bytes_are_an_answer(accept in proptest::collection::vec(any::<u8>(), 0..60)) {
        let wish = rules().wish([(&b"accept-encoding"[..], &*accept)].into_iter(), true);
        if wish.coding.is_ok() {
            let text = String::from_utf8_lossy(&accept).to_ascii_lowercase();
            prop_assert!(["gzip", "br", "zstd", "*"].iter().any(|name| text.contains(name)));
        }
    }
}
