//! Keys of what a connection in HTTP/2 may cost.

use std::time::Duration;

use crate::shape::{Key, Kind, Shape};

/// A window below the protocol's own start can't be had: a client may use that before it has heard of another.
const LEAST_WINDOW: u64 = 64 << 10;

pub(crate) static HTTP2: Shape = Shape::new(
    "the http2 section",
    &[
        Key::new(
            "enabled",
            Kind::Flag,
            "Spoken with clients that ask for it: in the handshake (https), by their first bytes (http).",
        )
        .default("true"),
        Key::new(
            "maxConcurrentStreams",
            Kind::Int(1, 10_000),
            "Most requests that a client may have open on one connection.",
        )
        .default("100")
        .because("each may hold a window's worth of a body, and a place at an endpoint"),
        Key::new(
            "streamWindow",
            Kind::Size(LEAST_WINDOW, 16 << 20),
            "Bytes of one request body that may be under way; its uploads go no faster than this in a round trip.",
        )
        .default("64KiB")
        .because("less than the protocol's start can't be asked for, and 16 MiB in 100 ms are more than 1 Gbit/s"),
        Key::new(
            "connectionWindow",
            Kind::Size(LEAST_WINDOW, 256 << 20),
            "The same for all streams of a connection together: what one can make us hold.",
        )
        .default("1MiB")
        .because("as above, for sixteen such streams"),
        Key::new(
            "resetsPerSecond",
            Kind::Int(1, 100_000),
            "Streams that a client may reset, and that may have to be reset because of it; twice as many at once.",
        )
        .default("100")
        .because("more than a client can open and reset in a second is no limit"),
        Key::new(
            "stallTimeout",
            Kind::Duration(Duration::from_secs(1), super::DAY),
            "How long a response waits for a client that opens its window by less than 16 KiB.",
        )
        .default("60s"),
    ],
);
