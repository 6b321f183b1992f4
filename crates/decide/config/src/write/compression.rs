//! What is compressed, as keys and values.

use haechi_model::{CodingLevels, Compression, RouteCompression};

use super::tree::{Field, Out, count, may, must};
use crate::value::number;

/// The section of a listener.
pub(super) fn compression(compression: &Compression) -> Out {
    let default = Compression::default();
    let codings = compression.codings.iter().map(|coding| Out::bare(coding.name())).collect();
    let types = compression.types.iter().map(Out::text).collect();
    Out::Map(vec![
        may("codings", Out::List(codings), compression.codings == default.codings),
        may("types", Out::List(types), compression.types == default.types),
        may(
            "minimumSize",
            Out::Bare(number::format_size(compression.minimum_size)),
            compression.minimum_size == default.minimum_size,
        ),
        may("levels", levels(compression.levels), compression.levels == default.levels),
    ])
}

fn levels(levels: CodingLevels) -> Out {
    let default = CodingLevels::default();
    Out::Map(vec![
        count("gzip", &levels.gzip, &default.gzip),
        count("br", &levels.br, &default.br),
        count("zstd", &levels.zstd, &default.zstd),
    ])
}

/// What a route says of it, if anything.
pub(super) fn route(said: &RouteCompression) -> Option<Field> {
    match said {
        RouteCompression::AsListener => None,
        RouteCompression::Off => Some(must("compression", Out::bare("off"))),
        RouteCompression::Of(own) => Some(must("compression", compression(own))),
    }
}
