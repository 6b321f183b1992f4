//! Where each virtual router stands, as others see it.

use std::net::IpAddr;
use std::time::Duration;

use haechi_model::{Moment, VirtualRouterName};
use haechi_vrrp::{AlarmKind, Reason, State};

use crate::{Drops, Tracked};

/// One virtual router on this node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RouterStatus {
    /// Its key in the config.
    pub name: VirtualRouterName,
    /// Its number on the network.
    pub id: u8,
    /// Where it stands.
    pub state: State,
    /// Why.
    pub reason: Reason,
    /// Since when.
    pub since: Moment,
    /// As in force: configured, less what is tracked and not well.
    pub priority: u8,
    /// As configured.
    pub configured_priority: u8,
    /// Who is active, as far as this node knows.
    pub active: Option<IpAddr>,
    /// Where this node's advertisements come from.
    pub source: IpAddr,
    /// What moves.
    pub addresses: Vec<IpAddr>,
    /// Whether they are on this node.
    pub holds: bool,
    /// The interval that it reckons with.
    pub interval: Duration,
    /// Changes from one state to another since the start.
    pub transitions: u64,
    /// What makes this node a better or a worse one.
    pub tracked: Vec<Tracked>,
    /// What is wrong.
    pub alarms: Vec<AlarmStatus>,
    /// Advertisements sent, heard, and not sent because the kernel refused.
    pub sent: u64,
    /// Of others, for this virtual router.
    pub heard: u64,
    /// Refused by the kernel.
    pub send_failures: u64,
    /// On its interface, whatever virtual router they were for.
    pub drops: Drops,
}

/// Something that is wrong now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AlarmStatus {
    /// What.
    pub kind: AlarmKind,
    /// For people.
    pub text: Box<str>,
    /// Since when.
    pub since: Moment,
}
