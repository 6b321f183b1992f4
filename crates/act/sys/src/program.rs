//! The program that this process runs, as it was started, so that what stands in its place later can be started in
//! the same way.
//!
//! `/proc/self/exe` leads to the file that runs, wherever it is by then: once the file is replaced it reads
//! `… (deleted)`. So the place is looked up at the start, and by the name that was used, because that may be a link
//! which an upgrade lets point elsewhere.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const SELF: &str = "/proc/self/exe";

/// What the kernel adds to the name of a file that is no more.
const DELETED: &[u8] = b" (deleted)";

/// A program with its arguments.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Program {
    place: PathBuf,
    name: OsString,
    arguments: Vec<OsString>,
}

impl Program {
    /// This process's own. To be asked before its file may have been replaced: at the start.
    ///
    /// # Errors
    /// There is no `/proc`.
    pub fn of_this_process() -> io::Result<Self> {
        let mut words = env::args_os();
        let name = words.next().unwrap_or_default();
        let own = identity(Path::new(SELF))?;
        let named = places(&name).find(|place| identity(place).is_ok_and(|there| there == own));
        let place = named.map_or_else(|| fs::read_link(SELF).map(undeleted), Ok)?;
        Ok(Self { place, name, arguments: words.collect() })
    }

    /// Where it is looked for.
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// Starts what is there now, with the same arguments.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.place);
        command.arg0(&self.name).args(&self.arguments);
        command
    }
}

/// Where a program of this name may have been found by who started it.
fn places(name: &OsString) -> Box<dyn Iterator<Item = PathBuf>> {
    if name.as_bytes().contains(&b'/') {
        return Box::new(std::path::absolute(name).into_iter());
    }
    let (path, name) = (env::var_os("PATH").unwrap_or_default(), name.clone());
    let folders: Vec<PathBuf> = env::split_paths(&path).filter(|folder| folder.is_absolute()).collect();
    Box::new(folders.into_iter().map(move |folder| folder.join(&name)))
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::metadata(path).map(|file| (file.dev(), file.ino()))
}

fn undeleted(place: PathBuf) -> PathBuf {
    match place.as_os_str().as_bytes().strip_suffix(DELETED) {
        Some(before) if !place.exists() => OsString::from_vec(before.to_vec()).into(),
        _ => place,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_found_with_its_arguments() {
        let program = Program::of_this_process().unwrap();
        assert_eq!(identity(program.place()).unwrap(), identity(Path::new(SELF)).unwrap());
        let command = program.command();
        let arguments: Vec<_> = command.get_args().map(OsString::from).collect();
        assert_eq!(arguments, env::args_os().skip(1).collect::<Vec<_>>());
    }

    #[test]
    fn names_without_a_slash_are_looked_for_in_the_path() {
        let here: Vec<PathBuf> = places(&"./haechi".into()).collect();
        assert_eq!(here, [env::current_dir().unwrap().join("haechi")]);
        let found: Vec<PathBuf> = places(&"sh".into()).collect();
        assert!(found.iter().all(|place| place.ends_with("sh") && place.is_absolute()), "{found:?}");
        assert!(found.iter().any(|place| place.exists()), "{found:?}");
    }

    #[test]
    fn a_file_that_is_gone_has_its_name_without_the_kernels_note() {
        assert_eq!(undeleted("/no/such/haechi (deleted)".into()), Path::new("/no/such/haechi"));
        assert_eq!(undeleted("/no/such/haechi".into()), Path::new("/no/such/haechi"));
    }
}
