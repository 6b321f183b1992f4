//! What tests of the whole need: real nginx servers, a real haechi, plain clients and bounded load.
//!
//! Tests stand in `haechi/tests`, because only there cargo says where the binary is. Each test takes
//! loopback addresses of its own ([`address`]), so that they run beside each other with fixed ports.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod capture;
mod client;
mod ear;
mod flows;
mod haproxy;
mod http2;
mod http2_endpoint;
mod kernel;
mod load;
mod namespaces;
mod nginx;
mod node;
mod observer;
mod pebble;
mod scripted;
mod stall;
mod tls;
mod websocket;

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

pub use capture::{Capture, Frame};
pub use client::{Connection, Reply, get, raw};
pub use ear::Ear;
pub use flows::{download, serve_flows, speak, stream, upgraded};
/// What an endpoint of HTTP/2 answers with, and which stream it answers.
pub use haechi_http2::{Code, StreamId};
pub use haproxy::HaProxy;
pub use http2::{Answer, Http2};
pub use http2_endpoint::{Asked, Core, Http2Endpoint, Then};
pub use kernel::kernel_asks;
pub use load::{Load, Tally};
pub use namespaces::{Namespace, Network, can_make_namespaces};
pub use nginx::Nginx;
pub use node::{Node, Output, TempDir};
pub use observer::{Heard, Observer};
pub use pebble::Pebble;
pub use scripted::{Peer, Scripted};
pub use stall::Stall;
pub use tls::{Authority, Leaf, Secure};
pub use websocket::agreement;

/// A loopback address that no other test uses: 127.x.y.z by process and call.
pub fn address() -> IpAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = (std::process::id() % 0x3fff) << 8 | (NEXT.fetch_add(1, Ordering::Relaxed) % 250 + 1);
    let [_, b, c, d] = number.to_be_bytes();
    // 127.64.0.0 upwards: away from 127.0.0.1, where other programs listen.
    IpAddr::V4(Ipv4Addr::new(127, 64 + b, c, d))
}

/// Where peers are that Debian has only in a newer suite: a launcher for each, and `root` with their files.
///
/// # Panics
/// When nobody fetched them.
#[track_caller]
pub fn newest() -> PathBuf {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.peers"));
    assert!(folder.join("unpacked").exists(), "no peers in {}: run scripts/setup test", folder.display());
    folder
}

/// The Python with what `tests/requirements.txt` names.
///
/// # Panics
/// It is not there: `scripts/setup test` installs it.
pub fn python() -> PathBuf {
    let python = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.python/bin/python"));
    assert!(python.exists(), "no {}: run scripts/setup test", python.display());
    python
}

/// Waits until `what` holds, looking every 10 ms.
///
/// # Panics
/// When it does not within `patience`.
#[track_caller]
pub fn eventually(patience: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = now() + patience;
    while !holds() {
        assert!(now() < deadline, "not within {patience:?}: {what}");
        pause(Duration::from_millis(10));
    }
}

/// The test's clock.
#[expect(clippy::disallowed_methods, reason = "tests of the whole run in real time")]
pub fn now() -> Instant {
    Instant::now()
}

/// Lets time pass between two looks, or between two steps of a bounded load.
#[expect(clippy::disallowed_methods, reason = "a pause between two looks, never instead of one")]
pub fn pause(time: Duration) {
    std::thread::sleep(time);
}
