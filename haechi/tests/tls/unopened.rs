//! TLS that is passed on unopened: by name, byte for byte, and bounded.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use haechi_tests::{Authority, Nginx, Node, Secure, TempDir, address, now};

use super::BINARY;

/// A server of its own for each name, and a node in front that has none of their keys.
struct Rig {
    node: Node,
    authority: Authority,
    listen: SocketAddr,
    _servers: Vec<(Nginx, TempDir)>,
}

fn rig(names: &[&str], more: &str) -> Rig {
    let authority = Authority::new("behind");
    let listen = SocketAddr::new(address(), 443);
    let (mut servers, mut routes, mut pools) = (Vec::new(), String::new(), String::new());
    for (number, name) in names.iter().enumerate() {
        let (folder, ip) = (TempDir::new("certificates"), address());
        let plain = name.strip_prefix("*.").map_or((*name).to_owned(), |parent| format!("any.{parent}"));
        authority.leaf(&[&plain]).write(folder.path(), "own");
        std::fs::write(folder.path().join("big"), vec![b'x'; 3_000_000]).unwrap();
        let at = folder.path().display();
        let http = format!(
            "server {{ listen {ip}:8443 ssl; ssl_protocols TLSv1.2 TLSv1.3; ssl_certificate {at}/own.pem;\n\
             ssl_certificate_key {at}/own.key; location / {{ return 200 \"server {number}\"; }}\n\
             location /big {{ alias {at}/big; }} }}"
        );
        servers.push((Nginx::start("behind", ip, "location / { return 200; }", &http), folder));
        routes.push_str(&format!("      - {{ host: \"{name}\", pool: p{number} }}\n"));
        pools.push_str(&format!("  p{number}: {{ endpoints: {{ e: \"{ip}:8443\" }} }}\n"));
    }
    let config = format!(
        "listeners:\n  pass:\n    bind: \"{listen}\"\n    protocol: tls\n{more}    routes:\n{routes}pools:\n{pools}"
    );
    Rig { node: Node::start(BINARY, &config), authority, listen, _servers: servers }
}

#[test]
fn each_name_reaches_its_server_unopened() {
    let rig = rig(&["one.example.com", "*.example.org"], "");
    let config = rig.authority.client();
    for (name, body) in [("one.example.com", "server 0"), ("any.example.org", "server 1")] {
        let mut open = Secure::open(rig.listen, &config, name).unwrap();
        for _ in 0..3 {
            assert_eq!(open.get("/").unwrap(), (200, body.as_bytes().to_vec()));
        }
        let (status, big) = open.get("/big").unwrap();
        assert!(status == 200 && big.len() == 3_000_000 && big.iter().all(|byte| *byte == b'x'));
    }
    let refused = Secure::open(rig.listen, &config, "example.net").unwrap_err().to_string();
    assert!(refused.contains("Unrecogni"), "{refused}");
    let listener = &rig.node.status()["listeners"][0];
    assert_eq!((&listener["protocol"], &listener["faults"]["noRoute"]), (&"tls".into(), &1.into()));
}

fn answer(rig: &Rig, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(rig.listen).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let _ = stream.write_all(bytes);
    let mut all = Vec::new();
    // A reset is an end too.
    let _ = stream.read_to_end(&mut all);
    all
}

#[test]
fn what_is_no_hello_reaches_nobody() {
    let rig = rig(&["one.example.com"], "    timeouts: { header: 500ms }\n");
    let began = now();
    let crumbs: Vec<u8> = (0..8000).flat_map(|_| [22, 3, 1, 0, 1, 1]).collect();
    for bytes in
        [&b"GET / HTTP/1.1\r\n\r\n"[..], &[22, 3, 1, 0, 5, 1, 0], &[22, 3, 1, 0xff, 0xff], &[], &crumbs]
    {
        assert_eq!(answer(&rig, bytes), b"", "{:?}", &bytes[..bytes.len().min(16)]);
    }
    assert!(began.elapsed() < Duration::from_secs(10));
    let faults = rig.node.status()["listeners"][0]["faults"].clone();
    assert_eq!((&faults["badRequest"], &faults["headerTimeout"]), (&3.into(), &2.into()), "{faults}");
    assert_eq!(rig.node.endpoint("p0", "e")["requests"], 0);
}

#[test]
fn routes_that_look_inside_are_refused() {
    let config = "listeners:\n  pass:\n    bind: \":443\"\n    protocol: tls\n    tls: {}\n    timeouts: { body: 1s }\n    \
                  routes: [{ host: a.b, path: /x, methods: GET, pool: p }]\npools:\n  p: { endpoints: { e: \"10.0.0.1:1\" } }\n";
    let node = Node::prepared(BINARY, config);
    let output = node.verb(&["check", "-c", node.config().to_str().unwrap()]);
    assert_eq!(output.code, 1);
    for key in ["tls", "body", "path", "methods"] {
        assert!(output.out.contains(&format!("`{key}` does not apply here")), "{key}: {}", output.out);
    }
}
