//! Tables of Gateway API's own examples, and properties against a model that works on text.

use haechi_model::{
    Addresses, Cors, Destination, Filters, HeaderEdits, HeaderLine, HostMatch, Network, OriginMatch,
    PathMatch, PathRewrite, PoolIndex, Redirect, Rewrite, Route, Scheme,
};
use proptest::prelude::*;

use super::*;

fn route(prefix: &str, filters: Filters) -> Route {
    Route {
        host: HostMatch::Any,
        path: PathMatch::Prefix(prefix.into()),
        methods: Vec::new(),
        headers: Vec::new(),
        to: Destination::Pool(PoolIndex(0)),
        filters: Some(Box::new(filters)),
    }
}

fn asked<'a>(host: &'a str, path: &'a str, query: &'a str, over_tls: bool) -> Asked<'a> {
    Asked {
        host: host.as_bytes(),
        path: path.as_bytes(),
        query: query.as_bytes(),
        client: [192, 0, 2, 1].into(),
        length: None,
        origin: None,
        preflight: false,
        over_tls,
    }
}

fn rewritten(prefix: &str, path: PathRewrite, from: &str, query: &str) -> String {
    let rewrite = Rewrite { host: None, path: Some(path) };
    let filter = Filter::new(&route(prefix, Filters { rewrite, ..Filters::default() })).unwrap();
    let mut out = Vec::new();
    let verdict = filter.decide(&asked("h", from, query, false), &mut out);
    assert!(matches!(verdict, Verdict::On { host: None, .. }));
    String::from_utf8(out).unwrap()
}

fn redirected(redirect: &Redirect, asked: &Asked<'_>) -> String {
    let filters = Filters { redirect: Some(redirect.clone()), ..Filters::default() };
    let filter = Filter::new(&route("/old", filters)).unwrap();
    let mut out = Vec::new();
    assert_eq!(filter.decide(asked, &mut out), Verdict::Answered(redirect.status));
    let line = String::from_utf8(out).unwrap();
    line.strip_prefix("location: ").and_then(|line| line.strip_suffix("\r\n")).unwrap().to_owned()
}

const NOWHERE_ELSE: Redirect = Redirect { scheme: None, host: None, port: None, path: None, status: 302 };

#[test]
fn a_route_without_filters_has_none() {
    assert!(Filter::new(&Route { filters: None, ..route("/", Filters::default()) }).is_none());
}

/// Gateway API, `HTTPPathModifier.replacePrefixMatch`.
#[test]
fn prefixes_as_gateway_api_shows_them() {
    for (path, prefix, new, expected) in [
        ("/foo/bar", "/foo", "/xyz", "/xyz/bar"),
        ("/foo/bar", "/foo", "/xyz/", "/xyz/bar"),
        ("/foo/bar", "/foo/", "/xyz", "/xyz/bar"),
        ("/foo/bar", "/foo/", "/xyz/", "/xyz/bar"),
        ("/foo", "/foo", "/xyz", "/xyz"),
        ("/foo/", "/foo", "/xyz", "/xyz/"),
        ("/foo/bar", "/foo", "/", "/bar"),
        ("/foo/", "/foo", "/", "/"),
        ("/foo", "/foo", "/", "/"),
        ("/bar", "/", "/xyz", "/xyz/bar"),
        ("/", "/", "/xyz", "/xyz/"),
        ("", "/", "/xyz", "/xyz"),
        ("*", "/", "/xyz", ""),
        // What some would take for another host.
        ("/foo//evil.example/x", "/foo", "/", "/evil.example/x"),
        ("/foo///", "/foo", "/", "/"),
        ("/foo//x", "/foo", "/xyz", "/xyz//x"),
    ] {
        assert_eq!(rewritten(prefix, PathRewrite::Prefix(new.into()), path, ""), expected, "{path} {new}");
    }
    assert_eq!(rewritten("/foo", PathRewrite::Prefix("/x".into()), "/foo/a", "?b=c"), "/x/a?b=c");
    assert_eq!(rewritten("/foo", PathRewrite::Full("/x".into()), "/foo/a", "?b=c"), "/x?b=c");
}

#[test]
fn redirects_say_what_changed_and_keep_the_rest() {
    let https = Redirect { scheme: Some(Scheme::Https), ..NOWHERE_ELSE };
    let host = Redirect { host: Some("new.example".into()), ..NOWHERE_ELSE };
    let port = Redirect { port: std::num::NonZeroU16::new(8443), ..NOWHERE_ELSE };
    let usual = Redirect { port: std::num::NonZeroU16::new(443), ..https.clone() };
    let path = Redirect { path: Some(PathRewrite::Prefix("/new".into())), ..NOWHERE_ELSE };
    let full = Redirect { path: Some(PathRewrite::Full("/".into())), ..NOWHERE_ELSE };
    let plain = asked("old.example", "/old/x", "?q", false);
    let odd = asked("old.example:8080", "/old/x", "", false);
    let six = asked("[2001:db8::1]:8080", "/old", "", true);
    for (redirect, asked, expected) in [
        (&https, &plain, "https://old.example/old/x?q"),
        (&https, &odd, "https://old.example/old/x"),
        (&usual, &odd, "https://old.example/old/x"),
        (&https, &asked("[2001:db8::1]", "/", "", false), "https://[2001:db8::1]/"),
        (&host, &plain, "http://new.example/old/x?q"),
        (&host, &odd, "http://new.example:8080/old/x"),
        (&host, &six, "https://new.example:8080/old"),
        (&port, &plain, "http://old.example:8443/old/x?q"),
        (&port, &six, "https://[2001:db8::1]:8443/old"),
        (&path, &plain, "http://old.example/new/x?q"),
        (&full, &plain, "http://old.example/?q"),
        (&full, &asked("h:443", "/old", "", true), "https://h/"),
        (&path, &asked("h", "*", "", false), "http://h/"),
        (&https, &asked("h", "", "", false), "https://h/"),
        // As a path alone it would lead to another host.
        (&https, &asked("h", "//evil.example/x", "", false), "https://h//evil.example/x"),
    ] {
        assert_eq!(redirected(redirect, asked), expected);
    }
}

#[test]
fn who_is_not_served_is_not_even_redirected() {
    let filters = Filters {
        addresses: Addresses { deny: vec![Network::of([192, 0, 2, 0].into(), 24)], ..Addresses::default() },
        max_request_body: Some(10),
        redirect: Some(Redirect { host: Some("a.example".into()), ..NOWHERE_ELSE }),
        ..Filters::default()
    };
    let filter = Filter::new(&route("/", filters)).unwrap();
    let decide = |client: [u8; 4], length| {
        let asked = Asked { client: client.into(), length, ..asked("h", "/", "", false) };
        filter.decide(&asked, &mut Vec::new())
    };
    assert_eq!(decide([192, 0, 2, 9], Some(11)), Verdict::Refused(Fault::AddressRefused));
    assert_eq!(decide([192, 0, 3, 9], Some(11)), Verdict::Refused(Fault::BodyTooLarge));
    assert_eq!(decide([192, 0, 3, 9], Some(10)), Verdict::Answered(302));
    assert_eq!(decide([192, 0, 3, 9], None), Verdict::Answered(302));
    assert_eq!(filter.max_body(), Some(10));
}

#[test]
fn a_preflight_is_answered_and_other_requests_are_told_with_their_answer() {
    let cors = Cors {
        origins: vec![OriginMatch::Exact("https://a.example".into())],
        methods: vec!["GET".into()],
        headers: Vec::new(),
        expose: Vec::new(),
        credentials: false,
        max_age: std::time::Duration::from_secs(5),
    };
    let filter = Filter::new(&route("/", Filters { cors: Some(cors), ..Filters::default() })).unwrap();
    let decide = |origin: Option<&'static str>, preflight| {
        let origin = origin.map(str::as_bytes);
        let mut out = Vec::new();
        let verdict = filter.decide(&Asked { origin, preflight, ..asked("h", "/", "", false) }, &mut out);
        (verdict, out.len())
    };
    let on = (Verdict::On { host: None, rewritten: false }, 0);
    assert_eq!(decide(None, true), on, "an OPTIONS of nobody's script is the endpoint's");
    assert_eq!(decide(Some("https://a.example"), false), on);
    assert_eq!(decide(Some("https://evil.example"), true).0, Verdict::Answered(204));
    assert!(decide(Some("https://a.example"), true).1 > decide(Some("https://evil.example"), true).1);
    assert!(filter.changes_answers() && filter.removes(b"Access-Control-Allow-Origin"));
    let mut out = Vec::new();
    filter.write_lines(b"https://a.example", &mut out);
    assert_eq!(out, b"vary: origin\r\naccess-control-allow-origin: https://a.example\r\n");
}

#[test]
fn set_fields_go_and_come_and_added_ones_only_come() {
    let line = |name: &str, value: &str| HeaderLine { name: name.into(), value: value.into() };
    let edits = Edits::new(&HeaderEdits {
        set: vec![line("x-env", "prod")],
        add: vec![line("via", "haechi")],
        remove: vec!["x-debug".into()],
    });
    assert!(edits.removes(b"X-Env") && edits.removes(b"x-debug") && !edits.removes(b"Via"));
    assert_eq!(edits.lines(), b"x-env: prod\r\nvia: haechi\r\n");
    assert!(!edits.is_empty() && Edits::default().is_empty());
}

/// The same by elements of text.
fn model(prefix: &str, new: &str, path: &str) -> String {
    let elements = |text: &str| text.split('/').skip(1).map(str::to_owned).collect::<Vec<_>>();
    let plain = |text: &str| elements(text.trim_end_matches('/'));
    let mut rest = elements(path).split_off(plain(prefix).len().min(elements(path).len()));
    let new = plain(new);
    while new.is_empty() && rest.len() > 1 && rest[0].is_empty() {
        rest.remove(0);
    }
    let whole = [new, rest].concat();
    format!("/{}", whole.join("/"))
}

proptest! {
    #[test]
    fn a_prefix_is_replaced_by_elements(
        prefix in "(/[a-c]{1,2}){0,2}/?",
        new in "(/[x-z]{1,2}){0,2}/?",
        rest in "(/[a-c%2]{0,2}){0,3}",
    ) {
        let (prefix, new) = (format!("/{}", prefix.trim_start_matches('/')), format!("/{}", new.trim_start_matches('/')));
        let path = format!("{}{rest}", prefix.trim_end_matches('/'));
        let path = if path.is_empty() { "/".to_owned() } else { path };
        prop_assert_eq!(rewritten(&prefix, PathRewrite::Prefix(new.as_str().into()), &path, ""), model(&prefix, &new, &path));
    }

    #[test]
    fn no_dot_segment_and_no_line_end_comes_into_being(
        new in "(/[x.%2e]{1,3}){0,2}/?",
        rest in "(/[a.%2eE;]{0,4}){0,3}",
    ) {
        let odd = |path: &str| {
            path.split('/').any(|segment| {
                let plain = segment.to_ascii_lowercase().replace("%2e", ".");
                matches!(plain.split(';').next(), Some("." | ".."))
            })
        };
        let path = format!("/api{rest}");
        prop_assume!(!odd(&path) && !odd(&new));
        let out = rewritten("/api", PathRewrite::Prefix(new.as_str().into()), &path, "");
        prop_assert!(!odd(&out) && out.starts_with('/') && (!out.starts_with("//") || new.starts_with("//")), "{}", out);
    }
}
