//! Resource limits of this process.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit of open files to the hard one, as HAProxy does for its `maxconn`: each proxied
/// connection takes two. Gives the limit now in force; `None` means unlimited.
pub fn raise_open_files() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    // A refusal leaves the old limit, which the caller is told.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    getrlimit(Resource::Nofile).current
}

/// Most open files that [`raise_open_files`] can reach; `None` means unlimited.
pub fn most_open_files() -> Option<u64> {
    getrlimit(Resource::Nofile).maximum
}

/// Number of cores this process may run on, which may be fewer than the machine has.
pub fn cores() -> u16 {
    let count = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    u16::try_from(count).unwrap_or(u16::MAX)
}

/// This process in `/proc`.
pub fn process_id() -> u32 {
    std::process::id()
}
