//! Advertisements that were thrown away, by reason.

use haechi_vrrp::packet::DecodeError;

/// It speaks for a virtual router that this node has not on that interface.
const UNKNOWN_ID: &str = "unknownId";
/// It comes from somebody who is not among the peers.
const UNKNOWN_PEER: &str = "unknownPeer";
/// Its checksum has the other form than the config wants.
const OTHER_CHECKSUM: &str = "otherChecksum";

/// How many advertisements were thrown away, and why.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Drops {
    broken: [u64; DecodeError::NAMES.len()],
    unknown_id: u64,
    unknown_peer: u64,
    other_checksum: u64,
}

impl Drops {
    pub(crate) fn broken(&mut self, error: DecodeError) {
        let at = DecodeError::NAMES.iter().position(|name| *name == error.name());
        if let Some(count) = at.and_then(|at| self.broken.get_mut(at)) {
            *count += 1;
        }
    }

    pub(crate) fn unknown_id(&mut self) {
        self.unknown_id += 1;
    }

    pub(crate) fn unknown_peer(&mut self) {
        self.unknown_peer += 1;
    }

    pub(crate) fn other_checksum(&mut self) {
        self.other_checksum += 1;
    }

    /// Each reason as a label, with its count; those that never happened too.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let ours = [
            (UNKNOWN_ID, self.unknown_id),
            (UNKNOWN_PEER, self.unknown_peer),
            (OTHER_CHECKSUM, self.other_checksum),
        ];
        DecodeError::NAMES.into_iter().zip(self.broken).chain(ours)
    }
}
