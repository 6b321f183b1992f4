//! Why a node is in its state. Every change carries one, because "it failed over" is a question and no answer.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Why a state is what it is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reason {
    /// Initialize: nobody started it.
    NotStarted,
    /// Initialize: it was stopped.
    Stopped,
    /// Initialize: the interface carries no packets.
    LinkDown,
    /// Initialize: something tracked is bad.
    Fault {
        /// What, as in [`Input::Track`](crate::Input::Track).
        name: Box<str>,
        /// Why.
        text: Box<str>,
    },
    /// Backup: it takes part from now on.
    Joined,
    /// Backup: a living peer advertises more.
    Outranked {
        /// Who.
        by: IpAddr,
        /// What it advertises.
        priority: u8,
    },
    /// Backup: it handed over, as an operator or its group wanted.
    HandedOver {
        /// Who follows.
        to: IpAddr,
        /// Who should.
        wished: Option<IpAddr>,
    },
    /// Backup: it did not run for so long that somebody may have taken over.
    Paused {
        /// How long it was not heard.
        lasted: Duration,
    },
    /// Backup: the addresses could not be put here.
    ClaimFailed {
        /// Why.
        text: Box<str>,
    },
    /// Initialize, yielding or backup: another virtual router of its group is not active.
    Group {
        /// What happened there.
        text: Box<str>,
    },
    /// Active: it owns the addresses and does not wait (RFC 9568 §6.4.1).
    Owner,
    /// Active: nobody was heard for the active-down interval.
    ActiveSilent {
        /// Who was heard last.
        last: Option<IpAddr>,
    },
    /// Active: the former active said that it stops.
    ActiveResigned {
        /// Who.
        previous: IpAddr,
    },
    /// Active: the former active is dead or stands still, and its keeper said so ([`timing::GONE`](crate::timing::GONE)).
    ActiveGone {
        /// Who.
        previous: IpAddr,
    },
    /// Active: this node is better than the living one that was.
    Preempted {
        /// Who.
        previous: IpAddr,
        /// What it advertised.
        priority: u8,
    },
    /// Active: it wanted to hand over, and nobody came.
    SuccessorMissing,
    /// Yielding: an operator wants another node to be active.
    HandingOver {
        /// Whom.
        wished: Option<IpAddr>,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotStarted => f.write_str("not started"),
            Self::Stopped => f.write_str("stopped"),
            Self::LinkDown => f.write_str("its interface is down"),
            Self::Fault { name, text } => write!(f, "{name}: {text}"),
            Self::Joined => f.write_str("takes part"),
            Self::Outranked { by, priority } => write!(f, "{by} advertises priority {priority}"),
            Self::HandedOver { to, wished: Some(wished) } if to != wished => {
                write!(f, "handed over; {wished} should have followed, {to} did")
            }
            Self::HandedOver { to, .. } => write!(f, "handed over to {to}"),
            Self::Paused { lasted } => write!(f, "did not run for {lasted:?}"),
            Self::ClaimFailed { text } => write!(f, "could not claim the addresses: {text}"),
            Self::Group { text } => write!(f, "moves with its group: {text}"),
            Self::Owner => f.write_str("owns the addresses"),
            Self::ActiveSilent { last: Some(last) } => write!(f, "{last} is silent"),
            Self::ActiveSilent { last: None } => f.write_str("nobody is heard"),
            Self::ActiveResigned { previous } => write!(f, "{previous} stopped being active"),
            Self::ActiveGone { previous } => {
                write!(f, "{previous} died or stands still, and its keeper said so")
            }
            Self::Preempted { previous, priority } => {
                write!(f, "better than {previous}, which advertises priority {priority}")
            }
            Self::SuccessorMissing => f.write_str("nobody came to take over"),
            Self::HandingOver { wished: Some(wished) } => write!(f, "hands over, if possible to {wished}"),
            Self::HandingOver { wished: None } => f.write_str("hands over"),
        }
    }
}
