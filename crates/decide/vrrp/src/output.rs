//! What a virtual router asks of its shell, and what it tells.
//!
//! Outputs are executed in their order, and each to its end before the next: an address that is released
//! after the next advertisement is an address that two nodes hold. Deeds come before words for that reason.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{AlarmKind, Reason};

/// One thing to do, or to tell.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Output {
    /// Send an advertisement of the [settings](crate::Router::settings) with this priority.
    Advertise {
        /// 0 says that this node stops being active.
        priority: u8,
    },
    /// Comes just before [`Claim`](Self::Claim), if a living peer held the addresses until now: packets of
    /// flows that this node does not know go on to it.
    Chain {
        /// That peer.
        previous: IpAddr,
    },
    /// Put exactly the addresses of the settings here, and answer for them. The result comes back as
    /// [`Claimed`](crate::Input::Claimed) or [`ClaimFailed`](crate::Input::ClaimFailed).
    Claim,
    /// Tell the neighbours once, for each address, that it is here: gratuitous ARP, or an unsolicited
    /// neighbour advertisement.
    Announce,
    /// A living peer took over: stop answering ARP and neighbour solicitations, and accepting new
    /// connections, but go on serving open flows until [`Release`](Self::Release). If the addresses are not
    /// here yet, keep them from coming.
    Demote {
        /// That peer.
        to: IpAddr,
    },
    /// Take the addresses away from here, whether or not they are. The result comes back as
    /// [`Released`](crate::Input::Released).
    Release,
    /// The state or its reason changed; `from` equals `to` if it was the reason only.
    StateChanged {
        /// Until now.
        from: State,
        /// From now on.
        to: State,
        /// Why.
        reason: Reason,
    },
    /// Something is wrong that people must mend.
    Alarm {
        /// What.
        kind: AlarmKind,
        /// For people.
        text: Box<str>,
    },
    /// It is not so any more.
    AlarmOver {
        /// What.
        kind: AlarmKind,
    },
}

/// Where a node stands in the election (RFC 9568 §6.4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// It takes no part: not started, stopped, or at fault.
    Initialize,
    /// It listens, and stands ready.
    Backup,
    /// It holds the addresses.
    Active,
    /// It holds them still, has said that it stops, and waits to hear its successor. Others see an active
    /// that stopped cleanly; RFC 9568 goes to [`Initialize`](Self::Initialize) at once, and then nobody holds
    /// the addresses until the successor is there.
    Yielding,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Initialize, Self::Backup, Self::Active, Self::Yielding];

    /// As people read it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Initialize => "initialize",
            Self::Backup => "backup",
            Self::Active => "active",
            Self::Yielding => "yielding",
        }
    }

    /// Whether the addresses are answered for.
    pub const fn holds(self) -> bool {
        matches!(self, Self::Active | Self::Yielding)
    }
}
