//! What files look like from outside, to see that they have changed.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use haechi_model::Snapshot;

use crate::files;

/// All files that a config names, as they were at one look. Equal ones were read alike, unless somebody wrote into a
/// file within a tick of the file system's clock and kept its size.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Sight(BTreeMap<PathBuf, Option<Seen>>);

#[derive(Clone, PartialEq, Eq, Debug)]
struct Seen {
    file: u64,
    size: u64,
    changed: (i64, i64),
}

impl Sight {
    /// A look: one call for each file. `folder` is where relative names start.
    pub fn of(folder: &Path, snapshot: &Snapshot) -> Self {
        let look = |path: &Path| {
            let metadata = fs::metadata(path).ok()?;
            let changed = (metadata.mtime(), metadata.mtime_nsec());
            Some(Seen { file: metadata.ino(), size: metadata.size(), changed })
        };
        let paths = files(snapshot).map(|name| folder.join(name));
        Self(paths.map(|path| (path.clone(), look(&path))).collect())
    }
}
