//! Keys files that virtual routers name: where they stand, and what is wrong with them without a secret.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use haechi_config::{Diagnostic, compile_keys, conceal, render};
use haechi_model::{Snapshot, Transport};

use super::source::read;

/// One keys file as it was found.
pub(crate) struct KeysFile {
    pub(crate) path: PathBuf,
    pub(crate) found: Found,
}

/// What became of reading it.
pub(crate) enum Found {
    /// It can't be read, with the reason: where a config is only checked, its secrets need not be.
    Unreadable(String),
    /// What is wrong with it, and the same for people. Nothing, if it is a good one.
    Read { diagnostics: Vec<Diagnostic>, rendered: String },
}

/// All that the config in this file names, each once. A relative path starts at the config's folder.
pub(crate) fn keys_files(config: &Path, snapshot: &Snapshot, colour: bool) -> Vec<KeysFile> {
    let folder = config.parent().unwrap_or(Path::new(""));
    let named = snapshot.virtual_routers.iter().filter_map(|router| match &router.transport {
        Transport::Udp { keys, .. } => Some(folder.join(&**keys)),
        Transport::Vrrp { .. } => None,
    });
    let paths: BTreeSet<PathBuf> = named.collect();
    paths.into_iter().map(|path| KeysFile { found: look(&path, colour), path }).collect()
}

fn look(path: &Path, colour: bool) -> Found {
    match read(path) {
        Err(reason) => Found::Unreadable(reason),
        Ok(text) => {
            let diagnostics = compile_keys(&text).diagnostics;
            let rendered = render(&diagnostics, &path.display().to_string(), &conceal(&text), colour);
            Found::Read { diagnostics, rendered }
        }
    }
}
