//! What a service manager wants to hear: ready, reloading, stopping, alive (sd_notify(3)).
//!
//! Our own hundred lines and not a crate: the protocol is one datagram of `KEY=value` lines that systemd keeps
//! stable, and the crates for it change the environment of the process, which is not safe with threads.
//! A message that can't be sent is never waited for: a stuck service manager must not stop a balancer.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Where messages go.
#[derive(Debug)]
pub struct ServiceManager {
    socket: UnixDatagram,
    address: SocketAddr,
}

impl ServiceManager {
    /// The one that started us: `$NOTIFY_SOCKET`. `None` when there is none, as on a terminal.
    ///
    /// # Errors
    /// As [`at`](Self::at).
    pub fn from_environment() -> io::Result<Option<Self>> {
        let place = env::var_os("NOTIFY_SOCKET").filter(|place| !place.is_empty());
        place.map(|place| Self::at(&place)).transpose()
    }

    /// At a path, or with `@` in front at an abstract name.
    ///
    /// # Errors
    /// `InvalidInput`: neither an absolute path nor an abstract name (a vsock address of a virtual machine is
    /// not spoken), or too long. Out of descriptors.
    pub fn at(place: &OsStr) -> io::Result<Self> {
        let address = match place.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
            [b'/', ..] => SocketAddr::from_pathname(place)?,
            _ => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "NOTIFY_SOCKET: no path and no @name",
                ));
            }
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, address })
    }

    /// We serve. Also the end of a reload.
    ///
    /// # Errors
    /// The manager is gone, or too slow (`WouldBlock`).
    pub fn ready(&self) -> io::Result<()> {
        self.send("READY=1")
    }

    /// We read a new configuration; [`ready`](Self::ready) ends it (`Type=notify-reload`).
    ///
    /// # Errors
    /// As [`ready`](Self::ready).
    pub fn reloading(&self) -> io::Result<()> {
        let now = clock_gettime(ClockId::Monotonic);
        // Neither is negative for a machine that runs.
        let micros = now.tv_sec.saturating_mul(1_000_000).saturating_add(now.tv_nsec / 1000);
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"))
    }

    /// We are about to end.
    ///
    /// # Errors
    /// As [`ready`](Self::ready).
    pub fn stopping(&self) -> io::Result<()> {
        self.send("STOPPING=1")
    }

    /// One line for people (`systemctl status`). Line ends become spaces, so that no text is an order.
    ///
    /// # Errors
    /// As [`ready`](Self::ready).
    pub fn status(&self, text: &str) -> io::Result<()> {
        self.send(&format!("STATUS={}", text.replace(['\n', '\r', '\0'], " ")))
    }

    /// We are alive; to be said at half the interval of [`watchdog_interval`].
    ///
    /// # Errors
    /// As [`ready`](Self::ready).
    pub fn watchdog(&self) -> io::Result<()> {
        self.send("WATCHDOG=1")
    }

    /// Another process is the service from now on, as after an upgrade.
    ///
    /// # Errors
    /// As [`ready`](Self::ready).
    pub fn main_process(&self, process_id: u32) -> io::Result<()> {
        self.send(&format!("MAINPID={process_id}"))
    }

    fn send(&self, message: &str) -> io::Result<()> {
        self.socket.send_to_addr(message.as_bytes(), &self.address).map(|_| ())
    }
}

/// Within which time the service manager wants to hear from this process (`$WATCHDOG_USEC`), else it ends it.
/// `None` when it does not, or when it means another process (`$WATCHDOG_PID`).
pub fn watchdog_interval() -> Option<Duration> {
    interval(env::var_os("WATCHDOG_USEC"), env::var_os("WATCHDOG_PID"), std::process::id())
}

fn interval(micros: Option<OsString>, process_id: Option<OsString>, ours: u32) -> Option<Duration> {
    let number = |text: OsString| text.to_str()?.parse::<u64>().ok();
    let micros = number(micros?).filter(|micros| *micros > 0)?;
    let for_us = process_id.is_none_or(|process_id| number(process_id) == Some(u64::from(ours)));
    for_us.then(|| Duration::from_micros(micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(socket: &UnixDatagram) -> String {
        let mut bytes = [0; 256];
        let length = socket.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }

    #[test]
    fn messages_are_those_of_systemd() {
        let name = format!("haechi-notify-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        let us = ServiceManager::at(OsStr::new(&format!("@{name}"))).unwrap();
        us.ready().unwrap();
        us.stopping().unwrap();
        us.watchdog().unwrap();
        us.main_process(42).unwrap();
        us.status("active of edge\nMAINPID=1").unwrap();
        let wanted = ["READY=1", "STOPPING=1", "WATCHDOG=1", "MAINPID=42", "STATUS=active of edge MAINPID=1"];
        for message in wanted {
            assert_eq!(heard(&manager), message);
        }
    }

    #[test]
    fn a_reload_tells_the_time_of_the_kernel() {
        let folder = env::temp_dir().join(format!("haechi-notify-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("socket");
        let manager = UnixDatagram::bind(&path).unwrap();
        ServiceManager::at(path.as_os_str()).unwrap().reloading().unwrap();
        let message = heard(&manager);
        std::fs::remove_dir_all(&folder).unwrap();
        let micros: i64 = message.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap().parse().unwrap();
        let now = clock_gettime(ClockId::Monotonic);
        let ago = now.tv_sec * 1_000_000 + now.tv_nsec / 1000 - micros;
        assert!((0..10_000_000).contains(&ago), "{ago} µs");
    }

    #[test]
    fn a_manager_that_does_not_listen_is_not_waited_for() {
        let name = format!("haechi-deaf-{}", std::process::id());
        let us = ServiceManager::at(OsStr::new(&format!("@{name}"))).unwrap();
        assert_eq!(us.ready().unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        let _deaf = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let full = (0..100_000).find_map(|_| us.watchdog().err()).unwrap();
        assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn places_that_are_none_are_refused() {
        let long = format!("@{}", "x".repeat(200));
        for place in ["relative", "vsock:2:1", "", &long] {
            let refused = ServiceManager::at(OsStr::new(place)).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::InvalidInput, "{place}");
        }
    }

    #[test]
    fn the_watchdog_is_ours_or_nobodys() {
        let text = |text: &str| (!text.is_empty()).then(|| OsString::from(text));
        let rows = [
            ("", "", None),
            ("30000000", "", Some(30)),
            ("30000000", "7", Some(30)),
            ("30000000", "8", None),
            ("30000000", "x", None),
            ("0", "7", None),
            ("-1", "7", None),
            ("soon", "7", None),
        ];
        for (micros, process_id, wanted) in rows {
            let found = interval(text(micros), text(process_id), 7);
            assert_eq!(found, wanted.map(Duration::from_secs), "{micros} {process_id}");
        }
    }
}
