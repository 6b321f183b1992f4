//! A config change: read, compile, compare, bind, apply. Whatever fails leaves the old generation in force
//! and stays visible.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use haechi_admin::Problem;
use haechi_admin::api::{Applied, RefusedConfig};
use haechi_config::{Plan, diff};
use haechi_health::Start;
use haechi_model::{ClientFiles, EndpointId, EndpointState, HealthCheck, Pool, Probe, ProbeTls, Snapshot};
use haechi_prober::Target;
use haechi_proxy::{Bound, Live};
use haechi_telemetry::event;
use haechi_trust::Credentials;
use haechi_vrrp::envelope::Keys;

use super::certificates::Severely;
use super::keys::sealing_keys;
use super::source::{Compiled, Source, refused};
use super::upgrade::Known;
use super::{Control, lock, wall_ms};

impl Control {
    /// Reads the config again and applies it; with `dry_run` only says what would change.
    ///
    /// # Errors
    /// What keeps the old generation in force.
    pub(crate) async fn change(self: &Arc<Self>, dry_run: bool) -> Result<Applied, Problem> {
        let _turn = self.changing.lock().await;
        let outcome = self.try_change(dry_run).await;
        if let (Err(problem), false) = (&outcome, dry_run) {
            self.note_refusal(problem);
        }
        outcome
    }

    async fn try_change(self: &Arc<Self>, dry_run: bool) -> Result<Applied, Problem> {
        let Compiled { snapshot, mut warnings, credentials } = self.load().await?;
        if !dry_run {
            self.hurry_orders();
        }
        let live = self.proxy.live();
        let plan = diff(&live.snapshot, &snapshot);
        if live.snapshot.workers != snapshot.workers || live.snapshot.admin != snapshot.admin {
            warnings.push_str("warning: `workers` and `admin` take effect at the next start or upgrade\n");
        }
        if dry_run || plan.steps.is_empty() {
            if !dry_run {
                // Keys and certificates stand in files of their own, and may be others than before.
                self.configure_virtual_routers(&snapshot, self.keys_of(&snapshot)?)?;
                self.proxy.renew(&credentials).await;
                lock(&self.config).fine(credentials.seen);
            }
            return Ok(applied(live.generation, false, &plan, warnings));
        }
        let prepared = self.prepare(&snapshot, credentials)?;
        let known = Known::default();
        let generation = self.put_in_force(snapshot, prepared, &known, &Start::Unproven).await?;
        let text = format!("generation {generation}: {}", summary(&plan));
        self.events.add(event::CONFIG_APPLIED, "config", text);
        Ok(applied(generation, true, &plan, warnings))
    }

    /// Compiling ten thousand endpoints takes a while; probes must not wait for it.
    async fn load(&self) -> Result<Compiled, Problem> {
        let (source, trust) = (self.source.clone(), Arc::clone(&self.trust));
        let severely = Severely::But(self.expired_in_use());
        tokio::task::spawn_blocking(move || source.load_whole(false, &trust, &severely))
            .await
            .unwrap_or_else(|error| Err(refused(format!("reading the config failed: {error}"))))
    }

    /// Binds, so that an address that can't be had changes nothing.
    ///
    /// # Errors
    /// Addresses that can't be had, keys that can't be read.
    pub(super) fn prepare(&self, snapshot: &Snapshot, credentials: Credentials) -> Result<Prepared, Problem> {
        let keys = self.keys_of(snapshot)?;
        let bound = self.proxy.bind(snapshot).map_err(|errors| {
            let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
            refused(lines.join("\n"))
        })?;
        Ok(Prepared { keys, bound, credentials })
    }

    /// First tells the prober, so that a new endpoint's state is known; then swaps. An endpoint that nobody knows
    /// begins as `unknown`.
    ///
    /// # Errors
    /// The system refuses to run virtual routers.
    pub(super) async fn put_in_force(
        self: &Arc<Self>,
        snapshot: Arc<Snapshot>,
        Prepared { keys, bound, credentials }: Prepared,
        known: &Known,
        unknown: &Start,
    ) -> Result<u64, Problem> {
        self.prober.set_targets(targets(&snapshot, known, unknown, &self.source.folder()));
        self.forget_overrides(&snapshot);
        let live = {
            let initial = |id: &EndpointId| self.state_in(&snapshot, id);
            self.proxy.apply(Arc::clone(&snapshot), bound, &credentials, &initial).await
        };
        self.refresh_states(&live);
        self.tell_lacks(&snapshot);
        self.configure_virtual_routers(&snapshot, keys)?;
        let mut config = lock(&self.config);
        config.applied_at_ms = wall_ms();
        config.fine(credentials.seen);
        Ok(live.generation)
    }

    fn keys_of(&self, snapshot: &Snapshot) -> Result<BTreeMap<Box<str>, Keys>, Problem> {
        match &self.source {
            Source::File(path) => sealing_keys(path, snapshot),
            Source::Flags(_) => Ok(BTreeMap::new()),
        }
    }

    fn configure_virtual_routers(
        self: &Arc<Self>,
        snapshot: &Snapshot,
        keys: BTreeMap<Box<str>, Keys>,
    ) -> Result<(), Problem> {
        let configured = lock(&self.virtual_routers).configure(snapshot, keys, self);
        configured.map_err(|error| refused(format!("the system refuses to run virtual routers: {error}")))
    }

    pub(super) fn note_refusal(&self, problem: &Problem) {
        let (message, rendered) = match problem {
            Problem::NotFound(message) | Problem::Conflict(message) => (message.clone(), String::new()),
            Problem::Refused { message, rendered, .. } => (message.clone(), rendered.clone()),
        };
        let generation = self.proxy.live().generation;
        self.events.add(
            event::CONFIG_REFUSED,
            "config",
            format!("{message}; generation {generation} stays in force"),
        );
        lock(&self.config).refused = Some(RefusedConfig { at_ms: wall_ms(), message, rendered });
    }

    /// What operators said of endpoints that are gone is gone with them.
    fn forget_overrides(&self, snapshot: &Snapshot) {
        lock(&self.overrides).retain(|id, _| {
            snapshot
                .pool(&id.pool)
                .is_some_and(|pool| pool.endpoints.iter().any(|endpoint| endpoint.name == id.endpoint))
        });
    }

    /// An endpoint's state by what prober, operator and config say now.
    pub(super) fn state_in(&self, snapshot: &Snapshot, id: &EndpointId) -> EndpointState {
        let Some(pool) = snapshot.pool(&id.pool) else { return EndpointState::default() };
        let configured = pool
            .endpoints
            .iter()
            .find(|endpoint| endpoint.name == id.endpoint)
            .map(|endpoint| endpoint.admin);
        self.state_of(pool, id, configured.unwrap_or_default())
    }

    /// Brings all endpoints up to date; where the config asks for another admin state than before, it ends
    /// the work that runs there as an operator's word would.
    fn refresh_states(self: &Arc<Self>, live: &Live) {
        let (mut states, mut turned) = (Vec::new(), Vec::new());
        for pool in &live.pools {
            for (config, endpoint) in pool.config.endpoints.iter().zip(&pool.endpoints) {
                let state = self.state_of(&pool.config, &endpoint.id, config.admin);
                if state.admin != endpoint.state().admin {
                    turned.push((endpoint, state.admin, pool.config.drain_timeout));
                }
                states.push((endpoint.id.clone(), state));
            }
        }
        self.proxy.set_states(&states);
        for (endpoint, state, drain) in turned {
            self.end_work(endpoint, state, drain);
        }
    }
}

/// What a snapshot needs before it can come into force.
pub(super) struct Prepared {
    keys: BTreeMap<Box<str>, Keys>,
    bound: Bound,
    credentials: Credentials,
}

/// What the prober is to watch. An endpoint that stands in the first config serves on probation; one that
/// comes later proves itself first.
fn targets(snapshot: &Snapshot, known: &Known, unknown: &Start, folder: &Path) -> Vec<Target> {
    snapshot.pools.iter().flat_map(|pool| pool_targets(pool, known, unknown, folder)).collect()
}

fn pool_targets<'a>(
    pool: &'a Pool,
    known: &'a Known,
    unknown: &'a Start,
    folder: &Path,
) -> impl Iterator<Item = Target> + use<'a> {
    let check = pool.health_check.clone().map(|check| Arc::new(as_the_pool_does(pool, check, folder)));
    pool.endpoints.iter().map(move |endpoint| {
        let id = EndpointId { pool: pool.name.clone(), endpoint: endpoint.name.clone() };
        let (start, ejection) = known.start(&id, endpoint.address, unknown);
        let (check, passive) = (check.clone(), pool.passive);
        Target { id, address: endpoint.address, check, passive, start, ejection }
    })
}

/// A probe over TLS that does not say how it verifies does it as the pool.
fn as_the_pool_does(pool: &Pool, mut check: HealthCheck, folder: &Path) -> HealthCheck {
    if let (Some(pool), Probe::Http { tls: Some(tls), .. }) = (&pool.tls, &mut check.probe)
        && *tls == ProbeTls::default()
    {
        let file = |name: &str| folder.join(name).to_string_lossy().into();
        let client = pool.client.as_ref();
        *tls = ProbeTls {
            server_name: pool.server_name.clone(),
            ca_file: pool.ca.as_deref().map(file),
            insecure: !pool.verify,
            client: client.map(|it| ClientFiles { certificate: file(&it.certificate), key: file(&it.key) }),
        };
    }
    check
}

fn applied(generation: u64, applied: bool, plan: &Plan, warnings: String) -> Applied {
    let steps = plan.steps.iter().filter_map(|step| serde_json::to_value(step).ok()).collect();
    Applied { generation, applied, plan: plan.to_string(), steps, warnings }
}

/// The plan in one line of an event: its first steps and how many follow.
fn summary(plan: &Plan) -> String {
    const SHOWN: usize = 3;
    let mut text = plan.steps.iter().take(SHOWN).map(ToString::to_string).collect::<Vec<_>>().join("; ");
    if plan.steps.len() > SHOWN {
        text.push_str(&format!("; and {} more", plan.steps.len() - SHOWN));
    }
    text
}
