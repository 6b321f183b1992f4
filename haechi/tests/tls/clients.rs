//! Who clients are, tickets that nodes share, and OCSP responses.

use std::io;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use haechi_tests::{Authority, Leaf, Scripted, Secure, eventually};
use rcgen::{DistinguishedName, DnType, SerialNumber};
use rustls::{ClientConfig, HandshakeKind};

use super::{Front, nobody, plain_address};

fn endpoint() -> Scripted {
    Scripted::start(plain_address(), |_, peer| while peer.head().is_some() && peer.answer("x") {})
}

/// A node whose config is changed before it starts to ask for certificates of `clients`.
fn asking(endpoint: &Scripted, mode: &str, clients: &Authority) -> Front {
    let tls = format!("      clientCertificates: {{ ca: clients.pem, crl: revoked.pem, mode: {mode} }}\n");
    let files = [("clients.pem", clients.pem()), ("revoked.pem", clients.revoked(&[]))];
    Front::with_files(endpoint.address, &tls, &files)
}

fn ask(front: &Front, config: &Arc<ClientConfig>) -> io::Result<(u16, Option<HandshakeKind>)> {
    let mut open = Secure::open(front.listen, config, "shop.example.com")?;
    // With TLS 1.3 a client learns with its first read that it was refused.
    let (status, _) = open.get("/")?;
    Ok((status, open.connection().handshake_kind()))
}

fn showing(front: &Front, leaf: &Leaf) -> Arc<ClientConfig> {
    Arc::new(front.authority.client_with(Some(leaf)))
}

#[test]
fn who_shows_no_good_certificate_is_refused() {
    let (endpoint, clients, others) = (endpoint(), Authority::new("clients"), Authority::new("others"));
    for mode in ["required", "optional"] {
        let front = asking(&endpoint, mode, &clients);
        assert_eq!(ask(&front, &front.authority.client()).is_ok(), mode == "optional", "{mode}: none shown");
        assert_eq!(ask(&front, &showing(&front, &clients.leaf(&["alice"]))).unwrap().0, 200, "{mode}");
        assert!(ask(&front, &showing(&front, &others.leaf(&["alice"]))).is_err(), "{mode}: another CA");
        assert!(ask(&front, &showing(&front, &clients.expired(&["alice"]))).is_err(), "{mode}: expired");
        let refused = if mode == "required" { 3 } else { 2 };
        assert_eq!(front.handshakes("clientCertificate"), refused, "{mode}");
        eventually(Duration::from_secs(10), "it is told", || {
            front.node.verb(&["events", "-o", "json"]).out.contains("certificateRefused")
        });
    }
}

#[test]
fn only_those_who_are_named_may_come() {
    let (endpoint, clients) = (endpoint(), Authority::new("clients"));
    let tls = "      clientCertificates: { ca: clients.pem, names: [alice, \"*.clients.example.com\"] }\n";
    let front = Front::with_files(endpoint.address, tls, &[("clients.pem", clients.pem())]);
    let by_common_name =
        clients.leaf_with(&[], |params| params.distinguished_name.push(DnType::CommonName, "alice"));
    let with_another =
        clients.leaf_with(&["bob"], |params| params.distinguished_name.push(DnType::CommonName, "alice"));
    for (leaf, comes) in [
        (clients.leaf(&["alice"]), true),
        (clients.leaf(&["x", "A.clients.example.com"]), true),
        (by_common_name, true),
        (with_another, false),
        (clients.leaf(&["bob"]), false),
        (clients.leaf(&["*.clients.example.com"]), false),
        (clients.leaf(&["a.b.clients.example.com"]), false),
    ] {
        assert_eq!(ask(&front, &showing(&front, &leaf)).is_ok(), comes, "{}", leaf.certificate);
    }
    assert_eq!(front.handshakes("clientCertificate"), 4);
}

/// The lines about client certificates that an endpoint has seen since `from`.
fn told(endpoint: &Scripted, from: usize) -> Vec<String> {
    let seen = endpoint.seen();
    let about = |line: &&str| line.to_ascii_lowercase().replace('_', "-").starts_with("x-client-cert");
    seen[from..].lines().filter(about).map(str::to_owned).collect()
}

#[test]
fn endpoints_are_told_who_it_is_by_us_alone() {
    let (endpoint, clients) = (endpoint(), Authority::new("clients"));
    let front = asking(&endpoint, "optional", &clients);
    let leaf = clients.leaf_with(&["alice.example.com"], |params| {
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Example, Inc.");
        params.distinguished_name.push(DnType::CommonName, "alice");
    });
    leaf.write(front.node.folder(), "alice");
    let print = Command::new("openssl")
        .args(["x509", "-noout", "-fingerprint", "-sha256", "-in", "alice.pem"])
        .current_dir(front.node.folder())
        .output()
        .unwrap();
    let print = String::from_utf8(print.stdout).unwrap();
    let print = print.trim().split_once('=').unwrap().1.replace(':', "").to_lowercase();
    let wanted = [
        "X-Client-Cert-Subject: CN=alice,O=Example\\, Inc.".to_owned(),
        "X-Client-Cert-San: DNS:alice.example.com".to_owned(),
        format!("X-Client-Cert-Fingerprint: {print}"),
    ];
    let forged = "GET / HTTP/1.1\r\nHost: test\r\nConnection: X-Client-Cert-Subject\r\nX-Client-Cert-Subject: CN=root\r\n\
                  x_client_cert_san: DNS:root\r\nX-CLIENT-CERT-FINGERPRINT: 00\r\nx-client-cert-verified: 1\r\n\r\n";
    let config = showing(&front, &leaf);
    for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
        let mut open = Secure::open(front.listen, &config, "shop.example.com").unwrap();
        let from = endpoint.seen().len();
        for _ in 0..2 {
            open.send(forged.as_bytes()).unwrap();
            assert_eq!(open.reply().unwrap().0, 200);
        }
        assert_eq!(open.connection().handshake_kind(), Some(kind));
        assert_eq!(told(&endpoint, from), [&wanted[..], &wanted].concat(), "{kind:?}");
    }
    let from = endpoint.seen().len();
    let mut nobody = Secure::open(front.listen, &front.authority.client(), "shop.example.com").unwrap();
    nobody.send(forged.as_bytes()).unwrap();
    assert_eq!(nobody.reply().unwrap().0, 200);
    assert_eq!(told(&endpoint, from), [""; 0]);
    // The same over HTTP/2.
    let from = endpoint.seen().len();
    let (certificate, key) = (front.node.folder().join("alice.pem"), front.node.folder().join("alice.key"));
    let own = ["--cert", certificate.to_str().unwrap(), "--key", key.to_str().unwrap()];
    let forged = ["--http2", "-w", "%{http_version}", "-H", "X-Client-Cert-Subject: CN=root"];
    assert_eq!(front.curl("shop.example.com", "/", &[&forged[..], &own].concat()), (0, "x2".into()));
    assert_eq!(told(&endpoint, from), wanted);
    let from = endpoint.seen().len();
    assert_eq!(front.curl("shop.example.com", "/", &forged), (0, "x2".into()));
    assert_eq!(told(&endpoint, from), [""; 0]);
}

#[test]
fn who_is_revoked_stays_out_with_a_ticket_too() {
    let (endpoint, clients) = (endpoint(), Authority::new("clients"));
    let front = asking(&endpoint, "required", &clients);
    let leaf = clients.leaf_with(&["alice"], |params| params.serial_number = Some(SerialNumber::from(77)));
    let config = showing(&front, &leaf);
    assert_eq!(ask(&front, &config).unwrap(), (200, Some(HandshakeKind::Full)));
    assert_eq!(ask(&front, &config).unwrap(), (200, Some(HandshakeKind::Resumed)));
    std::fs::write(front.node.folder().join("revoked.pem"), clients.revoked(&[77])).unwrap();
    eventually(Duration::from_secs(10), "the list is taken", || ask(&front, &config).is_err());
    let other = clients.leaf_with(&["bob"], |params| params.serial_number = Some(SerialNumber::from(78)));
    assert_eq!(ask(&front, &showing(&front, &other)).unwrap().0, 200);
}

/// Two nodes with the same certificates and the same keys for tickets.
#[test]
fn a_ticket_of_one_node_resumes_at_another() {
    let endpoint = endpoint();
    let keys = ["11", "22", "33"].map(|key| key.repeat(32)).join("\n");
    let tls = "      ticketKeys: tickets.keys\n";
    let node = || Front::with_files(endpoint.address, tls, &[("tickets.keys", keys.clone())]);
    let (one, other) = (node(), node());
    let own = Front::new(endpoint.address, "");
    let folder = one.node.folder();
    for version in ["-tls1_2", "-tls1_3"] {
        let session = folder.join(format!("session{version}"));
        let session = session.to_str().unwrap();
        let open = |front: &Front, more: [&str; 2]| {
            let request = "GET / HTTP/1.0\r\n\r\n";
            let arguments = [version, "-servername", "shop.example.com", more[0], more[1], "-ign_eof"];
            front.s_client_saying(request, &arguments)
        };
        let first = open(&one, ["-sess_out", session]);
        assert!(first.contains("New, "), "{version}: {first}");
        let resumed = open(&other, ["-sess_in", session]);
        assert!(resumed.contains("Reused, ") && resumed.contains("200 OK"), "{version}: {resumed}");
        assert!(open(&own, ["-sess_in", session]).contains("New, "), "{version}: it has keys of its own");
    }
    // The key that sealed is one of the past by now, and opens still.
    let rotated = ["22", "33", "44"].map(|key| key.repeat(32)).join("\n");
    std::fs::write(other.node.folder().join("tickets.keys"), rotated).unwrap();
    assert_eq!(other.node.verb(&["reload"]).code, 0);
    let session = folder.join("session-tls1_2");
    let arguments = ["-tls1_2", "-servername", "shop.example.com", "-sess_in", session.to_str().unwrap()];
    assert!(other.s_client(&arguments).contains("Reused, "));
    std::fs::write(other.node.folder().join("tickets.keys"), "cafe").unwrap();
    let refused = other.node.verb(&["reload"]);
    assert!(refused.code == 1 && refused.err.contains("HCH0607"), "{refused:?}");
}

/// What `openssl ocsp` says of our certificate is what clients get.
#[test]
fn an_ocsp_response_is_stapled() {
    let front = Front::new(nobody(), "");
    let folder = front.node.folder();
    let run = |arguments: &[&str]| {
        let output = Command::new("openssl").args(arguments).current_dir(folder).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    };
    let p256 = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "90"];
    let name = ["-subj", "/CN=shop.example.com", "-addext", "subjectAltName=DNS:shop.example.com"];
    run(&[
        &["req", "-x509", "-set_serial", "7", "-keyout", "shop.key", "-out", "shop.pem"][..],
        &p256,
        &name,
    ]
    .concat());
    std::fs::write(folder.join("index.txt"), "V\t500101000000Z\t\t07\tunknown\t/CN=shop.example.com\n")
        .unwrap();
    let who = ["-issuer", "shop.pem", "-cert", "shop.pem", "-no_nonce", "-respout", "shop.ocsp"];
    let signer = [
        "-index",
        "index.txt",
        "-CA",
        "shop.pem",
        "-rsigner",
        "shop.pem",
        "-rkey",
        "shop.key",
        "-ndays",
        "9",
    ];
    run(&[&["ocsp"][..], &signer, &who].concat());
    let config = std::fs::read_to_string(front.node.config()).unwrap();
    front.node.change(&config.replace("key: shop.key }", "key: shop.key, ocsp: shop.ocsp }"));
    let said = front.s_client(&["-status", "-servername", "shop.example.com"]);
    assert!(
        said.contains("OCSP Response Status: successful") && said.contains("Cert Status: good"),
        "{said}"
    );
    std::fs::write(folder.join("shop.ocsp"), "no response").unwrap();
    let refused = front.node.verb(&["reload"]);
    assert!(refused.code == 1 && refused.err.contains("holds no OCSP response"), "{refused:?}");
}
