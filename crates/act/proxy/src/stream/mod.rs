//! The narrow interface to a connection: read, write, splice, and what stands ready. Nothing above it names
//! a socket or a cipher, so what lies below can be changed.

mod session;
mod wire;

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use haechi_sys::net::Waiting;
use haechi_sys::pipe::Pipe;

pub(crate) use session::{Broken, Met, Room, Session, UNRECOGNIZED_NAME};
pub(crate) use wire::Spliced;

use wire::Wire;

/// A non-blocking connection, in clear text or over TLS.
#[derive(Debug)]
pub(crate) struct Stream {
    wire: Wire,
    /// Boxed, because most connections have none and all have room for it.
    tls: Option<Box<Session>>,
}

impl Stream {
    pub(crate) const fn accepted(socket: TcpStream) -> Self {
        Self { wire: Wire::accepted(socket), tls: None }
    }

    /// # Errors
    /// What the kernel says: refused, unreachable, out of ports.
    pub(crate) async fn connect(address: SocketAddr) -> io::Result<Self> {
        Ok(Self { wire: Wire::connect(address).await?, tls: None })
    }

    /// Speaks TLS from here on; [`Self::poll_handshake`] comes next.
    pub(crate) fn encrypt(&mut self, session: Session) {
        self.tls = Some(Box::new(session));
    }

    /// Ready when both sides know who speaks; at once in clear text.
    pub(crate) fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<Result<Met, Broken>> {
        match &mut self.tls {
            None => Poll::Ready(Ok(Met::default())),
            Some(session) => session.poll_handshake(&mut self.wire, cx),
        }
    }

    /// Whether the handshake was made by an issuer, to see whose name it is, and for nothing else.
    pub(crate) fn was_asked_for_issuer(&self) -> bool {
        self.tls.as_ref().is_some_and(|session| session.chose_acme())
    }

    /// Whether both sides agreed on HTTP/2 in the handshake.
    pub(crate) fn chose_http2(&self) -> bool {
        self.tls.as_ref().is_some_and(|session| session.chose_http2())
    }

    /// Reads what is there; 0 is the end. Over TLS an end that was not announced is an error: somebody may have cut
    /// the rest off (RFC 8446 section 6.1).
    #[inline]
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        match &mut self.tls {
            None => self.wire.poll_read(cx, buf),
            Some(session) => session.poll_read(&mut self.wire, cx, buf),
        }
    }

    /// Looks at what is there without taking it, as soon as that is more than `known` bytes; 0 is the end. What is
    /// on the wire: for what comes before TLS.
    pub(crate) fn poll_peek(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
        known: usize,
    ) -> Poll<io::Result<usize>> {
        self.wire.poll_peek(cx, buf, known)
    }

    /// Takes bytes that [`Self::poll_peek`] has seen.
    ///
    /// # Errors
    /// The connection broke meanwhile.
    pub(crate) fn take_known(&mut self, buf: &mut [u8]) -> io::Result<()> {
        self.wire.take_known(buf)
    }

    /// Writes what the socket takes now; 0 if nothing. What was not taken is to be written again, the same bytes
    /// first: over TLS they may be encrypted already.
    #[inline]
    pub(crate) fn write_now(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.tls {
            None => self.wire.write_now(bytes),
            Some(session) => session.write_now(&self.wire, bytes, &[]),
        }
    }

    /// Writes what the socket takes now of two pieces in a row; 0 if nothing.
    pub(crate) fn write_two_now(&mut self, first: &[u8], second: &[u8]) -> io::Result<usize> {
        match &mut self.tls {
            None => self.wire.write_two_now(first, second),
            Some(session) => session.write_now(&self.wire, first, second),
        }
    }

    /// Writes at least one byte.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.tls {
            None => self.wire.poll_write(cx, bytes),
            Some(session) => session.poll_write(&mut self.wire, cx, bytes),
        }
    }

    /// What the other side has shown of itself over TLS, in DER.
    pub(crate) fn peer_certificate(&self) -> Option<&[u8]> {
        self.tls.as_ref()?.peer_certificate()
    }

    /// Whether bytes may go through a pipe in the kernel, which can't decrypt.
    pub(crate) const fn is_clear(&self) -> bool {
        self.tls.is_none()
    }

    /// Moves bytes from this socket into a pipe. Only where [`Self::is_clear`].
    pub(crate) fn poll_splice_in(
        &mut self,
        cx: &mut Context<'_>,
        pipe: &mut Pipe,
        limit: usize,
    ) -> Poll<io::Result<Spliced>> {
        if !self.is_clear() {
            return Poll::Ready(Err(io::ErrorKind::Unsupported.into()));
        }
        self.wire.poll_splice_in(cx, pipe, limit)
    }

    /// Moves bytes from a pipe into this socket. Only where [`Self::is_clear`].
    pub(crate) fn poll_splice_out(
        &mut self,
        cx: &mut Context<'_>,
        pipe: &mut Pipe,
        more: bool,
    ) -> Poll<io::Result<usize>> {
        if !self.is_clear() {
            return Poll::Ready(Err(io::ErrorKind::Unsupported.into()));
        }
        self.wire.poll_splice_out(cx, pipe, more)
    }

    /// Asks the other side after so much silence whether it is still there.
    pub(crate) fn keep_alive(&self, after: Duration) {
        self.wire.keep_alive(after);
    }

    /// Ends our side; the other one may go on.
    pub(crate) fn end_writing(&mut self) {
        match &mut self.tls {
            None => self.wire.end_writing(),
            Some(session) => session.end_writing(&self.wire),
        }
    }

    /// Says over TLS that nothing was cut off, if the socket takes it now; for a connection that is closed next.
    pub(crate) fn say_farewell(&mut self) {
        if let Some(session) = &mut self.tls {
            session.say_farewell(&self.wire);
        }
    }

    /// Whether nothing has come, no end either. Costs no system call where the last read emptied the
    /// socket: the event loop has noted what came since, or has not seen it yet. A read of known length
    /// (splice) leaves the note standing, so then the kernel is asked once. Over TLS, what concerns TLS alone
    /// (a ticket, say) is taken and does not count.
    pub(crate) fn is_quiet(&mut self) -> bool {
        match &mut self.tls {
            None => self.wire.is_quiet(),
            Some(session) => session.is_quiet(&self.wire),
        }
    }

    /// Whether the event loop has yet to hear of it.
    pub(crate) const fn is_unwatched(&self) -> bool {
        self.wire.is_unwatched()
    }

    /// Lets the event loop know of it, so that [`Self::poll_noise`] hears something.
    pub(crate) fn watch(&mut self) {
        self.wire.watch();
    }

    /// Like [`Self::is_quiet`], and wakes the task when that changes. A connection that never had to wait is
    /// not watched for this. What concerns TLS alone counts here.
    pub(crate) fn poll_noise(&self, cx: &Context<'_>) -> Poll<()> {
        match &self.tls {
            Some(session) if session.waiting().is_some() => Poll::Ready(()),
            _ => self.wire.poll_noise(cx),
        }
    }

    /// What stands next to be read (a system call, where nothing decrypted does).
    pub(crate) fn peek(&self) -> Waiting {
        let decrypted = self.tls.as_ref().and_then(|session| session.waiting());
        decrypted.unwrap_or_else(|| self.wire.peek())
    }

    /// Our end (a system call).
    pub(crate) fn own_end(&self) -> Option<SocketAddr> {
        self.wire.own_end()
    }

    /// The address that the client came to (a system call).
    pub(crate) fn own_address(&self) -> Option<IpAddr> {
        self.wire.own_address()
    }

    /// Makes the coming close send RST.
    pub(crate) fn reset_on_close(&self) {
        self.wire.reset_on_close();
    }
}

/// The buffers that sessions of one worker share.
pub(crate) fn room() -> Rc<Room> {
    Rc::new(Room::new())
}
