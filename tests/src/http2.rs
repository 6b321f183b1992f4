//! A client that speaks HTTP/2 in the clear, by prior knowledge. It is built on the core under test, so curl and
//! h2load stand beside it; what it adds is a hand on each stream.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use haechi_http2::{Code, Config, Connection, Event, Head, Input, Request, Role, StreamId};
use haechi_model::Moment;

use crate::now;

/// Longer than any answer in a test takes; a hang fails instead of blocking.
const PATIENCE: Duration = Duration::from_secs(20);

/// How one stream stands.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// Of the final head; 0 until it comes.
    pub status: u16,
    /// Of interim heads.
    pub interim: Vec<u16>,
    /// Fields of the final head.
    pub fields: BTreeMap<String, String>,
    /// Fields behind the body.
    pub trailers: Vec<(String, String)>,
    /// What came of the body.
    pub body: Vec<u8>,
    /// It ended as it should.
    pub whole: bool,
    /// It was cut off, and why.
    pub reset: Option<String>,
}

impl Answer {
    /// Nothing more comes.
    pub const fn is_over(&self) -> bool {
        self.whole || self.reset.is_some()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A connection.
#[derive(Debug)]
pub struct Http2 {
    stream: TcpStream,
    core: Connection,
    answers: BTreeMap<u32, Answer>,
    /// Whether bodies are released, so that more may come.
    reads: bool,
    /// The other side said farewell.
    pub left: bool,
    /// The other side closed.
    pub closed: bool,
}

impl Http2 {
    /// Opens one.
    ///
    /// # Errors
    /// Refused, or not in time.
    pub fn open(to: SocketAddr) -> io::Result<Self> {
        Self::with(to, Config::default())
    }

    /// Opens one whose windows hold any body of a test, so that only its socket bounds what comes.
    ///
    /// # Errors
    /// Refused, or not in time.
    pub fn wide(to: SocketAddr) -> io::Result<Self> {
        Self::with(to, Config { stream_window: 64 << 20, connection_window: 256 << 20, ..Config::default() })
    }

    fn with(to: SocketAddr, config: Config) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&to, PATIENCE)?;
        stream.set_read_timeout(Some(Duration::from_millis(20)))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        let core = Connection::new(Role::Client, config, Moment::ORIGIN);
        Ok(Self { stream, core, answers: BTreeMap::new(), reads: true, left: false, closed: false })
    }

    /// Where it comes from.
    ///
    /// # Panics
    /// When the connection is broken.
    pub fn own_address(&self) -> SocketAddr {
        self.stream.local_addr().unwrap()
    }

    /// Takes bodies no further than their windows go.
    pub fn stop_reading(&mut self) {
        self.reads = false;
    }

    /// Begins a request; `end`: it has no body.
    ///
    /// # Panics
    /// When no stream can be opened.
    pub fn begin(&mut self, method: &str, path: &str, fields: &[(&str, &str)], end: bool) -> StreamId {
        let request = Request {
            method: method.as_bytes(),
            scheme: b"http",
            authority: b"test",
            path: path.as_bytes(),
            protocol: None,
        };
        let (stream, mut head) = self.core.request(&request).unwrap();
        fields.iter().for_each(|(name, value)| head.field(name.as_bytes(), value.as_bytes()));
        head.finish(end);
        self.answers.insert(stream.number(), Answer::default());
        self.turn().unwrap();
        stream
    }

    /// Asks for a tunnel to this protocol (RFC 8441).
    ///
    /// # Panics
    /// When no stream can be opened, or the other side takes no tunnels.
    pub fn connect(&mut self, protocol: &str, path: &str, fields: &[(&str, &str)]) -> StreamId {
        self.until("settings", |client| client.core.takes_extended_connect());
        let request = Request {
            method: b"CONNECT",
            scheme: b"http",
            authority: b"test",
            path: path.as_bytes(),
            protocol: Some(protocol.as_bytes()),
        };
        let (stream, mut head) = self.core.request(&request).unwrap();
        fields.iter().for_each(|(name, value)| head.field(name.as_bytes(), value.as_bytes()));
        head.finish(false);
        self.answers.insert(stream.number(), Answer::default());
        self.turn().unwrap();
        stream
    }

    /// Sends a body to its end, as the windows open.
    ///
    /// # Panics
    /// When it does not go within a bound.
    pub fn send(&mut self, stream: StreamId, mut body: &[u8]) {
        let deadline = now() + PATIENCE;
        loop {
            let sent = self.core.send_data(stream, body, true, Moment::ORIGIN);
            body = &body[sent..];
            if self.turn().is_err() || body.is_empty() || self.answers[&stream.number()].is_over() {
                return;
            }
            assert!(now() < deadline, "{} bytes of a body do not go", body.len());
        }
    }

    /// Ends a body with these fields behind it.
    ///
    /// # Panics
    /// When there is no body under way.
    pub fn send_trailers(&mut self, stream: StreamId, fields: &[(&str, &str)]) {
        let mut trailers = self.core.trailers(stream).unwrap();
        fields.iter().for_each(|(name, value)| trailers.field(name.as_bytes(), value.as_bytes()));
        trailers.finish(true);
        self.turn().unwrap();
    }

    /// Sends a part of a body, as far as the window goes.
    ///
    /// # Panics
    /// When the connection is broken.
    pub fn send_part(&mut self, stream: StreamId, part: &[u8]) -> usize {
        let sent = self.core.send_data(stream, part, false, Moment::ORIGIN);
        self.turn().unwrap();
        sent
    }

    /// Does not want it any more.
    ///
    /// # Panics
    /// When the connection is broken.
    pub fn cancel(&mut self, stream: StreamId) {
        self.core.reset(stream, Code::CANCEL);
        self.turn().unwrap();
    }

    /// How a stream stands now.
    pub fn state(&self, stream: StreamId) -> &Answer {
        &self.answers[&stream.number()]
    }

    /// Waits for the end of a stream.
    ///
    /// # Panics
    /// When it does not come.
    #[track_caller]
    pub fn answer(&mut self, stream: StreamId) -> Answer {
        self.until("a stream ends", |client| client.state(stream).is_over());
        self.state(stream).clone()
    }

    /// A request without a body, and its answer.
    #[track_caller]
    pub fn get(&mut self, path: &str) -> Answer {
        let stream = self.begin("GET", path, &[], true);
        self.answer(stream)
    }

    /// Goes on until it is so.
    ///
    /// # Panics
    /// When it does not become so within a bound.
    #[track_caller]
    pub fn until(&mut self, what: &str, mut so: impl FnMut(&Self) -> bool) {
        let deadline = now() + PATIENCE;
        while !so(self) {
            assert!(now() < deadline, "not within {PATIENCE:?}: {what}");
            assert!(!self.closed, "the connection ended before: {what}");
            // What is broken now is found at the next look.
            self.closed |= self.turn().is_err();
        }
    }

    /// Writes what is there and reads what has come, waiting a little for it.
    fn turn(&mut self) -> io::Result<()> {
        self.flush()?;
        let mut buffer = vec![0; 64 << 10];
        match self.stream.read(&mut buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => self.take(&buffer[..count]),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
            Err(error) => return Err(error),
        }
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        while !self.core.output().is_empty() {
            let count = self.stream.write(self.core.output())?;
            self.core.sent(count);
        }
        Ok(())
    }

    fn take(&mut self, bytes: &[u8]) {
        let (mut input, mut head) = (Input::new(bytes), Head::default());
        while let Some(event) = self.core.receive(&mut input, &mut head, Moment::ORIGIN) {
            match event {
                Event::Head { stream, end } => {
                    let answer = self.answers.entry(stream.number()).or_default();
                    (answer.status, answer.whole) = (head.status(), end);
                    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                    answer.fields =
                        head.fields().map(|(_, field)| (text(field.name), text(field.value))).collect();
                }
                Event::Interim { stream } => {
                    self.answers.entry(stream.number()).or_default().interim.push(head.status());
                }
                Event::Data { stream, bytes, end } => {
                    let answer = self.answers.entry(stream.number()).or_default();
                    answer.body.extend_from_slice(bytes);
                    answer.whole |= end;
                    if self.reads {
                        self.core.release(stream, bytes.len());
                    }
                }
                Event::Trailers { stream } => {
                    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                    let answer = self.answers.entry(stream.number()).or_default();
                    answer.whole = true;
                    answer.trailers =
                        head.fields().map(|(_, field)| (text(field.name), text(field.value))).collect();
                }
                Event::Reset { stream, why, .. } => {
                    self.answers.entry(stream.number()).or_default().reset = Some(why.to_string());
                }
                Event::GoingAway { .. } => self.left = true,
                Event::Closed(_) => self.closed = true,
                _ => {}
            }
        }
    }
}
