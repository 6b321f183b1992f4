//! Filters of routes that a config can say.

use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use haechi_model::{
    Addresses, BasicAuth, Cors, Filters, HeaderEdits, HeaderLine, OriginMatch, PathRewrite, Rate, Redirect,
    Rewrite, Scheme,
};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

use super::compression::route_compression;
use super::{ms, network};

fn path_rewrite() -> impl Strategy<Value = PathRewrite> {
    prop_oneof![
        "(/[a-z0-9:@]{1,4}){1,3}".prop_map(|path| PathRewrite::Prefix(path.into())),
        Just(PathRewrite::Prefix("/".into())),
        "(/[a-z]{0,2}){1,3}".prop_map(|path| PathRewrite::Full(path.into())),
    ]
}

/// Names by their first letter, so that none is edited twice.
fn edits() -> impl Strategy<Value = HeaderEdits> {
    let lines = |first: char| {
        vec(("[a-z!#$%&'*+.^_`|~-]{0,4}", "[!-~]{0,6}|[!-~] [!-~]|값"), 0..3).prop_map(move |lines| {
            let names = lines.into_iter().enumerate();
            let line = |(at, (name, value)): (usize, (String, String))| HeaderLine {
                name: format!("{first}{at}{name}").into(),
                value: value.into(),
            };
            names.map(line).collect::<Vec<_>>()
        })
    };
    (lines('s'), lines('a'), lines('r')).prop_map(|(set, add, remove)| HeaderEdits {
        set,
        add,
        remove: remove.into_iter().map(|line| line.name).collect(),
    })
}

fn cors() -> impl Strategy<Value = Cors> {
    let origin = prop_oneof![
        "http://[a-z]{1,5}\\.[a-z]{2}".prop_map(|origin| OriginMatch::Exact(origin.into())),
        "https://[a-z]{1,5}\\.[a-z]{2}:8443".prop_map(|origin| OriginMatch::Exact(origin.into())),
        "[a-z]{1,5}\\.[a-z]{2}(:8080)?"
            .prop_map(|parent| OriginMatch::Within { scheme: Scheme::Https, parent: parent.into() }),
    ];
    let names = || vec("[a-z-]{1,5}".prop_map(Box::from), 0..3);
    (
        vec(origin, 1..3),
        vec("GET|PUT|X-Y".prop_map(Box::from), 1..3),
        names(),
        names(),
        any::<bool>(),
        0..86_400_u64,
    )
        .prop_map(|(origins, methods, headers, expose, credentials, age)| Cors {
            origins,
            methods,
            headers,
            expose,
            credentials,
            max_age: Duration::from_secs(age),
        })
}

/// Any filters that a route can have.
pub(super) fn filters() -> impl Strategy<Value = Filters> {
    let host = || of("[a-z]{1,5}\\.[a-z]{2}".prop_map(Box::from));
    let redirect = (of(any::<bool>()), host(), of(1..u16::MAX), of(path_rewrite()), 0..5_usize).prop_map(
        |(https, host, port, path, status)| Redirect {
            scheme: https.map(|https| if https { Scheme::Https } else { Scheme::Http }),
            // Or it could lead back.
            host: host.or(Some("a.example".into())),
            port: port.and_then(NonZeroU16::new),
            path,
            status: [301, 302, 303, 307, 308][status],
        },
    );
    let on = (edits(), edits(), host(), of(path_rewrite()), route_compression()).prop_map(
        |(request, response, host, path, compression)| Filters {
            request_headers: request,
            response_headers: response,
            rewrite: Rewrite { host, path },
            redirect: None,
            compression,
            ..Filters::default()
        },
    );
    let networks = || vec(network(), 0..3);
    let number = || (1..u32::MAX).prop_filter_map("not zero", NonZeroU32::new);
    let rate = (number(), ms(1), number()).prop_map(|(requests, per, burst)| Rate { requests, per, burst });
    let judged = (networks(), networks(), of(rate), of(cors()), of(1..(1_u64 << 40)), of(number())).prop_map(
        |(allow, deny, rate, cors, most, at_once)| Filters {
            addresses: Addresses { allow, deny },
            rate,
            cors,
            max_concurrent: at_once,
            basic_auth: at_once.map(|number| BasicAuth {
                file: format!("{number}.htpasswd").into(),
                realm: if number.get() % 2 == 0 { "restricted".into() } else { "a b".into() },
                passes_on: number.get() % 3 == 0,
            }),
            max_request_body: most,
            max_response_body: most.map(|most| most / 2 + 1),
            ..Filters::default()
        },
    );
    prop_oneof![
        1 => judged,
        3 => Just(Filters::default()),
        1 => on,
        1 => redirect.prop_map(|redirect| Filters { redirect: Some(redirect), ..Filters::default() }),
    ]
    // On the heap: a test's thread has little room for a tree of them.
    .boxed()
}
