//! Keys of the question to somebody else.

use super::{NAME, WAIT};
use crate::shape::{Key, Kind, Shape, Text};

pub(crate) static EXTERNAL_AUTH: Shape = Shape::new(
    "an external auth",
    &[
        Key::new("pool", NAME, "Who is asked.").required(),
        Key::new("path", Kind::Text(Text::Any), "Path and query that are asked for, with `GET`.")
            .default("/"),
        Key::new("host", Kind::Text(Text::Any), "`Host` of the question; the request's if left out."),
        Key::new(
            "requestHeaders",
            Kind::Many(&Kind::Text(Text::HeaderName)),
            "Headers of the request that the question has.",
        )
        .default("[authorization, cookie]"),
        Key::new(
            "responseHeaders",
            Kind::Many(&Kind::Text(Text::HeaderName)),
            "Headers of a good answer that the request goes on with; those that the client sent are taken out.",
        ),
        Key::new("timeout", WAIT, "The whole question, with all tries.").default("5s"),
        Key::new("allowOnFailure", Kind::Flag, "Whether requests go on that nobody could judge.")
            .default("false"),
    ],
);
