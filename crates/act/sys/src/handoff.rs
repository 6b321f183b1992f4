//! Handing open sockets to another process over a Unix socket, as an upgrade does (unix(7), `SCM_RIGHTS`).
//!
//! A frame is a header, then one byte for each batch of descriptors (the kernel ties them to a byte), then
//! a blob that says what they are. All numbers are big-endian.
//!
//! | bytes | |
//! |---|---|
//! | 4 | `hndo` |
//! | 4 | number of descriptors |
//! | 4 | length of the blob |
//! | 1 for each batch of up to 253 | zero, with the descriptors |
//! | length | the blob |
//!
//! The receiver takes no more descriptors and bytes than the caller allows, closes all of them when anything is
//! wrong, and waits no longer than the caller says. Who the peer is, the kernel tells ([`peer`]); whether that
//! one may, the caller decides.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use haechi_model::Moment;
use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

use crate::clock;
use crate::waiting::wait;

/// Most descriptors of one message: `SCM_MAX_FD` in Linux, which refuses one more with `EINVAL`.
const BATCH: usize = 253;
/// Bytes of a header.
const HEADER: usize = 12;
/// How a frame begins.
const MAGIC: [u8; 4] = *b"hndo";

/// What a receiver takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Most descriptors.
    pub descriptors: usize,
    /// Most bytes of the blob.
    pub blob: usize,
}

impl Default for Limits {
    /// 4096 descriptors: 64 listeners on 64 cores, each with a socket of its own. A blob of 1 MiB: 256 bytes
    /// for each of them.
    fn default() -> Self {
        Self { descriptors: 4096, blob: 1 << 20 }
    }
}

/// What was handed over.
#[derive(Debug)]
pub struct Handoff {
    /// In the order of the sender; closed on exec.
    pub descriptors: Vec<OwnedFd>,
    /// What they are.
    pub blob: Vec<u8>,
}

/// Who is at the other end, as it was when it connected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Peer {
    /// Process.
    pub process_id: i32,
    /// User; 0 is root.
    pub user_id: u32,
}

/// Who is at the other end (`SO_PEERCRED`).
///
/// # Errors
/// Not connected.
pub fn peer(stream: &UnixStream) -> io::Result<Peer> {
    let credentials = rustix::net::sockopt::socket_peercred(stream)?;
    Ok(Peer { process_id: credentials.pid.as_raw_nonzero().get(), user_id: credentials.uid.as_raw() })
}

/// Sends descriptors and a blob. They stay open here.
///
/// # Errors
/// `TimedOut`: the peer did not take them in time. `BrokenPipe`: it is gone. `ETOOMANYREFS`: more descriptors
/// are under way between processes than this user may have open (without `CAP_SYS_RESOURCE`). `InvalidInput`:
/// more than 32 bits can count.
pub fn send(
    stream: &UnixStream,
    descriptors: &[BorrowedFd<'_>],
    blob: &[u8],
    within: Duration,
) -> io::Result<()> {
    let too_many = |_| io::Error::new(io::ErrorKind::InvalidInput, "too much to hand over");
    let number = u32::try_from(descriptors.len()).map_err(too_many)?;
    let length = u32::try_from(blob.len()).map_err(too_many)?;
    let header = [MAGIC, number.to_be_bytes(), length.to_be_bytes()].concat();
    let wire = Wire { stream, deadline: clock::now() + within };
    wire.write(&header)?;
    for batch in descriptors.chunks(BATCH) {
        wire.write_with(batch)?;
    }
    wire.write(blob)
}

/// Receives what [`send`] sent.
///
/// # Errors
/// `TimedOut`: not all of it came in time. `UnexpectedEof`: the peer is gone. `InvalidData`: not such a frame,
/// beyond the limits, or not the descriptors that it announced. `EMFILE`: more than this process may have open.
/// In all these cases what came is closed, and the stream is of no more use.
pub fn receive(stream: &UnixStream, limits: Limits, within: Duration) -> io::Result<Handoff> {
    let wire = Wire { stream, deadline: clock::now() + within };
    let mut header = [0; HEADER];
    wire.read(&mut header, &mut Vec::new(), 0)?;
    let [magic, number, length] = [0, 4, 8].map(|at| header[at..].first_chunk().copied().unwrap_or_default());
    if magic != MAGIC {
        return Err(wrong("no hand-over"));
    }
    let (number, length) = (count(number, limits.descriptors)?, count(length, limits.blob)?);
    let mut descriptors = Vec::new();
    while descriptors.len() < number {
        let batch = BATCH.min(number - descriptors.len());
        wire.read(&mut [0], &mut descriptors, batch)?;
    }
    // The blob grows as it comes: an announcement alone costs no memory.
    let mut blob = Vec::new();
    while blob.len() < length {
        let start = blob.len();
        blob.resize(length.min(start + PIECE), 0);
        wire.read(&mut blob[start..], &mut Vec::new(), 0)?;
    }
    Ok(Handoff { descriptors, blob })
}

/// How much of a blob is read at once.
const PIECE: usize = 64 << 10;

fn count(bytes: [u8; 4], most: usize) -> io::Result<usize> {
    let count = usize::try_from(u32::from_be_bytes(bytes)).unwrap_or(usize::MAX);
    if count <= most { Ok(count) } else { Err(wrong("more than is allowed")) }
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("hand-over: {what}"))
}

/// One end of a stream, until a deadline.
struct Wire<'a> {
    stream: &'a UnixStream,
    deadline: Moment,
}

impl Wire<'_> {
    fn write(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let sent = self.attempt(PollFlags::OUT, || {
                rustix::net::send(self.stream, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)
            })?;
            bytes = bytes.get(sent..).unwrap_or_default();
        }
        Ok(())
    }

    fn write_with(&self, batch: &[BorrowedFd<'_>]) -> io::Result<()> {
        self.attempt(PollFlags::OUT, || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(BATCH))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            if !control.push(SendAncillaryMessage::ScmRights(batch)) {
                return Err(Errno::INVAL);
            }
            let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
            sendmsg(self.stream, &[IoSlice::new(&[0])], &mut control, flags)
        })?;
        Ok(())
    }

    /// Fills `bytes`, and takes exactly `wanted` descriptors with them.
    fn read(&self, bytes: &mut [u8], descriptors: &mut Vec<OwnedFd>, wanted: usize) -> io::Result<()> {
        let (mut filled, expected) = (0, descriptors.len() + wanted);
        while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let (read, cut) = self.attempt(PollFlags::IN, || self.once(rest, descriptors))?;
            if cut {
                // All that one message can carry has room here, so only the limit of this process can cut it.
                return Err(io::Error::from_raw_os_error(libc::EMFILE));
            }
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            filled += read;
        }
        if descriptors.len() == expected {
            Ok(())
        } else {
            Err(wrong("not the descriptors that it announced"))
        }
    }

    fn once(&self, bytes: &mut [u8], descriptors: &mut Vec<OwnedFd>) -> Result<(usize, bool), Errno> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(BATCH))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
        let received = recvmsg(self.stream, &mut [IoSliceMut::new(bytes)], &mut control, flags)?;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                descriptors.extend(rights);
            }
        }
        Ok((received.bytes, received.flags.contains(ReturnFlags::CTRUNC)))
    }

    /// Tries without waiting; if there is nothing to be done yet, waits until there may be.
    fn attempt<T>(&self, ready: PollFlags, mut once: impl FnMut() -> Result<T, Errno>) -> io::Result<T> {
        loop {
            match once() {
                Err(Errno::AGAIN) => wait(self.stream.as_fd(), ready, self.deadline)?,
                Err(Errno::INTR) => {}
                other => return Ok(other?),
            }
        }
    }
}

#[cfg(test)]
mod tests;
