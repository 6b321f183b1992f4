//! Socket options that neither socket2 nor rustix wraps, behind one call.

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// Sets an option whose value is a C int.
///
/// # Errors
/// What the kernel says: an option that it does not know, or a right that is missing.
#[expect(unsafe_code, reason = "setsockopt has no safe wrapper for options that the crates do not know")]
pub(crate) fn set(socket: impl AsFd, level: c_int, name: c_int, value: c_int) -> io::Result<()> {
    // The size of a c_int fits any socklen_t.
    #[expect(clippy::cast_possible_truncation, reason = "the size of a c_int is 4")]
    let len = size_of::<c_int>() as libc::socklen_t;
    let socket = socket.as_fd();
    // SAFETY: the descriptor is open for the whole call, because `socket` is borrowed; the pointer is to a
    // live c_int and `len` is its size; the kernel only reads it. All options set here take a c_int.
    let status =
        unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, std::ptr::from_ref(&value).cast(), len) };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
