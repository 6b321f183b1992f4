//! Rows by rule of precedence.

use super::{find, lines, route};
use crate::{Query, Reason, Table};

fn simple(routes: &[(&str, &str)]) -> Table {
    let routes: Vec<_> = routes.iter().map(|(host, path)| route(host, path, "", "")).collect();
    Table::new(&routes)
}

#[test]
fn hosts() {
    let table = simple(&[
        ("any", "/"),
        ("*.example.com", "/"),
        ("a.example.com", "/"),
        ("example.com", "/"),
        ("::1", "/"),
        ("[2001:db8::1]", "/"),
    ]);
    let rows = [
        ("a.example.com", 2),
        ("A.EXAMPLE.com:8080", 2),
        ("a.example.com.", 2),
        ("b.example.com", 1),
        ("example.com", 3),
        // One label only.
        ("b.c.example.com", 0),
        (".example.com", 0),
        ("aexample.com", 0),
        ("com", 0),
        ("[::1]:80", 4),
        ("::1", 0),
        ("[2001:DB8::1]", 5),
    ];
    for (host, expected) in rows {
        assert_eq!(find(&table, host, "/x"), Some(expected), "{host}");
    }
    let none = Query { host: None, path: b"/", method: b"GET", headers: &() };
    assert_eq!(table.find(&none), Some(0));
}

#[test]
fn paths() {
    let table = simple(&[
        ("any", "/api"),
        ("any", "/api/v1/users"),
        ("any", "=/api"),
        ("any", "/img/"),
        ("any", "=/api/v1/"),
        ("any", "//"),
        ("any", "/a/b/c/d"),
    ]);
    let rows = [
        ("/api", Some(2)),
        ("/api/", Some(0)),
        ("/api/v1", Some(0)),
        ("/api/v1/", Some(4)),
        ("/api/v1/users", Some(1)),
        ("/api/v1/users/7", Some(1)),
        ("/api/v1/users7", Some(0)),
        ("/apix", None),
        ("/API", None),
        ("/img", Some(3)),
        ("/img/", Some(3)),
        ("/img/a/b/c/d/e/f", Some(3)),
        // `//` is `/` and one more; that is not the root, which takes everything.
        ("/", Some(5)),
        ("/x", None),
        ("//", Some(5)),
        ("//x", Some(5)),
        ("/x//", None),
        ("/a/b/c", None),
        ("/a/b/c/d", Some(6)),
        ("", None),
        ("*", None),
        ("api", None),
    ];
    for (path, expected) in rows {
        assert_eq!(find(&table, "x", path), expected, "{path:?}");
    }
}

#[test]
fn the_root_takes_everything() {
    for root in ["/", ""] {
        let table = simple(&[("any", root), ("any", "=/only")]);
        for (path, expected) in [("/", 0), ("/x/y", 0), ("", 0), ("*", 0), ("/only", 1), ("/only/", 0)] {
            assert_eq!(find(&table, "x", path), Some(expected), "{root:?} {path:?}");
        }
    }
}

#[test]
fn a_catch_all_needs_no_looking() {
    let table = simple(&[("any", "/"), ("any", "/")]);
    assert_eq!(find(&table, "", ""), Some(0));
    assert_eq!(simple(&[]).find(&Query { host: None, path: b"/", method: b"GET", headers: &() }), None);
}

#[test]
fn methods_and_headers() {
    let table = Table::new(&[
        route("any", "/", "", ""),
        route("any", "/", "GET|POST", ""),
        route("any", "/", "", "x-a:1"),
        route("any", "/", "", "x-a:1,x-b"),
        route("any", "/", "POST", "x-a:1"),
        route("any", "/", "POST", "x-a:1"),
    ]);
    let one: &[(&str, &str)] = &[("X-A", "1")];
    type Row = (&'static str, &'static [(&'static str, &'static str)], usize);
    let rows: &[Row] = &[
        ("PUT", &[], 0),
        ("GET", &[], 1),
        ("get", &[], 0),
        ("GE", &[], 0),
        ("GET", one, 1),
        ("PUT", one, 2),
        ("PUT", &[("x-a", "1"), ("x-B", "")], 3),
        ("POST", one, 4),
        ("POST", &[("x-a", "2")], 1),
        // Every line of a name counts, wherever the wanted one stands.
        ("PUT", &[("x-a", "0"), ("y", "1"), ("x-a", "1")], 2),
        ("PUT", &[("x-a", "1"), ("x-a", "0")], 2),
        // A list in one line is one value.
        ("PUT", &[("x-a", "0, 1")], 0),
        ("PUT", &[("x-a", "")], 0),
    ];
    for (method, headers, expected) in rows {
        let headers = lines(headers);
        let query = Query { host: None, path: b"/", method: method.as_bytes(), headers: &headers[..] };
        assert_eq!(table.find(&query), Some(*expected), "{method} {headers:?}");
    }
}

#[test]
fn what_is_refused_falls_back_to_the_less_specific() {
    let table = Table::new(&[
        route("a.example.com", "=/x/y", "DELETE", ""),
        route("a.example.com", "/x/y", "PUT", ""),
        route("a.example.com", "/x", "", "x-a"),
        route("*.example.com", "/x/y", "POST", ""),
        route("*.example.com", "/", "PATCH", ""),
        route("any", "/x", "GET", ""),
    ]);
    let a = lines(&[("x-a", "1")]);
    let rows: &[(&str, bool, Option<usize>)] = &[
        ("DELETE", false, Some(0)),
        ("PUT", false, Some(1)),
        ("GET", true, Some(2)),
        ("POST", false, Some(3)),
        ("PATCH", false, Some(4)),
        ("GET", false, Some(5)),
        ("HEAD", false, None),
    ];
    for (method, header, expected) in rows {
        let headers = if *header { &a[..] } else { &[] };
        let query = Query { host: Some(b"a.example.com"), path: b"/x/y", method: method.as_bytes(), headers };
        assert_eq!(table.find(&query), *expected, "{method}");
        assert_eq!(table.why(&query).is_none(), expected.is_some());
    }
}

#[test]
fn reasons_name_what_came_closest() {
    let table = Table::new(&[
        route("a.com", "/x", "PUT", ""),
        route("a.com", "/x/y", "POST", ""),
        route("a.com", "/x", "GET", "x-a:1"),
        route("*.b.com", "/x", "", ""),
    ]);
    let rows = [
        ("c.com", "/x", "GET", Reason::Host),
        ("b.com", "/x", "GET", Reason::Host),
        ("", "/x", "GET", Reason::Host),
        ("a.com", "/", "GET", Reason::Path),
        ("q.b.com", "/", "GET", Reason::Path),
        ("a.com", "/x", "DELETE", Reason::Method { route: 2 }),
        ("a.com", "/x/y", "DELETE", Reason::Method { route: 1 }),
        ("a.com", "/x", "GET", Reason::Headers { route: 2 }),
        ("a.com", "/x/y/z", "GET", Reason::Headers { route: 2 }),
    ];
    for (host, path, method, expected) in rows {
        let query = Query {
            host: Some(host.as_bytes()),
            path: path.as_bytes(),
            method: method.as_bytes(),
            headers: &(),
        };
        assert_eq!((table.find(&query), table.why(&query)), (None, Some(expected)), "{host}{path} {method}");
    }
    let texts: std::collections::BTreeSet<_> = rows.iter().map(|row| row.3.to_string()).collect();
    assert_eq!(texts.len(), 4);
}
