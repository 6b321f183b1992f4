//! TCP flows that this host serves on an address, from the kernel's own table (sock_diag(7)).
//!
//! A node that takes an address back sends packets of flows that it does not know to the node that had it
//! meanwhile. Those that it still serves itself must not go there, so somebody has to know them. The kernel
//! walks all its sockets, but hands over only those with that local address.
//!
//! Needs no right: a socket's addresses are no secret inside its network namespace.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use rustix::net::netlink::SOCK_DIAG;

use crate::mac::Family;
use crate::netlink::wire::{Message, Request};
use crate::netlink::{Connection, Refused, family_byte, octets};

/// `SOCK_DIAG_BY_FAMILY`.
const BY_FAMILY: u16 = 20;
/// `IPPROTO_TCP`.
const TCP: u8 = 6;
/// `INET_DIAG_REQ_BYTECODE`: a little program that says which sockets are wanted.
const PROGRAM: u16 = 1;
/// `INET_DIAG_BC_S_COND`: by local address and port.
const LOCAL: u8 = 7;
/// Bytes of `struct inet_diag_req_v2`.
const QUESTION: usize = 56;
/// Bytes of `struct inet_diag_msg`.
const ANSWER: usize = 72;

/// Where a TCP connection is in its life (RFC 9293 §3.3.2). Only states that a client can still notice.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FlowState {
    /// Both may send.
    Established,
    /// The client's SYN was answered; its last ACK is awaited.
    SynReceived,
    /// We ended our side, the client did not confirm it yet.
    FinWait1,
    /// We ended our side, the client still may send.
    FinWait2,
    /// The client ended its side, we still may send.
    CloseWait,
    /// Both ended; our end is not confirmed yet.
    LastAck,
    /// Both ended at once.
    Closing,
}

/// The kernel's numbers (`enum` in `net/tcp_states.h`). A listening socket is no flow, one that we opened and
/// that has no answer yet has no client, and TIME-WAIT has nothing left to lose.
const STATES: [(u8, FlowState); 7] = [
    (1, FlowState::Established),
    (3, FlowState::SynReceived),
    (4, FlowState::FinWait1),
    (5, FlowState::FinWait2),
    (8, FlowState::CloseWait),
    (9, FlowState::LastAck),
    (11, FlowState::Closing),
];
/// `TCP_NEW_SYN_RECV`: how newer kernels keep a handshake that is not complete.
const NEW_SYN_RECEIVED: u8 = 12;

/// A TCP connection that ends on this host.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Flow {
    /// Our end.
    pub local: SocketAddr,
    /// The other end.
    pub remote: SocketAddr,
    /// Where it is in its life.
    pub state: FlowState,
}

/// All flows to a local address. For an IPv4 address also those on IPv6 sockets that take both.
///
/// # Errors
/// `ENOENT`: the kernel has no inet_diag. Otherwise it does not answer, or we are out of descriptors.
pub fn on(address: IpAddr) -> Result<Vec<Flow>, Refused> {
    let doing = || format!("listing flows on {address}");
    let mut kernel = Connection::open(Some(SOCK_DIAG)).map_err(|error| Refused::new(doing(), error))?;
    let families: &[Family] = if address.is_ipv4() { &[Family::V4, Family::V6] } else { &[Family::V6] };
    let mut flows = Vec::new();
    for family in families {
        let request = |flags| question(*family, address, flags);
        match kernel.list(doing(), request, read) {
            Ok(found) => flows.extend(found),
            // A kernel without IPv6 has no such sockets.
            Err(refused) if flows_of_the_other_family(*family, address, &refused) => {}
            Err(refused) => return Err(refused),
        }
    }
    Ok(flows)
}

/// How many flows there are to a local address.
///
/// # Errors
/// As [`on`].
pub fn count(address: IpAddr) -> Result<usize, Refused> {
    on(address).map(|flows| flows.len())
}

fn flows_of_the_other_family(family: Family, address: IpAddr, refused: &Refused) -> bool {
    address.is_ipv4() && family == Family::V6 && refused.os_error() == Some(libc::ENOENT)
}

fn question(family: Family, address: IpAddr, flags: u16) -> Request {
    let mut fixed = [0; QUESTION];
    fixed[0] = family_byte(family);
    fixed[1] = TCP;
    let states = STATES.iter().fold(1_u32 << NEW_SYN_RECEIVED, |states, (number, _)| states | 1 << number);
    fixed[4..8].copy_from_slice(&states.to_ne_bytes());
    Request::new(BY_FAMILY, flags, &fixed).attribute(PROGRAM, &program(address))
}

/// One instruction: the local address is this one. `yes` and `no` are how far to jump: to the end, which
/// accepts, and four bytes beyond it, which refuses (`inet_diag_bc_run`).
fn program(address: IpAddr) -> Vec<u8> {
    let host = octets(address);
    // Prefix length in bits and instruction length in bytes: at most 128 and 28.
    let bits = u8::try_from(host.len() * 8).unwrap_or(u8::MAX);
    let length = u8::try_from(4 + 8 + host.len()).unwrap_or(u8::MAX);
    let mut program = vec![LOCAL, length];
    program.extend_from_slice(&(u16::from(length) + 4).to_ne_bytes());
    program.extend_from_slice(&[family_byte(Family::of(address)), bits, 0, 0]);
    // Any port.
    program.extend_from_slice(&(-1_i32).to_ne_bytes());
    program.extend_from_slice(&host);
    program
}

fn read(message: &Message<'_>) -> Option<Flow> {
    let body: &[u8; ANSWER] = message.body.first_chunk()?;
    let state = match body[1] {
        NEW_SYN_RECEIVED => FlowState::SynReceived,
        number => STATES.iter().find(|(known, _)| *known == number)?.1,
    };
    let v4 = body[0] == family_byte(Family::V4);
    let end = |port: usize, host: usize| {
        let port = u16::from_be_bytes([body[port], body[port + 1]]);
        SocketAddr::new(host_at(body, host, v4), port)
    };
    Some(Flow { local: end(4, 8), remote: end(6, 24), state })
}

/// An address of an answer; one that an IPv6 socket got over IPv4 is given as what it is.
fn host_at(body: &[u8; ANSWER], at: usize, v4: bool) -> IpAddr {
    let octets: [u8; 16] = std::array::from_fn(|index| body[at + index]);
    if v4 {
        Ipv4Addr::new(octets[0], octets[1], octets[2], octets[3]).into()
    } else {
        Ipv6Addr::from(octets).to_canonical()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::{TcpListener, TcpStream};

    use proptest::prelude::*;

    use super::*;

    /// A listener on an address of the loopback that no other test has, and flows to it.
    fn served(bind: &str, client: &str, number: usize) -> (TcpListener, Vec<(TcpStream, TcpStream)>) {
        let listener = TcpListener::bind(bind).unwrap();
        let target = SocketAddr::new(client.parse().unwrap(), listener.local_addr().unwrap().port());
        let flows = (0..number)
            .map(|_| {
                let ours = TcpStream::connect(target).unwrap();
                (ours, listener.accept().unwrap().0)
            })
            .collect();
        (listener, flows)
    }

    fn of(listener: &TcpListener, address: &str) -> Vec<Flow> {
        let port = listener.local_addr().unwrap().port();
        on(address.parse().unwrap()).unwrap().into_iter().filter(|flow| flow.local.port() == port).collect()
    }

    #[test]
    fn flows_are_those_to_the_address_and_no_others() {
        let (listener, flows) = served("127.77.1.1:0", "127.77.1.1", 20);
        let (_other, _more) = served("127.77.1.2:0", "127.77.1.2", 3);
        let found = of(&listener, "127.77.1.1");
        let mut remotes: Vec<_> = found.iter().map(|flow| flow.remote).collect();
        let mut wanted: Vec<_> = flows.iter().map(|(ours, _)| ours.local_addr().unwrap()).collect();
        remotes.sort();
        wanted.sort();
        assert_eq!(remotes, wanted);
        assert!(found.iter().all(|flow| flow.state == FlowState::Established));
        // The clients of the flows connect from 127.0.0.1 to it: their own ends are local addresses too, but
        // of another address.
        assert_eq!(count("127.77.1.3".parse().unwrap()).unwrap(), 0);
    }

    #[test]
    fn a_flow_whose_client_ended_is_still_one() {
        let (listener, flows) = served("127.77.2.1:0", "127.77.2.1", 1);
        flows[0].0.shutdown(std::net::Shutdown::Write).unwrap();
        // The end arrives on loopback before the call returns, or a moment later.
        let mut one = [0];
        assert_eq!((&flows[0].1).read(&mut one).unwrap(), 0);
        assert_eq!(of(&listener, "127.77.2.1")[0].state, FlowState::CloseWait);
        drop(flows);
        // The last acknowledgement may still be on its way through a busy machine.
        let ended = (0..10_000).any(|_| {
            std::thread::yield_now();
            of(&listener, "127.77.2.1").is_empty()
        });
        assert!(ended);
    }

    #[test]
    fn ipv6_and_sockets_for_both_families_are_seen() {
        let (listener, flows) = served("[::1]:0", "::1", 2);
        assert_eq!(of(&listener, "::1").len(), 2);
        assert_eq!(of(&listener, "::1")[0].local, flows[0].1.local_addr().unwrap());
        let (both, _flows) = served("[::]:0", "127.77.3.1", 2);
        let found = of(&both, "127.77.3.1");
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].local.ip(), "127.77.3.1".parse::<IpAddr>().unwrap());
    }

    proptest! {
        #[test]
        fn an_answer_of_any_bytes_is_read_or_passed_over(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let message = Message { kind: BY_FAMILY, flags: 0, sequence: 0, body: &bytes };
            prop_assert!(bytes.len() >= ANSWER || read(&message).is_none());
        }
    }
}
