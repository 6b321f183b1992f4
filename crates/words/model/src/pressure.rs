//! How near this process is to the memory that it may take.

use serde::{Deserialize, Serialize};

/// From least to worst.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Pressure {
    /// Everything goes on as it should.
    #[default]
    None,
    /// Clients are asked to leave, and what idles is closed.
    High,
    /// Nothing new is taken on.
    Full,
}

impl Pressure {
    /// All of them, for tables and metrics.
    pub const ALL: [Self; 3] = [Self::None, Self::High, Self::Full];

    /// Short stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::High => "high",
            Self::Full => "full",
        }
    }
}
