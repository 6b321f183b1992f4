//! Connection ids that say which worker holds the connection. A client may change its address and then comes in by
//! another worker's socket; that one hands the datagram over.
//!
//! The number is masked by a keyed hash of the id's other half, so that ids of one connection have nothing in common
//! for who sees them go by (RFC 9000 §9.5), and what nobody made here is nearly always seen as such.

use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use haechi_sys::datagrams::Unicast;
use quinn_proto::{ConnectionId, ConnectionIdGenerator, InvalidCid, RandomConnectionIdGenerator};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Bytes of an id: four of chance, which are enough for all connections of one worker, and four of the masked number.
const LEN: usize = 8;

/// Datagrams that wait for a worker: one look of a busy one at 200 MB/s. More are dropped, as by a full socket.
const WAITING: usize = 1024;

/// A datagram that came in by another worker's socket.
#[derive(Debug)]
pub(crate) struct Stray {
    pub(super) from: SocketAddr,
    pub(super) to: Option<Unicast>,
    pub(super) bytes: Box<[u8]>,
}

/// What the sockets of one address hand over to each other.
#[derive(Debug)]
pub(crate) struct Mail {
    pub(super) to: Arc<[Sender<Stray>]>,
    pub(super) own: Receiver<Stray>,
}

/// One for each of `sockets` sockets.
pub(crate) fn mail(sockets: usize) -> Vec<Mail> {
    let (to, own): (Vec<_>, Vec<_>) = (0..sockets).map(|_| channel(WAITING)).unzip();
    let to: Arc<[Sender<Stray>]> = to.into();
    own.into_iter().map(|own| Mail { to: Arc::clone(&to), own }).collect()
}

/// Hides numbers; made anew by each process.
fn mask(chance: &[u8]) -> u32 {
    static KEY: OnceLock<RandomState> = OnceLock::new();
    let [a, b, c, d, ..] = KEY.get_or_init(RandomState::new).hash_one(chance).to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// Which of `sockets` sockets an id names, if it was made here.
fn owner(id: &[u8], sockets: usize) -> Option<usize> {
    let (chance, masked) = id.split_first_chunk::<4>()?;
    let masked = u32::from_le_bytes(masked.try_into().ok()?);
    usize::try_from(masked ^ mask(chance)).ok().filter(|number| *number < sockets)
}

/// Whose a datagram is by its first packet (RFC 9000 §17.2, §17.3); none if it names nobody here.
pub(super) fn owner_of(datagram: &[u8], sockets: usize) -> Option<usize> {
    let id = match datagram.first()? {
        long if long & 0x80 != 0 => {
            datagram.get(5).filter(|len| usize::from(**len) == LEN)?;
            datagram.get(6..6 + LEN)?
        }
        _ => datagram.get(1..=LEN)?,
    };
    owner(id, sockets)
}

/// Makes the ids of one socket.
#[derive(Clone, Copy)]
pub(super) struct Marker {
    pub(super) number: usize,
    pub(super) sockets: usize,
}

impl ConnectionIdGenerator for Marker {
    fn generate_cid(&mut self) -> ConnectionId {
        let mut id = RandomConnectionIdGenerator::new(LEN).generate_cid();
        if let Some((chance, masked)) = id.split_first_chunk_mut::<4>() {
            let number = u32::try_from(self.number).unwrap_or(0);
            masked.copy_from_slice(&(number ^ mask(chance)).to_le_bytes());
        }
        id
    }

    fn validate(&self, id: &ConnectionId) -> Result<(), InvalidCid> {
        owner(id, self.sockets).map(|_| ()).ok_or(InvalidCid)
    }

    fn cid_len(&self) -> usize {
        LEN
    }

    fn cid_lifetime(&self) -> Option<std::time::Duration> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_its_socket_in_both_forms_of_a_packet() {
        for number in [0, 1, 7] {
            let mut marker = Marker { number, sockets: 8 };
            for _ in 0..100 {
                let id = marker.generate_cid();
                assert!(marker.validate(&id).is_ok());
                let short = [&[0x40], &id[..], &[0; 30]].concat();
                let long = [&[0xe0, 0, 0, 0, 1, 8], &id[..], &[0; 30]].concat();
                assert_eq!((owner_of(&short, 8), owner_of(&long, 8)), (Some(number), Some(number)));
                assert_eq!(owner_of(&short[..8], 8), None);
                assert_eq!(owner_of(&[0xe0, 0, 0, 0, 1, 20, 1, 2, 3, 4, 5, 6, 7, 8], 8), None);
            }
        }
    }

    #[test]
    fn ids_of_one_socket_have_nothing_in_common_and_chance_names_nobody() {
        let mut marker = Marker { number: 1, sockets: 2 };
        let (one, other) = (marker.generate_cid(), marker.generate_cid());
        assert_ne!(one[4..], other[4..]);
        let named = (0..10_000_u64)
            .filter(|at| owner(&at.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes(), 2).is_some());
        assert_eq!(named.count(), 0);
    }
}
