//! The lab's folder: where everything that it writes stands, where its verbs find it, and what keeps a
//! second lab out.
//!
//! A lock in it tells a running lab from a dead one's remains, which are cleared away. Refused: a folder of
//! another user, and one that holds anything but a lab, because it is removed at the end.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::process::getuid;

use crate::error::LabError;
use crate::hints::shell;

/// Held by the lab that runs; its presence says that the folder is a lab's.
const LOCK: &str = "lab.lock";

/// Longest path of the folder in bytes: a socket's path holds 107, the longest name here takes 15.
const MAX_PATH: usize = 92;

/// What decides where the folder is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Environment {
    /// `HAECHI_STATE_DIR`
    pub state_dir: Option<OsString>,
    /// `XDG_RUNTIME_DIR`
    pub runtime_dir: Option<OsString>,
}

impl Environment {
    /// Of this process.
    pub fn read() -> Self {
        Self {
            state_dir: std::env::var_os("HAECHI_STATE_DIR"),
            runtime_dir: std::env::var_os("XDG_RUNTIME_DIR"),
        }
    }

    /// What a second terminal has to write before a verb to find the same folder, if anything.
    pub fn setting(&self) -> Option<String> {
        let folder = self.state_dir.as_ref().filter(|folder| !folder.is_empty())?;
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.into());
        Some(format!("HAECHI_STATE_DIR={}", shell(&folder)))
    }
}

/// Where the folder may be; a new lab takes the first. A terminal without `XDG_RUNTIME_DIR` (after `su`, say)
/// has fewer, so verbs look at all of them.
pub fn candidates(environment: &Environment) -> Vec<PathBuf> {
    let given = |value: &Option<OsString>| value.clone().filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(folder) = given(&environment.state_dir) {
        return vec![folder.join("lab")];
    }
    let shared = PathBuf::from(format!("/tmp/haechi-lab-{}", getuid().as_raw()));
    given(&environment.runtime_dir)
        .map(|folder| folder.join("haechi-lab"))
        .into_iter()
        .chain([shared])
        .collect()
}

/// Why the folder can't be had.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// A lab runs in it.
    Taken,
    /// Anything else.
    Other(LabError),
}

/// The folder of the lab that runs in this process; removed when dropped.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    lock: File,
}

impl Folder {
    /// Makes the folder, or takes over what a dead lab left.
    pub(crate) fn claim(path: &Path) -> Result<Self, Refusal> {
        let say = |what: &str| LabError::doing(format!("{what} the lab's folder {}", path.display()));
        // Children and verbs may stand elsewhere.
        let path = std::path::absolute(path).map_err(|error| Refusal::Other(say("find")(error)))?;
        if path.as_os_str().len() > MAX_PATH {
            return Err(other(
                &path,
                format!("its path is longer than {MAX_PATH} bytes, which is too long for a socket in it"),
            ));
        }
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path)
            .map_err(|error| Refusal::Other(say("make")(error)))?;
        check(&path)?;
        let lock = lock(&path)?;
        clear(&path).map_err(|error| Refusal::Other(say("clear")(error)))?;
        fs::create_dir(path.join("log")).map_err(|error| Refusal::Other(say("make")(error)))?;
        Ok(Self { path, lock })
    }

    /// The node's config.
    pub(crate) fn config(&self) -> PathBuf {
        self.path.join("haechi.yaml")
    }

    /// The node's admin API.
    pub(crate) fn admin_socket(&self) -> PathBuf {
        self.path.join("admin.sock")
    }

    /// What the node says. In a folder of its own: the node watches the one of its config for changes, and
    /// must not take its own words for one.
    pub(crate) fn node_log(&self) -> PathBuf {
        self.path.join("log/node.log")
    }

    /// Where the lab's verbs knock.
    pub(crate) fn socket(&self) -> PathBuf {
        socket(&self.path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // The lock goes last, so that nobody takes the folder over while it is being removed. What can't be
        // removed is cleared by the next lab.
        let _ = clear(&self.path);
        let _ = fs::remove_file(self.path.join(LOCK));
        let _ = fs::remove_dir(&self.path);
        let _ = flock(&self.lock, FlockOperation::Unlock);
    }
}

/// The socket of the lab in `folder`.
pub(crate) fn socket(folder: &Path) -> PathBuf {
    folder.join("lab.sock")
}

fn other(path: &Path, why: impl std::fmt::Display) -> Refusal {
    let path = path.display();
    Refusal::Other(LabError::new(format!(
        "can't use {path} for the lab: {why}; name another folder with HAECHI_STATE_DIR"
    )))
}

/// Ours alone, and a lab's or empty.
fn check(path: &Path) -> Result<(), Refusal> {
    let looking = |error: io::Error| other(path, error);
    let found = fs::symlink_metadata(path).map_err(looking)?;
    if !found.is_dir() {
        return Err(other(path, "it is not a folder"));
    }
    if found.uid() != getuid().as_raw() {
        return Err(other(path, format_args!("it belongs to user {}", found.uid())));
    }
    let is_lab = path.join(LOCK).exists();
    if !is_lab && fs::read_dir(path).map_err(looking)?.next().is_some() {
        return Err(other(
            path,
            "it holds files that are not the lab's, and the lab removes its folder at the end",
        ));
    }
    fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(looking)
}

fn lock(path: &Path) -> Result<File, Refusal> {
    let name = path.join(LOCK);
    let open = || OpenOptions::new().create(true).truncate(false).write(true).open(&name);
    let failed = |error: io::Error| other(path, error);
    let file = open().map_err(failed)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => return Err(Refusal::Taken),
        Err(error) => return Err(failed(error.into())),
    }
    // A lab that ended just now may have removed the file between our opening and locking it.
    let ours = file.metadata().map_err(failed)?;
    let there = fs::symlink_metadata(&name)
        .map_err(|_| other(path, "another lab is just ending there; try again"))?;
    if (ours.dev(), ours.ino()) != (there.dev(), there.ino()) {
        return Err(Refusal::Taken);
    }
    Ok(file)
}

/// Removes everything but the lock.
fn clear(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_name() == LOCK {
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An empty place of this test's own, removed at the end.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("haechi-lab-test-{}-{name}", std::process::id()));
            fs::create_dir(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    fn said(refusal: Refusal) -> String {
        match refusal {
            Refusal::Taken => "taken".to_owned(),
            Refusal::Other(error) => error.to_string(),
        }
    }

    #[test]
    fn the_environment_decides_where() {
        let uid = getuid().as_raw();
        let at = |state: Option<&str>, runtime: Option<&str>| {
            let environment =
                Environment { state_dir: state.map(Into::into), runtime_dir: runtime.map(Into::into) };
            candidates(&environment).iter().map(|path| path.display().to_string()).collect::<Vec<_>>()
        };
        let shared = format!("/tmp/haechi-lab-{uid}");
        assert_eq!(at(Some("/s"), Some("/r")), ["/s/lab"]);
        assert_eq!(at(None, Some("/r")), ["/r/haechi-lab".to_owned(), shared.clone()]);
        assert_eq!(at(Some(""), Some("")), [shared]);
    }

    #[test]
    fn one_lab_at_a_time_and_nothing_stays() {
        let scratch = Scratch::new("one");
        let path = scratch.0.join("deep/lab");
        let folder = Folder::claim(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(said(Folder::claim(&path).unwrap_err()), "taken");
        fs::write(folder.config(), "x").unwrap();
        fs::create_dir(path.join("editor")).unwrap();
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn what_a_dead_lab_left_is_taken_over() {
        let scratch = Scratch::new("dead");
        let path = scratch.0.join("lab");
        fs::create_dir(&path).unwrap();
        for name in [LOCK, "lab.sock", "haechi.yaml"] {
            fs::write(path.join(name), "old").unwrap();
        }
        let folder = Folder::claim(&path).unwrap();
        assert!(!folder.socket().exists() && !folder.config().exists());
    }

    #[test]
    fn a_folder_with_other_things_is_left_alone() {
        let scratch = Scratch::new("other");
        let path = scratch.0.join("lab");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("thesis.txt"), "years").unwrap();
        let said = said(Folder::claim(&path).unwrap_err());
        assert!(said.contains("not the lab's") && said.contains("HAECHI_STATE_DIR"), "{said}");
        assert_eq!(fs::read_to_string(path.join("thesis.txt")).unwrap(), "years");
    }

    #[test]
    fn a_link_or_a_long_path_is_refused() {
        let scratch = Scratch::new("link");
        let (target, link) = (scratch.0.join("target"), scratch.0.join("link"));
        fs::create_dir(&target).unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert!(said(Folder::claim(&link).unwrap_err()).contains("not a folder"));
        let long = scratch.0.join("x".repeat(MAX_PATH));
        assert!(said(Folder::claim(&long).unwrap_err()).contains("too long"));
        assert!(!long.exists());
    }
}
