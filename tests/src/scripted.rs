//! Endpoints that misbehave on purpose: a function for each connection.

use std::io::{BufRead, BufReader, Read};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// An endpoint that does as it is told, connection by connection.
#[derive(Debug)]
pub struct Scripted {
    /// Where it listens.
    pub address: SocketAddr,
    /// Connections so far.
    pub connections: Arc<AtomicUsize>,
    seen: Arc<Mutex<Vec<u8>>>,
    stop: Arc<AtomicBool>,
}

impl Scripted {
    /// Listens, and gives each connection with its number (from 0) to `serve` in a thread of its own.
    ///
    /// # Panics
    /// When the address is taken.
    pub fn start(ip: IpAddr, serve: impl Fn(usize, &mut Peer) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(SocketAddr::new(ip, 8080)).unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let scripted = Self {
            address,
            connections: Arc::clone(&connections),
            seen: Arc::clone(&seen),
            stop: Arc::clone(&stop),
        };
        let serve = Arc::new(serve);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let number = connections.fetch_add(1, Ordering::Relaxed);
                let (serve, seen) = (Arc::clone(&serve), Arc::clone(&seen));
                std::thread::spawn(move || {
                    let _ = stream.set_read_timeout(Some(Duration::from_secs(20)));
                    // Each `send` is a packet of its own, sent at once.
                    let _ = stream.set_nodelay(true);
                    serve(number, &mut Peer { stream: BufReader::new(stream), seen });
                });
            }
        });
        scripted
    }

    /// All bytes that came, over all connections.
    pub fn seen(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

/// The other side of a scripted endpoint's connection.
#[derive(Debug)]
pub struct Peer {
    stream: BufReader<TcpStream>,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl Peer {
    /// Reads one request head; `None` at the end of the connection.
    pub fn head(&mut self) -> Option<String> {
        let mut head = Vec::new();
        loop {
            let before = head.len();
            if self.stream.read_until(b'\n', &mut head).ok()? == 0 {
                return None;
            }
            self.note(&head[before..]);
            if head.ends_with(b"\r\n\r\n") {
                return Some(String::from_utf8_lossy(&head).into_owned());
            }
        }
    }

    /// Reads so many bytes, or to the end.
    pub fn body(&mut self, length: usize) -> Vec<u8> {
        let mut body = Vec::new();
        let _ = (&mut self.stream).take(length as u64).read_to_end(&mut body);
        self.note(&body);
        body
    }

    /// Reads a body in chunks to its end, and gives what was in them.
    ///
    /// # Panics
    /// When it is none.
    pub fn chunks(&mut self) -> Vec<u8> {
        self.chunks_and_trailers().0
    }

    /// The same, with the lines behind it.
    ///
    /// # Panics
    /// When it is none.
    pub fn chunks_and_trailers(&mut self) -> (Vec<u8>, String) {
        let (mut body, mut trailers) = (Vec::new(), String::new());
        loop {
            let length = usize::from_str_radix(self.line().trim_end(), 16).unwrap();
            if length == 0 {
                break;
            }
            body.extend(self.body(length));
            self.line();
        }
        loop {
            match self.line() {
                line if line == "\r\n" => return (body, trailers),
                line => trailers += &line,
            }
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        assert!(line.ends_with("\r\n"), "a line that ends early: {line:?}");
        line
    }

    /// Sends bytes; false if the connection is broken.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        std::io::Write::write_all(self.stream.get_mut(), bytes.as_ref()).is_ok()
    }

    /// Answers 200 with this body, keep-alive.
    pub fn answer(&mut self, body: &str) -> bool {
        self.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
    }

    fn note(&self, bytes: &[u8]) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
    }
}
