//! Reloading when the config file changes.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc::{Sender, channel};

use super::Control;
use super::source::read;

/// Quiet time after the last change before the file is read: editors and config management write in steps.
const SETTLE: Duration = Duration::from_millis(200);

/// Reloads on changes of `path` until it is dropped.
pub(crate) struct Watch {
    _watcher: Option<RecommendedWatcher>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Watches the folder of `path`, not the file: editors replace files, and Kubernetes swaps a link beside it.
pub(crate) fn watch(control: Arc<Control>, path: &Path) -> Watch {
    // One pending change is enough: it means "look again".
    let (changed, mut changes) = channel(1);
    let watcher = start(path, changed)
        .inspect_err(|error| tracing::warn!(path = %path.display(), %error, "can't watch the config; SIGHUP and `haechi reload` still work"))
        .ok();
    let path = path.to_owned();
    let mut known = read(&path).ok();
    let task = tokio::spawn(async move {
        while changes.recv().await.is_some() {
            while tokio::time::timeout(SETTLE, changes.recv()).await.is_ok_and(|more| more.is_some()) {}
            // Other files of the folder change too, and our own log may be one of them: without this look a
            // refusal that is logged there would be the reason for the next one.
            let now = read(&path).ok();
            if now != known {
                known = now;
                // What became of it stands in events and status.
                drop(control.change(false).await);
            }
        }
    });
    Watch { _watcher: watcher, task }
}

fn start(path: &Path, changed: Sender<()>) -> notify::Result<RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let reads = event.as_ref().is_ok_and(|event| event.kind.is_access());
        if !reads {
            // Full means that a look is due anyway.
            let _ = changed.try_send(());
        }
    })?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    watcher.watch(folder, RecursiveMode::NonRecursive)?;
    Ok(watcher)
}
