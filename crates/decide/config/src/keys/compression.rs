//! Keys of how answers are compressed.

use crate::shape::{Key, Kind, Shape, Text};

/// Names of RFC 9110 §8.4.1, in the order of the default.
pub(crate) const CODINGS: Kind = Kind::Many(&Kind::Word(&["zstd", "br", "gzip"], &[]));

pub(crate) static COMPRESSION: Shape = Shape::new(
    "the compression section",
    &[
        Key::new(
            "codings",
            CODINGS,
            "Those that may be used. Of those that a client likes alike, the first.",
        )
        .default("[zstd, br, gzip]"),
        Key::new(
            "types",
            Kind::Many(&Kind::Text(Text::MediaType)),
            "Media types of answers, such as `text/html`, or `text/*`; if left out, those of text.",
        ),
        Key::new("minimumSize", Kind::Size(0, 1 << 30), "A body that is known to be shorter goes as it is.")
            .default("1KiB")
            .because("a gigabyte of text is no answer any more; who wants none coded leaves the section out"),
        Key::new("levels", Kind::Section(&LEVELS), "How much work is done: more is smaller and slower."),
    ],
);

pub(crate) static LEVELS: Shape = Shape::new(
    "levels",
    &[
        Key::new("gzip", Kind::Int(1, 9), "As of `gzip -1` to `-9`.").default("4").because("zlib's"),
        Key::new("br", Kind::Int(0, 4), "Brotli's quality.").default("3").because(
            "from 5 on its tables are megabytes for each answer on its way; 10 and 11 are for files that are compressed once",
        ),
        Key::new("zstd", Kind::Int(1, 6), "Zstandard's level.")
            .default("3")
            .because("from 7 on it gains a hundredth of the size for twice the memory"),
    ],
);
