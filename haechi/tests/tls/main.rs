//! TLS: what clients get, what is wrong with files, who endpoints are, and what is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod clients;
mod endpoints;
mod files;
mod hostile;
mod listener;
mod memory;
mod sslyze;
mod unopened;

use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::process::{Command, Stdio};
use std::sync::Arc;

use haechi_tests::{Authority, Leaf, Node, address};

const BINARY: &str = env!("CARGO_BIN_EXE_haechi");

/// A node that ends TLS in front of one endpoint, with certificates `shop` (the first) and `wild`.
struct Front {
    node: Node,
    authority: Authority,
    listen: SocketAddr,
}

impl Front {
    fn new(endpoint: SocketAddr, tls: &str) -> Self {
        Self::with(endpoint, tls, "")
    }

    /// `listener` is what else the listener has.
    fn with(endpoint: SocketAddr, tls: &str, listener: &str) -> Self {
        Self::made(endpoint, tls, listener, &[])
    }

    /// With more files, by name.
    fn with_files(endpoint: SocketAddr, tls: &str, files: &[(&str, String)]) -> Self {
        Self::made(endpoint, tls, "", files)
    }

    fn made(endpoint: SocketAddr, tls: &str, listener: &str, files: &[(&str, String)]) -> Self {
        let authority = Authority::new("the test's");
        let listen = SocketAddr::new(address(), 443);
        let mut node = Node::prepared(BINARY, &config(listen, endpoint, tls, listener));
        authority.leaf(&["shop.example.com", "localhost"]).write(node.folder(), "shop");
        authority.leaf(&["*.example.org", "exact.wild.example.org"]).write(node.folder(), "wild");
        std::fs::write(node.folder().join("ca.pem"), authority.pem()).unwrap();
        for (name, text) in files {
            std::fs::write(node.folder().join(name), text).unwrap();
        }
        node.resume();
        Self { node, authority, listen }
    }

    /// Handshakes that came out so.
    fn handshakes(&self, result: &str) -> u64 {
        let status = self.node.status();
        let all = status["listeners"][0]["handshakes"].as_array().unwrap().clone();
        all.iter().filter(|one| one["result"] == result).filter_map(|one| one["count"].as_u64()).sum()
    }

    /// `curl` that trusts our authority, with its exit code and all that it printed.
    fn curl(&self, name: &str, path: &str, more: &[&str]) -> (i32, String) {
        let ip = self.listen.ip();
        let mut command = Command::new("curl");
        command.args(["-sS", "--http1.1", "--max-time", "20", "--resolve"]).arg(format!("{name}:443:{ip}"));
        command.arg("--cacert").arg(self.node.folder().join("ca.pem")).args(more);
        let output = command.arg(format!("https://{name}{path}")).stdin(Stdio::null()).output();
        let output = output.expect("this test needs curl");
        let text = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8_lossy(&text).into_owned())
    }

    /// What `openssl s_client` says of a connection that it closes at once.
    fn s_client(&self, more: &[&str]) -> String {
        self.s_client_saying("", more)
    }

    /// The same, with something to say.
    fn s_client_saying(&self, text: &str, more: &[&str]) -> String {
        let mut command = Command::new("openssl");
        command.args(["s_client", "-connect"]).arg(self.listen.to_string());
        command.arg("-CAfile").arg(self.node.folder().join("ca.pem")).args(more);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("this test needs openssl");
        // It may have ended already, and is asked then what it said.
        let _ = child.stdin.take().unwrap().write_all(text.as_bytes());
        let output = child.wait_with_output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&text).into_owned()
    }
}

fn config(listen: SocketAddr, endpoint: SocketAddr, tls: &str, listener: &str) -> String {
    format!(
        "listeners:\n  web:\n    bind: \"{listen}\"\n    protocol: https\n    routes: [{{ pool: web }}]\n{listener}    tls:\n      \
         certificates: [{{ certificate: shop.pem, key: shop.key }}, {{ certificate: wild.pem, key: wild.key }}]\n{tls}\
         pools:\n  web: {{ endpoints: {{ e: \"{endpoint}\" }} }}\n"
    )
}

/// A certificate that is written under a name of its own.
fn write(node: &Node, name: &str, leaf: &Leaf) {
    leaf.write(node.folder(), name);
}

/// A whole ClientHello as it goes over the wire, for the shop.
fn hello(authority: &Authority, alpn: &[u8]) -> Vec<u8> {
    let mut config = authority.client_with(None);
    config.alpn_protocols = vec![alpn.to_vec()];
    let name = "shop.example.com".try_into().unwrap();
    let mut connection = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut bytes = Vec::new();
    connection.write_tls(&mut bytes).unwrap();
    bytes
}

/// An address where nobody listens.
fn nobody() -> SocketAddr {
    SocketAddr::new(address(), 8080)
}

fn plain_address() -> IpAddr {
    address()
}
