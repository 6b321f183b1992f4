//! Advertisements that were thrown away, by reason.

use haechi_vrrp::envelope::{OpenError, Stale};
use haechi_vrrp::packet::DecodeError;

/// Why an advertisement was thrown away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Dropped {
    /// It is none.
    Broken(DecodeError),
    /// Its envelope does not open.
    Sealed(OpenError),
    /// Its envelope is not new.
    Stale(Stale),
    /// It came in an envelope, and there are no keys to open it.
    NoKeys,
    /// Its sender has this node's name.
    OwnName,
    /// It speaks for a virtual router that this node has not there.
    UnknownId,
    /// It comes from somebody who is not among the peers.
    UnknownPeer,
    /// Its checksum has the other form than the config wants.
    OtherChecksum,
}

/// Reasons of this room, before those of advertisements.
const OURS: [&str; 13] = [
    "unknownId",
    "unknownPeer",
    "otherChecksum",
    "noKeys",
    "ownName",
    "replayed",
    "tooManySenders",
    "envelopeShort",
    "envelopeMagic",
    "envelopeVersion",
    "envelopeSender",
    "envelopeKey",
    "envelopeForged",
];

impl Dropped {
    /// As a counter's label.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Broken(error) => error.name(),
            Self::UnknownId => OURS[0],
            Self::UnknownPeer => OURS[1],
            Self::OtherChecksum => OURS[2],
            Self::NoKeys => OURS[3],
            Self::OwnName => OURS[4],
            Self::Stale(Stale::Replayed) => OURS[5],
            Self::Stale(Stale::TooMany) => OURS[6],
            Self::Sealed(OpenError::Short) => OURS[7],
            Self::Sealed(OpenError::Magic) => OURS[8],
            Self::Sealed(OpenError::Version(_)) => OURS[9],
            Self::Sealed(OpenError::Sender) => OURS[10],
            Self::Sealed(OpenError::UnknownKey(_)) => OURS[11],
            Self::Sealed(OpenError::Forged) => OURS[12],
        }
    }
}

/// How many advertisements were thrown away, and why.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Drops {
    ours: [u64; OURS.len()],
    broken: [u64; DecodeError::NAMES.len()],
}

impl Drops {
    pub(crate) fn count(&mut self, dropped: Dropped) {
        let name = dropped.name();
        let mut all =
            OURS.into_iter().chain(DecodeError::NAMES).zip(self.ours.iter_mut().chain(&mut self.broken));
        if let Some((_, count)) = all.find(|(known, _)| *known == name) {
            *count += 1;
        }
    }

    /// Each reason as a label, with its count; those that never happened too.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        OURS.into_iter().zip(self.ours).chain(DecodeError::NAMES.into_iter().zip(self.broken))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_reason_has_a_counter_of_its_own() {
        let names: BTreeSet<_> = Drops::default().iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), OURS.len() + DecodeError::NAMES.len());
        let mut drops = Drops::default();
        for dropped in [
            Dropped::Broken(DecodeError::Id),
            Dropped::Sealed(OpenError::Forged),
            Dropped::Sealed(OpenError::Version(9)),
            Dropped::Stale(Stale::TooMany),
            Dropped::UnknownPeer,
        ] {
            let before: u64 = drops.iter().map(|(_, count)| count).sum();
            drops.count(dropped);
            assert_eq!(drops.iter().find(|(name, _)| *name == dropped.name()).unwrap().1, 1, "{dropped:?}");
            assert_eq!(drops.iter().map(|(_, count)| count).sum::<u64>(), before + 1);
        }
    }
}
