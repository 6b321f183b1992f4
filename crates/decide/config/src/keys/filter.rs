//! Keys of what a route does besides choosing a pool. Names are those of Gateway API's `HTTPRouteFilter`.

use std::time::Duration;

use super::{COMPRESSION, COUNT, EXTERNAL_AUTH, PORT};
use crate::shape::{Key, Kind, Shape, Text};

pub(crate) static FILTERS: Shape = Shape::new(
    "the filters",
    &[
        Key::new("clientAddresses", Kind::Section(&ADDRESSES), "Which clients are served; others get 403."),
        Key::new("rateLimit", Kind::Section(&RATE), "How often each client may ask; 429 above it."),
        Key::new(
            "maxConcurrentRequests",
            COUNT,
            "Most requests of one client that run at a time; further ones get 429.",
        ),
        Key::new("basicAuth", Kind::Section(&BASIC_AUTH), "Who may come in, by user and password; others get 401."),
        Key::new("maxRequestBody", Kind::Size(1, 1 << 40), "Longest body of a request; longer ones get 413.")
            .because("a TiB is more than any upload in one request"),
        Key::new(
            "maxResponseBody",
            Kind::Size(1, 1 << 40),
            "Longest body of an endpoint's answer; longer ones become 502, or are cut off where they have begun.",
        )
        .because("a TiB is more than any download in one answer"),
        Key::new(
            "externalAuth",
            Kind::Section(&EXTERNAL_AUTH),
            "Somebody else who is asked whether a request may go on.",
        ),
        Key::new("cors", Kind::Section(&CORS), "Which scripts of other sites may read answers."),
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

pub(crate) static ADDRESSES: Shape = Shape::new(
    "client addresses",
    &[
        Key::new("allow", Kind::Many(&Kind::Text(Text::Network)), "Only these; all if left out."),
        Key::new("deny", Kind::Many(&Kind::Text(Text::Network)), "Never these, whatever `allow` says."),
    ],
);

pub(crate) static RATE: Shape = Shape::new(
    "a rate limit",
    &[
        Key::new("requests", COUNT, "So many requests of one client …").required(),
        Key::new("per", RATE_TIME, "… in so much time.").default("1s").because(
            "under 1 ms clocks of busy machines blur; more than a day is a quota, which must outlive a restart",
        ),
        Key::new("burst", COUNT, "Most of them at once, after a pause; as many as `requests` if left out."),
    ],
);

pub(crate) static BASIC_AUTH: Shape = Shape::new(
    "a basicAuth filter",
    &[
        Key::new(
            "file",
            Kind::Text(Text::Any),
            "Lines `name:hash` as `htpasswd -B` writes them: bcrypt, SHA-256-crypt or SHA-512-crypt. It is read again when it \
             changes.",
        )
        .required(),
        Key::new("realm", Kind::Text(Text::Any), "What browsers show when they ask.").default("restricted"),
        Key::new("passOn", Kind::Flag, "Whether endpoints see the `Authorization` field.").default("false"),
    ],
);

/// As other waits, with bounds that have a reason of their own.
const RATE_TIME: Kind = Kind::Duration(Duration::from_millis(1), Duration::from_secs(86_400));

pub(crate) static CORS: Shape = Shape::new(
    "a cors filter",
    &[
        Key::new(
            "allowOrigins",
            Kind::Many(&Kind::Text(Text::Origin)),
            "Whose scripts; `*.` stands for any labels.",
        )
        .required(),
        Key::new("allowMethods", Kind::Many(&Kind::Text(Text::Method)), "What they may ask with.")
            .default("[GET, HEAD, POST]"),
        Key::new("allowHeaders", Kind::Many(&Kind::Text(Text::HeaderName)), "Fields that they may send."),
        Key::new(
            "exposeHeaders",
            Kind::Many(&Kind::Text(Text::HeaderName)),
            "Fields of answers that they may read.",
        ),
        Key::new("allowCredentials", Kind::Flag, "Whether cookies go with their requests.").default("false"),
        Key::new(
            "maxAge",
            Kind::Duration(Duration::ZERO, Duration::from_secs(86_400)),
            "How long a browser may remember it.",
        )
        .default("5s")
        .because("no browser remembers it for longer than a day"),
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
