//! gRPC through the whole program, with gRPC's own client and server.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use haechi_tests::{address, eventually};

use crate::front;

fn python(what: &str, to: SocketAddr) -> Command {
    let mut command = Command::new(haechi_tests::python());
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/http2/calls.py")).arg(what).arg(to.to_string());
    command.stdin(Stdio::null());
    command
}

/// Stopped when dropped.
struct Server {
    address: SocketAddr,
    cancelled: Arc<AtomicUsize>,
    child: Child,
}

impl Server {
    fn start() -> Self {
        let address = SocketAddr::new(address(), 8080);
        let mut child = python("server", address).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        assert_eq!(lines.next().as_deref(), Some("ready"));
        let cancelled = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&cancelled);
        std::thread::spawn(move || {
            for _ in lines.filter(|line| line == "cancelled") {
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self { address, cancelled, child }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn client(what: &str, to: SocketAddr) -> String {
    let output = python(what, to).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn calls_and_streams_go_through_with_their_trailers_deadlines_and_cancellations() {
    let server = Server::start();
    let (listen, node) = front(server.address, "    protocol: http2\n");
    assert_eq!(client("client", listen), "ok\n");
    eventually(Duration::from_secs(20), "the server hears of both calls that were given up", || {
        server.cancelled.load(Ordering::Relaxed) >= 1 && node.endpoint("web", "a")["inFlight"] == 0
    });
    assert_eq!(node.endpoint("web", "a")["failures"], 0);
    let connects = node.endpoint("web", "a")["connects"].as_u64().unwrap();
    assert!(connects <= 2, "{connects} connections for a thousand calls");
    drop(server);
    let said = client("gone", listen);
    assert!(said.contains("(endpoint)") || said.contains("(load balancer)"), "{said}");
}
