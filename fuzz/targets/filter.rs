//! Filters on requests that a client wrote: what goes on is one request with the framing that came, and a `Location`
//! is one URL of the host that was asked.
//!
//! Input: a line `PREFIX NEW WHAT` (`WHAT` is `prefix`, `full`, `redirect`), then a request head.

#![no_main]

use haechi_filter::{Asked, Filter, Verdict};
use haechi_fuzz::{AUTHORITY, WIDE};
use haechi_http1::{Onward, Parsed, RequestHead};
use haechi_model::{
    Filters, HeaderEdits, HeaderLine, HostMatch, PathMatch, PathRewrite, Redirect, Rewrite, Route,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some(end) = data.iter().position(|byte| *byte == b'\n') else { return };
    let (Ok(line), bytes) = (std::str::from_utf8(&data[..end]), &data[end + 1..]) else { return };
    let Some(route) = route(line) else { return };
    let Some(filter) = Filter::new(&route) else { return };
    let mut head = RequestHead::default();
    let Ok(Parsed::Complete(_)) = head.parse(bytes, &WIDE) else { return };
    let PathMatch::Prefix(prefix) = &route.path else { return };
    let path = head.path.of(bytes);
    let stem = prefix.trim_end_matches('/').as_bytes();
    if !path.starts_with(stem) || !matches!(path.get(stem.len()), None | Some(b'/')) {
        return;
    }
    let host = head.host.map(|host| host.of(bytes)).filter(|host| !host.is_empty()).unwrap_or(AUTHORITY);
    let asked = Asked {
        host,
        path,
        query: head.query(bytes),
        client: [192, 0, 2, 1].into(),
        length: None,
        origin: None,
        preflight: false,
        over_tls: false,
    };
    let mut out = Vec::new();
    match filter.decide(&asked, &mut out) {
        Verdict::On { host, rewritten } => {
            let target = rewritten.then_some(&*out);
            goes_on(&mut head, bytes, &filter, &Onward { host, target, ..Onward::default() });
        }
        Verdict::Refused(fault) => unreachable!("{fault:?}"),
        Verdict::Answered(_) => {
            let location = out.strip_prefix(b"location: ").and_then(|line| line.strip_suffix(b"\r\n"));
            leads_to_one_place(location.unwrap_or_default(), host);
        }
    }
});

/// The host, the prefix and the new path are what a config could hold.
fn route(line: &str) -> Option<Route> {
    let mut words = line.split(' ');
    let (prefix, new, what) = (words.next()?, words.next()?, words.next()?);
    let plain = |path: &str| {
        path.starts_with('/')
            && path.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_'))
    };
    if !plain(prefix) || !plain(new) || prefix.contains("//") || new.contains("//") {
        return None;
    }
    let line = |name: &str, value: &str| HeaderLine { name: name.into(), value: value.into() };
    let mut filters = Filters {
        request_headers: HeaderEdits {
            set: vec![line("x-env", "prod")],
            add: vec![line("via", "haechi")],
            remove: vec!["cookie".into(), "x-debug".into()],
        },
        ..Filters::default()
    };
    let path = match what {
        "full" => PathRewrite::Full(new.into()),
        _ => PathRewrite::Prefix(new.into()),
    };
    if what == "redirect" {
        filters.redirect =
            Some(Redirect { scheme: None, host: None, port: None, path: Some(path), status: 302 });
    } else {
        filters.rewrite = Rewrite { host: Some("api.internal".into()), path: Some(path) };
    }
    Some(Route {
        host: HostMatch::Any,
        path: PathMatch::Prefix(prefix.into()),
        methods: Vec::new(),
        headers: Vec::new(),
        to: haechi_model::Destination::Nowhere,
        filters: Some(Box::new(filters)),
    })
}

fn goes_on(head: &mut RequestHead, bytes: &[u8], filter: &Filter, onward: &Onward<'_>) {
    let edits = filter.request();
    head.cut(bytes, |name| edits.removes(name));
    let mut written = Vec::new();
    let onward = Onward { authority: AUTHORITY, lines: edits.lines(), ..*onward };
    head.write_upstream(bytes, &onward, &mut written);
    let mut again = RequestHead::default();
    let parsed = again.parse(&written, &WIDE);
    assert_eq!(parsed, Ok(Parsed::Complete(written.len())), "{}", written.escape_ascii());
    assert_eq!(again.framing, head.framing, "{}", written.escape_ascii());
    assert_eq!(again.method_name(&written), head.method_name(bytes));
    assert_eq!(again.host.map(|host| host.of(&written)), Some(&b"api.internal"[..]));
    assert_eq!(again.values(&written, "x-env").collect::<Vec<_>>(), [b"prod"]);
    assert_eq!(again.values(&written, "cookie").count(), 0);
    assert_eq!(again.query(&written), head.query(bytes));
    if let Some(target) = onward.target {
        let path = again.path.of(&written);
        assert!(path == b"*" || target.starts_with(path), "{}", written.escape_ascii());
    }
}

/// The host stays, whatever the path says, and nothing ends the line.
fn leads_to_one_place(location: &[u8], host: &[u8]) {
    let text = location.escape_ascii();
    assert!(location.iter().all(|byte| byte.is_ascii_graphic()), "{text}");
    let rest = location.strip_prefix(b"http://").unwrap_or_default();
    let end = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
    assert!(end < rest.len(), "{text}");
    assert!(host.starts_with(&rest[..end]), "{text}");
    assert!(!rest[end..].starts_with(b"//"), "{text}");
}
