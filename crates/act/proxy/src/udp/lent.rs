//! Flows that pass to another process with their sockets, so that neither side notices that the program changed.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::rc::Rc;

use haechi_model::{EndpointId, ListenerKind};
use haechi_sys::datagrams::Unicast;
use serde::{Deserialize, Serialize};

use super::flow::Flow;
use super::{Flows, Inlet, State};
use crate::engine::Watched;
use crate::select::Place;
use crate::worker::{Open, Worker};

/// What is known of a flow.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FlowState {
    /// Address of the listening socket.
    pub stand: SocketAddr,
    /// Which one of those that stand there.
    pub number: usize,
    /// Who asks.
    pub client: SocketAddr,
    /// Which of our addresses was asked, where the socket stands on all of them, with its interface.
    pub own: Option<(IpAddr, u32)>,
    /// Where it goes.
    pub pool: String,
    /// Where it goes.
    pub endpoint: String,
    /// Where it goes.
    pub endpoint_address: SocketAddr,
    /// Whether its client has sent more than once.
    pub known: bool,
}

/// A flow with its socket to the endpoint.
#[derive(Debug)]
pub struct LentFlow {
    /// What is known of it.
    pub state: FlowState,
    /// The socket.
    pub socket: OwnedFd,
}

impl Inlet {
    /// Gives all flows, and takes nothing for them until [`keep`](Self::keep).
    pub(crate) fn lend(&self) -> Vec<LentFlow> {
        if self.state.get() != State::Open {
            return Vec::new();
        }
        self.change(State::Paused, Flows::Stay);
        self.flows.all().iter().filter_map(|flow| self.lend_one(flow)).collect()
    }

    fn lend_one(&self, flow: &Flow) -> Option<LentFlow> {
        let socket = flow.socket.socket().try_clone().ok()?;
        flow.socket.is_shared();
        let (endpoint, (client, own)) = (flow.endpoint(), flow.ends);
        let state = FlowState {
            stand: self.address,
            number: self.number,
            client,
            own: own.map(|own| (own.address, own.interface)),
            pool: endpoint.id.pool.to_string(),
            endpoint: endpoint.id.endpoint.to_string(),
            endpoint_address: endpoint.address,
            known: !flow.is_young(),
        };
        Some(LentFlow { state, socket: socket.into() })
    }

    /// Goes on with what was lent.
    pub(crate) fn keep(&self) {
        if self.state.get() == State::Paused {
            self.change(State::Open, Flows::Stay);
        }
    }

    /// Goes on with a flow of another process, if its endpoint is still there.
    pub(crate) fn adopt(self: &Rc<Self>, worker: &Rc<Worker>, lent: LentFlow) {
        let LentFlow { state, socket } = lent;
        let scene = self.local.scene();
        let ListenerKind::Udp(config) = &scene.listener().config.kind else { return };
        let id = EndpointId { pool: state.pool.as_str().into(), endpoint: state.endpoint.as_str().into() };
        let at = scene
            .live
            .position(&id)
            .filter(|(pool, member)| scene.pool(*pool).endpoints[*member].address == state.endpoint_address);
        let Some((pool, member)) = at else { return };
        // The other process has it too until it ends.
        let Ok(socket) = Watched::shared(UdpSocket::from(socket)) else { return };
        let own = state.own.map(|(address, interface)| Unicast { address, interface });
        let ends = (state.client, own);
        let place = Place::inherited(&scene, pool, member);
        let flow = Rc::new(Flow::inherited(worker, config, ends, socket, place, state.known));
        flow.keeps(Open::take(&scene.listener().counters, None));
        self.start(worker, ends, &flow);
    }
}
