//! The least shell around the HTTP/2 core: a server on a real socket that answers every request, so that programs of
//! others can be let at it. It blocks, one thread for each connection; the real one is `haechi-proxy`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use haechi_http2::{Config, Connection, Event, Head, Input, Role, StreamId};
use haechi_model::Moment;

/// How long a connection may be silent before it is closed.
const IDLE: Duration = Duration::from_secs(30);

/// What is to be sent on a stream.
#[derive(Debug, Default)]
struct Answer {
    body: Vec<u8>,
    at: usize,
}

/// One connection's state.
struct Serving {
    connection: Connection,
    head: Head,
    /// Bodies of requests that are echoed.
    asked: BTreeMap<StreamId, Vec<u8>>,
    answers: BTreeMap<StreamId, Answer>,
}

/// Serves for as long as the process runs; gives the address. `GET /N` is answered with N bytes, everything else with
/// the body that came, and with its trailers' names in a field.
pub fn serve(config: Config) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            std::thread::spawn(move || serve_one(socket, config));
        }
    });
    address
}

fn serve_one(mut socket: TcpStream, config: Config) {
    // The core is handed time; here it stands still, but for rates, which count on from turn to turn.
    let mut now = Moment::from_nanos(1 << 40);
    socket.set_nodelay(true).unwrap();
    socket.set_read_timeout(Some(IDLE)).unwrap();
    let mut serving = Serving {
        connection: Connection::new(Role::Server, config, now),
        head: Head::default(),
        asked: BTreeMap::new(),
        answers: BTreeMap::new(),
    };
    let mut hot = vec![0; 64 << 10];
    loop {
        if flush(&mut socket, &mut serving.connection).is_err() || serving.connection.is_finished() {
            let _ = socket.shutdown(std::net::Shutdown::Write);
            // What the peer still sends must not become a RST before it has read our last words.
            while socket.read(&mut hot).is_ok_and(|count| count > 0) {}
            return;
        }
        let Ok(count @ 1..) = socket.read(&mut hot) else { return };
        now = now + Duration::from_millis(1);
        let mut input = Input::new(&hot[..count]);
        while let Some(event) = serving.connection.receive(&mut input, &mut serving.head, now) {
            serving.take(&event);
        }
        serving.send(now);
    }
}

fn flush(socket: &mut TcpStream, connection: &mut Connection) -> std::io::Result<()> {
    let count = connection.output().len();
    socket.write_all(connection.output())?;
    connection.sent(count);
    Ok(())
}

impl Serving {
    fn take(&mut self, event: &Event<'_>) {
        match *event {
            Event::Head { stream, end } => {
                let path = String::from_utf8_lossy(self.head.path().unwrap_or_default()).into_owned();
                let size = path.trim_start_matches('/').parse::<usize>().ok();
                match size.filter(|_| self.head.method() == b"GET") {
                    Some(size) => {
                        self.answers.insert(stream, Answer { body: vec![b'x'; size], at: 0 });
                        self.connection.respond(stream, 200).unwrap().finish(size == 0);
                    }
                    None => {
                        self.asked.insert(stream, Vec::new());
                        if end {
                            self.echo(stream, &[]);
                        }
                    }
                }
            }
            Event::Data { stream, bytes, end } => {
                self.connection.release(stream, bytes.len());
                if let Some(body) = self.asked.get_mut(&stream) {
                    body.extend(bytes);
                }
                if end {
                    self.echo(stream, &[]);
                }
            }
            Event::Trailers { stream } => {
                let names: Vec<u8> =
                    self.head.fields().flat_map(|(_, field)| [field.name, b","].concat()).collect();
                self.echo(stream, &names);
            }
            Event::TooLarge { stream, .. } => {
                if let Some(head) = self.connection.respond(stream, 431) {
                    head.finish(true);
                }
            }
            Event::Reset { stream, .. } => {
                self.asked.remove(&stream);
                self.answers.remove(&stream);
            }
            _ => {}
        }
    }

    fn echo(&mut self, stream: StreamId, trailers: &[u8]) {
        let Some(body) = self.asked.remove(&stream) else { return };
        let Some(mut head) = self.connection.respond(stream, 200) else { return };
        head.field(b"Content-Type", b"text/plain");
        if !trailers.is_empty() {
            head.field(b"X-Trailers", trailers);
        }
        head.finish(body.is_empty());
        self.answers.insert(stream, Answer { body, at: 0 });
    }

    fn send(&mut self, now: Moment) {
        let connection = &mut self.connection;
        self.answers.retain(|stream, answer| {
            if answer.at < answer.body.len() {
                answer.at += connection.send_data(*stream, &answer.body[answer.at..], true, now);
            }
            answer.at < answer.body.len()
        });
    }
}
