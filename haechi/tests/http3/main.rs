//! HTTP/3 through the whole program, with a client of its own kind.
#![cfg(feature = "http3")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::net::{SocketAddr, UdpSocket};
use std::process::{Command, Stdio};
use std::time::Duration;

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

#[test]
fn ten_mebibytes_go_both_ways_and_what_has_no_body_has_none() {
    let locations = "location / { dav_methods PUT; } location /none { return 204; }";
    let nginx = Nginx::start("files", address(), locations, "");
    let front = Front::new(nginx.address);
    let found = front.ask(&["put_and_get", "10485760"]);
    let wanted = serde_json::json!({
        "put": 201, "length": 201, "same": true, "head": [200, "0", 0], "none": [204, 0],
    });
    assert_eq!(found, wanted);
}

#[test]
fn answers_of_the_other_versions_tell_of_it() {
    let nginx =
        Nginx::start("told", address(), "location / { add_header Alt-Svc clear; return 200 hi; }", "");
    let front = Front::new(nginx.address);
    for version in ["--http1.1", "--http2"] {
        let mut curl = Command::new("curl");
        curl.args(["-sSki", "--max-time", "20", version]).arg(format!("https://{}/", front.listen));
        let output = curl.stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap().to_ascii_lowercase();
        let told: Vec<&str> = said.lines().filter(|line| line.starts_with("alt-svc:")).collect();
        assert_eq!(told, ["alt-svc: h3=\":443\"; ma=3600"], "{version}: {said}");
    }
}

/// Its datagrams come in by the other worker's socket after about half of the moves.
#[test]
fn a_client_that_changes_its_address_goes_on() {
    let nginx = Nginx::demo("web", address());
    let front = Front::new(nginx.address);
    let found = front.ask(&["move", "8"]);
    assert_eq!(
        found,
        serde_json::json!({ "statuses": [200, 200, 200, 200, 200, 200, 200, 200], "closed": null })
    );
    assert_eq!(front.node.status()["listeners"][0]["accepted"], 1, "one connection served all");
}

#[test]
fn a_head_that_is_too_large_is_answered_and_the_connection_goes_on() {
    let nginx = Nginx::demo("web", address());
    let front = Front::new(nginx.address);
    let found = front.ask(&["large_head"]);
    assert_eq!((&found["large"]["status"], &found["after"]), (&431.into(), &200.into()), "{found}");
    assert_eq!(found["large"]["fields"]["haechi-fault"], "headTooLarge");
}

#[test]
fn who_takes_back_hundreds_of_requests_is_left_and_others_are_served() {
    let nginx = Nginx::demo("web", address());
    let front = Front::new(nginx.address);
    // H3_EXCESSIVE_LOAD
    assert_eq!(front.ask(&["resets", "2000"]), serde_json::json!({ "closed": 0x107 }));
    assert_eq!(front.ask(&["get"])["status"], 200);
}

#[test]
fn who_says_nothing_more_gets_at_most_three_times_what_it_sent() {
    let nginx = Nginx::demo("web", address());
    let front = Front::new(nginx.address);
    let found = front.ask(&["silent"]);
    let (sent, came) = (found["sent"].as_u64().unwrap(), found["came"].as_u64().unwrap());
    assert!(came > 0 && came <= 3 * sent, "{came} bytes for {sent}");
}

#[test]
fn datagrams_that_are_no_quic_are_dropped_and_other_versions_are_told_ours() {
    let nginx = Nginx::demo("web", address());
    let front = Front::new(nginx.address);
    let socket = UdpSocket::bind((address(), 0)).unwrap();
    socket.connect(front.listen).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let mut buf = [0; 2000];
    let long = |version: u32, len: usize| {
        let mut packet = vec![0xc3];
        packet.extend_from_slice(&version.to_be_bytes());
        packet.extend_from_slice(&[8, 1, 2, 3, 4, 5, 6, 7, 8, 8, 8, 7, 6, 5, 4, 3, 2, 1]);
        packet.resize(len, 0);
        packet
    };
    for garbage in
        [vec![], vec![0; 1], vec![0xff; 1], vec![0xff; 1200], long(1, 6), long(1, 20), long(7, 100)]
    {
        socket.send(&garbage).unwrap();
        let answer = socket.recv(&mut buf);
        assert!(answer.is_err(), "{} bytes were answered with {answer:?}", garbage.len());
    }
    socket.send(&long(7, 1200)).unwrap();
    let count = socket.recv(&mut buf).unwrap();
    // Version 0, and ours among those that are offered (RFC 9000 section 17.2.1).
    assert_eq!(buf[1..5], [0; 4]);
    assert!(buf[23..count].chunks(4).any(|version| version == [0, 0, 0, 1]), "{:?}", &buf[..count]);
    assert_eq!(front.ask(&["get"])["status"], 200);
}
