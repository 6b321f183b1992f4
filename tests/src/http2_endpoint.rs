//! An endpoint that speaks HTTP/2 in the clear, and does with each whole request as it is told. Built on the core under
//! test, so nginx and gRPC's own server stand beside it.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

pub use haechi_http2::Connection as Core;
use haechi_http2::{Config, Connection, Event, Head, Input, Role, StreamId};
use haechi_model::Moment;

/// A request as it came, whole.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Its method.
    pub method: String,
    /// Its path.
    pub path: String,
    /// Its fields, in order.
    pub fields: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
    /// The fields behind it.
    pub trailers: Vec<(String, String)>,
}

/// What an endpoint does after a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Then {
    /// It goes on.
    GoOn,
    /// It closes the connection.
    Close,
}

/// Running until it is dropped.
#[derive(Debug)]
pub struct Http2Endpoint {
    /// Where it listens.
    pub address: SocketAddr,
    /// Connections so far.
    pub connections: Arc<AtomicUsize>,
    /// Streams that were reset by whoever asked.
    pub resets: Arc<AtomicUsize>,
    /// Most streams that one connection had open at a time.
    pub most_streams: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
}

impl Http2Endpoint {
    /// Takes so many streams at a time, and gives each whole request to `serve`, with the number of its connection.
    ///
    /// # Panics
    /// When the address is taken.
    pub fn start(
        ip: IpAddr,
        streams: u32,
        serve: impl Fn(usize, &mut Connection, StreamId, Asked) -> Then + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(SocketAddr::new(ip, 8080)).unwrap();
        let endpoint = Self {
            address: listener.local_addr().unwrap(),
            connections: Arc::default(),
            resets: Arc::default(),
            most_streams: Arc::default(),
            stop: Arc::default(),
        };
        let (connections, stop) = (Arc::clone(&endpoint.connections), Arc::clone(&endpoint.stop));
        let (resets, most) = (Arc::clone(&endpoint.resets), Arc::clone(&endpoint.most_streams));
        let serve = Arc::new(serve);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let number = connections.fetch_add(1, Ordering::Relaxed);
                let (serve, resets, most) = (Arc::clone(&serve), Arc::clone(&resets), Arc::clone(&most));
                std::thread::spawn(move || {
                    let mut config = Config::default();
                    config.limits.streams = streams;
                    let core = Connection::new(Role::Server, config, Moment::ORIGIN);
                    let mut one = One { stream, core, open: Vec::new(), resets, most };
                    // It ends with whoever asks.
                    let _ = one.run(|core, id, asked| serve(number, core, id, asked));
                });
            }
        });
        endpoint
    }
}

impl Drop for Http2Endpoint {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

struct One {
    stream: TcpStream,
    core: Connection,
    open: Vec<(StreamId, Asked)>,
    resets: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl One {
    fn run(&mut self, serve: impl Fn(&mut Connection, StreamId, Asked) -> Then) -> io::Result<()> {
        self.stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        self.stream.set_nodelay(true)?;
        let mut buffer = vec![0; 64 << 10];
        loop {
            self.stream.write_all(self.core.output())?;
            let written = self.core.output().len();
            self.core.sent(written);
            let count = self.stream.read(&mut buffer)?;
            if count == 0 {
                return Ok(());
            }
            for (id, asked) in self.take(&buffer[..count]) {
                if serve(&mut self.core, id, asked) == Then::Close {
                    self.stream.write_all(self.core.output())?;
                    return Ok(());
                }
            }
        }
    }

    /// Requests that are whole now.
    fn take(&mut self, bytes: &[u8]) -> Vec<(StreamId, Asked)> {
        let (mut input, mut head) = (Input::new(bytes), Head::default());
        let mut whole = Vec::new();
        while let Some(event) = self.core.receive(&mut input, &mut head, Moment::ORIGIN) {
            let ended = match event {
                Event::Head { stream, end } => {
                    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                    let asked = Asked {
                        method: text(head.method()),
                        path: text(head.path().unwrap_or_default()),
                        fields: pairs(&head),
                        ..Asked::default()
                    };
                    self.open.push((stream, asked));
                    self.most.fetch_max(self.open.len(), Ordering::Relaxed);
                    end.then_some(stream)
                }
                Event::Data { stream, bytes, end } => {
                    self.core.release(stream, bytes.len());
                    self.of(stream).body.extend_from_slice(bytes);
                    end.then_some(stream)
                }
                Event::Trailers { stream } => {
                    self.of(stream).trailers = pairs(&head);
                    Some(stream)
                }
                Event::Reset { stream, .. } => {
                    self.resets.fetch_add(1, Ordering::Relaxed);
                    self.open.retain(|(id, _)| *id != stream);
                    None
                }
                _ => None,
            };
            if let Some(at) = self.open.iter().position(|(id, _)| Some(*id) == ended) {
                whole.push(self.open.remove(at));
            }
        }
        whole
    }

    fn of(&mut self, stream: StreamId) -> &mut Asked {
        &mut self.open.iter_mut().find(|(id, _)| *id == stream).unwrap().1
    }
}

fn pairs(head: &Head) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    head.fields().map(|(_, field)| (text(field.name), text(field.value))).collect()
}
