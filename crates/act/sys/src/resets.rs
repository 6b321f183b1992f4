//! How often the kernel refused TCP segments of connections that it does not know.

use std::fs;
use std::io;

/// What counts for the network namespace of the calling thread (proc(5), RFC 4022 `tcpOutRsts`).
const COUNTERS: &str = "/proc/thread-self/net/snmp";

/// Segments with RST that this host has sent, whoever they were for, since its network began.
///
/// # Errors
/// There is no `/proc`, or it does not count that.
pub fn sent() -> io::Result<u64> {
    let text = fs::read_to_string(COUNTERS)?;
    counted(&text)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("{COUNTERS}: no OutRsts")))
}

/// A line of names and a line of numbers, both after `Tcp:`.
fn counted(text: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("Tcp: "));
    let (names, numbers) = (lines.next()?, lines.next()?);
    let mut pairs = names.split(' ').zip(numbers.split(' '));
    pairs.find(|(name, _)| *name == "OutRsts")?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn the_number_stands_below_its_name() {
        let text = "Ip: Forwarding\nIp: 1\nTcp: RtoMin MaxConn OutRsts InCsumErrors\nTcp: 200 -1 17 0\nUdp: OutRsts\n";
        assert_eq!(counted(text), Some(17));
        for broken in
            ["", "Tcp: OutRsts\n", "Tcp: OutRsts\nTcp: \n", "Tcp: OutRsts\nTcp: many\n", "Tcp: A\nTcp: 1\n"]
        {
            assert_eq!(counted(broken), None, "{broken}");
        }
    }

    #[test]
    fn a_refused_connection_counts() {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let before = sent().unwrap();
        TcpStream::connect(closed).unwrap_err();
        assert!(sent().unwrap() > before);
    }
}
