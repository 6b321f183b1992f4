//! Opens a connection.

use std::io;
use std::net::SocketAddr;

use haechi_health::FailureKind;
use haechi_model::ProxyVersion;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::text::{ours, plain};
use super::{Deadline, Failed};

/// A connection to `address`, which is told that it is nobody's if it wants to be told.
pub(super) async fn connect(
    address: SocketAddr,
    proxy_protocol: Option<ProxyVersion>,
    deadline: Deadline,
) -> Result<TcpStream, Failed> {
    let phase = async {
        let mut stream = TcpStream::connect(address).await.map_err(|error| failed(&error, address))?;
        if let Some(version) = proxy_protocol {
            let mut preface = Vec::new();
            haechi_preface::write(version, None, &mut preface);
            stream.write_all(&preface).await.map_err(|error| failed(&error, address))?;
        }
        Ok::<_, Failed>(stream)
    };
    let stream = deadline.limit("connection", phase).await?;
    if is_itself(&stream) {
        return Err(refused(address));
    }
    Ok(stream)
}

/// A local connect may be given the very port that it connects to, and TCP then connects it to itself
/// (simultaneous open, RFC 9293 §3.5): nobody listens, yet it stands.
fn is_itself(stream: &TcpStream) -> bool {
    matches!((stream.local_addr(), stream.peer_addr()), (Ok(local), Ok(peer)) if local == peer)
}

fn refused(address: SocketAddr) -> Failed {
    Failed::new(FailureKind::Refused, format!("connection refused ({address})"))
}

fn failed(error: &io::Error, address: SocketAddr) -> Failed {
    if let Some(failed) = ours(error) {
        return failed;
    }
    let kind = match error.kind() {
        io::ErrorKind::ConnectionRefused => return refused(address),
        io::ErrorKind::TimedOut => FailureKind::Timeout,
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => FailureKind::Closed,
        _ => FailureKind::Unreachable,
    };
    Failed::new(kind, format!("{} ({address})", plain(error)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::net::TcpSocket;
    use tokio::time::Instant;

    use super::*;

    #[tokio::test]
    async fn a_connection_to_itself_is_recognised() {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = socket.local_addr().unwrap();
        let stream = socket.connect(address).await.unwrap();
        assert!(is_itself(&stream));
    }

    #[tokio::test]
    async fn refusals_name_the_address() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let deadline =
            Deadline { at: Instant::now() + Duration::from_secs(5), timeout: Duration::from_secs(5) };
        let stream = connect(address, None, deadline).await.unwrap();
        assert!(!is_itself(&stream));
        drop((stream, listener));
        assert_eq!(connect(address, None, deadline).await.unwrap_err(), refused(address));
    }
}
