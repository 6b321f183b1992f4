//! Real nginx servers (Debian's package), one process each, on an address of its own.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::{TempDir, eventually};

/// What the demo server of the failover lab answers: `/` names who it is, `/health` and `/ready` say that
/// it is well, `/status` is stub_status.
const DEMO: &str = r#"
    location / { default_type application/json; return 200 '{"status":"ok","pod":"NAME","timestamp":"$time_iso8601"}'; }
    location /health { default_type text/plain; return 200 "healthy"; }
    location /ready { default_type text/plain; return 200 "ready"; }
    location /status { stub_status on; }
"#;

/// One server, stopped when dropped.
#[derive(Debug)]
pub struct Nginx {
    /// As it calls itself.
    pub name: String,
    /// Where it listens.
    pub address: SocketAddr,
    folder: TempDir,
    child: Option<Child>,
}

impl Nginx {
    /// The demo server.
    ///
    /// # Panics
    /// When there is no nginx, or it does not start.
    pub fn demo(name: &str, ip: IpAddr) -> Self {
        Self::start(name, ip, &DEMO.replace("NAME", name), "")
    }

    /// A server with these locations, and these lines for its `http` block.
    ///
    /// # Panics
    /// When there is no nginx, or it does not start.
    pub fn start(name: &str, ip: IpAddr, locations: &str, http: &str) -> Self {
        Self::start_with(name, ip, locations, http, "")
    }

    /// The same with more words for its `listen`.
    ///
    /// # Panics
    /// When there is no nginx, or it does not start.
    pub fn start_with(name: &str, ip: IpAddr, locations: &str, http: &str, listen: &str) -> Self {
        let folder = TempDir::new(name);
        let address = SocketAddr::new(ip, 8080);
        let at = folder.path().display();
        let config = format!(
            "daemon off; master_process off; worker_processes 1; pid {at}/pid; error_log {at}/error.log;\n\
             events {{ worker_connections 4096; multi_accept on; }}\n\
             http {{ access_log off; root {at}; client_max_body_size 64m; keepalive_requests 1000000;\n\
             client_body_temp_path {at}/b; proxy_temp_path {at}/p; fastcgi_temp_path {at}/f;\n\
             uwsgi_temp_path {at}/u; scgi_temp_path {at}/s; {http}\n\
             server {{ listen {address} backlog=4096 {listen}; {locations} }} }}\n"
        );
        std::fs::write(folder.path().join("nginx.conf"), config).unwrap();
        let mut nginx = Self { name: name.to_owned(), address, folder, child: None };
        nginx.resume();
        nginx
    }

    /// The folder that it serves files from.
    pub fn root(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Starts it (again) and waits until it listens.
    ///
    /// # Panics
    /// When there is no nginx, or it does not start.
    pub fn resume(&mut self) {
        let mut command = Command::new("nginx");
        command.arg("-c").arg(self.folder.path().join("nginx.conf")).arg("-p").arg(self.folder.path());
        let child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn();
        self.child = Some(child.expect("nginx must be installed: `scripts/setup test`"));
        let address = self.address;
        eventually(Duration::from_secs(10), "nginx listens", || TcpStream::connect(address).is_ok());
    }

    /// Stops it at once, as when a machine dies but its kernel still answers: connections are reset or
    /// refused.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.kill();
    }
}
