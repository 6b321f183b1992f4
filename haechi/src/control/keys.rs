//! Keys files that virtual routers name: where they stand, and what is wrong with them without a secret.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use haechi_admin::Problem;
use haechi_config::{Diagnostic, compile_keys, conceal, render};
use haechi_model::{Snapshot, Transport};
use haechi_vrrp::envelope::Keys;

use super::source::{read, refused};

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
    let folder = super::source::folder(config);
    let named = snapshot.virtual_routers.iter().filter_map(|router| match &router.transport {
        Transport::Udp { keys, .. } => Some(folder.join(&**keys)),
        Transport::Vrrp { .. } => None,
    });
    let paths: BTreeSet<PathBuf> = named.collect();
    paths.into_iter().map(|path| KeysFile { found: look(&path, colour), path }).collect()
}

/// The keys of all that run, by the name that the config gives their file.
///
/// # Errors
/// A file can't be read, or is wrong; without its secrets.
pub(super) fn sealing_keys(config: &Path, snapshot: &Snapshot) -> Result<BTreeMap<Box<str>, Keys>, Problem> {
    let folder = super::source::folder(config);
    let mut all = BTreeMap::new();
    for router in &snapshot.virtual_routers {
        let Transport::Udp { keys, .. } = &router.transport else { continue };
        if !all.contains_key(keys) {
            all.insert(keys.clone(), sealing(&folder.join(&**keys))?);
        }
    }
    Ok(all)
}

fn sealing(path: &Path) -> Result<Keys, Problem> {
    let name = path.display();
    let text = read(path).map_err(|reason| refused(format!("can't read the keys in {name}: {reason}")))?;
    let outcome = compile_keys(&text);
    let keys = outcome.keys.ok_or_else(|| Problem::Refused {
        message: format!("{name} holds no keys that can be used"),
        rendered: render(&outcome.diagnostics, &name.to_string(), &conceal(&text), false),
        diagnostics: outcome.diagnostics.iter().filter_map(|it| serde_json::to_value(it).ok()).collect(),
    })?;
    let all = keys.all.iter().map(|(id, secret)| (*id, secret.bytes()));
    Keys::new(all, keys.sign).map_err(|error| refused(format!("{name}: {error}")))
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
