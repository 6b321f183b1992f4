//! TLS that is passed on unopened: by name, byte for byte, and bounded.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use haechi_tests::{Authority, Nginx, Node, Secure, TempDir, address, kernel_asks, now, pause};

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

/// GHSA-xw98-5q62-jx94: a byte of a first message now and then kept a connection of Traefik open for ever.
#[test]
fn a_byte_now_and_then_does_not_renew_the_time_of_the_first_message() {
    let rig = rig(&["shop.example.com"], "    timeouts: { header: 500ms }\n");
    let mut stream = TcpStream::connect(rig.listen).unwrap();
    let began = now();
    let cut = super::hello(&rig.authority, b"http/1.1").iter().position(|byte| {
        pause(Duration::from_millis(50));
        stream.write_all(&[*byte]).is_err()
    });
    assert!(cut.is_some() && began.elapsed() < Duration::from_secs(5));
    assert_eq!(rig.node.endpoint("p0", "e")["requests"], 0);
}

/// A connection with both of its ends in our hands, once the first message went through.
fn pair(more: &str) -> (Node, TcpStream, TcpStream) {
    let (listen, listener) = (SocketAddr::new(address(), 443), TcpListener::bind((address(), 0)).unwrap());
    let endpoint = listener.local_addr().unwrap();
    let config = format!(
        "listeners:\n  pass: {{ bind: \"{listen}\", protocol: tls, routes: [{{ pool: p }}]{more} }}\n\
         pools:\n  p: {{ endpoints: {{ e: \"{endpoint}\" }} }}\n"
    );
    let node = Node::start(BINARY, &config);
    let hello = super::hello(&Authority::new("any"), b"http/1.1");
    let mut client = TcpStream::connect(listen).unwrap();
    client.write_all(&hello).unwrap();
    let (mut endpoint, _) = listener.accept().unwrap();
    let mut came = vec![0; hello.len()];
    endpoint.read_exact(&mut came).unwrap();
    assert_eq!(came, hello);
    for stream in [&client, &endpoint] {
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    }
    (node, client, endpoint)
}

#[test]
fn a_side_that_has_ended_reads_on_within_its_time() {
    let (_node, mut client, mut endpoint) = pair(", halfClosedTimeout: 1s");
    endpoint.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.read(&mut [0]).unwrap(), 0, "the end is passed on");
    for n in 0..10_u8 {
        pause(Duration::from_millis(200));
        client.write_all(&[n]).unwrap();
        let mut byte = [0xff];
        endpoint.read_exact(&mut byte).unwrap();
        assert_eq!(byte, [n]);
    }
    let silent_since = now();
    assert!(endpoint.read(&mut [0]).is_err(), "cut off, not ended");
    assert!(silent_since.elapsed() < Duration::from_secs(4), "not idleTimeout, which is an hour");
}

#[test]
fn the_kernel_asks_silent_sides_where_that_is_wanted() {
    for (more, asks) in [(", tcpKeepAlive: 600s", true), ("", false)] {
        let (_node, client, endpoint) = pair(more);
        for side in [&client, &endpoint] {
            let ends = (side.peer_addr().unwrap(), side.local_addr().unwrap());
            assert_eq!(kernel_asks(ends), asks, "{more}: {ends:?}");
        }
    }
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
