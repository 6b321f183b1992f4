//! The name of a network interface, checked where it enters the kernel: it comes from a config file and ends up
//! in paths below `/proc/sys` and in socket options.

use std::io;
use std::os::fd::AsFd;

use haechi_model::InterfaceName;

/// Most bytes of a name: the kernel's `IFNAMSIZ` is 16 with the closing zero.
const MOST: usize = 15;

/// The name as text, if the kernel could have an interface of that name: 1 to 15 bytes, no `/`, no `:`, no white
/// space, not `.` and not `..` (`dev_valid_name` in Linux).
///
/// # Errors
/// `InvalidInput` otherwise.
pub(crate) fn checked(name: &InterfaceName) -> io::Result<&str> {
    let text = name.as_str();
    let fits = (1..=MOST).contains(&text.len()) && !matches!(text, "." | "..");
    // A zero byte would end the name early on its way to the kernel.
    let wrong = |c: char| matches!(c, '/' | ':' | '\0') || c.is_whitespace();
    if fits && !text.contains(wrong) {
        return Ok(text);
    }
    let said = format!(
        "no interface can be called {text:?}: 1 to {MOST} bytes without '/', ':' and white space, and neither \
         '.' nor '..'"
    );
    Err(io::Error::new(io::ErrorKind::InvalidInput, said))
}

/// The kernel's number of an interface, asked through any socket.
///
/// # Errors
/// `InvalidInput` for what can't be a name; `ENODEV` when there is no such interface.
pub(crate) fn index_of(socket: impl AsFd, name: &InterfaceName) -> io::Result<u32> {
    Ok(rustix::net::netdevice::name_to_index(socket, checked(name)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_kernel() {
        for right in ["eth0", "lo", "eth0.100", "a", "...", "enp0s31f6", "vrrp-51.v4-abcd"] {
            assert_eq!(checked(&right.into()).unwrap(), right);
        }
        for wrong in ["", ".", "..", "../..", "a/b", "eth0:1", "a b", "a\tb", "a\0", "sixteen-bytes-ab"] {
            let refused = checked(&wrong.into()).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::InvalidInput, "{wrong:?}");
        }
    }
}
