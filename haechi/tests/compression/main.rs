//! Compressed answers over real sockets: read back by decoders of others, while they come, cut off, and by clients that
//! do not read.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod heads;
mod memory;
mod streams;

use std::io::Read;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use haechi_tests::{Nginx, Node, address};

const BINARY: &str = env!("CARGO_BIN_EXE_haechi");

/// A node in front of this endpoint, with these words in the section `compression`.
fn front(endpoint: SocketAddr, compression: &str) -> (SocketAddr, Node) {
    let ip = address();
    let config = format!(
        "workers: 1\nlisteners:\n  web:\n    bind: \"{ip}:80\"\n    protocol: http\n    compression: {{ {compression} }}\n\
         \x20   routes:\n      - {{ path: /plain, pool: web, filters: {{ compression: off }} }}\n      - {{ pool: web }}\n\
         pools:\n  web: {{ endpoints: {{ a: \"{endpoint}\" }} }}\n"
    );
    (SocketAddr::new(ip, 80), Node::start(BINARY, &config))
}

/// Text that can be made smaller, but not to nothing.
fn text(len: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(len + 100);
    let mut number = 1_u64;
    while out.len() < len {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        out.extend_from_slice(
            format!("<li class=\"item\">number {} of many</li>\n", number >> 40).as_bytes(),
        );
    }
    out.truncate(len);
    out
}

/// What can be read of it, whether it has ended or not.
fn unzip(mut coded: &[u8]) -> Vec<u8> {
    let (mut out, mut buf) = (Vec::new(), [0; 4096]);
    let mut decoder = flate2::read::GzDecoder::new(&mut coded);
    while let Ok(count @ 1..) = decoder.read(&mut buf) {
        out.extend_from_slice(&buf[..count]);
    }
    out
}

/// curl's decoders are zlib, Google's brotli and Facebook's zstd.
#[test]
fn curl_reads_what_nginx_said_in_each_coding_and_protocol() {
    let types = "types { text/html html; image/png png; }";
    let nginx = Nginx::start("plain", address(), "", types);
    for (name, len) in [("large.html", 3_000_000), ("page.html", 20_000), ("small.html", 900)] {
        std::fs::write(nginx.root().join(name), text(len)).unwrap();
    }
    let (to, node) = front(nginx.address, "");
    for coding in ["gzip", "br", "zstd"] {
        for protocol in ["--http1.1", "--http2-prior-knowledge"] {
            for (path, is_coded) in [("/large.html", true), ("/page.html", true), ("/small.html", false)] {
                let mut curl = Command::new("curl");
                curl.args(["-s", "--max-time", "20", "--compressed", "-D", "/dev/stderr", protocol, "-H"]);
                curl.arg(format!("Accept-Encoding: {coding}")).arg(format!("http://{to}{path}"));
                let output = curl.stdin(Stdio::null()).output().expect("scripts/setup test installs curl");
                let head = String::from_utf8_lossy(&output.stderr).to_ascii_lowercase();
                let body = std::fs::read(nginx.root().join(&path[1..])).unwrap();
                assert!(
                    output.status.success() && output.stdout == body,
                    "{coding} {protocol} {path}: {head}"
                );
                assert_eq!(head.contains(&format!("content-encoding: {coding}")), is_coded, "{head}");
            }
        }
    }
    let metrics = node.metrics();
    for coding in ["gzip", "br", "zstd"] {
        let count = |way: &str| -> u64 {
            let start = format!(
                "haechi_listener_coded_bytes_total{{listener=\"web\",coding=\"{coding}\",direction=\"{way}\"}} "
            );
            metrics.lines().find_map(|line| line.strip_prefix(&start)).unwrap().parse().unwrap()
        };
        assert_eq!(count("in"), 2 * 3_020_000, "{coding}");
        assert!(count("out") < count("in") / 2, "{coding}");
    }
}
