//! Moving bytes between sockets inside the kernel.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};

/// A pipe to splice through: socket → pipe → socket, without copying to user space.
#[derive(Debug)]
pub struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
    held: usize,
    size: usize,
}

impl Pipe {
    /// A pipe of up to `wish` bytes; the kernel's default (64 KiB) where it refuses that size.
    ///
    /// # Errors
    /// Out of file descriptors.
    pub fn new(wish: usize) -> io::Result<Self> {
        let (read, write) = pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC)?;
        let size = fcntl_setpipe_size(&write, wish).unwrap_or(64 << 10);
        Ok(Self { read, write, held: 0, size })
    }

    /// Bytes in it.
    pub const fn held(&self) -> usize {
        self.held
    }

    /// Whether more can go in by its size (the kernel counts in pages and may say no earlier).
    pub const fn has_room(&self) -> bool {
        self.held < self.size
    }

    /// Takes up to `limit` bytes from a socket; 0 means its end.
    ///
    /// # Errors
    /// `WouldBlock` when the socket has nothing or the pipe is full; else the socket's error.
    pub fn fill(&mut self, from: impl AsFd, limit: usize) -> io::Result<usize> {
        let count = limit.min(self.size - self.held.min(self.size));
        let moved = splice(from, None, &self.write, None, count, SpliceFlags::NONBLOCK | SpliceFlags::MOVE)?;
        self.held += moved;
        Ok(moved)
    }

    /// Gives what it holds to a socket. `more` says that more will follow soon (`MSG_MORE`).
    ///
    /// # Errors
    /// `WouldBlock` when the socket takes nothing; else the socket's error.
    pub fn drain(&mut self, to: impl AsFd, more: bool) -> io::Result<usize> {
        let mut flags = SpliceFlags::NONBLOCK | SpliceFlags::MOVE;
        if more {
            flags |= SpliceFlags::MORE;
        }
        let moved = splice(&self.read, None, to, None, self.held, flags)?;
        self.held -= moved;
        Ok(moved)
    }
}
