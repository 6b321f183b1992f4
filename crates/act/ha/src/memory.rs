//! What the `udp` transport must not forget when its process ends: which lives this node had, and what it heard.
//!
//! The number of a life (its epoch) is the wall's time at its start, and peers hear only what is newer than what they
//! heard. After a clock went back, that time would be an old one: peers would drop every advertisement of the new life
//! until the clock had caught up. So each life's number is on disk before the life says a word, and the next one's is
//! greater, whatever the clock says. Without a state folder that can be written to, the clock alone decides.
//!
//! What was heard is kept too, or the last words of a peer that died before our restart could be played to us again. It
//! is written by a thread of its own, now and then ([`REST`]) and at a clean end: who kills this process and plays
//! words that are younger than that makes it wait once, for one active-down interval.
//!
//! Whoever lost the state folder of a node *and* set its clock back finds it counted as `replayed` by its peers: they
//! forget it when `envelopes-….json` is removed from their state folders and they start anew.

use std::fs::{self, File};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use haechi_vrrp::envelope::{MAX_SENDERS, Window};
use serde::{Deserialize, Serialize};

/// Least time between two writes of what was heard: a disk that stores a page each five seconds does not feel it.
pub(crate) const REST: Duration = Duration::from_secs(5);

/// Senders that are remembered over a start. Nodes that were renamed must not fill the window for ever; what is newest
/// stays.
const SENDERS: usize = MAX_SENDERS / 2;

/// Longest file that is read: a hundred sockets with as many senders as there may be.
const LONGEST: u64 = 1 << 20;

/// What stands in the file.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Remembered {
    /// Of the newest life.
    pub(crate) epoch: u64,
    /// By socket.
    pub(crate) heard: Vec<(SocketAddr, Window)>,
}

/// The file, and the thread that writes it.
#[derive(Debug)]
pub(crate) struct Memory {
    file: PathBuf,
    writer: Mutex<Option<Writer>>,
}

#[derive(Debug)]
struct Writer {
    pages: SyncSender<Remembered>,
    thread: JoinHandle<()>,
}

/// The number of a life that starts at this time after one with the number `former`.
pub(crate) fn next_epoch(wall: SystemTime, former: u64) -> u64 {
    let since = wall.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX).max(former.saturating_add(1))
}

impl Memory {
    /// Of a node with this name, which no other node that keeps its state here has.
    pub(crate) fn new(folder: &Path, node: &str) -> Self {
        Self { file: folder.join(format!("envelopes-{node}.json")), writer: Mutex::default() }
    }

    /// Begins a life, whose number is on disk before this returns. Nothing, if it has begun.
    pub(crate) fn begin(&self, wall: SystemTime) -> Option<Remembered> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if writer.is_some() {
            return None;
        }
        let mut remembered = self.read();
        remembered.epoch = next_epoch(wall, remembered.epoch);
        for (_, window) in &mut remembered.heard {
            window.keep_newest(SENDERS);
        }
        if let Err(error) = write(&self.file, &remembered) {
            let file = self.file.display();
            tracing::warn!(%error, "{file} can't be written: after a restart with a clock that went back, peers would \
                                    take this node's advertisements for old ones");
        }
        *writer = self.start().map_err(|error| tracing::warn!(%error, "no thread for what was heard")).ok();
        Some(remembered)
    }

    fn start(&self) -> io::Result<Writer> {
        let (pages, inbox) = sync_channel(1);
        let file = self.file.clone();
        let thread = thread::Builder::new().name("memory".into()).spawn(move || live(&file, &inbox))?;
        Ok(Writer { pages, thread })
    }

    /// A file that can't be read, or is none of ours, is as good as none.
    fn read(&self) -> Remembered {
        let short = fs::metadata(&self.file).is_ok_and(|it| it.len() <= LONGEST);
        let text = if short { fs::read(&self.file).unwrap_or_default() } else { Vec::new() };
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Has this written. Says whether it will be: it is not where the disk still writes what came before.
    pub(crate) fn keep(&self, page: Remembered) -> bool {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = writer.as_ref().map(|writer| writer.pages.try_send(page));
        !matches!(sent, Some(Err(TrySendError::Full(_))))
    }

    /// The last page of a life, which is on disk when this returns.
    pub(crate) fn end(&self, page: &Remembered) {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Writer { pages, thread }) = writer else { return };
        drop(pages);
        // Its own panic was printed.
        let _ = thread.join();
        if let Err(error) = write(&self.file, page) {
            tracing::debug!(%error, "what was heard is not kept");
        }
    }
}

fn live(file: &Path, pages: &Receiver<Remembered>) {
    for page in pages {
        // It was said at the start, if the folder can't be written to.
        if let Err(error) = write(file, &page) {
            tracing::debug!(%error, "what was heard is not kept");
        }
    }
}

/// In one step: whoever reads it finds the former page or this one.
fn write(file: &Path, page: &Remembered) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let new = file.with_extension(format!("new-{}", std::process::id()));
    let mut out = File::create(&new)?;
    out.write_all(&serde_json::to_vec(page)?)?;
    out.sync_data()?;
    fs::rename(new, file)
}

#[cfg(test)]
mod tests {
    use haechi_vrrp::envelope::Stamp;

    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            Self(std::env::temp_dir().join(format!("haechi-memory-{}-{name}", std::process::id())))
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_life_is_greater_than_those_before_also_when_the_clock_went_back() {
        let folder = Folder::new("lives");
        let begin = |wall| Memory::new(&folder.0, "lb1").begin(wall).unwrap().epoch;
        assert_eq!(begin(at(1000)), 1_000_000_000_000);
        assert_eq!(begin(at(900)), 1_000_000_000_001, "the clock went back");
        assert_eq!(begin(at(900)), 1_000_000_000_002, "also when it says nothing more");
        assert_eq!(begin(at(2000)), 2_000_000_000_000);
        assert_eq!(
            Memory::new(&folder.0, "lb2").begin(at(900)).unwrap().epoch,
            900_000_000_000,
            "another node"
        );
    }

    #[test]
    fn what_was_heard_is_known_after_a_restart_and_a_life_begins_once() {
        let folder = Folder::new("heard");
        let socket = SocketAddr::from(([127, 0, 0, 1], 7112));
        let stamp = |epoch| Stamp { sender: "lb2", epoch, sequence: 9 };
        let mut window = Window::default();
        window.admit(stamp(7)).unwrap();
        let memory = Memory::new(&folder.0, "lb1");
        let Remembered { epoch, heard } = memory.begin(at(1)).unwrap();
        assert_eq!(heard, []);
        assert_eq!(memory.begin(at(2)), None);
        let page = Remembered { epoch, heard: vec![(socket, window)] };
        assert!(memory.keep(page.clone()));
        memory.end(&page);
        assert!(memory.keep(Remembered::default()), "who has ended asks for nothing more");

        let again = Memory::new(&folder.0, "lb1").begin(at(3)).unwrap();
        assert_eq!(again.heard.len(), 1);
        let (found, mut window) = again.heard.into_iter().next().unwrap();
        assert_eq!(found, socket);
        assert!(window.admit(stamp(7)).is_err(), "a recording");
        assert!(window.admit(stamp(8)).is_ok(), "its next life");
    }

    #[test]
    fn damage_and_a_folder_that_can_t_be_written_to_stop_nobody() {
        let folder = Folder::new("damage");
        fs::create_dir_all(&folder.0).unwrap();
        for text in ["", "{", "{\"epoch\": -1, \"heard\": []}", "[1, 2]"] {
            fs::write(folder.0.join("envelopes-lb1.json"), text).unwrap();
            assert_eq!(Memory::new(&folder.0, "lb1").begin(at(5)).unwrap().epoch, 5_000_000_000, "{text}");
        }
        let nowhere = Memory::new(Path::new("/proc/none"), "lb1").begin(at(5)).unwrap();
        assert_eq!(nowhere, Remembered { epoch: 5_000_000_000, heard: Vec::new() });
    }
}
