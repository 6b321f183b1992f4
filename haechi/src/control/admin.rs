//! What operators ask for.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use haechi_admin::api::{
    Applied, EndpointChanged, Events, FlightRecord, HaStatus, Rehearsal, Status, Upgraded,
    VirtualRouterStatus,
};
use haechi_admin::{Control as Api, Problem};
use haechi_model::{AdminState, EndpointId};
use haechi_proxy::LiveEndpoint;
use haechi_telemetry::event;

use super::{Control, lock};

/// The control plane as the admin API sees it.
pub(crate) struct Handle(pub(crate) Arc<Control>);

impl Api for Handle {
    fn status(&self) -> Status {
        self.0.status()
    }

    fn ha(&self) -> HaStatus {
        self.0.ha_status()
    }

    async fn record(&self, router: &str) -> Result<FlightRecord, Problem> {
        self.0.record(router).await
    }

    async fn hand_over(&self, router: &str, to: Option<&str>) -> Result<VirtualRouterStatus, Problem> {
        self.0.hand_over(router, to)
    }

    async fn take_back(&self, router: &str) -> Result<VirtualRouterStatus, Problem> {
        self.0.take_back(router)
    }

    async fn keep_rehearsal(&self, rehearsal: Rehearsal) -> Result<VirtualRouterStatus, Problem> {
        self.0.keep_rehearsal(rehearsal)
    }

    fn events(&self, after: u64, limit: usize) -> Events {
        self.0.events.after(after, limit)
    }

    fn next_event(&self, after: u64) -> impl Future<Output = ()> + Send {
        self.0.events.wait_above(after)
    }

    async fn reload(&self, dry_run: bool) -> Result<Applied, Problem> {
        self.0.change(dry_run).await
    }

    async fn upgrade(&self, within: Duration) -> Result<Upgraded, Problem> {
        self.0.upgrade(within).await
    }

    async fn set_admin_state(&self, id: &EndpointId, state: AdminState) -> Result<EndpointChanged, Problem> {
        self.0.set_admin_state(id, state)
    }
}

impl Control {
    fn set_admin_state(
        self: &Arc<Self>,
        id: &EndpointId,
        state: AdminState,
    ) -> Result<EndpointChanged, Problem> {
        let live = self.proxy.live();
        let (Some(pool), Some(endpoint)) = (live.pool(&id.pool), live.endpoint(id)) else {
            return Err(Problem::NotFound(unknown(&live, id)));
        };
        let from = endpoint.state().admin;
        lock(&self.overrides).insert(id.clone(), state);
        self.update(std::slice::from_ref(id));
        self.end_work(endpoint, state, pool.config.drain_timeout);
        if from != state {
            let text = format!("{} to {} by an operator", from.name(), state.name());
            self.events.add(event::ADMIN_CHANGED, format!("endpoint {id}"), text);
        }
        Ok(EndpointChanged { from, to: state, in_flight: endpoint.in_flight() })
    }

    /// Cuts off what runs at an endpoint that takes no work any more: at once if it is disabled, after its
    /// drain otherwise. A state that is set meanwhile calls an earlier cut off.
    pub(super) fn end_work(
        self: &Arc<Self>,
        endpoint: &Arc<LiveEndpoint>,
        state: AdminState,
        drain: Duration,
    ) {
        if let Some(earlier) = lock(&self.cuts).remove(&endpoint.id) {
            earlier.abort();
        }
        let wait = match state {
            AdminState::Enabled => return,
            AdminState::Draining => drain,
            AdminState::Disabled => Duration::ZERO,
        };
        let (control, ending) = (Arc::clone(self), Arc::clone(endpoint));
        let cut = tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            control.proxy.cut(&ending);
        });
        lock(&self.cuts).insert(endpoint.id.clone(), cut.abort_handle());
    }
}

/// What to say to a name that is not there: what is.
fn unknown(live: &haechi_proxy::Live, id: &EndpointId) -> String {
    match live.pool(&id.pool) {
        None => {
            let names: Vec<&str> = live.pools.iter().map(|pool| pool.config.name.as_str()).collect();
            format!("no pool {}{}", id.pool, near(&names, id.pool.as_str()))
        }
        Some(pool) => {
            let names: Vec<&str> =
                pool.endpoints.iter().map(|endpoint| endpoint.id.endpoint.as_str()).collect();
            format!("no endpoint {} in pool {}{}", id.endpoint, id.pool, near(&names, id.endpoint.as_str()))
        }
    }
}

/// What might have been meant by a name that is not there, or what there is.
pub(super) fn near(names: &[&str], wanted: &str) -> String {
    const SHOWN: usize = 10;
    // One slip for every three letters, as the config's diagnostics allow.
    let most = 1.max(wanted.chars().count() / 3);
    let best = names.iter().map(|name| (strsim::osa_distance(name, wanted), *name)).min();
    match best {
        Some((slips, name)) if slips <= most => format!("; did you mean {name}?"),
        Some(_) => format!("; there is {}", names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ")),
        None => "; there is none".to_owned(),
    }
}
