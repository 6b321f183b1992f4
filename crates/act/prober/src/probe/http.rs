//! An HTTP/1.1 probe: one request, one answer, no redirect followed.
//!
//! The answer is read strictly: an endpoint whose answers the proxy would refuse must not count as
//! healthy. Only what is needed is read, and only a few KiB are kept, however much comes.

mod body;
mod head;

use std::io;
use std::net::SocketAddr;

use haechi_health::FailureKind;
use haechi_model::{BodyMatch, ProbeTls, ProxyVersion, StatusRange};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use self::body::{Body, Search};
use self::head::{Framing, Head};
use super::text::{first_line, plain};
use super::tls::{self, Trust};
use super::{Deadline, Failed, connect};

/// Longest head, interim ones included: what nginx and HAProxy take by default (one or two buffers).
const LONGEST_HEAD: usize = 16 * 1024;

/// What is read at a time.
const PIECE: usize = 4096;

/// What to ask and what to expect.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) host: Option<&'a str>,
    pub(super) expect: &'a [StatusRange],
    pub(super) body: Option<&'a BodyMatch>,
    pub(super) address: SocketAddr,
    pub(super) proxy_protocol: Option<ProxyVersion>,
}

/// Asks over TCP or TLS. A success tells the status.
pub(super) async fn probe(
    ask: &Ask<'_>,
    tls: Option<&ProbeTls>,
    trust: &Trust,
    deadline: Deadline,
) -> Result<String, Failed> {
    let request = request(ask)?;
    let mut stream = connect::connect(ask.address, ask.proxy_protocol, deadline).await?;
    match tls {
        None => deadline.limit("answer", exchange(&mut stream, ask, &request)).await,
        Some(tls) => {
            let name = tls.server_name.as_deref().or(ask.host);
            let phase = tls::handshake(stream, tls, name, ask.address, trust);
            let mut stream = deadline.limit("TLS handshake", phase).await?;
            deadline.limit("answer", exchange(&mut stream, ask, &request)).await
        }
    }
}

fn request(ask: &Ask<'_>) -> Result<String, Failed> {
    let host = ask.host.map_or_else(|| ask.address.to_string(), Into::into);
    for (what, text) in [("method", ask.method), ("path", ask.path), ("host", &*host)] {
        if text.is_empty() || text.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
            let text = format!("the check's {what} is empty or holds a space or control character");
            return Err(Failed::new(FailureKind::Protocol, text));
        }
    }
    Ok(format!(
        "{} {} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: haechi/{} (health check)\r\nAccept: */*\r\nConnection: close\r\n\r\n",
        ask.method,
        ask.path,
        env!("CARGO_PKG_VERSION"),
    ))
}

async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    ask: &Ask<'_>,
    request: &str,
) -> Result<String, Failed> {
    stream.write_all(request.as_bytes()).await.map_err(|error| broken(&error, "before an answer"))?;
    stream.flush().await.map_err(|error| broken(&error, "before an answer"))?;
    let (head, rest) = read_head(stream, ask.method).await?;
    if !ask.expect.iter().any(|range| (range.first..=range.last).contains(&head.status)) {
        let text = format!("status {}, expected {}", head.status, expected(ask.expect));
        return Err(Failed::new(FailureKind::Status, text));
    }
    match ask.body {
        None => Ok(format!("status {}", head.status)),
        Some(wanted) => {
            let found = search(stream, &head.framing, rest, needle(wanted)).await?;
            judge(wanted, found, head.status)
        }
    }
}

/// The final head, and what came of the body with it.
async fn read_head<S: AsyncRead + Unpin>(stream: &mut S, method: &str) -> Result<(Head, Vec<u8>), Failed> {
    let mut buffer = Vec::with_capacity(PIECE);
    let mut room = LONGEST_HEAD;
    loop {
        if !head::may_be_http(&buffer) {
            let text = format!("the answer is not HTTP/1: \"{}\"", first_line(&buffer, 40));
            return Err(Failed::new(FailureKind::Protocol, text));
        }
        if let Some(end) = head::end_of(&buffer) {
            let head = head::parse(&buffer[..end], method)
                .map_err(|text| Failed::new(FailureKind::Protocol, text))?;
            let rest = buffer.split_off(end);
            if !head.is_interim() {
                return Ok((head, rest));
            }
            buffer = rest;
            continue;
        }
        if room == 0 {
            return Err(Failed::new(FailureKind::Protocol, "the response head is larger than 16 KiB"));
        }
        let before = if buffer.is_empty() { "without an answer" } else { "in the response head" };
        let count = read(stream, &mut buffer, room.min(PIECE), before).await?;
        if count == 0 {
            return Err(Failed::new(FailureKind::Closed, format!("connection closed {before}")));
        }
        room -= count;
    }
}

async fn search<S: AsyncRead + Unpin>(
    stream: &mut S,
    framing: &Framing,
    mut piece: Vec<u8>,
    needle: &str,
) -> Result<bool, Failed> {
    let mut body = Body::new(framing);
    let mut search = Search::new(needle);
    loop {
        body.feed(&piece, &mut search).map_err(|text| Failed::new(FailureKind::Protocol, text))?;
        if search.found() || search.is_full() || body.is_complete() {
            return Ok(search.found());
        }
        piece.clear();
        if read(stream, &mut piece, PIECE, "in the body").await? == 0 {
            return match framing {
                Framing::UntilClose => Ok(false),
                _ => Err(Failed::new(FailureKind::Closed, "connection closed in the body")),
            };
        }
    }
}

/// Appends at most `most` bytes; zero means the end.
async fn read<S: AsyncRead + Unpin>(
    stream: &mut S,
    into: &mut Vec<u8>,
    most: usize,
    before: &str,
) -> Result<usize, Failed> {
    let mut piece = [0; PIECE];
    let most = most.min(PIECE);
    let count = match stream.read(&mut piece[..most]).await {
        // Many servers end TLS without saying so; the framing tells whether something is missing.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
        other => other.map_err(|error| broken(&error, before))?,
    };
    into.extend_from_slice(&piece[..count]);
    Ok(count)
}

fn judge(wanted: &BodyMatch, found: bool, status: u16) -> Result<String, Failed> {
    match (wanted, found) {
        (BodyMatch::Contains(text), true) => Ok(format!("status {status}, body has \"{text}\"")),
        (BodyMatch::Lacks(text), false) => Ok(format!("status {status}, body lacks \"{text}\"")),
        (BodyMatch::Contains(text), false) => {
            Err(Failed::new(FailureKind::Body, format!("body lacks \"{text}\"")))
        }
        (BodyMatch::Lacks(text), true) => Err(Failed::new(FailureKind::Body, format!("body has \"{text}\""))),
    }
}

fn needle(wanted: &BodyMatch) -> &str {
    match wanted {
        BodyMatch::Contains(text) | BodyMatch::Lacks(text) => text,
    }
}

fn expected(ranges: &[StatusRange]) -> String {
    let one = |range: &StatusRange| {
        if range.first == range.last {
            range.first.to_string()
        } else {
            format!("{}-{}", range.first, range.last)
        }
    };
    ranges.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn broken(error: &io::Error, before: &str) -> Failed {
    match tls::failure(error) {
        Some(failed) => failed,
        None => Failed::new(FailureKind::Closed, format!("{} {before}", plain(error))),
    }
}

#[cfg(test)]
mod tests;
