//! Everything that clients may have open during a move.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use haechi_tests::{Load, Tally, get, now, pause};
use socket2::{Domain, Socket, Type};

use crate::endpoint::{LARGE, byte_at};

const DOWNLOADS: usize = 50;
const STREAMS: usize = 20;

/// Longer than a lost packet's second repetition takes; a flow that hangs fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// Clients at work. All sockets are of the namespace in which they were started.
pub(crate) struct Clients {
    web: SocketAddr,
    downloads: Vec<JoinHandle<io::Result<()>>>,
    streams: Vec<TcpStream>,
    upgraded: Vec<TcpStream>,
    requests: Load,
    newcomers: JoinHandle<(usize, Vec<String>)>,
    stop: Arc<AtomicBool>,
    inside: std::sync::mpsc::Sender<Box<dyn FnOnce() + Send>>,
}

impl Clients {
    pub(crate) fn start(web: SocketAddr, echo: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let (inside, jobs) = std::sync::mpsc::channel::<Box<dyn FnOnce() + Send>>();
        thread::spawn(move || jobs.into_iter().for_each(|job| job()));
        let mut clients = Self {
            web,
            downloads: (0..DOWNLOADS).map(|_| thread::spawn(move || download(web))).collect(),
            streams: (0..STREAMS).map(|_| open(echo).unwrap()).collect(),
            upgraded: (0..STREAMS).map(|_| upgrade(web).unwrap()).collect(),
            requests: Load::start(web, "/small", 5, Duration::from_millis(20)),
            newcomers: thread::spawn(move || come_anew(web, &stopped)),
            stop,
            inside,
        };
        // A stream of the proxy begins with its first byte.
        clients.check_streams();
        clients
    }

    /// More downloads, which begin at whoever is active now.
    pub(crate) fn open_more(&mut self) {
        let (sender, receiver) = std::sync::mpsc::channel();
        let web = self.web;
        let job = move || {
            let threads = (0..10).map(|_| thread::spawn(move || download(web)));
            sender.send(threads.collect::<Vec<_>>()).unwrap();
        };
        self.inside.send(Box::new(job)).unwrap();
        self.downloads.extend(receiver.recv().unwrap());
    }

    /// What was silent since the move speaks, and is heard.
    #[track_caller]
    pub(crate) fn check_streams(&mut self) {
        for (number, stream) in self.streams.iter_mut().chain(&mut self.upgraded).enumerate() {
            let word = format!("word {number}\n");
            stream.write_all(word.as_bytes()).unwrap();
            let mut back = vec![0; word.len()];
            stream.read_exact(&mut back).unwrap_or_else(|error| panic!("stream {number}: {error}"));
            assert_eq!(String::from_utf8_lossy(&back), word);
        }
    }

    /// Lets all come to their end.
    #[track_caller]
    pub(crate) fn finish(self) {
        self.end().assert_all_good();
    }

    #[track_caller]
    fn end(self) -> Tally {
        let outcomes = self.downloads.into_iter().map(|thread| thread.join().unwrap());
        let failed: Vec<String> = outcomes.filter_map(Result::err).map(|error| error.to_string()).collect();
        assert!(failed.is_empty(), "{} downloads failed: {failed:?}", failed.len());
        self.stop.store(true, Ordering::Relaxed);
        let tally = self.requests.stop();
        let (good, failed) = self.newcomers.join().unwrap();
        assert!(failed.is_empty() && good > 100, "{good} new connections were served, but {failed:?}");
        tally
    }
}

fn open(to: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
    // Small, so that the kernel does not read ahead what the client does not.
    socket.set_recv_buffer_size(32 << 10)?;
    socket.connect_timeout(&to.into(), PATIENCE)?;
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn upgrade(to: SocketAddr) -> io::Result<TcpStream> {
    let mut stream = open(to)?;
    stream.write_all(b"GET /echo HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")?;
    let head = head(&mut stream)?;
    if head.starts_with("HTTP/1.1 101") { Ok(stream) } else { Err(io::Error::other(head)) }
}

/// Byte by byte: what comes after it is the body's.
fn head(stream: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    let mut one = [0];
    while !head.ends_with(b"\r\n\r\n") && head.len() < 4096 {
        stream.read_exact(&mut one)?;
        head.push(one[0]);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// Reads slowly, and looks at each byte.
fn download(from: SocketAddr) -> io::Result<()> {
    let mut stream = open(from)?;
    stream.write_all(b"GET /large HTTP/1.1\r\nHost: test\r\n\r\n")?;
    let head = head(&mut stream)?;
    if !head.starts_with("HTTP/1.1 200") {
        return Err(io::Error::other(head));
    }
    let mut block = vec![0; 32 << 10];
    let mut place = 0;
    while place < LARGE {
        let length = block.len().min(LARGE - place);
        let count = stream.read(&mut block[..length])?;
        if count == 0 {
            return Err(io::Error::other(format!("it ended after {place} bytes")));
        }
        if let Some(wrong) = (0..count).find(|at| block[*at] != byte_at(place + at)) {
            return Err(io::Error::other(format!("another byte at {}", place + wrong)));
        }
        place += count;
        pause(Duration::from_millis(u64::try_from(count).unwrap() * 40 / (32 << 10)));
    }
    Ok(())
}

/// A connection each 10 ms, with one request.
fn come_anew(to: SocketAddr, stopped: &AtomicBool) -> (usize, Vec<String>) {
    let (mut good, mut failed) = (0, Vec::new());
    let until = now() + Duration::from_secs(120);
    while !stopped.load(Ordering::Relaxed) && now() < until {
        match get(to, "/small") {
            Ok(reply) if reply.status == 200 => good += 1,
            Ok(reply) => failed.push(format!("status {}", reply.status)),
            Err(error) => failed.push(error.to_string()),
        }
        pause(Duration::from_millis(10));
    }
    (good, failed)
}
