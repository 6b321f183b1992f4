//! What one process knows and the next one should: what operators said, health, counters, events.
//!
//! Plain data by name. What the heir's config does not have is left out; what it has besides begins anew.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use haechi_admin::api::Event;
use haechi_ha::Legacy;
use haechi_health::{Ejection, Inherited, Start};
use haechi_model::{AdminState, Coding, Dropped, EndpointId, Fault, Handshake, Health};
use haechi_prober::EndpointReport;
use haechi_proxy::{EndpointTotals, FlowState, LentFlow, ListenerTotals, Live, LiveEndpoint, LiveListener};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::FLOWS;
use crate::control::{Control, lock};

/// Newest events that pass on: the last story, and a tenth of a MiB.
const EVENTS: usize = 500;

/// All of it.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(in crate::control) struct Estate {
    endpoints: Vec<OfEndpoint>,
    listeners: Vec<OfListener>,
    pub(in crate::control) events: Vec<Event>,
    routers: Option<Value>,
    flows: Vec<FlowState>,
    /// What belongs to the virtual routers, and then the flows' sockets: they pass beside the data.
    #[serde(skip)]
    descriptors: Vec<OwnedFd>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfEndpoint {
    pool: String,
    endpoint: String,
    address: SocketAddr,
    /// What an operator said of it, against the config.
    admin: Option<AdminState>,
    health: Inherited,
    serving: bool,
    ejection: Option<Ejection>,
    totals: EndpointTotals,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfListener {
    name: String,
    accepted: u64,
    requests: u64,
    faults: BTreeMap<String, u64>,
    /// In the order of `Handshake::ALL`, which only grows at its end.
    handshakes: Vec<u64>,
    datagrams: [u64; 2],
    dropped: BTreeMap<String, u64>,
    /// In the order of `Coding::ALL`, which only grows at its end; a version before it has none.
    #[serde(default)]
    coded: Vec<[u64; 2]>,
}

impl Estate {
    /// As it is now.
    pub(super) fn of(control: &Control, routers: Option<Legacy>, mut flows: Vec<LentFlow>) -> Self {
        let (routers, descriptors) = routers.map(|it| (it.state, it.descriptors)).unzip();
        let mut descriptors = descriptors.unwrap_or_default();
        flows.truncate(FLOWS);
        let flows = flows.into_iter().map(|flow| {
            descriptors.push(flow.socket);
            flow.state
        });
        let flows = flows.collect();
        let live = control.proxy.live();
        let endpoints = live.pools.iter().flat_map(|pool| &pool.endpoints);
        Self {
            endpoints: endpoints.filter_map(|endpoint| of_endpoint(control, endpoint)).collect(),
            listeners: live.listeners.iter().map(|listener| of_listener(listener)).collect(),
            events: control.events.after(0, EVENTS).events,
            routers,
            flows,
            descriptors,
        }
    }

    pub(super) fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        self.descriptors.iter().map(AsFd::as_fd).collect()
    }

    pub(super) fn with(self, descriptors: Vec<OwnedFd>) -> Self {
        Self { descriptors, ..self }
    }

    /// UDP flows with their sockets, once; to be asked after [`routers`](Self::routers).
    pub(in crate::control) fn flows(&mut self) -> Vec<LentFlow> {
        let (states, sockets) = (std::mem::take(&mut self.flows), std::mem::take(&mut self.descriptors));
        states.into_iter().zip(sockets).map(|(state, socket)| LentFlow { state, socket }).collect()
    }

    /// The virtual routers, once.
    pub(in crate::control) fn routers(&mut self) -> Option<Legacy> {
        let state = self.routers.take()?;
        let sockets = self.descriptors.len().saturating_sub(self.flows.len());
        Some(Legacy { state, descriptors: self.descriptors.drain(..sockets).collect() })
    }

    /// What operators said.
    pub(in crate::control) fn overrides(&self) -> HashMap<EndpointId, AdminState> {
        self.endpoints.iter().filter_map(|it| Some((it.id(), it.admin?))).collect()
    }

    /// What is known of an endpoint's health.
    pub(in crate::control) fn known(&self) -> Known {
        Known(self.endpoints.iter().map(|it| ((it.id(), it.address), it.clone())).collect())
    }

    /// Lets counters count on.
    pub(in crate::control) fn count_on(self, live: &Live) {
        for it in self.endpoints {
            let endpoint = live.endpoint(&it.id()).filter(|endpoint| endpoint.address == it.address);
            if let Some(endpoint) = endpoint {
                endpoint.count_on_from(it.totals);
            }
        }
        for it in self.listeners {
            let mut listeners = live.listeners.iter();
            if let Some(listener) = listeners.find(|listener| listener.config.name.as_str() == it.name) {
                listener.count_on_from(it.totals());
            }
        }
    }
}

/// Health by identity.
#[derive(Default)]
pub(in crate::control) struct Known(HashMap<(EndpointId, SocketAddr), OfEndpoint>);

impl Known {
    /// How an endpoint begins; `unknown` where nobody knew it.
    pub(in crate::control) fn start(
        &self,
        id: &EndpointId,
        address: SocketAddr,
        unknown: &Start,
    ) -> (Start, Option<Ejection>) {
        let Some(known) = self.0.get(&(id.clone(), address)) else { return (unknown.clone(), None) };
        let start = match (known.health.health, known.serving) {
            (Health::Unknown, false) => Start::Unproven,
            (Health::Unknown, true) => Start::Assumed,
            (Health::Healthy | Health::Unhealthy, _) => Start::Inherited(known.health.clone()),
        };
        (start, known.ejection)
    }
}

impl OfEndpoint {
    fn id(&self) -> EndpointId {
        EndpointId { pool: self.pool.as_str().into(), endpoint: self.endpoint.as_str().into() }
    }
}

impl OfListener {
    fn totals(self) -> ListenerTotals {
        let fault = |kind: &Fault| self.faults.get(kind.name()).map(|count| (*kind, *count));
        let why = |why: &Dropped| self.dropped.get(why.name()).map(|count| (*why, *count));
        let [datagrams_in, datagrams_out] = self.datagrams;
        ListenerTotals {
            accepted: self.accepted,
            open: 0,
            requests: self.requests,
            faults: Fault::ALL.iter().filter_map(fault).collect(),
            datagrams_in,
            datagrams_out,
            handshakes: Handshake::ALL.into_iter().zip(self.handshakes).collect(),
            dropped: Dropped::ALL.iter().filter_map(why).collect(),
            coded: Coding::ALL.into_iter().zip(self.coded).collect(),
        }
    }
}

fn of_endpoint(control: &Control, live: &LiveEndpoint) -> Option<OfEndpoint> {
    let EndpointReport { address, health, ejection, .. } = control.prober.report(&live.id)?;
    Some(OfEndpoint {
        pool: live.id.pool.to_string(),
        endpoint: live.id.endpoint.to_string(),
        address,
        admin: lock(&control.overrides).get(&live.id).copied(),
        serving: health.serving,
        health: Inherited {
            health: health.health,
            reason: health.reason.to_carry(),
            since: health.since,
            successes: health.successes,
            failures: health.failures,
            flaps: health.flaps,
            warming_from: health.warming_from,
        },
        ejection,
        totals: live.totals(),
    })
}

fn of_listener(live: &LiveListener) -> OfListener {
    let totals = live.totals();
    let faults = totals.faults.iter().filter(|(_, count)| *count > 0);
    let dropped = totals.dropped.iter().filter(|(_, count)| *count > 0);
    OfListener {
        name: live.config.name.to_string(),
        accepted: totals.accepted,
        requests: totals.requests,
        faults: faults.map(|(kind, count)| (kind.name().to_owned(), *count)).collect(),
        handshakes: totals.handshakes.iter().map(|(_, count)| *count).collect(),
        datagrams: [totals.datagrams_in, totals.datagrams_out],
        dropped: dropped.map(|(why, count)| (why.name().to_owned(), *count)).collect(),
        coded: totals.coded.iter().map(|(_, bytes)| *bytes).collect(),
    }
}

#[cfg(test)]
mod tests {
    use haechi_model::Moment;

    use super::*;

    fn endpoint(health: Health, serving: bool) -> OfEndpoint {
        let health = Inherited {
            health,
            reason: "status 200".into(),
            since: Moment::from_nanos(7),
            successes: 3,
            failures: 0,
            flaps: 1,
            warming_from: None,
        };
        OfEndpoint {
            pool: "web".into(),
            endpoint: "web-1".into(),
            address: ([10, 0, 0, 1], 80).into(),
            admin: Some(AdminState::Draining),
            health,
            serving,
            ejection: None,
            totals: EndpointTotals { requests: 12, ..EndpointTotals::default() },
        }
    }

    #[test]
    fn health_passes_on_to_the_same_endpoint_only() {
        let rows = [
            (Health::Unknown, true, Start::Assumed),
            (Health::Unknown, false, Start::Unproven),
            (Health::Healthy, true, Start::Inherited(endpoint(Health::Healthy, true).health)),
            (Health::Unhealthy, false, Start::Inherited(endpoint(Health::Unhealthy, false).health)),
        ];
        for (health, serving, wanted) in rows {
            let estate = Estate { endpoints: vec![endpoint(health, serving)], ..Estate::default() };
            let passed: Estate = serde_json::from_str(&serde_json::to_string(&estate).unwrap()).unwrap();
            let (known, id) = (passed.known(), passed.endpoints[0].id());
            assert_eq!(known.start(&id, ([10, 0, 0, 1], 80).into(), &Start::Assumed).0, wanted);
            let moved = known.start(&id, ([10, 0, 0, 2], 80).into(), &Start::Unproven).0;
            assert_eq!(moved, Start::Unproven, "another address is another endpoint");
            assert_eq!(passed.overrides()[&id], AdminState::Draining);
        }
    }

    #[test]
    fn what_a_later_version_adds_is_left_and_what_it_leaves_out_is_missed_by_nobody() {
        let read: Estate = serde_json::from_str("{\"weather\": \"fair\", \"listeners\": []}").unwrap();
        assert!(read.endpoints.is_empty() && read.events.is_empty());
    }
}
