//! HTTP/3 through the whole program, with a client of its own kind.
#![cfg(feature = "http3")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::process::{Command, Stdio};

use haechi_tests::{Authority, Nginx, Node, address};
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_haechi");

/// A node that speaks HTTP/3 in front of one endpoint.
struct Front {
    node: Node,
    listen: SocketAddr,
}

impl Front {
    fn new(endpoint: SocketAddr) -> Self {
        Self::with(endpoint, "", "")
    }

    /// `listener` is what else the listener has, and `pool` the pool.
    fn with(endpoint: SocketAddr, listener: &str, pool: &str) -> Self {
        let authority = Authority::new("the test's");
        let listen = SocketAddr::new(address(), 443);
        let config = format!(
            "listeners:\n  web:\n    bind: \"{listen}\"\n    protocol: https\n    http3: true\n    \
             routes: [{{ pool: web }}]\n    tls: {{ certificates: [{{ certificate: shop.pem, key: shop.key }}] }}\n{listener}\
             pools:\n  web:\n    endpoints: {{ e: \"{endpoint}\" }}\n{pool}"
        );
        let mut node = Node::prepared(BINARY, &config);
        authority.leaf(&["localhost"]).write(node.folder(), "shop");
        std::fs::write(node.folder().join("ca.pem"), authority.pem()).unwrap();
        node.resume();
        Self { node, listen }
    }

    /// What the client found out.
    fn ask(&self, what: &[&str]) -> Value {
        let mut command = Command::new(haechi_tests::python());
        command
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/http3/client.py"))
            .arg(self.listen.to_string());
        command.arg(self.node.folder().join("ca.pem")).args(what).stdin(Stdio::null());
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{what:?}: {}{}", text(&output.stdout), text(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

#[test]
fn a_request_goes_through_to_nginx_and_its_answer_comes_back() {
    let nginx = Nginx::demo("web", address());
    let front = Front::new(nginx.address);
    let answer = front.ask(&["get", "/", "3"]);
    assert_eq!(answer["status"], 200, "{answer}");
    assert!(answer["body"].as_str().unwrap().contains("\"pod\":\"web\""), "{answer}");
    assert_eq!(front.node.status()["listeners"][0]["requests"], 3);
}
