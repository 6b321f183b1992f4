//! How bodies of answers are made smaller on their way to clients that take them so.

/// A content coding of RFC 9110 §8.4.1 (and of RFC 7932 and RFC 8878).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Coding {
    /// RFC 1952.
    Gzip,
    /// Brotli, RFC 7932.
    Br,
    /// Zstandard, RFC 8878, with a window of 8 MiB at most (RFC 9659).
    Zstd,
}

impl Coding {
    /// In the order of the type.
    pub const ALL: [Self; 3] = [Self::Gzip, Self::Br, Self::Zstd];

    /// As a field says it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Br => "br",
            Self::Zstd => "zstd",
        }
    }
}

/// What is coded, and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Compression {
    /// Whichever a client likes best; of those that it likes alike, the first of these.
    pub codings: Vec<Coding>,
    /// Media types in lower case without parameters; `text/*` is all of a kind, `*/*` all.
    pub types: Vec<Box<str>>,
    /// A body that is known to be shorter goes as it is, in bytes.
    pub minimum_size: u64,
    /// How much work is done.
    pub levels: CodingLevels,
}

/// More is smaller and slower. Each coding has a scale of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CodingLevels {
    /// 1 to 9.
    pub gzip: u8,
    /// 0 to 4.
    pub br: u8,
    /// 1 to 6.
    pub zstd: u8,
}

/// What a route says of it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum RouteCompression {
    /// Nothing: as its listener does.
    #[default]
    AsListener,
    /// Its answers go as they are.
    Off,
    /// In place of all that its listener says.
    Of(Compression),
}

impl Default for CodingLevels {
    /// What a core does some 100 MB/s of text with, or more.
    fn default() -> Self {
        Self { gzip: 4, br: 3, zstd: 3 }
    }
}

impl CodingLevels {
    /// That of one coding.
    pub const fn of(&self, coding: Coding) -> u8 {
        match coding {
            Coding::Gzip => self.gzip,
            Coding::Br => self.br,
            Coding::Zstd => self.zstd,
        }
    }
}

impl Compression {
    /// Text, and what is made of text. Pictures, sound, archives and fonts in WOFF are coded already; an event stream
    /// would keep an encoder's memory for as long as it lasts.
    pub const TYPES: [&str; 16] = [
        "text/html",
        "text/css",
        "text/plain",
        "text/xml",
        "text/javascript",
        "text/markdown",
        "text/csv",
        "application/javascript",
        "application/json",
        "application/ld+json",
        "application/manifest+json",
        "application/problem+json",
        "application/xml",
        "application/wasm",
        "application/xhtml+xml",
        "image/svg+xml",
    ];
}

impl Default for Compression {
    fn default() -> Self {
        Self {
            codings: vec![Coding::Zstd, Coding::Br, Coding::Gzip],
            types: Self::TYPES.map(Into::into).into(),
            // Below it a packet is saved by nobody (an Ethernet frame takes 1,460 bytes).
            minimum_size: 1024,
            levels: CodingLevels::default(),
        }
    }
}
