//! What can happen to a virtual router on this node.

use std::net::IpAddr;
use std::num::NonZeroU8;
use std::time::Duration;

use haechi_model::TrackEffect;
use serde::{Deserialize, Serialize};

use crate::Settings;
use crate::packet::Advertisement;

/// One thing that happened. Plain data, so that it can be recorded.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Input {
    /// Take part in the election. [`Settings::startup_delay`] counts from here.
    Start,
    /// Leave it cleanly: others need not wait.
    Stop,
    /// A [deadline](crate::Router::deadline) is over. Early or without need it changes nothing. What has
    /// arrived comes before it: an advertisement that waits to be read may say that there is no need.
    Timer,
    /// An advertisement was heard, and decoded without an error.
    Advertisement {
        /// Of the IP header.
        source: IpAddr,
        /// What it says.
        advertisement: Advertisement,
    },
    /// Something tracked is well, or not.
    Track {
        /// Which, as people know it: `interface eth1`.
        name: Box<str>,
        /// What follows from it.
        effect: Effect,
        /// Why, in the words of whoever looked.
        text: Box<str>,
    },
    /// All addresses are on this node, as [`Output::Claim`](crate::Output::Claim) asked.
    Claimed,
    /// They could not be put here.
    ClaimFailed {
        /// Why.
        text: Box<str>,
    },
    /// The addresses are away, asked for or not.
    Released,
    /// Other settings are in force from now on. Another id is another virtual router: the one that this
    /// began with stays.
    Configure(Box<Settings>),
    /// An operator wants another node to be active. Means something to an active only.
    Yield {
        /// Who should follow. A wish: VRRP has no word for it, and the best one that hears us will.
        to: Option<IpAddr>,
    },
    /// Another process goes on with this machine, which another one fed until now: to be fed first, and only while
    /// that one advertises still, so that no silence lies between.
    Resumed,
    /// An operator wants this node to have back what it handed over, at once and whatever `preempt` says. Means
    /// something to a backup that is better than the active it hears, and to no other.
    TakeBack,
    /// This process did not run for so long.
    Paused {
        /// How long.
        lasted: Duration,
    },
    /// The interface can carry packets again.
    LinkUp,
    /// The interface carries no packets.
    LinkDown,
}

/// What follows from something tracked.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Effect {
    /// Nothing: it is well.
    Clear,
    /// This node's priority is lower by so much.
    Lower(NonZeroU8),
    /// This node must not be active.
    Fault,
}

impl From<TrackEffect> for Effect {
    fn from(effect: TrackEffect) -> Self {
        match effect {
            TrackEffect::Lower(by) => Self::Lower(by),
            TrackEffect::Fault => Self::Fault,
        }
    }
}
