//! How much memory this process takes, and how much it is given.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

/// Where the tree of control groups is (cgroups(7), version 2).
const GROUPS: &str = "/sys/fs/cgroup";

/// Bytes of memory that this process takes and the kernel can't take back: pages of files are not counted, and buffers
/// of its sockets the kernel does not count to processes (proc(5), `statm`). About 10 µs.
///
/// # Errors
/// There is no `/proc`.
pub fn taken() -> io::Result<u64> {
    let text = fs::read_to_string("/proc/self/statm")?;
    let mut pages = text.split(' ').map_while(|pages| pages.parse::<u64>().ok()).skip(1);
    let page = u64::try_from(rustix::param::page_size()).unwrap_or(4096);
    match (pages.next(), pages.next()) {
        (Some(resident), Some(shared)) => Ok(resident.saturating_sub(shared).saturating_mul(page)),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "/proc/self/statm: fewer than three numbers")),
    }
}

/// Gives the kernel back what the allocator keeps for the calling thread. It would do so itself, but only while that
/// thread goes on allocating: one that has become calm keeps what it had for 7 to 15 s (measured with 3,000 heads of
/// 60 KB). Some milliseconds for each 100 MiB; nothing for a program that has another allocator than mimalloc.
#[expect(unsafe_code, reason = "the allocator's crate has no safe wrapper of it")]
pub fn give_back() {
    // SAFETY: the function takes no pointer and may be called at any time by any thread; without a heap of its own the
    // thread gets an empty one.
    unsafe { libmimalloc_sys::mi_collect(true) }
}

/// Bytes that the control group of this process may take, or one above it; `None` without such a limit. A process
/// that takes more is killed. Version 1 of control groups is not looked at.
pub fn given() -> Option<u64> {
    let own = fs::read_to_string("/proc/self/cgroup").ok()?;
    least(&folder(&own)?, Path::new(GROUPS))
}

/// The group's folder below the tree's root: the line of version 2 has no number and no name.
fn folder(own: &str) -> Option<PathBuf> {
    let path = Path::new(own.lines().find_map(|line| line.strip_prefix("0::/"))?);
    // In a namespace of groups, one outside of it is written with `..`; its limits can't be seen.
    path.components().all(|part| matches!(part, Component::Normal(_))).then(|| path.to_owned())
}

fn least(own: &Path, root: &Path) -> Option<u64> {
    let limits =
        own.ancestors().filter_map(|group| fs::read_to_string(root.join(group).join("memory.max")).ok());
    limits.filter_map(|text| text.trim().parse().ok()).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_is_taken_is_seen() {
        let before = taken().unwrap();
        let block = vec![1u8; 64 << 20];
        let taken = taken().unwrap() - before;
        assert!(taken > 60 << 20, "{taken}");
        drop(block);
    }

    #[test]
    fn the_least_limit_on_the_way_up_counts() {
        let root = std::env::temp_dir().join(format!("haechi-groups-{}", std::process::id()));
        let own = folder("1:name=systemd:/x\n0::/system.slice/haechi.service\n").unwrap();
        fs::create_dir_all(root.join(&own)).unwrap();
        let limit = |group: &str, text: &str| fs::write(root.join(group).join("memory.max"), text).unwrap();
        assert_eq!(least(&own, &root), None);
        limit("system.slice/haechi.service", "max\n");
        assert_eq!(least(&own, &root), None);
        limit("system.slice", "2147483648\n");
        assert_eq!(least(&own, &root), Some(2 << 30));
        limit("system.slice/haechi.service", "1073741824\n");
        assert_eq!(least(&own, &root), Some(1 << 30));
        limit("system.slice", "4096\n");
        assert_eq!(least(&own, &root), Some(4096));
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn groups_that_cannot_be_seen_have_no_limit() {
        assert_eq!(folder("0::/\n"), Some(PathBuf::new()), "all that a container sees");
        for own in ["", "3:memory:/docker\n", "0::/../other\n", "nonsense"] {
            assert_eq!(folder(own), None, "{own}");
        }
    }
}
