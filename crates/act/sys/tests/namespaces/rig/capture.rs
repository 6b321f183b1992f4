//! All frames that pass a namespace, as bytes.

use std::mem::MaybeUninit;

use haechi_sys::clock;
use socket2::{Domain, Protocol, Socket, Type};

use super::{Namespace, SOON};

/// `ETH_P_ALL`.
const ALL: u16 = 3;

/// Hears every frame of every interface of a namespace from its beginning on.
#[derive(Debug)]
pub(crate) struct Capture(Socket);

impl Capture {
    pub(crate) fn start(namespace: &Namespace) -> Self {
        let socket = namespace.run(|| {
            Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(i32::from(ALL.to_be())))).unwrap()
        });
        socket.set_read_timeout(Some(SOON)).unwrap();
        // Batches of hundreds of frames; up to net.core.rmem_max.
        socket.set_recv_buffer_size(4 << 20).unwrap();
        Self(socket)
    }

    /// The next frame that is `wanted`; others are passed over.
    pub(crate) fn next(&self, what: &str, wanted: impl Fn(&[u8]) -> bool) -> Vec<u8> {
        let deadline = clock::now() + SOON;
        loop {
            assert!(clock::now() < deadline, "no {what} within {SOON:?}");
            let mut buffer = [MaybeUninit::new(0); 9000];
            let length = self.0.recv(&mut buffer).unwrap_or_else(|error| panic!("no {what}: {error}"));
            let frame: Vec<u8> = buffer[..length].iter().map(byte).collect();
            if wanted(&frame) {
                return frame;
            }
        }
    }
}

#[expect(unsafe_code, reason = "socket2 receives into MaybeUninit only")]
fn byte(cell: &MaybeUninit<u8>) -> u8 {
    // SAFETY: all cells were initialised with 0 before the kernel wrote to them.
    unsafe { cell.assume_init() }
}

/// What stands at a place of a frame.
pub(crate) fn part(frame: &[u8], from: usize, length: usize) -> &[u8] {
    frame.get(from..from + length).unwrap_or_default()
}

/// Whether this is an IPv4 packet of this protocol.
pub(crate) fn is_ipv4(frame: &[u8], protocol: u8) -> bool {
    part(frame, 12, 2) == [0x08, 0x00] && part(frame, 23, 1) == [protocol]
}

/// Whether this is an IPv6 packet with this next header.
pub(crate) fn is_ipv6(frame: &[u8], next_header: u8) -> bool {
    part(frame, 12, 2) == [0x86, 0xdd] && part(frame, 20, 1) == [next_header]
}

/// Whether this is ARP.
pub(crate) fn is_arp(frame: &[u8]) -> bool {
    part(frame, 12, 2) == [0x08, 0x06]
}
