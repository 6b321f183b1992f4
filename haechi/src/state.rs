//! Where haechi keeps what it must remember: systemd says where (`StateDirectory=`), else the user's usual place.

use std::ffi::OsString;
use std::path::PathBuf;

use rustix::process::getuid;

/// The folder. Nobody made it yet, maybe.
pub(crate) fn folder() -> PathBuf {
    usual(
        getuid().as_raw(),
        std::env::var_os("STATE_DIRECTORY"),
        std::env::var_os("XDG_STATE_HOME"),
        std::env::var_os("HOME"),
    )
}

fn usual(user: u32, systemd: Option<OsString>, xdg: Option<OsString>, home: Option<OsString>) -> PathBuf {
    // Several are separated by colons (systemd.exec); a relative one is to be ignored.
    let first = systemd.and_then(|all| all.into_string().ok()?.split(':').next().map(PathBuf::from));
    let whole = |path: Option<PathBuf>| path.filter(|path| path.is_absolute());
    if let Some(folder) = whole(first) {
        return folder;
    }
    if user == 0 {
        return "/var/lib/haechi".into();
    }
    let xdg = whole(xdg.map(PathBuf::from));
    let state = xdg.or_else(|| whole(home.map(PathBuf::from)).map(|home| home.join(".local/state")));
    state.map_or_else(|| format!("/tmp/haechi-{user}/state").into(), |state| state.join("haechi"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systemd_comes_first_and_every_user_has_a_place() {
        let rows = [
            (0, None, None, Some("/root"), "/var/lib/haechi"),
            (0, Some("/var/lib/other:/x"), None, None, "/var/lib/other"),
            (1000, Some("/var/lib/haechi"), Some("/state"), None, "/var/lib/haechi"),
            (1000, None, Some("/state"), Some("/home/a"), "/state/haechi"),
            (1000, None, Some("state"), Some("/home/a"), "/home/a/.local/state/haechi"),
            (1000, Some(""), None, None, "/tmp/haechi-1000/state"),
        ];
        for (user, systemd, xdg, home, wanted) in rows {
            let [systemd, xdg, home] = [systemd, xdg, home].map(|it| it.map(OsString::from));
            assert_eq!(usual(user, systemd, xdg, home), PathBuf::from(wanted));
        }
    }
}
