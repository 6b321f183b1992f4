//! What virtual routers track, the interfaces aside: looks at it, and tells the node.

use std::sync::Arc;
use std::time::Duration;

use haechi_ha::Tracked;
use haechi_model::{AdminState, EndpointState, TrackEffect, TrackedPool, VirtualRouter, VirtualRouterName};
use haechi_proxy::{Live, Proxy};
use haechi_sys::clock::now;
use haechi_vrrp::Effect;

use super::programs::Programs;
use super::requests::Requests;
use super::{Control, lock};

/// How often: a third of the shortest time in which a default pair notices a dead node, so that a node that can't
/// serve is left no later than one that is gone.
const LOOK: Duration = Duration::from_millis(100);

/// Looks for as long as the process runs.
pub(super) async fn follow(control: Arc<Control>) {
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut looker = Looker::default();
    loop {
        looks.tick().await;
        let live = control.proxy.live();
        let found: Vec<(VirtualRouterName, Vec<Tracked>)> = looker.look(&live, &control.proxy);
        let routers = lock(&control.virtual_routers);
        let Some(node) = &routers.node else { continue };
        found.into_iter().for_each(|(router, tracked)| node.track(router, tracked));
    }
}

#[derive(Default)]
struct Looker {
    programs: Programs,
    requests: Requests,
    /// Whether the last look found a worker that hangs.
    stalled: bool,
}

impl Looker {
    fn look(&mut self, live: &Live, proxy: &Proxy) -> Vec<(VirtualRouterName, Vec<Tracked>)> {
        let routers = &live.snapshot.virtual_routers;
        self.programs.want(routers);
        self.requests.look(now(), live, routers);
        let hangs = self.hangs(proxy);
        let of = |router: &VirtualRouter| {
            let track = &router.track;
            let mut found: Vec<Tracked> =
                track.pools.iter().filter_map(|wanted| pool(live, wanted)).collect();
            found.extend(self.programs.of(router));
            found.extend(track.proxy.map(|effect| tracked("proxy", effect, verdict(hangs.clone()))));
            found.extend(self.requests.of(router));
            (router.name.clone(), found)
        };
        routers.iter().map(of).collect()
    }

    /// Why this node's own workers don't serve. Said at the second look only: where the whole process stood still,
    /// this thread may be the first to run again.
    fn hangs(&mut self, proxy: &Proxy) -> Option<String> {
        let stalled = proxy.stalled(now());
        let before = std::mem::replace(&mut self.stalled, stalled.is_some());
        let (worker, silent) = stalled.filter(|_| before)?;
        Some(format!("worker {worker} has hung for {} ms", silent.as_millis()))
    }
}

fn verdict(hangs: Option<String>) -> Result<String, String> {
    hangs.map_or_else(|| Ok("all workers are alive".to_owned()), Err)
}

/// A tracked thing that is well, or not.
pub(super) fn tracked(name: &str, effect: TrackEffect, verdict: Result<String, String>) -> Tracked {
    let (effect, text) = match verdict {
        Ok(text) => (Effect::Clear, text),
        Err(text) => (effect.into(), text),
    };
    Tracked { name: name.into(), effect, text: text.into() }
}

fn pool(live: &Live, wanted: &TrackedPool) -> Option<Tracked> {
    let pool = live.pools.get(wanted.pool.index())?;
    let all = pool.endpoints.len();
    let serving = pool.endpoints.iter().filter(|endpoint| can_serve(endpoint.state())).count();
    let text = format!("{serving} of {all} endpoints can serve, {} % are wanted", wanted.healthy_share);
    let well = serving * 100 >= usize::from(wanted.healthy_share) * all;
    let name = format!("pool {}", pool.config.name);
    Some(tracked(&name, wanted.effect, if well { Ok(text) } else { Err(text) }))
}

fn can_serve(state: EndpointState) -> bool {
    state.admin == AdminState::Enabled && state.serving && !state.ejected
}
