//! Waiting for one descriptor, but never beyond a deadline.

use std::io;
use std::os::fd::BorrowedFd;

use haechi_model::Moment;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::clock;

/// Waits until a descriptor is ready.
///
/// # Errors
/// `TimedOut` at the deadline.
pub(crate) fn wait(descriptor: BorrowedFd<'_>, ready: PollFlags, deadline: Moment) -> io::Result<()> {
    loop {
        let left = deadline.since(clock::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let left = Timespec::try_from(left).unwrap_or(Timespec { tv_sec: i64::MAX, tv_nsec: 0 });
        match poll(&mut [PollFd::from_borrowed_fd(descriptor, ready)], Some(&left)) {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}
