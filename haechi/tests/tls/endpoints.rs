//! TLS to endpoints: verified, and said plainly when not.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use haechi_tests::{Authority, Leaf, Nginx, Node, TempDir, address, eventually, get};

use rustls::ServerConnection;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::{BINARY, write};

/// An nginx that ends TLS with this certificate, and asks clients for one if `more` says so.
fn nginx(leaf: &Leaf, more: &str) -> (Nginx, SocketAddr, TempDir) {
    let (folder, ip) = (TempDir::new("certificates"), address());
    leaf.write(folder.path(), "own");
    let at = folder.path().display();
    let secure = SocketAddr::new(ip, 8443);
    let http = format!(
        "server {{ listen {secure} ssl; ssl_protocols TLSv1.2 TLSv1.3; ssl_certificate {at}/own.pem; ssl_certificate_key {at}/own.key; {more}\n\
         location / {{ default_type text/plain; return 200 \"$ssl_protocol $ssl_server_name $ssl_client_s_dn\"; }}\n\
         location /big {{ alias {at}/big; }} }}"
    );
    std::fs::write(folder.path().join("big"), vec![b'x'; 2_000_000]).unwrap();
    (Nginx::start("secure", ip, "location / { return 200; }", &http), secure, folder)
}

fn node(endpoints: &[SocketAddr], tls: &str, more: &str, authority: &Authority) -> (Node, SocketAddr) {
    let listen = SocketAddr::new(address(), 80);
    let endpoints: Vec<String> =
        endpoints.iter().enumerate().map(|(n, at)| format!("e{n}: \"{at}\"")).collect();
    let mut node = Node::prepared(
        BINARY,
        &format!(
            "listeners:\n  web: {{ bind: \"{listen}\", protocol: http, routes: [{{ pool: web }}] }}\npools:\n  web:\n    \
             endpoints: {{ {} }}\n    tls: {tls}\n{more}",
            endpoints.join(", ")
        ),
    );
    std::fs::write(node.folder().join("ca.pem"), authority.pem()).unwrap();
    write(&node, "client", &authority.leaf(&["client.example.com"]));
    node.resume();
    (node, listen)
}

#[test]
fn a_good_endpoint_is_spoken_to_and_its_connections_are_kept() {
    let authority = Authority::new("inside");
    let (_nginx, secure, _files) = nginx(&authority.leaf(&["web.internal"]), "");
    let check = "    healthCheck: { interval: 1s, timeout: 900ms }\n";
    let (node, listen) = node(&[secure], "{ ca: ca.pem, serverName: web.internal }", check, &authority);
    for _ in 0..20 {
        assert_eq!(get(listen, "/").unwrap().text(), "TLSv1.3 web.internal ");
    }
    assert_eq!(get(listen, "/big").unwrap().body.len(), 2_000_000);
    // The tickets that it sends do not make an idle connection look used.
    assert!(node.endpoint("web", "e0")["connects"].as_u64().unwrap() <= 2, "{}", node.endpoint("web", "e0"));
    node.wait_health("web", "e0", "healthy", Duration::from_secs(10));
}

#[test]
fn the_system_does_not_know_it_and_addresses_are_names() {
    let authority = Authority::new("inside");
    let ip = address();
    let leaf = authority.leaf(&[&ip.to_string()]);
    let (folder, secure) = (TempDir::new("certificates"), SocketAddr::new(ip, 8443));
    leaf.write(folder.path(), "own");
    let at = folder.path().display();
    let http = format!(
        "server {{ listen {secure} ssl; ssl_protocols TLSv1.2 TLSv1.3; ssl_certificate {at}/own.pem; ssl_certificate_key {at}/own.key; return 200 ok; }}"
    );
    let _nginx = Nginx::start("secure", ip, "location / { return 200; }", &http);
    let (_node, listen) = node(&[secure], "{ ca: ca.pem }", "", &authority);
    assert_eq!(get(listen, "/").unwrap().status, 200, "its address is in its certificate");
    let (front, listen) = node(&[secure], "{}", "", &authority);
    assert_eq!(get(listen, "/").unwrap().status, 502);
    assert_eq!(front.endpoint("web", "e0")["distrust"], "certificate not trusted: its issuer is unknown");
    let (_node, listen) = node(&[secure], "{ verify: false }", "", &authority);
    assert_eq!(get(listen, "/").unwrap().status, 200);
}

#[test]
fn what_is_wrong_with_an_endpoint_is_its_fault_and_said() {
    let (authority, other) = (Authority::new("inside"), Authority::new("elsewhere"));
    let rows = [
        (authority.expired(&["web.internal"]), "certificate not trusted: it has expired"),
        (
            authority.leaf(&["bank.internal"]),
            "certificate not trusted: it is for bank.internal, not for web.internal",
        ),
        (other.leaf(&["web.internal"]), "certificate not trusted: its issuer is unknown"),
    ];
    for (leaf, why) in rows {
        let (_nginx, secure, _files) = nginx(&leaf, "");
        let (node, listen) = node(&[secure], "{ ca: ca.pem, serverName: web.internal }", "", &authority);
        let reply = get(listen, "/").unwrap();
        assert_eq!((reply.status, &*reply.fields["haechi-fault"]), (502, "untrusted"));
        let endpoint = node.endpoint("web", "e0");
        assert_eq!(endpoint["distrust"], why);
        assert_eq!(endpoint["failures"], endpoint["requests"], "each try is its failure");
        eventually(Duration::from_secs(5), "an event says it", || {
            let events = node.verb(&["events", "-o", "json"]).out;
            events.contains("distrustChanged") && events.contains(why)
        });
    }
}

/// A server of ours on a thread, which gets each connection before a byte went over it, with its number.
fn server(
    leaf: &Leaf,
    mut serve: impl FnMut(usize, ServerConnection, TcpStream) + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind((address(), 0)).unwrap();
    let at = listener.local_addr().unwrap();
    let chain =
        CertificateDer::pem_slice_iter(leaf.certificate.as_bytes()).collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(leaf.key.as_bytes()).unwrap();
    let config =
        rustls::ServerConfig::builder_with_provider(rustls::crypto::aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
    let config = Arc::new(config);
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().map_while(Result::ok).enumerate() {
            serve(number, ServerConnection::new(Arc::clone(&config)).unwrap(), stream);
        }
    });
    at
}

/// A server that puts its certificate and all that follows it into one record, as rustls does and OpenSSL does not.
fn says_all_at_once(leaf: &Leaf) -> SocketAddr {
    server(leaf, |_, mut connection, mut stream| {
        // The client does not trust it, so this ends with the alert.
        let _ = connection.complete_io(&mut stream);
    })
}

/// CVE-2026-1642: what stood before the handshake was an answer to nginx.
#[test]
fn an_answer_in_front_of_the_handshake_is_none() {
    let authority = Authority::new("inside");
    let forged = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged";
    let at = server(&authority.leaf(&["web.internal"]), move |number, connection, mut stream| {
        if number % 2 == 0 {
            stream.write_all(forged.as_bytes()).unwrap();
        }
        let mut stream = rustls::StreamOwned::new(connection, stream);
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\ntrue");
    });
    let retry = "    retry: { tries: 1 }\n";
    let (node, listen) = node(&[at], "{ ca: ca.pem, serverName: web.internal }", retry, &authority);
    let reply = get(listen, "/").unwrap();
    assert_eq!((reply.status, &*reply.fields["haechi-fault"]), (502, "tlsFailed"), "{reply:?}");
    assert_eq!(node.endpoint("web", "e0")["distrust"], "the endpoint does not speak TLS");
    assert_eq!(get(listen, "/").unwrap().text(), "true");
}

/// CVE-2026-47778: a name that goes on behind a NUL was verified by its beginning.
#[test]
fn a_name_with_a_nul_is_not_the_one_before_it() {
    let authority = Authority::new("inside");
    for name in [&b"web.internal\0.example.net"[..], b"web.internal\0"] {
        let length = u8::try_from(name.len()).unwrap();
        let leaf = authority.leaf_with(&[], |params| {
            let names = [&[0x30, length + 2, 0x82, length][..], name].concat();
            params.custom_extensions.push(rcgen::CustomExtension::from_oid_content(&[2, 5, 29, 17], names));
        });
        let at = says_all_at_once(&leaf);
        let (_node, listen) = node(&[at], "{ ca: ca.pem, serverName: web.internal }", "", &authority);
        let reply = get(listen, "/").unwrap();
        assert_eq!((reply.status, &*reply.fields["haechi-fault"]), (502, "untrusted"));
    }
}

/// See `messages_behind_a_refused_one_bring_nobody_down`: the same with the other side of TLS.
#[test]
fn a_distrusted_server_that_says_all_at_once_brings_nobody_down() {
    let (authority, other) = (Authority::new("inside"), Authority::new("elsewhere"));
    let at = says_all_at_once(&other.leaf(&["web.internal"]));
    let (node, listen) = node(&[at], "{ ca: ca.pem, serverName: web.internal }", "", &authority);
    let reply = get(listen, "/").unwrap();
    assert_eq!((reply.status, &*reply.fields["haechi-fault"]), (502, "untrusted"));
    for _ in 0..2 * node.status()["workers"].as_u64().unwrap() {
        assert!(get(listen, "/").unwrap().status >= 500, "each worker answers");
    }
    assert_eq!(node.endpoint("web", "e0")["distrust"], "certificate not trusted: its issuer is unknown");
}

#[test]
fn a_good_one_serves_where_another_has_no_tls() {
    let authority = Authority::new("inside");
    let (plain, secure, _files) = nginx(&authority.leaf(&["web.internal"]), "");
    let tls = "{ ca: ca.pem, serverName: web.internal }";
    let (node, listen) = node(&[plain.address, secure], tls, "", &authority);
    for _ in 0..6 {
        let reply = get(listen, "/").unwrap();
        assert_eq!(reply.status, 200, "{reply:?} {}", node.status());
    }
    assert_eq!(node.endpoint("web", "e0")["distrust"], "the endpoint does not speak TLS");
    assert_eq!(node.endpoint("web", "e1")["distrust"], "");
}

#[test]
fn an_endpoint_that_asks_is_shown_a_certificate() {
    let authority = Authority::new("inside");
    let folder = TempDir::new("ca");
    std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
    let ask = format!("ssl_verify_client on; ssl_client_certificate {}/ca.pem;", folder.path().display());
    let (_nginx, secure, _files) = nginx(&authority.leaf_with(&["web.internal"], |_| {}), &ask);
    let tls = "{ ca: ca.pem, serverName: web.internal, certificate: client.pem, key: client.key }";
    let check = "    healthCheck: { interval: 100ms, timeout: 90ms, expect: 200 }\n";
    let (shown, listen) = node(&[secure], tls, check, &authority);
    let reply = get(listen, "/").unwrap();
    assert!(reply.status == 200 && reply.text().contains("CN="), "{}", reply.text());
    shown.wait_health("web", "e0", "healthy", Duration::from_secs(10));
    let (_node, listen) = node(&[secure], "{ ca: ca.pem, serverName: web.internal }", "", &authority);
    assert_eq!(get(listen, "/").unwrap().status, 400, "nginx asks after the handshake");
}

#[test]
fn a_response_without_end_must_end_with_close_notify() {
    let authority = Authority::new("inside");
    let secure = server(&authority.leaf(&["web.internal"]), |number, connection, socket| {
        let mut stream = rustls::StreamOwned::new(connection, socket);
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it");
        if number % 2 == 0 {
            stream.conn.send_close_notify();
        }
        let _ = stream.flush();
        let _ = stream.conn.complete_io(&mut stream.sock);
    });
    let (_node, listen) = node(&[secure], "{ ca: ca.pem, serverName: web.internal }", "", &authority);
    // HTTP/1.0, so that the client too learns the end by the end of its connection, or by a break.
    let ask = || {
        let mut stream = TcpStream::connect(listen).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).map(|_| all.ends_with(b"all of it"))
    };
    assert!(ask().unwrap(), "an end that was told");
    assert!(ask().is_err(), "anybody on the way could have ended it");
}
