//! Keys of routes with several pools.

use crate::shape::{Key, Kind, Shape, Text};

/// Gateway API's bounds of a `backendRefs` weight.
pub(crate) const SPLIT_WEIGHT: (u64, u64) = (0, 1_000_000);

pub(crate) static SPLIT_BY: Shape = Shape::new(
    "what splits",
    &[
        Key::new("header", Kind::Text(Text::HeaderName), "The value of this header."),
        Key::new("cookie", Kind::Text(Text::CookieName), "The value of this cookie."),
    ],
);
