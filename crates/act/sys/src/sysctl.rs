//! Settings of the kernel's network below `/proc/sys/net`, changed so that they can be put back.
//!
//! Reading takes no right. Writing takes `CAP_NET_ADMIN` or the user root, who owns the files; in a container
//! `/proc/sys` is often read-only (`EROFS`) whatever the rights, and then whoever starts the container sets them.
//! All of these belong to the network namespace of the calling thread.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use haechi_model::InterfaceName;

use crate::interface::checked;

/// A setting that virtual addresses depend on (`Documentation/networking/ip-sysctl.rst` and
/// `nf_conntrack-sysctl.rst` in Linux).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Setting {
    /// 1: answer ARP only for addresses of the interface that was asked; so an address on `lo` stays quiet.
    ArpIgnore(InterfaceName),
    /// 2: ask with an address of the interface itself, never with one that is about to move.
    ArpAnnounce(InterfaceName),
    /// 1: answer ARP only on the interface that packets to the asker would leave by. With a macvlan of the
    /// virtual router beside its parent both would answer otherwise.
    ArpFilter(InterfaceName),
    /// 0: packets may come from where answers would not go. In force is the greater of this and that of `all`.
    RpFilter(InterfaceName),
    /// 0: do not tell clients of a shorter way; what goes to another node of the pair goes there on purpose.
    /// In force if either this or that of `all` is 1.
    SendRedirects(InterfaceName),
    /// 1: a primary address that goes leaves the others of its network where they are.
    PromoteSecondaries(InterfaceName),
    /// 1: forward IPv4 packets of others.
    Ipv4Forwarding,
    /// 1: forward IPv6 packets of others on this interface; neighbour advertisements then say "router".
    Ipv6Forwarding(InterfaceName),
    /// 0: conntrack takes no flow up in the middle, so packets of unknown flows are invalid.
    ConntrackLoose,
    /// 1: a packet of a known flow is never invalid because it is out of the window.
    ConntrackLiberal,
}

impl Setting {
    /// The file that holds it.
    ///
    /// # Errors
    /// `InvalidInput`: what can't be an interface's name, so that no name leads out of `/proc/sys/net`.
    pub fn path(&self) -> io::Result<PathBuf> {
        let of = |family: &str, interface: &InterfaceName, key: &str| {
            checked(interface).map(|name| format!("/proc/sys/net/{family}/conf/{name}/{key}"))
        };
        let path = match self {
            Self::ArpIgnore(interface) => of("ipv4", interface, "arp_ignore")?,
            Self::ArpAnnounce(interface) => of("ipv4", interface, "arp_announce")?,
            Self::ArpFilter(interface) => of("ipv4", interface, "arp_filter")?,
            Self::RpFilter(interface) => of("ipv4", interface, "rp_filter")?,
            Self::SendRedirects(interface) => of("ipv4", interface, "send_redirects")?,
            Self::PromoteSecondaries(interface) => of("ipv4", interface, "promote_secondaries")?,
            Self::Ipv4Forwarding => "/proc/sys/net/ipv4/ip_forward".to_owned(),
            Self::Ipv6Forwarding(interface) => of("ipv6", interface, "forwarding")?,
            Self::ConntrackLoose => "/proc/sys/net/netfilter/nf_conntrack_tcp_loose".to_owned(),
            Self::ConntrackLiberal => "/proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal".to_owned(),
        };
        Ok(path.into())
    }

    /// Its value now.
    ///
    /// # Errors
    /// `NotFound`: no such interface, or the kernel does not have it (conntrack before its module is loaded).
    /// `InvalidData`: not a number.
    pub fn get(&self) -> io::Result<i32> {
        number(&std::fs::read(self.path()?)?)
    }

    /// Sets it. What is given back puts the old value back when it is dropped.
    ///
    /// # Errors
    /// As [`get`](Self::get); `PermissionDenied` for others than root without `CAP_NET_ADMIN`; `EROFS` in a container that may not;
    /// `InvalidInput` for a value that the kernel refuses.
    pub fn set(&self, value: i32) -> io::Result<Changed> {
        let path = self.path()?;
        let file = OpenOptions::new().read(true).write(true).open(&path)?;
        let mut bytes = [0; 16];
        let length = file.read_at(&mut bytes, 0)?;
        let before = number(bytes.get(..length).unwrap_or_default())?;
        let changed = Changed { file, path, before, restores: before != value };
        if changed.restores {
            changed.write(value)?;
        }
        Ok(changed)
    }
}

fn number(bytes: &[u8]) -> io::Result<i32> {
    let text = String::from_utf8_lossy(bytes);
    text.trim().parse().map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "not a number in /proc/sys"))
}

/// A setting that was changed. Puts the old value back when it is dropped, in the namespace where it was
/// changed, because it keeps the file open. An interface that is gone has nothing to put back.
#[must_use = "the old value is put back at once when this is dropped"]
pub struct Changed {
    file: File,
    path: PathBuf,
    before: i32,
    restores: bool,
}

impl Changed {
    /// The value that it had.
    pub const fn before(&self) -> i32 {
        self.before
    }

    /// Leaves the new value for good.
    pub fn keep(mut self) {
        self.restores = false;
    }

    /// Puts the old value back now, and tells whether that worked.
    ///
    /// # Errors
    /// `NotFound`: the interface is gone. `PermissionDenied`: the right was dropped meanwhile.
    pub fn restore(mut self) -> io::Result<()> {
        self.put_back()
    }

    fn put_back(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.restores) { self.write(self.before) } else { Ok(()) }
    }

    fn write(&self, value: i32) -> io::Result<()> {
        // Settings are taken whole, at the start of the file only (`sysctl_writes_strict`).
        self.file.write_at(value.to_string().as_bytes(), 0).map(|_| ())
    }
}

impl Drop for Changed {
    fn drop(&mut self) {
        // Nobody is left to be told; `restore` is for those who want to know.
        let _ = self.put_back();
    }
}

impl fmt::Debug for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (was {})", self.path.display(), self.before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_elsewhere() {
        for name in ["../../../kernel", "..", "a/../../b", ""] {
            let refused = Setting::ArpIgnore(name.into()).path().unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::InvalidInput, "{name:?}");
        }
        let path = Setting::ArpIgnore("eth0.100".into()).path().unwrap();
        assert_eq!(path.to_str(), Some("/proc/sys/net/ipv4/conf/eth0.100/arp_ignore"));
    }

    #[test]
    fn numbers_only() {
        assert_eq!(number(b"-1\n").unwrap(), -1);
        for wrong in [&b""[..], b"one", b"1\t2\n", b"\xff"] {
            assert_eq!(number(wrong).unwrap_err().kind(), io::ErrorKind::InvalidData);
        }
    }

    #[test]
    fn what_is_not_there_is_said_to_be_so() {
        let missing = Setting::ArpIgnore("haechi-none".into());
        assert_eq!(missing.get().unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(missing.set(1).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
