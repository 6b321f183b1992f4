//! Results of rehearsals, one line of JSON each, added at the end of a file and never changed: whoever asks in a year
//! whether the failover was ever tried finds all of them.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use haechi_admin::api::Rehearsal;

/// The file in the state folder.
const NAME: &str = "rehearsals.jsonl";

/// How much of its end is read at a start: some two hundred rehearsals.
const READ: u64 = 64 << 10;

/// Where they are kept, and the newest of each virtual router.
#[derive(Debug, Default)]
pub(super) struct Rehearsals {
    file: PathBuf,
    newest: BTreeMap<String, Rehearsal>,
}

impl Rehearsals {
    /// What is in the folder. A file that can't be read is as good as none: new ones are added all the same.
    pub(super) fn load(folder: &Path) -> Self {
        let file = folder.join(NAME);
        let text = end_of(&file).unwrap_or_default();
        // The first line may be cut in two, and is then none.
        let all = text.lines().filter_map(|line| serde_json::from_str::<Rehearsal>(line).ok());
        let newest = all.map(|rehearsal| (rehearsal.router.clone(), rehearsal)).collect();
        Self { file, newest }
    }

    pub(super) fn of(&self, router: &str) -> Option<&Rehearsal> {
        self.newest.get(router)
    }

    /// Writes one down.
    ///
    /// # Errors
    /// It can't be, in words; it is shown all the same until the process ends.
    pub(super) fn keep(&mut self, rehearsal: Rehearsal) -> Result<(), String> {
        let written = self.write(&rehearsal);
        self.newest.insert(rehearsal.router.clone(), rehearsal);
        written.map_err(|error| format!("the result can't be kept in {}: {error}", self.file.display()))
    }

    fn write(&self, rehearsal: &Rehearsal) -> io::Result<()> {
        if let Some(folder) = self.file.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut line = serde_json::to_vec(rehearsal)?;
        line.push(b'\n');
        let mut file = OpenOptions::new().append(true).create(true).open(&self.file)?;
        file.write_all(&line)?;
        file.sync_data()
    }
}

fn end_of(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(READ)))?;
    let mut bytes = Vec::new();
    file.take(READ).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What it gave, for an event.
pub(crate) fn sentence(rehearsal: &Rehearsal) -> String {
    let Rehearsal { outcome, gap_ms, attempts, failed, vantage, .. } = rehearsal;
    match gap_ms {
        Some(gap) => {
            format!(
                "rehearsed: {outcome}; longest wait {gap:.1} ms, {failed} of {attempts} failed, {vantage}"
            )
        }
        None => format!("rehearsed: {outcome}; {vantage}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rehearsal(router: &str, at_ms: u64) -> Rehearsal {
        let (outcome, vantage) = ("there and back".to_owned(), "from eth0".to_owned());
        let router = router.to_owned();
        Rehearsal { at_ms, router, to: None, outcome, gap_ms: Some(3.5), attempts: 9, failed: 0, vantage }
    }

    #[test]
    fn all_are_kept_and_the_newest_of_each_is_shown_after_a_restart() {
        let folder = std::env::temp_dir().join(format!("haechi-rehearsals-{}", std::process::id()));
        let mut kept = Rehearsals::load(&folder);
        assert_eq!(kept.of("edge"), None);
        for at in 0..500 {
            kept.keep(rehearsal("edge", at)).unwrap();
        }
        kept.keep(rehearsal("other", 7)).unwrap();
        let again = Rehearsals::load(&folder);
        assert_eq!(again.of("edge"), Some(&rehearsal("edge", 499)));
        assert_eq!(again.of("other").map(|it| it.at_ms), Some(7));
        assert_eq!(fs::read_to_string(folder.join(NAME)).unwrap().lines().count(), 501);
        fs::remove_dir_all(&folder).unwrap();
        let told = sentence(&rehearsal("edge", 1));
        assert_eq!(told, "rehearsed: there and back; longest wait 3.5 ms, 0 of 9 failed, from eth0");
    }

    #[test]
    fn a_folder_that_can_t_be_written_to_is_said() {
        let mut kept = Rehearsals::load(Path::new("/proc/none"));
        let error = kept.keep(rehearsal("edge", 1)).unwrap_err();
        assert!(error.starts_with("the result can't be kept in /proc/none/rehearsals.jsonl: "), "{error}");
        assert!(kept.of("edge").is_some());
    }
}
