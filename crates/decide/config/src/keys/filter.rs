//! Keys of what a route does besides choosing a pool. Names are those of Gateway API's `HTTPRouteFilter`.

use super::{COMPRESSION, PORT};
use crate::shape::{Key, Kind, Shape, Text};

pub(crate) static FILTERS: Shape = Shape::new(
    "the filters",
    &[
        Key::new(
            "requestHeaderModifier",
            Kind::Section(&HEADER_EDITS),
            "Edits of a request's header fields.",
        ),
        Key::new(
            "responseHeaderModifier",
            Kind::Section(&HEADER_EDITS),
            "Edits of the header fields of an endpoint's answer.",
        ),
        Key::new(
            "urlRewrite",
            Kind::Section(&URL_REWRITE),
            "Another host or path on the way to the endpoint.",
        ),
        Key::new("requestRedirect", Kind::Section(&REDIRECT), "Send the client elsewhere instead."),
        Key::new(
            "compression",
            Kind::Either(&[Kind::Word(&["off"], &[]), Kind::Section(&COMPRESSION)]),
            "In place of all that the listener says of it.",
        ),
    ],
);

pub(crate) static HEADER_EDITS: Shape = Shape::new(
    "edits of headers",
    &[
        Key::new("set", Kind::Fields, "Each in place of all fields of its name."),
        Key::new("add", Kind::Fields, "Each beside the fields of its name that are there."),
        Key::new("remove", Kind::Many(&Kind::Text(Text::HeaderName)), "Taken out."),
    ],
);

pub(crate) static URL_REWRITE: Shape = Shape::new(
    "a rewrite",
    &[
        Key::new("hostname", Kind::Text(Text::Host), "In place of the host that the client asked for."),
        Key::new("path", Kind::Section(&PATH_REWRITE), "In place of the path; the query stays."),
    ],
);

pub(crate) static PATH_REWRITE: Shape = Shape::new(
    "a new path",
    &[
        Key::new(
            "replacePrefixMatch",
            Kind::Text(Text::Path),
            "In place of the prefix that is the route's `path`; `/` takes it off.",
        ),
        Key::new("replaceFullPath", Kind::Text(Text::Path), "In place of the whole path."),
    ],
);

pub(crate) static REDIRECT: Shape = Shape::new(
    "a redirect",
    &[
        Key::new("scheme", Kind::Word(&["http", "https"], &[]), "The request's if left out."),
        Key::new("hostname", Kind::Text(Text::Host), "The request's if left out."),
        Key::new(
            "port",
            PORT,
            "If left out, that of `scheme`; without `scheme`, the port that the client asked.",
        ),
        Key::new("path", Kind::Section(&PATH_REWRITE), "The request's if left out. The query always stays."),
        Key::new("statusCode", Kind::Text(Text::Redirect), "How it is said.").default("302"),
    ],
);
