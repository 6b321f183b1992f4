//! Which socket the running haechi is asked at.

use std::path::PathBuf;

use haechi_admin::Client;
use rustix::process::getuid;

use crate::cli::AdminSocket;

impl AdminSocket {
    /// The one that was named, or the usual one of this user.
    pub(crate) fn path(&self) -> PathBuf {
        let runtime_dir = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        self.admin_socket.clone().unwrap_or_else(|| usual(getuid().as_raw(), runtime_dir))
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.path())
    }
}

fn usual(user: u32, runtime_dir: Option<PathBuf>) -> PathBuf {
    match (user, runtime_dir) {
        (0, _) => "/run/haechi/admin.sock".into(),
        // A relative one is to be ignored (XDG Base Directory Specification).
        (_, Some(folder)) if folder.is_absolute() => folder.join("haechi/admin.sock"),
        _ => format!("/tmp/haechi-{user}/admin.sock").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_user_has_a_usual_one() {
        let rows = [
            (0, None, "/run/haechi/admin.sock"),
            (0, Some("/run/user/0"), "/run/haechi/admin.sock"),
            (1000, Some("/run/user/1000"), "/run/user/1000/haechi/admin.sock"),
            (1000, Some(""), "/tmp/haechi-1000/admin.sock"),
            (1000, Some("run"), "/tmp/haechi-1000/admin.sock"),
            (1000, None, "/tmp/haechi-1000/admin.sock"),
        ];
        for (user, folder, path) in rows {
            assert_eq!(usual(user, folder.map(PathBuf::from)), PathBuf::from(path), "{user} {folder:?}");
        }
    }

    #[test]
    fn a_named_one_wins() {
        let named = AdminSocket { admin_socket: Some("/x/y.sock".into()) };
        assert_eq!(named.path(), PathBuf::from("/x/y.sock"));
    }
}
