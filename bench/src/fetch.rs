//! Looks at what really comes through a contender before anything is counted: a proxy that is quick because
//! it is wrong must not win.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::time::Duration;

use haechi_tests::{Authority, Secure};
use memchr::memmem;

use crate::content::{BULK, noise, source_turn};
use crate::ports::{Door, Doors, Origin};
use crate::problem::{Outcome, Problem, While};

/// Longest wait for any byte.
const PATIENCE: Duration = Duration::from_secs(5);
/// Largest response taken: the largest body and a head.
const LARGEST: usize = BULK + (64 << 10);

/// A response with its body.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Response {
    /// Status code.
    pub(crate) status: u16,
    /// Bytes after the head.
    pub(crate) body: Vec<u8>,
    head: String,
}

/// `GET path` with this `Host` from a port on loopback.
pub(crate) fn get(port: u16, host: &str, path: &str) -> Outcome<Response> {
    let mut stream = open(port)?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    let mut bytes = Vec::new();
    stream
        .take(LARGEST as u64)
        .read_to_end(&mut bytes)
        .while_doing(|| format!("GET {path} from port {port}"))?;
    parse(&bytes)
        .ok_or_else(|| Problem::new(format!("GET {path} from port {port}: not a whole HTTP/1.1 response")))
}

/// Compares everything that a contender serves with what the origin serves.
pub(crate) fn verify(doors: Doors, authority: &Authority) -> Outcome<()> {
    let client = authority.client();
    let secure = SocketAddrV4::new(Ipv4Addr::LOCALHOST, doors.port(Door::Secure)).into();
    let mut secure = Secure::open(secure, &client, "bench.test").while_doing(|| "a TLS handshake".into())?;
    let version = secure.connection().protocol_version().and_then(|version| version.as_str());
    if version != Some("TLSv1_3") {
        return Err(Problem::new(format!("{version:?} is spoken, not TLS 1.3")));
    }
    for path in ["/", "/4k", "/1m"] {
        let origin = get(Origin::HTTP[0], "origin", path)?;
        for door in [Door::Web, Door::Body] {
            let came = get(doors.port(door), "bench.test", path)?;
            same(&came, &origin).while_doing(|| format!("GET {path}"))?;
        }
        let (status, body) = secure.get(path).while_doing(|| format!("GET {path} over TLS"))?;
        if (status, &body) != (200, &origin.body) {
            return Err(Problem::new(format!("GET {path} over TLS: another body came through")));
        }
    }
    forwards_address(&get(doors.port(Door::Web), "bench.test", "/mirror")?)?;
    echoes(doors.port(Door::Echo)).while_doing(|| "TCP echo".into())?;
    pours(doors.port(Door::Source)).while_doing(|| "TCP source".into())
}

fn same(came: &Response, origin: &Response) -> Outcome<()> {
    if came.status != 200 {
        return Err(Problem::new(format!("status {}", came.status)));
    }
    if came.body != origin.body {
        return Err(Problem::new(format!(
            "another body came through ({} bytes for {})",
            came.body.len(),
            origin.body.len()
        )));
    }
    let came_fields = came.head.to_ascii_lowercase();
    for field in origin.head.lines().skip(1) {
        let name = field.split(':').next().unwrap_or_default().to_ascii_lowercase();
        // A proxy may put its own name and clock there.
        if !["server", "date", "connection"].contains(&&*name)
            && !came_fields.contains(&field.to_ascii_lowercase())
        {
            return Err(Problem::new(format!("the field {field:?} did not come through")));
        }
    }
    Ok(())
}

/// Every contender tells the origin who asked; one that does not would be measured doing less.
fn forwards_address(mirror: &Response) -> Outcome<()> {
    let head = String::from_utf8_lossy(&mirror.body).to_ascii_lowercase();
    if head.contains("x-forwarded-for: 127.0.0.1") {
        Ok(())
    } else {
        Err(Problem::new(format!("the origin got no X-Forwarded-For:\n{head}")))
    }
}

fn echoes(port: u16) -> Outcome<()> {
    let sent = noise(6, 256 << 10);
    let mut stream = open(port)?;
    for piece in sent.chunks(32 << 10) {
        stream.write_all(piece)?;
        let mut back = vec![0; piece.len()];
        stream.read_exact(&mut back)?;
        if back != piece {
            return Err(Problem::new("other bytes came back"));
        }
    }
    Ok(())
}

fn pours(port: u16) -> Outcome<()> {
    let expected = source_turn();
    let mut stream = open(port)?;
    let mut came = vec![0; expected.len()];
    for _ in 0..8 {
        stream.read_exact(&mut came)?;
        if came != expected {
            return Err(Problem::new("other bytes came through"));
        }
    }
    Ok(())
}

fn open(port: u16) -> Outcome<TcpStream> {
    let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port).into();
    let stream = TcpStream::connect_timeout(&address, PATIENCE)
        .while_doing(|| format!("connecting to port {port}"))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// `None` unless it is a whole response with a `Content-Length` that holds.
fn parse(bytes: &[u8]) -> Option<Response> {
    let end = memmem::find(bytes, b"\r\n\r\n")? + 4;
    let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    let lower = head.to_ascii_lowercase();
    let length =
        lower.lines().find_map(|line| line.strip_prefix("content-length:"))?.trim().parse::<usize>().ok()?;
    let body = bytes[end..].to_vec();
    (body.len() == length).then(|| Response { status, head: head.trim_end().to_owned(), body })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &[u8] = b"HTTP/1.1 200 OK\r\nX-A: b\r\nServer: s\r\ncontent-length: 2\r\n\r\nhi";

    #[test]
    fn a_whole_response_is_read() {
        let response = parse(WHOLE).unwrap();
        assert_eq!((response.status, &response.body[..]), (200, &b"hi"[..]));
    }

    #[test]
    fn a_response_cut_anywhere_is_none() {
        for cut in 0..WHOLE.len() {
            assert_eq!(parse(&WHOLE[..cut]), None, "cut at {cut}");
        }
        assert_eq!(parse(b"HTTP/1.1 200 OK\r\n\r\nhi"), None);
        assert_eq!(parse(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nhi"), None);
    }

    #[test]
    fn what_differs_is_said() {
        let origin = parse(WHOLE).unwrap();
        for (bytes, word) in [
            (&b"HTTP/1.1 502 Bad\r\nContent-Length: 2\r\n\r\nhi"[..], "502"),
            (b"HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 2\r\n\r\nho", "body"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "X-A"),
        ] {
            let said = same(&parse(bytes).unwrap(), &origin).unwrap_err().to_string();
            assert!(said.contains(word), "{said}");
        }
        let other_server = b"HTTP/1.1 200 OK\r\nx-a: b\r\nServer: t\r\nContent-Length: 2\r\n\r\nhi";
        assert!(same(&parse(other_server).unwrap(), &origin).is_ok());
    }

    #[test]
    fn a_silent_forwarder_is_refused() {
        let mirror =
            |fields: &str| Response { status: 200, head: String::new(), body: fields.as_bytes().to_vec() };
        assert!(forwards_address(&mirror("GET / HTTP/1.1\r\nX-Forwarded-For: 127.0.0.1\r\n\r\n")).is_ok());
        assert!(forwards_address(&mirror("GET / HTTP/1.1\r\nHost: a\r\n\r\n")).is_err());
    }
}
