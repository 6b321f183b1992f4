//! One conversation with the kernel over netlink: a request, then its acknowledgement or its list.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recvfrom, sendto,
    socket_with,
};

use super::wire::{Message, Request, messages};
use crate::options;

/// `NLM_F_REQUEST`: every message to the kernel.
const REQUEST: u16 = 0x01;
/// `NLM_F_ACK`: tell also of success.
const ACK: u16 = 0x04;
/// `NLM_F_DUMP`: all of them.
const DUMP: u16 = 0x300;
/// `NLM_F_DUMP_INTR`: the list changed while it was read.
const CHANGED_MEANWHILE: u16 = 0x10;
/// `NLMSG_ERROR`, also an acknowledgement.
const STATUS: u16 = 2;
/// `NLMSG_DONE`: the end of a list.
const END: u16 = 3;

/// `NLM_F_REPLACE`.
pub(crate) const REPLACE: u16 = 0x100;
/// `NLM_F_EXCL`.
pub(crate) const EXCLUSIVE: u16 = 0x200;
/// `NLM_F_CREATE`.
pub(crate) const CREATE: u16 = 0x400;

/// The kernel gives lists in pieces of at most 32 KiB (`netlink_dump`); a single message is smaller by far.
const BUFFER: usize = 64 << 10;

/// The kernel answers within the call that asks, or while it lists. A second is a hang, and the thread that
/// waits here also sends advertisements.
const PATIENCE: Duration = Duration::from_secs(1);

/// A list that changed while it was read is read again this often. Under steady change (thousands of routes
/// coming and going) the last one is as good as any.
const TRIES: u32 = 5;

/// Whether a change was one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It is so now.
    Changed,
    /// It was so before; nothing was done.
    AlreadySo,
}

/// The kernel said no.
#[derive(Debug)]
pub struct Refused {
    doing: String,
    error: io::Error,
    words: Option<String>,
}

impl Refused {
    pub(crate) fn new(doing: impl fmt::Display, error: impl Into<io::Error>) -> Self {
        Self { doing: doing.to_string(), error: error.into(), words: None }
    }

    /// The kernel's number for it (`errno`), if it comes from the kernel.
    pub fn os_error(&self) -> Option<i32> {
        self.error.raw_os_error()
    }

    /// Its kind, for those that do not care for numbers.
    pub fn kind(&self) -> io::ErrorKind {
        self.error.kind()
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.doing, self.error)?;
        if let Some(words) = &self.words {
            write!(f, ": {words}")?;
        }
        if self.kind() == io::ErrorKind::PermissionDenied {
            f.write_str("; it takes CAP_NET_ADMIN")
        } else {
            Ok(())
        }
    }
}

impl std::error::Error for Refused {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

impl From<Refused> for io::Error {
    fn from(refused: Refused) -> Self {
        Self::new(refused.kind(), refused)
    }
}

/// Binds a netlink socket that also hears these groups (bits of `RTMGRP_…`).
///
/// # Errors
/// Out of descriptors, or the kernel lacks the protocol. No right is needed.
pub(crate) fn socket(protocol: Option<Protocol>, groups: u32, flags: SocketFlags) -> io::Result<OwnedFd> {
    let socket =
        socket_with(AddressFamily::NETLINK, SocketType::RAW, flags | SocketFlags::CLOEXEC, protocol)?;
    bind(&socket, &SocketAddrNetlink::new(0, groups))?;
    Ok(socket)
}

/// One datagram, if it is from the kernel and whole: any process may write to a netlink socket (netlink(7)).
///
/// # Errors
/// `WouldBlock` when there is none, `ENOBUFS` when the kernel had to drop some; `InvalidData` when it did not
/// fit.
pub(crate) fn receive<'a>(socket: &OwnedFd, buffer: &'a mut [u8]) -> io::Result<Option<&'a [u8]>> {
    let (_, length, from) = recvfrom(socket, &mut *buffer, RecvFlags::TRUNC)?;
    let from_kernel =
        from.and_then(|from| SocketAddrNetlink::try_from(from).ok()).is_some_and(|from| from.pid() == 0);
    let bytes = buffer.get(..length).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, "netlink: a message larger than its buffer")
    })?;
    Ok(from_kernel.then_some(bytes))
}

/// A socket to ask through.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Connection {
    /// To `NETLINK_ROUTE` (`None`) or another part of the kernel. No right is needed to ask.
    pub(crate) fn open(protocol: Option<Protocol>) -> io::Result<Self> {
        let socket = socket(protocol, 0, SocketFlags::empty())?;
        set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
        for option in [libc::NETLINK_EXT_ACK, libc::NETLINK_CAP_ACK] {
            // Kernels before 4.12 do not explain their errors in words; the number is always there.
            let _ = options::set(&socket, libc::SOL_NETLINK, option, 1);
        }
        Ok(Self { socket, sequence: 0, buffer: vec![0; BUFFER] })
    }

    /// Asks for a change. Errors in `so` mean that it was so before.
    pub(crate) fn change(
        &mut self,
        doing: impl fmt::Display,
        kind: u16,
        flags: u16,
        build: impl FnOnce(Request) -> Request,
        fixed: &[u8],
        so: &[i32],
    ) -> Result<Outcome, Refused> {
        let request = build(Request::new(kind, flags | REQUEST | ACK, fixed));
        match self.ask(&request, |message| (message.kind == STATUS).then(|| judge(message))) {
            Ok(()) => Ok(Outcome::Changed),
            Err(error) if error.0.raw_os_error().is_some_and(|errno| so.contains(&errno)) => {
                Ok(Outcome::AlreadySo)
            }
            Err(Said(error, words)) => Err(Refused { doing: doing.to_string(), error, words }),
        }
    }

    /// Asks for all there is; `read` takes what it can use of each message.
    pub(crate) fn list<T>(
        &mut self,
        doing: impl fmt::Display,
        request: impl Fn(u16) -> Request,
        read: impl Fn(&Message<'_>) -> Option<T>,
    ) -> Result<Vec<T>, Refused> {
        let mut found = Vec::new();
        for _ in 0..TRIES {
            found.clear();
            let mut steady = true;
            let answer = self.ask(&request(REQUEST | DUMP), |message| {
                steady &= message.flags & CHANGED_MEANWHILE == 0;
                match message.kind {
                    STATUS | END => Some(judge(message)),
                    _ => {
                        found.extend(read(message));
                        None
                    }
                }
            });
            answer.map_err(|Said(error, words)| Refused { doing: doing.to_string(), error, words })?;
            if steady {
                break;
            }
        }
        Ok(found)
    }

    /// Sends a request and gives each message of the answer to `take`, until that says how it ended.
    fn ask(
        &mut self,
        request: &Request,
        mut take: impl FnMut(&Message<'_>) -> Option<Result<(), Said>>,
    ) -> Result<(), Said> {
        self.sequence = self.sequence.wrapping_add(1);
        let bytes = request.clone().numbered(self.sequence);
        sendto(&self.socket, &bytes, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
        loop {
            let Some(bytes) = receive(&self.socket, &mut self.buffer)? else { continue };
            // What is left of an answer that came too late has another number.
            let answer = messages(bytes).filter(|message| message.sequence == self.sequence);
            if let Some(end) = answer.into_iter().find_map(|message| take(&message)) {
                return end;
            }
        }
    }
}

/// What the kernel said, and perhaps why.
struct Said(io::Error, Option<String>);

impl<E: Into<io::Error>> From<E> for Said {
    fn from(error: E) -> Self {
        Self(error.into(), None)
    }
}

fn judge(message: &Message<'_>) -> Result<(), Said> {
    match message.status() {
        // An old kernel may end a list with nothing in it.
        Some(0) | None => Ok(()),
        Some(errno) => Err(Said(io::Error::from_raw_os_error(errno), message.words())),
    }
}
