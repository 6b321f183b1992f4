//! What stands for a path, by the rules of Gateway API's `ReplacePrefixMatch` and `ReplaceFullPath`.
//!
//! A path that came was refused if it held a dot segment, encoded or not, and what stands for its beginning was
//! refused in the config; both are put together at a slash. So none comes into being here.

use haechi_model::PathRewrite;

/// A path to write, from one that came.
#[derive(Clone, Debug)]
pub(crate) enum NewPath {
    Full(Box<[u8]>),
    /// Without a final slash, so that what follows begins with its own; and how many bytes it stands for.
    Prefix(Box<[u8]>, usize),
}

impl NewPath {
    /// `matched` is the prefix by which the route takes requests.
    pub(crate) fn new(path: &PathRewrite, matched: &str) -> Self {
        match path {
            PathRewrite::Full(path) => Self::Full(path.as_bytes().into()),
            PathRewrite::Prefix(path) => Self::Prefix(
                path.trim_end_matches('/').as_bytes().into(),
                matched.trim_end_matches('/').len(),
            ),
        }
    }

    /// Appends what stands for `path`.
    pub(crate) fn write(&self, path: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Full(new) => out.extend_from_slice(new),
            Self::Prefix(new, matched) => {
                let start = out.len();
                out.extend_from_slice(new);
                let mut rest = path.get(*matched..).unwrap_or_default();
                // `//host/path` is a path to some and another host to others.
                while let ([], [b'/', b'/', ..]) = (&**new, rest) {
                    rest = &rest[1..];
                }
                out.extend_from_slice(rest);
                if out.len() == start {
                    out.push(b'/');
                }
            }
        }
    }
}
