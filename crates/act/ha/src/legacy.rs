//! What the virtual routers of one process leave to the process that goes on with them: their machines as they are,
//! what is tracked, what was counted, and the descriptors that must not be closed in between.
//!
//! Moments mean the same in both processes, because they count from one origin. The addresses stay in the kernel, and
//! the keeper stays at its pipe: nothing outside changes but who advertises.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use haechi_model::{Moment, VirtualRouter};
use haechi_vrrp::Group;
use haechi_vrrp::envelope::Window;
use haechi_vrrp::packet::ChecksumForm;
use serde::{Deserialize, Serialize};

use crate::keeper::Holdings;
use crate::tracks::TracksLegacy;

/// What passes on.
#[derive(Debug)]
pub struct Legacy {
    /// As plain data.
    pub state: serde_json::Value,
    /// Sockets of the `udp` transport, and the keeper's pipe if there is one.
    pub descriptors: Vec<OwnedFd>,
}

/// The plain data.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Left {
    pub(crate) units: Vec<UnitLeft>,
    pub(crate) tracks: TracksLegacy,
    /// Which life of this node: the next one's number is greater.
    pub(crate) epoch: u64,
    pub(crate) windows: Vec<(SocketAddr, Window)>,
    /// Whose descriptors come first.
    pub(crate) ports: Vec<SocketAddr>,
    pub(crate) keeper: Option<KeeperLeft>,
}

/// Virtual routers that move together.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UnitLeft {
    pub(crate) machine: Group,
    pub(crate) members: Vec<MemberLeft>,
}

/// One of them, outside of its machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MemberLeft {
    pub(crate) identity: Identity,
    pub(crate) link_up: bool,
    pub(crate) sent: u64,
    pub(crate) heard: u64,
    pub(crate) send_failures: u64,
    pub(crate) transitions: u64,
    /// Whether others leave the pseudo-header out of the checksum, as far as they were heard.
    pub(crate) plain: Option<bool>,
}

/// What makes it this virtual router: where one of these is another, it begins anew.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Identity {
    name: String,
    id: u8,
    interface: String,
    mover: String,
    virtual_mac: bool,
}

/// The keeper, which stays.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeeperLeft {
    pub(crate) process_id: u32,
    pub(crate) told: Holdings,
}

impl Identity {
    pub(crate) fn of(config: &VirtualRouter) -> Self {
        Self {
            name: config.name.to_string(),
            id: config.id.get(),
            interface: config.interface.to_string(),
            mover: format!("{:?}", config.mover),
            virtual_mac: config.virtual_mac,
        }
    }
}

pub(crate) fn is_plain(form: ChecksumForm) -> bool {
    form == ChecksumForm::Plain
}

pub(crate) fn form(plain: bool) -> ChecksumForm {
    if plain { ChecksumForm::Plain } else { ChecksumForm::PseudoHeader }
}

/// How long what was bad stays bad when a process goes on: until all that it tracks was looked at. Programs are run at
/// once, and rarely take longer.
pub(crate) fn believed_until(now: Moment) -> Moment {
    now + std::time::Duration::from_secs(5)
}
