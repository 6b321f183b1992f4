//! What scrapers read, judged by Prometheus' own tool.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use haechi_tests::{Nginx, Node, address, eventually, get};

const BINARY: &str = env!("CARGO_BIN_EXE_haechi");

/// What `promtool check metrics` says of a text; it also judges names and help, not only the grammar.
fn promtool(metrics: &str) -> (bool, String) {
    let mut child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is installed (Debian's package prometheus; `make test` installs it)");
    child.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn prometheus_reads_every_metric_and_finds_nothing_to_say() {
    let (nginx, listen) = (Nginx::demo("web-1", address()), SocketAddr::new(address(), 80));
    let node = Node::start(
        BINARY,
        &format!(
            "listeners: {{ web: {{ bind: \"{listen}\", protocol: http, routes: [{{ path: /, pool: web }}] }} }}\n\
             pools: {{ web: {{ endpoints: {{ web-1: \"{}\", gone: \"{}:9\" }} }} }}\n",
            nginx.address,
            address(),
        ),
    );
    for _ in 0..20 {
        get(listen, "/").unwrap();
    }
    eventually(Duration::from_secs(10), "the requests are counted", || {
        node.status()["listeners"][0]["requests"] == 20
    });
    let socket = node.folder().join("admin.sock");
    let scraped = Command::new("curl")
        .arg("-sS")
        .arg("--unix-socket")
        .arg(socket)
        .arg("http://haechi/metrics")
        .output();
    let metrics = String::from_utf8(scraped.unwrap().stdout).unwrap();
    assert!(metrics.contains("haechi_endpoint_"), "{metrics}");
    let (fine, said) = promtool(&metrics);
    assert!(fine, "{said}\n{metrics}");
}
