//! Others that speak it: HAProxy in front, nginx behind.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};

use haechi_tests::{Authority, HaProxy, Nginx, Node, TempDir, address, get};

use crate::{BINARY, SOON};

/// Says whom it takes the client to be, and which address it asked.
fn nginx() -> Nginx {
    let locations = "return 200 '$proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_addr \
                     $proxy_protocol_server_port $http_x_forwarded_for $connection';";
    Nginx::start_with("behind", address(), locations, "", "proxy_protocol")
}

/// Words of what nginx says.
fn ask(stream: &mut TcpStream) -> Vec<String> {
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut bytes = vec![0; 4096];
    let mut held = 0;
    loop {
        held += stream.read(&mut bytes[held..]).unwrap();
        let text = String::from_utf8_lossy(&bytes[..held]).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
        if body.len() == length.parse::<usize>().unwrap() {
            return body.split(' ').map(str::to_owned).collect();
        }
    }
}

fn connect(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream
}

#[test]
fn haproxy_in_front_and_nginx_behind_agree_on_who_the_client_is() {
    for (send, version) in [
        ("send-proxy", "v1"),
        ("send-proxy-v2", "v2"),
        ("send-proxy-v2 proxy-v2-options crc32c,unique-id", "v2"),
    ] {
        let (nginx, listen) = (nginx(), SocketAddr::new(address(), 8080));
        let node = Node::start(
            BINARY,
            &format!(
                "listeners:\n  web: {{ bind: \"{listen}\", protocol: http, routes: [{{ pool: web }}], proxyProtocol: {{ from: 127.0.0.0/8 }} }}\n\
                 pools:\n  web: {{ endpoints: {{ e: \"{}\" }}, proxyProtocol: {version},\n    \
                 healthCheck: {{ path: /, interval: 200ms, timeout: 100ms }} }}\n",
                nginx.address
            ),
        );
        node.wait_health("web", "e", "healthy", SOON);
        let haproxy = HaProxy::start("tcp", &format!("  server one {listen} {send}"));
        let mut client = connect(haproxy.address);
        let own = client.local_addr().unwrap();
        let said = ask(&mut client);
        let wanted = [
            own.ip().to_string(),
            own.port().to_string(),
            haproxy.address.ip().to_string(),
            "8080".into(),
            own.ip().to_string(),
        ];
        assert_eq!(said[..5], wanted, "{send}");
        assert_eq!(ask(&mut client), said, "the same connection serves the same client");
        let mut other = connect(haproxy.address);
        let others = ask(&mut other);
        assert_eq!(others[1], other.local_addr().unwrap().port().to_string());
        assert_ne!(others[5], said[5], "and no other one");
        assert_eq!(ask(&mut client), said);
    }
}

#[test]
fn a_tcp_listener_tells_the_addresses_of_its_own_connection() {
    let (nginx, listen) = (nginx(), SocketAddr::new(address(), 8080));
    let _node = Node::start(
        BINARY,
        &format!(
            "listeners:\n  tcp: {{ bind: \"{listen}\", protocol: tcp, pool: web }}\n\
             pools:\n  web: {{ endpoints: {{ e: \"{}\" }}, proxyProtocol: v2 }}\n",
            nginx.address
        ),
    );
    let mut client = connect(listen);
    let own = client.local_addr().unwrap();
    let wanted = [own.ip().to_string(), own.port().to_string(), listen.ip().to_string(), "8080".into()];
    assert_eq!(ask(&mut client)[..4], wanted);
}

/// Idle connections were told of nobody, or of somebody: neither is of use to the others.
#[test]
fn a_reload_that_turns_it_on_or_off_mixes_no_clients() {
    let (nginx, listen) = (nginx(), SocketAddr::new(address(), 8080));
    let config = |preface: &str| {
        format!(
            "workers: 1\nlisteners:\n  web: {{ bind: \"{listen}\", protocol: http, routes: [{{ pool: web }}] }}\n\
             pools:\n  web: {{ endpoints: {{ e: \"{}\" }}{preface} }}\n",
            nginx.address
        )
    };
    let node = Node::start(BINARY, &config(", proxyProtocol: v1"));
    let mut client = connect(listen);
    let said = ask(&mut client);
    assert_eq!(said[1], client.local_addr().unwrap().port().to_string());
    node.change(&config(""));
    // nginx waits for a preface that does not come, so whatever is answered came on the old connection.
    let answer = get(listen, "/");
    assert!(answer.map_or(true, |reply| reply.status != 200), "another client's connection was used");
}

/// The preface is clear on both sides, TLS begins behind it, and each stream of HTTP/2 is its connection's.
#[test]
fn tls_and_http2_come_behind_the_preface() {
    let authority = Authority::new("the test's");
    let leaf = authority.leaf(&["shop.example.com"]);
    let (files, ip) = (TempDir::new("certificates"), address());
    leaf.write(files.path(), "own");
    let (at, secure) = (files.path().display(), SocketAddr::new(ip, 8443));
    let server = format!(
        "server {{ listen {secure} ssl proxy_protocol; ssl_certificate {at}/own.pem; ssl_certificate_key {at}/own.key;\n\
         location / {{ return 200 '$proxy_protocol_addr $proxy_protocol_port $http_x_forwarded_for $connection ' ; }} }}"
    );
    let _nginx = Nginx::start("secure", ip, "return 200;", &server);
    let listen = SocketAddr::new(address(), 8443);
    let plain = SocketAddr::new(listen.ip(), 8080);
    let preface = "proxyProtocol: { from: 127.0.0.0/8 }, routes: [{ pool: web }]";
    let mut node = Node::prepared(
        BINARY,
        &format!(
            "listeners:\n  web: {{ bind: \"{listen}\", protocol: https, {preface}, tls: {{ certificates: {{ certificate: own.pem, key: own.key }} }} }}\n  \
             clear: {{ bind: \"{plain}\", protocol: http, {preface} }}\n\
             pools:\n  web: {{ endpoints: {{ e: \"{secure}\" }}, proxyProtocol: v2, tls: {{ ca: ca.pem, serverName: shop.example.com }},\n    \
             healthCheck: {{ protocol: https, path: /, interval: 200ms, timeout: 190ms }} }}\n",
        ),
    );
    leaf.write(node.folder(), "own");
    std::fs::write(node.folder().join("ca.pem"), authority.pem()).unwrap();
    node.resume();
    node.wait_health("web", "e", "healthy", SOON);
    let over_tls = HaProxy::start("tcp", &format!("  server one {listen} send-proxy-v2"));
    let in_clear = HaProxy::start("tcp", &format!("  server one {plain} send-proxy"));
    let ca = node.folder().join("ca.pem");
    // Debian's curl (7.88) can't use a connection of HTTP/2 by prior knowledge twice.
    for (front, how, scheme, count) in [
        (&over_tls, "--http1.1", "https", 3),
        (&over_tls, "--http2", "https", 3),
        (&in_clear, "--http1.1", "http", 3),
        (&in_clear, "--http2-prior-knowledge", "http", 1),
    ] {
        let url = format!("{scheme}://shop.example.com:8080/[1-{count}]");
        let mut curl = Command::new("curl");
        curl.args([
            "-sS",
            "--max-time",
            "20",
            "--interface",
            "127.0.0.77",
            how,
            "-w",
            "%{local_port}\\n",
            "--cacert",
        ]);
        curl.arg(&ca).arg("--resolve").arg(format!("shop.example.com:8080:{}", front.address.ip())).arg(url);
        let output = curl.stdin(Stdio::null()).output().expect("scripts/setup test installs curl");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(' ').collect()).collect();
        assert_eq!(lines.len(), count, "{how}: {text}{}", String::from_utf8_lossy(&output.stderr));
        for line in &lines {
            let [client, port, forwarded, connection, own_port] = line[..] else { panic!("{how}: {text}") };
            assert_eq!((client, port, forwarded), ("127.0.0.77", own_port, "127.0.0.77"), "{how}: {text}");
            assert_eq!(
                connection, lines[0][3],
                "{how}: one client's connection to its endpoint is kept: {text}"
            );
        }
    }
}
