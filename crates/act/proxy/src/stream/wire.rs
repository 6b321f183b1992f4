//! A connection's bytes as they are on the wire.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::task::{Context, Poll};

use haechi_sys::net::{self, Waiting};
use haechi_sys::pipe::Pipe;

use crate::engine::{Watched, Way};

/// A non-blocking TCP connection.
///
/// An accepted one is not registered with the event loop until it must wait: a connection that sends one
/// request, gets its answer and goes never needs to be.
#[derive(Debug)]
pub(super) struct Wire(State);

#[derive(Debug)]
enum State {
    Fresh(TcpStream),
    Watched(Watched<TcpStream>),
    /// Between the two others, or after registering failed.
    Lost,
}

/// What came of moving bytes from a socket into a pipe.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Spliced {
    /// So many bytes; 0 is the end.
    Bytes(usize),
    /// None, though the socket has some: the pipe must be emptied first.
    PipeFull,
}

impl Wire {
    pub(super) const fn accepted(socket: TcpStream) -> Self {
        Self(State::Fresh(socket))
    }

    /// # Errors
    /// What the kernel says: refused, unreachable, out of ports.
    pub(super) async fn connect(address: SocketAddr) -> io::Result<Self> {
        let socket = Watched::new(net::begin_connect(address)?, false)?;
        std::future::poll_fn(|cx| socket.poll_note(Way::Out, cx)).await;
        net::outcome(socket.socket())?;
        Ok(Self(State::Watched(socket)))
    }

    fn watched(&mut self) -> io::Result<&mut Watched<TcpStream>> {
        if let State::Fresh(_) = self.0
            && let State::Fresh(socket) = std::mem::replace(&mut self.0, State::Lost)
        {
            self.0 = State::Watched(Watched::new(socket, true)?);
        }
        match &mut self.0 {
            State::Watched(socket) => Ok(socket),
            State::Fresh(_) | State::Lost => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn socket(&self) -> Option<&TcpStream> {
        match &self.0 {
            State::Fresh(socket) => Some(socket),
            State::Watched(socket) => Some(socket.socket()),
            State::Lost => None,
        }
    }

    /// Takes what is there; 0 is the end.
    #[inline]
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        if let State::Fresh(socket) = &self.0 {
            match net::receive(socket, buf) {
                Err(error) if blocked(&error) => {}
                done => return Poll::Ready(done),
            }
        }
        let socket = self.watched()?;
        let size = buf.len();
        let read = socket.poll_io(Way::In, cx, |socket| net::receive(socket, buf));
        if matches!(read, Poll::Ready(Ok(count)) if count > 0 && count < size) {
            socket.exhausted(Way::In);
        }
        read
    }

    /// Looks at what is there without taking it, as soon as that is more than `known` bytes; 0 is the end.
    pub(super) fn poll_peek(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
        known: usize,
    ) -> Poll<io::Result<usize>> {
        let socket = self.watched()?;
        loop {
            let count = std::task::ready!(socket.poll_io(Way::In, cx, |socket| net::look(socket, buf)))?;
            if count == 0 || count > known {
                return Poll::Ready(Ok(count));
            }
            socket.exhausted(Way::In);
            // The end has come, or the note would be gone.
            if socket.is_noted(Way::In) {
                return Poll::Ready(Ok(0));
            }
        }
    }

    /// Takes bytes that [`Self::poll_peek`] has seen.
    ///
    /// # Errors
    /// The connection broke meanwhile.
    pub(super) fn take_known(&mut self, mut buf: &mut [u8]) -> io::Result<()> {
        let socket = self.watched()?.socket();
        while !buf.is_empty() {
            match net::receive(socket, buf)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => buf = &mut buf[count..],
            }
        }
        Ok(())
    }

    /// Writes what the socket takes now; 0 if nothing.
    #[inline]
    pub(super) fn write_now(&self, bytes: &[u8]) -> io::Result<usize> {
        self.write_with(bytes.len(), |socket| net::transmit(socket, bytes))
    }

    /// Writes what the socket takes now of two pieces in a row; 0 if nothing.
    pub(super) fn write_two_now(&self, first: &[u8], second: &[u8]) -> io::Result<usize> {
        self.write_with(first.len() + second.len(), |socket| net::transmit_two(socket, first, second))
    }

    #[inline]
    fn write_with(
        &self,
        size: usize,
        write: impl FnOnce(&TcpStream) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let written = match &self.0 {
            State::Fresh(socket) => write(socket),
            State::Watched(socket) => {
                let written = socket.try_io(Way::Out, write);
                note_full(socket, &written, size);
                written
            }
            State::Lost => Err(io::ErrorKind::NotConnected.into()),
        };
        match written {
            Err(error) if blocked(&error) => Ok(0),
            done => done,
        }
    }

    /// Writes at least one byte.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let socket = self.watched()?;
        let written = socket.poll_io(Way::Out, cx, |socket| net::transmit(socket, bytes));
        if let Poll::Ready(written) = &written {
            note_full(socket, written, bytes.len());
        }
        written
    }

    /// Moves bytes from this socket into a pipe.
    pub(super) fn poll_splice_in(
        &mut self,
        cx: &mut Context<'_>,
        pipe: &mut Pipe,
        limit: usize,
    ) -> Poll<io::Result<Spliced>> {
        self.watched()?.poll_io(Way::In, cx, |socket| match pipe.fill(socket, limit) {
            // The kernel does not say which of the two has no more. If the note that the socket has some
            // were taken away while it does, nobody would ever be woken for it.
            Err(error) if blocked(&error) && pipe.held() > 0 && net::peek(socket) != Waiting::Nothing => {
                Ok(Spliced::PipeFull)
            }
            done => done.map(Spliced::Bytes),
        })
    }

    /// Moves bytes from a pipe into this socket.
    pub(super) fn poll_splice_out(
        &mut self,
        cx: &mut Context<'_>,
        pipe: &mut Pipe,
        more: bool,
    ) -> Poll<io::Result<usize>> {
        self.watched()?.poll_io(Way::Out, cx, |socket| pipe.drain(socket, more))
    }

    /// Our end (a system call).
    pub(super) fn own_end(&self) -> Option<SocketAddr> {
        self.socket()?.local_addr().ok()
    }

    /// The address that the client came to (a system call).
    pub(super) fn own_address(&self) -> Option<IpAddr> {
        self.socket()?.local_addr().ok().map(|own| own.ip().to_canonical())
    }

    /// Ends our side; the other one may go on.
    pub(super) fn end_writing(&self) {
        if let Some(socket) = self.socket() {
            net::end_writing(socket);
        }
    }

    /// Takes what is there, if the event loop has noted something; `WouldBlock` if not.
    pub(super) fn read_now(&self, buf: &mut [u8]) -> io::Result<usize> {
        match &self.0 {
            State::Fresh(socket) => net::receive(socket, buf),
            State::Watched(socket) => socket.try_io(Way::In, |socket| net::receive(socket, buf)),
            State::Lost => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Whether nothing has come, no end either. Costs no system call where the last read emptied the
    /// socket: the event loop has noted what came since, or has not seen it yet. A read of known length
    /// (splice) leaves the note standing, so then the kernel is asked once.
    pub(super) fn is_quiet(&self) -> bool {
        let State::Watched(socket) = &self.0 else { return false };
        let looked = socket.try_io(Way::In, |socket| match net::peek(socket) {
            Waiting::Nothing => Err(io::ErrorKind::WouldBlock.into()),
            Waiting::Bytes | Waiting::End | Waiting::Broken => Ok(()),
        });
        looked.is_err_and(|error| blocked(&error))
    }

    /// Whether the event loop has yet to hear of it.
    pub(super) const fn is_unwatched(&self) -> bool {
        matches!(self.0, State::Fresh(_))
    }

    /// Lets the event loop know of it, so that [`Self::poll_noise`] hears something.
    pub(super) fn watch(&mut self) {
        // If it refuses, the next read or write fails and says so.
        let _ = self.watched();
    }

    /// Like [`Self::is_quiet`], and wakes the task when that changes. A connection that never had to wait is
    /// not watched for this.
    pub(super) fn poll_noise(&self, cx: &Context<'_>) -> Poll<()> {
        match &self.0 {
            State::Watched(socket) => socket.poll_note(Way::In, cx),
            State::Fresh(_) | State::Lost => Poll::Pending,
        }
    }

    /// What stands at the head of the receive queue (a system call).
    pub(super) fn peek(&self) -> Waiting {
        self.socket().map_or(Waiting::Broken, net::peek)
    }

    /// Makes the coming close send RST.
    pub(super) fn reset_on_close(&self) {
        if let Some(socket) = self.socket() {
            net::reset_on_close(socket);
        }
    }
}

/// A write that was cut short has filled the room there was.
#[inline]
fn note_full(socket: &Watched<TcpStream>, written: &io::Result<usize>, size: usize) {
    if written.as_ref().is_ok_and(|count| *count < size) {
        socket.exhausted(Way::Out);
    }
}

pub(super) fn blocked(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}
