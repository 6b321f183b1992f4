//! Everything that clients may have open during a move.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use haechi_tests::{Load, Tally, download, get, now, pause, speak, stream, upgraded};

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
            downloads: (0..DOWNLOADS).map(|_| thread::spawn(move || download(web, PATIENCE))).collect(),
            streams: (0..STREAMS).map(|_| stream(echo, PATIENCE).unwrap()).collect(),
            upgraded: (0..STREAMS).map(|_| upgraded(web, PATIENCE).unwrap()).collect(),
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
            let threads = (0..10).map(|_| thread::spawn(move || download(web, PATIENCE)));
            sender.send(threads.collect::<Vec<_>>()).unwrap();
        };
        self.inside.send(Box::new(job)).unwrap();
        self.downloads.extend(receiver.recv().unwrap());
    }

    /// What was silent since the move speaks, and is heard.
    #[track_caller]
    pub(crate) fn check_streams(&mut self) {
        for (number, stream) in self.streams.iter_mut().chain(&mut self.upgraded).enumerate() {
            let said = speak(stream, &format!("word {number}\n"));
            said.unwrap_or_else(|error| panic!("stream {number}: {error}"));
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
