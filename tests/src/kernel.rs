//! What the kernel says of connections.

use std::net::SocketAddr;
use std::process::Command;

/// Whether the kernel asks the other side of a connection now and then if it is there. The ends as the asking side has
/// them: its own, and the other one's.
///
/// # Panics
/// There is no such connection.
pub fn kernel_asks((own, other): (SocketAddr, SocketAddr)) -> bool {
    let output = Command::new("ss").args(["-tnoH", "state", "established"]).output();
    let text = String::from_utf8(output.expect("this test needs ss (Debian: iproute2)").stdout).unwrap();
    let ends = [own.to_string(), other.to_string()];
    // Two lengths of queues come first.
    let ours = text.lines().find(|line| line.split_whitespace().skip(2).take(2).eq(&ends));
    ours.unwrap_or_else(|| panic!("no {ends:?} in {text}")).contains("timer:(keepalive")
}
