//! The server behind every contender, made so cheap that it is not what gets measured.
//!
//! One thread, one buffer to read into, responses made beforehand. It reads a request only to its empty
//! line, knows `GET` alone, and listens on loopback alone.

mod conn;

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};

use mio::event::Event;
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Protocol, Socket, Type};

use crate::content::Content;
use crate::ports::Origin;
use crate::problem::{Outcome, While};
use conn::{Conn, Turn};

pub(crate) use conn::Speaks;

/// As large as the largest thing that arrives here in one piece: a busy connection is read in one call.
const READ: usize = 64 << 10;
/// Events per wait: more than the connections of the largest case, so that one wait sees them all.
const EVENTS: usize = 1024;
/// Connections that may wait to be accepted; `somaxconn` cuts it on small machines.
const BACKLOG: i32 = 4096;

/// Serves until the process is killed: the runner owns its end.
pub(crate) fn serve() -> Outcome<()> {
    let mut server = Server::bind(Origin::listeners())?;
    let mut events = Events::with_capacity(EVENTS);
    loop {
        server.turn(&mut events).while_doing(|| "origin".into())?;
    }
}

struct Server {
    poll: Poll,
    listeners: Vec<(TcpListener, Speaks)>,
    conns: Vec<Option<Conn>>,
    free: Vec<usize>,
    /// Connections that had more to do than one turn allows.
    again: Vec<usize>,
    read: Vec<u8>,
    content: Content,
}

impl Server {
    fn bind(ports: Vec<(u16, Speaks)>) -> Outcome<Self> {
        let poll = Poll::new()?;
        let mut listeners = Vec::with_capacity(ports.len());
        for (port, speaks) in ports {
            let mut listener = listen(port).while_doing(|| format!("origin cannot listen on port {port}"))?;
            poll.registry().register(&mut listener, Token(listeners.len()), Interest::READABLE)?;
            listeners.push((listener, speaks));
        }
        Ok(Self {
            poll,
            listeners,
            conns: Vec::new(),
            free: Vec::new(),
            again: Vec::new(),
            read: vec![0; READ],
            content: Content::new(),
        })
    }

    fn turn(&mut self, events: &mut Events) -> io::Result<()> {
        let patience = if self.again.is_empty() { None } else { Some(std::time::Duration::ZERO) };
        match self.poll.poll(events, patience) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            other => other?,
        }
        for event in &*events {
            let Token(token) = event.token();
            match token.checked_sub(self.listeners.len()) {
                None => self.accept(token)?,
                Some(index) => self.serve(index, is_closing(event)),
            }
        }
        for index in std::mem::take(&mut self.again) {
            self.serve(index, true);
        }
        Ok(())
    }

    fn accept(&mut self, which: usize) -> io::Result<()> {
        loop {
            let (listener, speaks) = &self.listeners[which];
            let (mut stream, _) = match listener.accept() {
                Ok(accepted) => accepted,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(error) => return Err(error),
            };
            // A peer that is already gone fails here; its connection then fails at the first read.
            let _gone = stream.set_nodelay(true);
            let index = self.free.pop().unwrap_or_else(|| {
                self.conns.push(None);
                self.conns.len() - 1
            });
            let token = Token(index + self.listeners.len());
            self.poll.registry().register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
            self.conns[index] = Some(Conn::new(stream, *speaks));
            self.serve(index, true);
        }
    }

    /// One connection's turn; `drain` asks for a read until the kernel has nothing more.
    fn serve(&mut self, index: usize, drain: bool) {
        let Some(conn) = self.conns.get_mut(index).and_then(Option::as_mut) else { return };
        match conn.turn(&mut self.read, &self.content, drain) {
            Ok(Turn::Waits) => {}
            Ok(Turn::Again) => self.again.push(index),
            // A broken connection is the other side's to report: every generator counts its errors.
            Ok(Turn::Ends) | Err(_) => {
                self.conns[index] = None;
                self.free.push(index);
            }
        }
    }
}

/// A connection that ends may have sent its end together with its last bytes: only then is a short read not
/// the last one.
fn is_closing(event: &Event) -> bool {
    event.is_read_closed() || event.is_error()
}

/// Every loopback address at this port. Bound to the `lo` device, because the scale bench wants 10,000
/// addresses of 127.0.0.0/8 and nobody outside shall reach it.
fn listen(port: u16) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind_device(Some(b"lo"))?;
    socket.bind(&SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port).into())?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}
