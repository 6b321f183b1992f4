//! What people must mend, for as long as it is so. An alarm is told once when it comes and once when it goes,
//! however often its cause is heard: what repeats ten times a second is not read.

use std::collections::BTreeMap;
use std::net::IpAddr;

use haechi_model::Moment;
use serde::{Deserialize, Serialize};

use crate::Output;

/// Which thing is wrong.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AlarmKind {
    /// Another node is active too.
    DuplicateActive,
    /// Another node advertises the same priority: who becomes active is then a matter of addresses.
    EqualPriority,
    /// An active advertises other addresses than ours.
    AddressMismatch,
    /// A router speaks VRRPv2: it does not hear us.
    OldVersion,
    /// Somebody else sends from our address.
    SourceClash,
    /// The addresses could not be put here.
    ClaimFailed,
    /// A hand-over found nobody to take over.
    SuccessorMissing,
    /// This node took over too often, and waits before it does so from a living one again.
    Flapping,
}

impl AlarmKind {
    /// All of them, for counters that start at zero.
    pub const ALL: [Self; 8] = [
        Self::DuplicateActive,
        Self::EqualPriority,
        Self::AddressMismatch,
        Self::OldVersion,
        Self::SourceClash,
        Self::ClaimFailed,
        Self::SuccessorMissing,
        Self::Flapping,
    ];

    /// As a label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DuplicateActive => "duplicateActive",
            Self::EqualPriority => "equalPriority",
            Self::AddressMismatch => "addressMismatch",
            Self::OldVersion => "oldVersion",
            Self::SourceClash => "sourceClash",
            Self::ClaimFailed => "claimFailed",
            Self::SuccessorMissing => "successorMissing",
            Self::Flapping => "flapping",
        }
    }
}

/// An alarm that is on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Alarm {
    /// For people.
    pub text: Box<str>,
    /// Since when.
    pub since: Moment,
    /// Who causes it, if it is a node.
    pub source: Option<IpAddr>,
    /// When it is over unless its cause is seen again; `None`: until it is known to be.
    pub until: Option<Moment>,
}

/// Those that are on.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Alarms(BTreeMap<AlarmKind, Alarm>);

impl Alarms {
    /// The cause of `kind` is seen now. Told, and its text made, only if it is new: two nodes that cause the
    /// same take turns otherwise.
    pub(crate) fn raise(
        &mut self,
        now: Moment,
        kind: AlarmKind,
        source: Option<IpAddr>,
        until: Option<Moment>,
        text: impl FnOnce() -> String,
        out: &mut Vec<Output>,
    ) -> bool {
        if let Some(known) = self.0.get_mut(&kind) {
            known.until = known.until.max(until);
            return false;
        }
        let text: Box<str> = text().into();
        self.0.insert(kind, Alarm { text: text.clone(), since: now, source, until });
        out.push(Output::Alarm { kind, text });
        true
    }

    /// It is over, whoever caused it.
    pub(crate) fn end(&mut self, kind: AlarmKind, out: &mut Vec<Output>) -> bool {
        let was_on = self.0.remove(&kind).is_some();
        if was_on {
            out.push(Output::AlarmOver { kind });
        }
        was_on
    }

    /// It is over if it was this node that caused it.
    pub(crate) fn end_of(&mut self, kind: AlarmKind, source: IpAddr, out: &mut Vec<Output>) -> bool {
        self.0.get(&kind).is_some_and(|known| known.source == Some(source)) && self.end(kind, out)
    }

    /// Ends what was not seen for long enough, and says whether a second active was among it.
    pub(crate) fn expire(&mut self, now: Moment, out: &mut Vec<Output>) -> bool {
        let mut rival_gone = false;
        for kind in AlarmKind::ALL {
            let over = |alarm: &Alarm| alarm.until.is_some_and(|until| until <= now);
            if self.0.get(&kind).is_some_and(over) {
                self.end(kind, out);
                rival_gone |= kind == AlarmKind::DuplicateActive;
            }
        }
        rival_gone
    }

    pub(crate) fn clear(&mut self, out: &mut Vec<Output>) {
        for kind in AlarmKind::ALL {
            self.end(kind, out);
        }
    }

    pub(crate) fn deadline(&self) -> Option<Moment> {
        self.0.values().filter_map(|alarm| alarm.until).min()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (AlarmKind, &Alarm)> {
        self.0.iter().map(|(kind, alarm)| (*kind, alarm))
    }
}
