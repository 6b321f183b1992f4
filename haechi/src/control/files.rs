//! Files that the config names, looked at for change: certificates are renewed by programs that know nothing of us.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use haechi_admin::api::RefusedConfig;
use haechi_telemetry::event;
use haechi_trust::{Finding, Loaded, Shown, Sight};
use tokio::task::AbortHandle;

use super::certificates::{Severely, now};
use super::refusals::Refusals;
use super::{Control, lock, wall_ms};

/// Time between two looks. A look is one call for each file, also where the kernel tells of no changes (network
/// file systems). What changed is read when two looks in a row saw the same: certificate and key come one by one.
const PACE: Duration = Duration::from_millis(500);

/// Looks between two thoughts about what expires: an hour.
const LOOKS_PER_THOUGHT: u32 = 7200;

/// Looks at files until it is dropped.
pub(crate) struct Looking(AbortHandle);

impl Drop for Looking {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Reads certificates and the like again when their files change.
pub(crate) fn watch_files(control: Arc<Control>) -> Looking {
    Looking(tokio::spawn(look_on(control)).abort_handle())
}

async fn look_on(control: Arc<Control>) {
    let folder = control.source.folder();
    let mut last = Sight::default();
    let mut told = BTreeSet::new();
    let mut refusals = Refusals::default();
    for look in 0u32.. {
        if look.is_multiple_of(LOOKS_PER_THOUGHT) {
            control.tell_what_expires(&mut told);
        }
        control.tell_who_was_refused(&mut refusals);
        tokio::time::sleep(PACE).await;
        let (folder_now, live) = (folder.clone(), control.proxy.live());
        let look = move || Sight::of(&folder_now, &live.snapshot);
        let Ok(sight) = tokio::task::spawn_blocking(look).await else { continue };
        let changed = lock(&control.config).files != sight;
        if changed && last == sight {
            control.renew(folder.clone()).await;
            control.tell_what_expires(&mut told);
        }
        last = sight;
    }
}

impl Control {
    /// Shows what stands in the files now, if all of it can be used, and says so.
    async fn renew(&self, folder: PathBuf) {
        if self.show_files(folder).await {
            self.events.add(event::FILES_RENEWED, "files", "certificates and the like were read again");
        }
    }

    /// The same without a word where it goes well.
    pub(super) async fn show_files(&self, folder: PathBuf) -> bool {
        let _turn = self.changing.lock().await;
        let (trust, snapshot) = (Arc::clone(&self.trust), Arc::clone(&self.proxy.live().snapshot));
        let loaded = tokio::task::spawn_blocking(move || trust.load(&folder, &snapshot, now())).await;
        // It only panics if we do.
        let Ok(Loaded { credentials, findings }) = loaded else { return false };
        lock(&self.config).files = credentials.seen.clone();
        let severely = Severely::But(self.expired_in_use());
        let wrong: Vec<&Finding> = findings.iter().filter(|it| severely.refuses(it)).collect();
        if let [first, rest @ ..] = wrong.as_slice() {
            let more = if rest.is_empty() { String::new() } else { format!(", and {} more", rest.len()) };
            let message = format!("files that changed are not taken: {}{more}", first.message);
            let rendered = wrong.iter().map(|finding| render_plainly(finding)).collect();
            self.events.add(event::CONFIG_REFUSED, "files", format!("{message}; those in use stay"));
            lock(&self.config).refused_files = Some(RefusedConfig { at_ms: wall_ms(), message, rendered });
            return false;
        }
        self.proxy.renew(&credentials).await;
        lock(&self.config).refused_files = None;
        true
    }

    /// Files whose certificates are shown although their time is over.
    pub(super) fn expired_in_use(&self) -> BTreeSet<Box<str>> {
        let (now, live) = (now(), self.proxy.live());
        let shown = live.listeners.iter().filter_map(|listener| listener.shown());
        let expired = |shown: Arc<Shown>| {
            let over = shown.certificates.iter().filter(|it| it.not_after < now);
            over.map(|it| it.file.clone()).collect::<Vec<_>>()
        };
        shown.flat_map(expired).collect()
    }

    /// Says once of each certificate that its time is nearly over, and once that it is over.
    fn tell_what_expires(&self, told: &mut BTreeSet<(String, Box<str>, i64, bool)>) {
        let now = now();
        for listener in &self.proxy.live().listeners {
            for certificate in listener.shown().iter().flat_map(|shown| &shown.certificates) {
                let left = certificate.not_after - now;
                let (name, file) = (listener.config.name.to_string(), certificate.file.clone());
                // Of what is ordered here its orders tell.
                if certificate.ordered
                    || left >= haechi_trust::EXPIRES_SOON
                    || !told.insert((name.clone(), file.clone(), certificate.not_after, left < 0))
                {
                    continue;
                }
                let text = match left {
                    ..0 => format!("the certificate in {file} has expired"),
                    _ => format!("the certificate in {file} expires in {} hours", left / 3600),
                };
                self.events.add(event::CERTIFICATE_EXPIRES, format!("listener {name}"), text);
            }
        }
    }
}

/// As a diagnostic without a place: the config may have been edited since.
fn render_plainly(finding: &Finding) -> String {
    let help = finding.help.as_ref().map(|help| format!("  = help: {help}\n")).unwrap_or_default();
    format!("error[{}]: {}\n{help}", super::certificates::code(finding.problem), finding.message)
}
