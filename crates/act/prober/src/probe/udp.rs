//! Sends one datagram and waits for an answer.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use haechi_health::FailureKind;
use tokio::net::UdpSocket;

use super::text::{LONGEST, first_line, ours, plain};
use super::{Deadline, Failed};

/// The largest datagram.
const LARGEST: usize = 64 << 10;

/// An answer that holds `wanted`. Others are passed over until the time is over: one of them may be late, of a probe
/// before this one.
pub(super) async fn probe(
    address: SocketAddr,
    send: &[u8],
    wanted: &[u8],
    deadline: Deadline,
) -> Result<String, Failed> {
    let failed = |error: &io::Error| failed(error, address);
    let mut other = None;
    let phase = async {
        let any = if address.is_ipv4() {
            IpAddr::from(Ipv4Addr::UNSPECIFIED)
        } else {
            Ipv6Addr::UNSPECIFIED.into()
        };
        let socket = UdpSocket::bind((any, 0)).await.map_err(|error| failed(&error))?;
        socket.connect(address).await.map_err(|error| failed(&error))?;
        socket.send(send).await.map_err(|error| failed(&error))?;
        let mut bytes = vec![0; LARGEST];
        loop {
            let count = socket.recv(&mut bytes).await.map_err(|error| failed(&error))?;
            if holds(&bytes[..count], wanted) {
                return Ok(format!("answered with {count} bytes"));
            }
            other = Some(first_line(&bytes[..count], LONGEST));
        }
    };
    let result = deadline.limit("answer", phase).await;
    match (result, other) {
        (Err(late), Some(other)) if late.kind == FailureKind::Timeout => {
            Err(Failed::new(FailureKind::Body, format!("another answer than wanted: {other}")))
        }
        (result, _) => result,
    }
}

fn holds(bytes: &[u8], wanted: &[u8]) -> bool {
    wanted.is_empty() || bytes.windows(wanted.len()).any(|part| part == wanted)
}

fn failed(error: &io::Error, address: SocketAddr) -> Failed {
    if let Some(failed) = ours(error) {
        return failed;
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            Failed::new(FailureKind::Refused, format!("nobody listens ({address})"))
        }
        _ => Failed::new(FailureKind::Unreachable, format!("{} ({address})", plain(error))),
    }
}
