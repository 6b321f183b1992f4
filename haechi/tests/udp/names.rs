//! A real service behind it: BIND, asked by dig, over UDP and TCP at one port.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use haechi_tests::{Node, TempDir, address, eventually};

use crate::rig::{BINARY, SOON};

/// BIND with a zone of its own, ended when dropped.
struct Named {
    at: SocketAddr,
    child: Child,
    _folder: TempDir,
}

impl Named {
    /// It stands only on addresses that interfaces list, so each has a port.
    fn start(name: &str, port: u16) -> Self {
        let (folder, at) = (TempDir::new("named"), SocketAddr::from(([127, 0, 0, 1], port)));
        let path = folder.path().display();
        let config = format!(
            "options {{ directory \"{path}\"; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; recursion no;\n\
             dnssec-validation no; pid-file none; session-keyfile none; max-udp-size 4096; edns-udp-size 4096; }};\n\
             controls {{ }};\nzone \"test\" {{ type primary; file \"zone\"; }};\n"
        );
        let text = |size: usize| {
            let pieces = std::iter::repeat_n(format!("\"{}\"", "x".repeat(200)), size / 200);
            pieces.collect::<Vec<_>>().join(" ")
        };
        let zone = format!(
            "$TTL 60\n@ IN SOA ns hostmaster 1 60 60 60 60\n@ IN NS ns\nns IN A 192.0.2.1\nwho IN TXT \"{name}\"\n\
             large IN TXT {}\nhuge IN TXT {}\n",
            text(3000),
            text(20_000)
        );
        std::fs::write(folder.path().join("conf"), config).unwrap();
        std::fs::write(folder.path().join("zone"), zone).unwrap();
        let conf = folder.path().join("conf");
        let mut command = Command::new("named");
        command.args(["-g", "-n", "1", "-c"]).arg(&conf).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("scripts/setup test installs bind9");
        let named = Self { at, child, _folder: folder };
        eventually(SOON, "named answers", || dig(at, &["who.test", "TXT"]).contains(name));
        named
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn dig(at: SocketAddr, words: &[&str]) -> String {
    let mut command = Command::new("dig");
    command.arg(format!("@{}", at.ip())).args(["-p", &at.port().to_string()]);
    command.args(["+short", "+tries=2", "+time=2"]).args(words);
    let output = command.output().expect("scripts/setup test installs bind9-dnsutils");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn names_are_resolved_in_datagrams_of_all_sizes_and_over_tcp() {
    let servers = [Named::start("one", 25_351), Named::start("two", 25_352)];
    let listen = SocketAddr::new(address(), 53);
    // The question is for the root's SOA, which a server without recursion refuses, with the id that was sent.
    let node = Node::start(
        BINARY,
        &format!(
            "listeners:\n  udp: {{ bind: \"{listen}\", protocol: udp, pool: dns, idleTimeout: 2s }}\n  \
             tcp: {{ bind: \"{listen}\", protocol: tcp, pool: dns }}\npools:\n  dns:\n    \
             endpoints: {{ one: \"{}\", two: \"{}\" }}\n    healthCheck: {{ protocol: udp, interval: 500ms, timeout: 400ms, \
             send: \"hex:beef 0000 0001 0000 0000 0000 00 0006 0001\", answer: \"hex:beef 80\" }}\n",
            servers[0].at, servers[1].at
        ),
    );
    for name in ["one", "two"] {
        node.wait_health("dns", name, "healthy", SOON);
    }
    let answers: Vec<String> = (0..20).map(|_| dig(listen, &["who.test", "TXT"])).collect();
    for name in ["one", "two"] {
        let count = answers.iter().filter(|answer| answer.contains(name)).count();
        assert_eq!(count, 10, "{answers:?}");
    }
    // 3 KiB in one datagram, cut into IP fragments on a real network.
    assert_eq!(dig(listen, &["large.test", "TXT", "+bufsize=4096", "+ignore"]).len(), 15 * 203);
    // The answer is cut, says so, and dig comes again over TCP.
    assert_eq!(dig(listen, &["huge.test", "TXT"]).len(), 100 * 203);
    let status = node.status();
    assert!(status["listeners"][1]["accepted"].as_u64().unwrap() >= 1, "{status}");
    let [one, two] = servers;
    drop(one);
    node.wait_health("dns", "one", "unhealthy", SOON);
    for _ in 0..10 {
        assert!(dig(listen, &["who.test", "TXT"]).contains("two"));
    }
    drop(two);
}
