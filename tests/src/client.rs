//! A plain HTTP/1.1 client that shows everything: connections, bytes, how they end.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use socket2::SockRef;

/// Longer than any answer in a test takes; a hang fails instead of blocking.
const PATIENCE: Duration = Duration::from_secs(20);

/// A response.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// Field names in lower case; repeated ones joined by `, `.
    pub fields: BTreeMap<String, String>,
    /// The body, unwrapped from chunks.
    pub body: Vec<u8>,
}

impl Reply {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The string at `key` of a JSON body.
    pub fn json(&self, key: &str) -> Option<String> {
        let value: serde_json::Value = serde_json::from_slice(&self.body).ok()?;
        Some(value.get(key)?.as_str()?.to_owned())
    }
}

/// A connection that is kept open from request to request.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Opens one.
    ///
    /// # Errors
    /// Refused, or not in time.
    pub fn open(to: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&to, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Ends the sending side.
    pub fn end_writing(&mut self) {
        let _ = self.stream.get_ref().shutdown(std::net::Shutdown::Write);
    }

    /// Whether something comes within this time; an end is something.
    pub fn answered(&mut self, within: Duration) -> bool {
        let _ = self.stream.get_ref().set_read_timeout(Some(within));
        let came = self.stream.fill_buf().is_ok();
        let _ = self.stream.get_ref().set_read_timeout(Some(PATIENCE));
        came
    }

    /// Breaks it off with a RST.
    pub fn reset(self) {
        let _ = SockRef::from(self.stream.get_ref()).set_linger(Some(Duration::ZERO));
    }

    /// `GET` of a path, read to the end of its body.
    ///
    /// # Errors
    /// The connection is broken, or the answer is not HTTP.
    pub fn get(&mut self, path: &str) -> io::Result<Reply> {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n").as_bytes())?;
        self.reply(false)
    }

    /// Reads one response; `head` says that it has no body whatever it announces.
    ///
    /// # Errors
    /// The connection is broken, or the answer is not HTTP.
    pub fn reply(&mut self, head: bool) -> io::Result<Reply> {
        loop {
            let reply = self.one_reply(head)?;
            if reply.status >= 200 || reply.status == 101 {
                return Ok(reply);
            }
        }
    }

    /// Reads one response, which may be an interim one.
    ///
    /// # Errors
    /// The connection is broken, or the answer is not HTTP.
    pub fn one_reply(&mut self, head: bool) -> io::Result<Reply> {
        let line = self.line()?;
        let status =
            line.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(|| not_http(&line))?;
        let mut fields = BTreeMap::<String, String>::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or_else(|| not_http(&line))?;
            let known = fields.entry(name.to_ascii_lowercase()).or_default();
            if !known.is_empty() {
                known.push_str(", ");
            }
            known.push_str(value.trim());
        }
        let mut body = Vec::new();
        let without = head || status < 200 || status == 204 || status == 304;
        if without {
        } else if fields.get("transfer-encoding").is_some_and(|coding| coding == "chunked") {
            self.chunks(&mut body)?;
        } else if let Some(length) = fields.get("content-length") {
            body.resize(length.parse().map_err(|_| not_http(length))?, 0);
            self.stream.read_exact(&mut body)?;
        } else {
            self.stream.read_to_end(&mut body)?;
        }
        Ok(Reply { status, fields, body })
    }

    fn chunks(&mut self, body: &mut Vec<u8>) -> io::Result<()> {
        loop {
            let line = self.line()?;
            let size = usize::from_str_radix(&line, 16).map_err(|_| not_http(&line))?;
            let start = body.len();
            body.resize(start + size, 0);
            self.stream.read_exact(&mut body[start..])?;
            if !self.line()?.is_empty() {
                return Err(not_http("chunk without an end"));
            }
            if size == 0 {
                return Ok(());
            }
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        line.strip_suffix("\r\n").map(str::to_owned).ok_or_else(|| not_http(&line))
    }

    /// Reads exactly so many bytes.
    ///
    /// # Errors
    /// They do not come.
    pub fn bytes(&mut self, count: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Reads to the end.
    ///
    /// # Errors
    /// The connection was reset.
    pub fn rest(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.stream.read_to_end(&mut bytes).map(|_| bytes)
    }
}

fn not_http(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not HTTP: {what:?}"))
}

/// One `GET` on a connection of its own.
///
/// # Errors
/// As [`Connection::open`] and [`Connection::get`].
pub fn get(to: SocketAddr, path: &str) -> io::Result<Reply> {
    Connection::open(to)?.get(path)
}

/// Sends bytes on a connection of its own and gives all that comes back until it ends.
///
/// # Errors
/// The connection can't be opened. A reset ends what comes back.
pub fn raw(to: SocketAddr, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut connection = Connection::open(to)?;
    // The other side may close before it has read everything.
    let _ = connection.send(bytes);
    connection.end_writing();
    let mut back = Vec::new();
    let mut block = [0; 4096];
    while let Ok(count) = connection.stream.read(&mut block) {
        if count == 0 {
            break;
        }
        back.extend_from_slice(&block[..count]);
    }
    Ok(back)
}
