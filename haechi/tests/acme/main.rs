//! Certificates that are ordered, from a real ACME server: Pebble, which Let's Encrypt tests itself with.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod first;

use std::net::{IpAddr, SocketAddr};
use std::process::{Command, Stdio};
use std::time::Duration;

use haechi_tests::{Node, Pebble, Scripted, address, eventually};
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_haechi");

/// Longest that an order may take here: Pebble has nonces to refuse, and two cores have other work.
const PATIENCE: Duration = Duration::from_secs(60);

/// A day: nothing is renewed in a test.
const DAY: Duration = Duration::from_secs(86_400);

/// A node with an `http` listener on port 80 and an `https` one on 443, which orders from a Pebble.
struct Front {
    node: Node,
    pebble: Pebble,
    ip: IpAddr,
    endpoint: SocketAddr,
    _endpoint: Scripted,
}

impl Front {
    /// `issuer` is what else the issuer has, `names` whose certificates are ordered.
    fn new(pebble: impl FnOnce(IpAddr) -> Pebble, issuer: &str, names: &str) -> Self {
        let ip = address();
        let endpoint =
            Scripted::start(address(), |_, peer| while peer.head().is_some() && peer.answer("hello") {});
        let pebble = pebble(ip);
        let config = config(ip, endpoint.address, &pebble, issuer, names);
        let mut node = Node::prepared(BINARY, &config);
        std::fs::write(node.folder().join("ca.pem"), pebble.authority.pem()).unwrap();
        node.resume();
        Self { node, pebble, ip, endpoint: endpoint.address, _endpoint: endpoint }
    }

    /// What the config would be with another issuer or other names.
    fn config(&self, issuer: &str, names: &str) -> String {
        config(self.ip, self.endpoint, &self.pebble, issuer, names)
    }

    /// How the certificate of a name stands.
    fn ordered(&self, name: &str) -> Value {
        let status = self.node.status();
        let all = status["ordered"].as_array().unwrap();
        all.iter().find(|one| one["name"] == name).cloned().unwrap_or_default()
    }

    #[track_caller]
    fn wait_good(&self, name: &str) {
        eventually(PATIENCE, &format!("{name} is certified"), || self.ordered(name)["state"] == "good");
    }

    /// A request over TLS that trusts what Pebble signs, and nobody else: exit code and all that was printed.
    fn curl(&self, name: &str) -> (i32, String) {
        let root = self.node.folder().join("root.pem");
        std::fs::write(&root, self.pebble.root()).unwrap();
        let mut command = Command::new("curl");
        command.args(["-sS", "--max-time", "20", "--resolve"]).arg(format!("{name}:443:{}", self.ip));
        command.arg("--cacert").arg(root).arg(format!("https://{name}/"));
        let output = command.stdin(Stdio::null()).output().expect("this test needs curl");
        let text = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8_lossy(&text).into_owned())
    }

    /// Status and body of a request on port 80.
    fn ask(&self, host: &str, path: &str) -> (u16, String) {
        let to = SocketAddr::new(self.ip, 80);
        let bytes = haechi_tests::raw(
            to,
            format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes(),
        )
        .unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), body.to_owned())
    }
}

fn config(ip: IpAddr, endpoint: SocketAddr, pebble: &Pebble, issuer: &str, names: &str) -> String {
    format!(
        "acme:\n  pebble: {{ directory: \"{}\", ca: ca.pem, termsOfServiceAgreed: true{issuer} }}\n\
         listeners:\n  plain: {{ bind: \"{ip}:80\", protocol: http, routes: [{{ pool: web }}] }}\n  \
         web:\n    bind: \"{ip}:443\"\n    protocol: https\n    routes: [{{ pool: web }}]\n    \
         tls: {{ certificates: [{{ acme: pebble, names: [{names}] }}] }}\n\
         pools:\n  web: {{ endpoints: {{ e: \"{endpoint}\" }} }}\n",
        pebble.directory()
    )
}
