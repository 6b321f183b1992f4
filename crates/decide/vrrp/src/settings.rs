//! What the election needs to know of a virtual router's config. No names, paths or ports: who needs those
//! executes, and does not decide.

use std::net::IpAddr;
use std::num::NonZeroU8;
use std::time::Duration;

use haechi_model::{Announcing, VirtualRouter};
use serde::{Deserialize, Serialize};

/// One node's settings of one virtual router.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Settings {
    /// The virtual router's number (VRID).
    pub id: NonZeroU8,
    /// Where this node's advertisements come from, as others see it. Breaks ties, so it must be another one
    /// on each node.
    pub source: IpAddr,
    /// What moves.
    pub addresses: Vec<IpAddr>,
    /// Whether exactly one other node takes part. When that one resigns, nobody else can take over, so this node does
    /// not wait for its skew (RFC 9568 §6.4.2 waits always: it knows no peers).
    pub sole_peer: bool,
    /// As configured; what is tracked may lower it.
    pub priority: NonZeroU8,
    /// Between advertisements; taken as 10 ms to 40.95 s.
    pub interval: Duration,
    /// Whether to take over from a living active of lower priority.
    pub preempt: bool,
    /// How long to wait before that.
    pub preempt_delay: Duration,
    /// No claim before this after the start.
    pub startup_delay: Duration,
    /// How neighbours are told.
    pub announce: Announcing,
    /// How long to go on serving open flows after a peer took over. Zero: not at all.
    pub drain: Duration,
}

impl Settings {
    /// Of a configured virtual router on a node that sends from `source`.
    pub fn of(router: &VirtualRouter, source: IpAddr) -> Self {
        Self {
            id: router.id,
            source,
            addresses: router.addresses.iter().map(|address| address.address).collect(),
            sole_peer: router.transport.peers() == 1,
            priority: router.priority,
            interval: router.advertisement_interval,
            preempt: router.preempt,
            preempt_delay: router.preempt_delay,
            startup_delay: router.startup_delay,
            announce: router.announce,
            drain: router.drain,
        }
    }
}
