//! The narrow interface to the runtime: read, write, splice, and what stands ready. Nothing above it names
//! a tokio socket, so what lies below can be changed.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use haechi_sys::net::{self, Waiting};
use haechi_sys::pipe::Pipe;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

/// A non-blocking TCP connection.
///
/// An accepted one is not registered with the event loop until it must wait: a connection that sends one
/// request, gets its answer and goes never needs to be.
#[derive(Debug)]
pub(crate) struct Stream(State);

#[derive(Debug)]
enum State {
    Fresh(std::net::TcpStream),
    Watched(TcpStream),
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

impl Stream {
    pub(crate) const fn accepted(socket: std::net::TcpStream) -> Self {
        Self(State::Fresh(socket))
    }

    /// # Errors
    /// What the kernel says: refused, unreachable, out of ports.
    pub(crate) async fn connect(address: SocketAddr) -> io::Result<Self> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        Ok(Self(State::Watched(socket)))
    }

    fn watched(&mut self) -> io::Result<&mut TcpStream> {
        if let State::Fresh(_) = self.0
            && let State::Fresh(socket) = std::mem::replace(&mut self.0, State::Lost)
        {
            self.0 = State::Watched(TcpStream::from_std(socket)?);
        }
        match &mut self.0 {
            State::Watched(socket) => Ok(socket),
            State::Fresh(_) | State::Lost => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Reads what is there; 0 is the end.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        if let State::Fresh(socket) = &mut self.0 {
            match io::Read::read(socket, buf) {
                Err(error) if blocked(&error) => {}
                done => return Poll::Ready(done),
            }
        }
        let socket = self.watched()?;
        let mut buf = ReadBuf::new(buf);
        ready!(Pin::new(socket).poll_read(cx, &mut buf))?;
        Poll::Ready(Ok(buf.filled().len()))
    }

    /// Writes what the socket takes now; 0 if nothing.
    pub(crate) fn write_now(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = match &mut self.0 {
            State::Fresh(socket) => io::Write::write(socket, bytes),
            State::Watched(socket) => socket.try_write(bytes),
            State::Lost => Err(io::ErrorKind::NotConnected.into()),
        };
        none_if_blocked(written)
    }

    /// Writes what the socket takes now of two pieces in a row; 0 if nothing.
    pub(crate) fn write_two_now(&mut self, first: &[u8], second: &[u8]) -> io::Result<usize> {
        let pieces = [io::IoSlice::new(first), io::IoSlice::new(second)];
        let written = match &mut self.0 {
            State::Fresh(socket) => io::Write::write_vectored(socket, &pieces),
            State::Watched(socket) => socket.try_write_vectored(&pieces),
            State::Lost => Err(io::ErrorKind::NotConnected.into()),
        };
        none_if_blocked(written)
    }

    /// Writes at least one byte.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let socket = self.watched()?;
        Pin::new(socket).poll_write(cx, bytes)
    }

    /// Moves bytes from this socket into a pipe.
    pub(crate) fn poll_splice_in(
        &mut self,
        cx: &mut Context<'_>,
        pipe: &mut Pipe,
        limit: usize,
    ) -> Poll<io::Result<Spliced>> {
        let socket = self.watched()?;
        loop {
            ready!(socket.poll_read_ready(cx))?;
            let moved = socket.try_io(Interest::READABLE, || match pipe.fill(&*socket, limit) {
                // The kernel does not say which of the two has no more. If the note that the socket has some
                // were taken away while it does, nobody would ever be woken for it.
                Err(error)
                    if blocked(&error) && pipe.held() > 0 && net::peek(&*socket) != Waiting::Nothing =>
                {
                    Ok(Spliced::PipeFull)
                }
                done => done.map(Spliced::Bytes),
            });
            match moved {
                Err(error) if blocked(&error) => {}
                done => return Poll::Ready(done),
            }
        }
    }

    /// Moves bytes from a pipe into this socket.
    pub(crate) fn poll_splice_out(
        &mut self,
        cx: &mut Context<'_>,
        pipe: &mut Pipe,
        more: bool,
    ) -> Poll<io::Result<usize>> {
        let socket = self.watched()?;
        loop {
            ready!(socket.poll_write_ready(cx))?;
            match socket.try_io(Interest::WRITABLE, || pipe.drain(&*socket, more)) {
                Err(error) if blocked(&error) => {}
                done => return Poll::Ready(done),
            }
        }
    }

    /// Ends our side; the other one may go on.
    pub(crate) fn end_writing(&self) {
        match &self.0 {
            State::Fresh(socket) => net::end_writing(socket),
            State::Watched(socket) => net::end_writing(socket),
            State::Lost => {}
        }
    }

    /// Whether nothing has come, no end either. Costs no system call where the last read emptied the
    /// socket: the event loop has noted what came since, or has not seen it yet. A read of known length
    /// (splice) leaves the note standing, so then the kernel is asked once.
    pub(crate) fn is_quiet(&mut self) -> bool {
        let State::Watched(socket) = &mut self.0 else { return false };
        // Not `poll_read_ready`: to a task that has used up its turn it says that nothing has come.
        let looked = socket.try_io(Interest::READABLE, || match net::peek(&*socket) {
            Waiting::Nothing => Err(io::ErrorKind::WouldBlock.into()),
            Waiting::Bytes | Waiting::End | Waiting::Broken => Ok(()),
        });
        looked.is_err_and(|error| blocked(&error))
    }

    /// Whether the event loop has yet to hear of it.
    pub(crate) const fn is_unwatched(&self) -> bool {
        matches!(self.0, State::Fresh(_))
    }

    /// Lets the event loop know of it, so that [`Self::poll_noise`] hears something.
    pub(crate) fn watch(&mut self) {
        // If it refuses, the next read or write fails and says so.
        let _ = self.watched();
    }

    /// Like [`Self::is_quiet`], and wakes the task when that changes. A connection that never had to wait is
    /// not watched for this.
    pub(crate) fn poll_noise(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.0 {
            State::Watched(socket) => socket.poll_read_ready(cx).map(drop),
            State::Fresh(_) | State::Lost => Poll::Pending,
        }
    }

    /// What stands at the head of the receive queue (a system call).
    pub(crate) fn peek(&self) -> Waiting {
        match &self.0 {
            State::Fresh(socket) => net::peek(socket),
            State::Watched(socket) => net::peek(socket),
            State::Lost => Waiting::Broken,
        }
    }

    /// Makes the coming close send RST.
    pub(crate) fn reset_on_close(&self) {
        match &self.0 {
            State::Fresh(socket) => net::reset_on_close(socket),
            State::Watched(socket) => net::reset_on_close(socket),
            State::Lost => {}
        }
    }
}

fn blocked(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

fn none_if_blocked(written: io::Result<usize>) -> io::Result<usize> {
    match written {
        Err(error) if blocked(&error) => Ok(0),
        done => done,
    }
}
