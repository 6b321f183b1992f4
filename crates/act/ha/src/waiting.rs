//! poll(2) with its time as everybody else writes it.

use std::time::Duration;

use rustix::event::{PollFd, Timespec, poll};

/// Waits until a descriptor is ready or the time is over; `None` waits for ever. Gives how many are ready.
///
/// # Errors
/// `EINTR`, and lack of memory.
pub(crate) fn wait(descriptors: &mut [PollFd<'_>], patience: Option<Duration>) -> rustix::io::Result<usize> {
    // A time that the kernel can't hold is as good as for ever.
    let timeout = patience.and_then(|patience| Timespec::try_from(patience).ok());
    poll(descriptors, timeout.as_ref())
}
