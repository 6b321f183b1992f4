//! Which rights this process has, and giving away all that it does not need (capabilities(7)).
//!
//! Rights belong to threads, and a new thread inherits them from the one that makes it: whoever gives them away
//! does it before any other thread is there.

use std::fmt;
use std::io;

use rustix::thread::{
    CapabilitiesSecureBits, CapabilitySet, CapabilitySets, capabilities, capabilities_secure_bits,
    clear_ambient_capability_set, configure_capability_in_ambient_set, remove_capability_from_bounding_set,
    set_capabilities, set_capabilities_secure_bits, set_no_new_privs,
};

/// A right that something here needs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Capability {
    /// To change addresses, routes, rules, interfaces and `/proc/sys/net`.
    NetAdmin,
    /// To speak IP protocol 112, and to send and hear frames (ARP, neighbour discovery).
    NetRaw,
    /// To listen on ports below 1024.
    NetBindService,
    /// To be scheduled before others.
    SysNice,
    /// To keep more memory from being swapped out than `RLIMIT_MEMLOCK` allows.
    IpcLock,
}

impl Capability {
    /// All that anything here needs.
    pub const ALL: [Self; 5] =
        [Self::NetAdmin, Self::NetRaw, Self::NetBindService, Self::SysNice, Self::IpcLock];

    const fn bit(self) -> CapabilitySet {
        match self {
            Self::NetAdmin => CapabilitySet::NET_ADMIN,
            Self::NetRaw => CapabilitySet::NET_RAW,
            Self::NetBindService => CapabilitySet::NET_BIND_SERVICE,
            Self::SysNice => CapabilitySet::SYS_NICE,
            Self::IpcLock => CapabilitySet::IPC_LOCK,
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NetAdmin => "CAP_NET_ADMIN",
            Self::NetRaw => "CAP_NET_RAW",
            Self::NetBindService => "CAP_NET_BIND_SERVICE",
            Self::SysNice => "CAP_SYS_NICE",
            Self::IpcLock => "CAP_IPC_LOCK",
        })
    }
}

/// Those of [`Capability::ALL`] that the calling thread has now (its effective set).
///
/// # Errors
/// The kernel has no capabilities, which no kernel of today lacks.
pub fn effective() -> io::Result<Vec<Capability>> {
    let sets = capabilities(None)?;
    Ok(Capability::ALL.into_iter().filter(|capability| sets.effective.contains(capability.bit())).collect())
}

/// Gives away every right but these, for this thread and the threads that it starts, for good. Rights of this
/// list that the thread does not have are not gained. Programs that it runs get none at all, unless it says so with
/// [`pass_on`]; also one that is run as root, or that has rights of its own in its file, gets no more. (A thread of
/// root without `CAP_SETPCAP` can't say so to the kernel, and its programs get what it keeps.)
///
/// Gives how many were given away.
///
/// # Errors
/// The kernel says no; then some may be gone and some not, and the process should end.
pub fn keep_only(keep: &[Capability]) -> io::Result<u32> {
    let keep = set_of(keep);
    let now = capabilities(None)?;
    // First what programs can get, because that takes a right (CAP_SETPCAP) that then goes too. Without it,
    // no_new_privs below keeps programs from gaining anything.
    if now.effective.contains(CapabilitySet::SETPCAP) {
        let no_root = CapabilitiesSecureBits::NO_ROOT | CapabilitiesSecureBits::NO_ROOT_LOCKED;
        set_capabilities_secure_bits(capabilities_secure_bits()? | no_root)?;
        for bit in 0..u64::BITS {
            let one = CapabilitySet::from_bits_retain(1 << bit);
            if keep.contains(one) {
                continue;
            }
            match remove_capability_from_bounding_set(one) {
                Ok(()) => {}
                // The kernel knows no right of this number, nor of any above it.
                Err(rustix::io::Errno::INVAL) => break,
                Err(error) => return Err(error.into()),
            }
        }
    }
    clear_ambient_capability_set()?;
    let kept = now.permitted & keep;
    set_capabilities(
        None,
        CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() },
    )?;
    set_no_new_privs(true)?;
    Ok((now.permitted - kept).bits().count_ones())
}

/// Lets programs that this thread, or a thread that it starts later, runs have those of these rights that it has
/// itself (the ambient set).
///
/// # Errors
/// The kernel says no, as a process may have told it to before.
pub fn pass_on(rights: &[Capability]) -> io::Result<()> {
    let sets = capabilities(None)?;
    let inheritable = set_of(rights) & sets.permitted;
    set_capabilities(None, CapabilitySets { inheritable, ..sets })?;
    for one in inheritable.iter() {
        configure_capability_in_ambient_set(one, true)?;
    }
    Ok(())
}

fn set_of(rights: &[Capability]) -> CapabilitySet {
    rights.iter().fold(CapabilitySet::empty(), |set, right| set | right.bit())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Effective, permitted, bounding and ambient sets and no_new_privs, as the kernel tells everyone.
    fn told() -> Vec<u64> {
        let status = fs::read_to_string("/proc/thread-self/status").unwrap();
        let line = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
            u64::from_str_radix(line.trim(), 16).unwrap()
        };
        ["CapEff:", "CapPrm:", "CapBnd:", "CapAmb:", "NoNewPrivs:"].map(line).to_vec()
    }

    /// In a thread of its own: what is given away does not come back.
    fn apart<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> T {
        std::thread::spawn(body).join().unwrap()
    }

    #[test]
    fn what_is_effective_is_what_the_kernel_tells() {
        let told = told()[0];
        let wanted: Vec<_> =
            Capability::ALL.into_iter().filter(|capability| told & capability.bit().bits() != 0).collect();
        assert_eq!(effective().unwrap(), wanted);
    }

    #[test]
    fn all_others_are_gone() {
        apart(|| {
            let before = told();
            keep_only(&[Capability::NetRaw]).unwrap();
            let raw = CapabilitySet::NET_RAW.bits();
            let after = told();
            assert_eq!(after[0], before[0] & raw, "effective");
            assert_eq!(after[1], before[1] & raw, "permitted");
            // Only who has CAP_SETPCAP can lower the bound; all others gain nothing anyway.
            let bound =
                if before[0] & CapabilitySet::SETPCAP.bits() != 0 { before[2] & raw } else { before[2] };
            assert_eq!(after[2..], [bound, 0, 1], "bound, ambient, no_new_privs");
            assert!(effective().unwrap().iter().all(|kept| *kept == Capability::NetRaw));
        });
    }

    /// The effective set of a program that this thread runs.
    fn of_a_program() -> u64 {
        let told = std::process::Command::new("grep").args(["CapEff", "/proc/self/status"]).output().unwrap();
        let told = String::from_utf8(told.stdout).unwrap();
        u64::from_str_radix(told.split_whitespace().last().unwrap(), 16).unwrap()
    }

    #[test]
    fn programs_get_what_is_passed_on_and_nothing_else() {
        apart(|| {
            let before = told()[0];
            keep_only(&[Capability::NetRaw, Capability::NetAdmin]).unwrap();
            // Root's programs get none only where the kernel could be told so.
            if before == 0 || before & CapabilitySet::SETPCAP.bits() != 0 {
                assert_eq!(of_a_program(), 0);
            }
            pass_on(&[Capability::NetRaw, Capability::SysNice]).unwrap();
            let raw = before & CapabilitySet::NET_RAW.bits();
            assert_eq!(of_a_program(), raw, "what this thread does not have is not passed on");
            assert_eq!(std::thread::spawn(of_a_program).join().unwrap(), raw, "threads inherit it");
        });
    }

    #[test]
    fn none_can_be_kept() {
        apart(|| {
            keep_only(&[]).unwrap();
            assert_eq!(effective().unwrap(), []);
            keep_only(&Capability::ALL).unwrap();
            assert_eq!(effective().unwrap(), [], "what is gone is not gained");
            let raw = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::RAW, Some(112.into()));
            assert_eq!(raw.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        });
    }
}
