//! A real HAProxy (Debian's package) on an address of its own.

use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::{TempDir, address, eventually};

/// One with a single listener, stopped when dropped.
#[derive(Debug)]
pub struct HaProxy {
    /// Where it listens.
    pub address: SocketAddr,
    child: Child,
    folder: TempDir,
}

impl HaProxy {
    /// Starts it with these lines for its listener, behind `bind`. `mode` is `tcp` or `http`.
    ///
    /// # Panics
    /// When there is none, or it does not start.
    pub fn start(mode: &str, lines: &str) -> Self {
        let (folder, address) = (TempDir::new("haproxy"), SocketAddr::new(address(), 8080));
        let config = format!(
            "global\n  log stdout format raw local0\n\
             defaults\n  mode {mode}\n  log global\n  timeout connect 5s\n  timeout client 5s\n  timeout server 5s\n\
             listen all\n  bind {address}\n{lines}\n"
        );
        let file = folder.path().join("cfg");
        std::fs::write(&file, config).unwrap();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let mut command = Command::new("haproxy");
        command.arg("-db").arg("-f").arg(&file).stdin(Stdio::null()).stdout(log).stderr(Stdio::null());
        let child = command.spawn().expect("scripts/setup test installs haproxy");
        eventually(Duration::from_secs(10), "haproxy listens", || TcpStream::connect(address).is_ok());
        Self { address, child, folder }
    }

    /// What it has logged.
    ///
    /// # Panics
    /// When that can't be read.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.folder.path().join("log")).unwrap()).into_owned()
    }
}

impl Drop for HaProxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
