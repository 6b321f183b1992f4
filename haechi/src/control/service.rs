//! What systemd hears of this process (`Type=notify-reload`): ready, reloading, who serves after an upgrade, stopping,
//! and alive for as long as the workers turn. Without systemd nobody is told.

use std::sync::Arc;
use std::time::Duration;

use haechi_sys::clock::now;
use haechi_sys::service::{ServiceManager, watchdog_interval};
use tokio::task::AbortHandle;

use super::Control;

/// Whoever started this process, if it wants to hear.
pub(crate) struct Service {
    manager: Option<Arc<ServiceManager>>,
    alive: Option<AbortHandle>,
}

impl Service {
    /// This process serves. As an heir it is the service from now on.
    pub(crate) fn serves(control: &Arc<Control>, heir: bool) -> Self {
        let manager = ServiceManager::from_environment();
        let manager =
            manager.inspect_err(|error| tracing::warn!(%error, "systemd is not told")).ok().flatten();
        let manager = manager.map(Arc::new);
        let alive = manager.clone().zip(watchdog_interval()).map(|(manager, interval)| {
            tokio::spawn(keep_alive(Arc::clone(control), manager, interval / 2)).abort_handle()
        });
        let service = Self { manager, alive };
        if heir {
            service.tell(|manager| manager.main_process(haechi_sys::limits::process_id()));
        }
        service.tell(|manager| manager.status(&condition(control)));
        service.tell(ServiceManager::ready);
        service
    }

    /// Reads the config again.
    pub(crate) async fn reload(&self, control: &Arc<Control>) {
        self.tell(ServiceManager::reloading);
        // What became of it stands in events and status too.
        let text = match control.change(false).await {
            Ok(_) => condition(control),
            Err(problem) => format!("{}; {problem}", condition(control)),
        };
        self.tell(|manager| manager.status(&text));
        self.tell(ServiceManager::ready);
    }

    /// It is about to end.
    pub(crate) fn stops(&self) {
        self.tell(ServiceManager::stopping);
    }

    /// This process is the service, and therefore may say that another one is it now.
    pub(crate) fn passed_on(&self, process_id: u32) {
        self.tell(|manager| manager.main_process(process_id));
        self.alive.iter().for_each(AbortHandle::abort);
    }

    fn tell(&self, what: impl FnOnce(&ServiceManager) -> std::io::Result<()>) {
        if let Some(Err(error)) = self.manager.as_deref().map(what) {
            tracing::debug!(%error, "systemd was not told");
        }
    }
}

/// In a line, for `systemctl status`.
fn condition(control: &Control) -> String {
    let live = control.proxy.live();
    let (listeners, pools) = (live.listeners.len(), live.pools.len());
    format!("generation {}: {listeners} listener(s), {pools} pool(s)", live.generation)
}

/// Says that this process is alive while all its workers are: systemd restarts one that hangs.
async fn keep_alive(control: Arc<Control>, manager: Arc<ServiceManager>, pace: Duration) {
    let mut signs = tokio::time::interval(pace);
    loop {
        signs.tick().await;
        match control.proxy.stalled(now()) {
            None => drop(manager.watchdog()),
            Some((worker, silent)) => {
                tracing::error!(worker, ?silent, "a worker hangs: no sign of life to systemd")
            }
        }
    }
}
