//! What clients get.

use std::sync::Arc;
use std::time::Duration;

use haechi_tests::{Nginx, Scripted, Secure, eventually};

use super::{Front, nobody, plain_address};

/// The subject that a client which trusts us is shown for a name.
fn shown(front: &Front, name: &str) -> Result<Vec<u8>, String> {
    let config = front.authority.client();
    let open = Secure::open(front.listen, &config, name).map_err(|error| error.to_string())?;
    Ok(open.connection().peer_certificates().unwrap()[0].to_vec())
}

#[test]
fn each_name_gets_its_certificate() {
    let front = Front::new(nobody(), "");
    let shop = shown(&front, "shop.example.com").unwrap();
    assert_eq!(shown(&front, "SHOP.example.COM").unwrap(), shop);
    let wild = shown(&front, "a.example.org").unwrap();
    assert_ne!(wild, shop);
    assert_eq!(shown(&front, "exact.wild.example.org").unwrap(), wild, "an exact name beside the wildcard");
    // The first one, which the client does not take for these names.
    for other in ["b.a.example.org", "example.org", "example.net"] {
        let refused = shown(&front, other).unwrap_err();
        assert!(refused.contains("shop.example.com"), "{other}: {refused}");
    }
    let without_name = front.s_client(&["-noservername"]);
    assert!(without_name.contains("Verify return code: 0"), "{without_name}");
}

#[test]
fn a_strict_listener_refuses_names_that_it_does_not_have() {
    let front = Front::new(nobody(), "      strictSni: true\n");
    assert!(shown(&front, "a.example.org").is_ok());
    let refused = shown(&front, "example.net").unwrap_err();
    assert!(refused.contains("UnrecognizedName") || refused.contains("UnrecognisedName"), "{refused}");
    assert!(front.s_client(&["-servername", "example.net"]).contains("alert number 112"));
    assert!(front.s_client(&["-noservername"]).contains("Verify return code: 0"), "no name is no wrong name");
    assert_eq!(front.handshakes("refused"), 2);
}

#[test]
fn versions_are_as_the_policy_says() {
    let front = Front::new(nobody(), "");
    for version in ["-tls1_2", "-tls1_3"] {
        assert!(front.s_client(&[version]).contains("Verify return code: 0"), "{version}");
    }
    for version in ["-tls1", "-tls1_1"] {
        let refused = front.s_client(&[version, "-cipher", "DEFAULT@SECLEVEL=0"]);
        assert!(refused.contains("SSL alert number") && refused.contains("(NONE)"), "{version}: {refused}");
    }
    // Authenticated encryption only.
    assert!(
        front.s_client(&["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256"]).contains("handshake failure")
    );
    for tls in ["      policy: modern\n", "      minimumVersion: \"1.3\"\n"] {
        let front = Front::new(nobody(), tls);
        assert!(front.s_client(&["-tls1_2"]).contains("alert protocol version"), "{tls}");
        assert!(front.s_client(&[]).contains("TLSv1.3"), "{tls}");
    }
}

#[test]
fn curl_gets_bodies_whole_both_ways() {
    let nginx = Nginx::start(
        "files",
        plain_address(),
        "location / { dav_methods PUT; create_full_put_path on; }",
        "",
    );
    let big: Vec<u8> = (0..7_000_000u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[1]).collect();
    std::fs::write(nginx.root().join("big"), &big).unwrap();
    std::fs::write(nginx.root().join("small"), "hello").unwrap();
    let front = Front::new(nginx.address, "");
    let down = front.node.folder().join("down");
    for version in [&["--tls-max", "1.2"][..], &["--tlsv1.3"]] {
        let name = "shop.example.com";
        assert_eq!(front.curl(name, "/small", version), (0, "hello".into()));
        let save = ["-o", down.to_str().unwrap()];
        assert_eq!(front.curl(name, "/big", &[version, &save].concat()), (0, String::new()));
        assert!(std::fs::read(&down).unwrap() == big, "the download differs");
        let from = nginx.root().join("big");
        let upload = ["-T", from.to_str().unwrap(), "-H", "Expect:"];
        assert_eq!(front.curl(name, "/put/x", &[version, &upload].concat()), (0, String::new()));
        assert!(std::fs::read(nginx.root().join("put/x")).unwrap() == big, "the upload differs");
        std::fs::remove_file(nginx.root().join("put/x")).unwrap();
    }
    assert_eq!(front.handshakes("complete"), 6);
}

#[test]
fn endpoints_are_told_that_it_was_https() {
    let endpoint =
        Scripted::start(plain_address(), |_, peer| while peer.head().is_some() && peer.answer("x") {});
    let front = Front::new(endpoint.address, "");
    let config = front.authority.client();
    let mut open = Secure::open(front.listen, &config, "shop.example.com").unwrap();
    for _ in 0..3 {
        assert_eq!(open.get("/").unwrap(), (200, b"x".to_vec()));
    }
    assert_eq!(open.connection().alpn_protocol(), Some(&b"http/1.1"[..]));
    assert_eq!(endpoint.seen().matches("X-Forwarded-Proto: https\r\n").count(), 3);
    // Requests that come at once are answered one after the other.
    open.send(b"GET /a HTTP/1.1\r\nHost: test\r\n\r\nGET /b HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
    assert_eq!(open.reply().unwrap().0, 200);
    assert_eq!(open.reply().unwrap().0, 200);
}

#[test]
fn a_slow_reader_gets_all_and_an_end_is_told() {
    let size = 3_000_000;
    let endpoint = Scripted::start(plain_address(), move |_, peer| {
        peer.head();
        // Until close: only the end of the connection says where it ends.
        peer.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
        for _ in 0..size / 1000 {
            peer.send([b'x'; 1000]);
        }
    });
    let front = Front::new(endpoint.address, "");
    let config = front.authority.client();
    let mut open = Secure::open(front.listen, &config, "shop.example.com").unwrap();
    open.send(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    // The pipes between are full by then.
    haechi_tests::pause(Duration::from_millis(300));
    let all = open.rest().expect("an end with close_notify");
    let body = all.split(|byte| *byte == b'x').count() - 1;
    assert_eq!(body, size);
}

#[test]
fn an_answer_that_is_cut_off_does_not_look_whole() {
    let endpoint = Scripted::start(plain_address(), |_, peer| {
        peer.head();
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf");
    });
    let front = Front::new(endpoint.address, "");
    let config = front.authority.client();
    let mut open = Secure::open(front.listen, &config, "shop.example.com").unwrap();
    open.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
    assert!(open.rest().is_err(), "neither length nor close_notify says that it is whole");
}

#[test]
fn a_ticket_resumes_and_early_data_is_not_offered() {
    let endpoint =
        Scripted::start(plain_address(), |_, peer| while peer.head().is_some() && peer.answer("x") {});
    let front = Front::new(endpoint.address, "");
    let mut config = front.authority.client_with(None);
    config.enable_early_data = true;
    let config = Arc::new(config);
    for round in 0..3 {
        let mut open = Secure::open(front.listen, &config, "shop.example.com").unwrap();
        assert_eq!(open.get("/").unwrap().0, 200);
        let resumed = open.connection().handshake_kind() == Some(rustls::HandshakeKind::Resumed);
        assert_eq!(resumed, round > 0, "round {round}");
        assert!(!open.connection().is_early_data_accepted());
    }
    // Another name is another client's business (CVE-2025-23419).
    let session = front.node.folder().join("session");
    let session = session.to_str().unwrap();
    let first = front.s_client(&["-tls1_2", "-servername", "shop.example.com", "-sess_out", session]);
    assert!(first.contains("New, "), "{first}");
    let again = front.s_client(&["-tls1_2", "-servername", "shop.example.com", "-sess_in", session]);
    assert!(again.contains("Reused, "), "{again}");
    let other = front.s_client(&["-tls1_2", "-servername", "a.example.org", "-sess_in", session]);
    assert!(other.contains("New, "), "{other}");
    let text = front.node.metrics();
    let resumed = "haechi_listener_handshakes_total{listener=\"web\",version=\"1.3\",result=\"complete\",resumed=\"true\"} 2";
    assert!(text.contains(resumed), "{text}");
    assert!(text.contains(
        "haechi_listener_certificate_expiry_timestamp_seconds{listener=\"web\",file=\"shop.pem\"}"
    ));
}

#[test]
fn connections_end_with_the_node() {
    let endpoint =
        Scripted::start(plain_address(), |_, peer| while peer.head().is_some() && peer.answer("x") {});
    let mut front = Front::new(endpoint.address, "");
    let config = front.authority.client();
    let mut idle = Secure::open(front.listen, &config, "shop.example.com").unwrap();
    assert_eq!(idle.get("/").unwrap().0, 200);
    front.node.signal("TERM");
    assert!(idle.rest().expect("an end with close_notify").is_empty());
    drop(idle);
    assert_eq!(front.node.wait_end(Duration::from_secs(20)), 0);
    eventually(Duration::from_secs(1), "it is gone", || std::net::TcpStream::connect(front.listen).is_err());
}

#[test]
fn http2_is_spoken_with_whoever_offers_it() {
    let endpoint = Scripted::start(plain_address(), |_, peer| {
        while let Some(head) = peer.head() {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let body = peer.body(length.map_or(0, |length| length.parse().unwrap()));
            peer.answer(&body.len().to_string());
        }
    });
    let front = Front::new(endpoint.address, "");
    let version = |more: &[&str]| {
        let told = front.curl("shop.example.com", "/", &[&["-w", " %{http_version}"][..], more].concat());
        assert_eq!(told.0, 0, "{}", told.1);
        told.1
    };
    assert_eq!(version(&["--http2"]), "0 2");
    assert_eq!(version(&["--http1.1"]), "0 1.1");
    let large = front.node.folder().join("large");
    std::fs::write(&large, vec![7; 5 << 20]).unwrap();
    let data = format!("@{}", large.display());
    assert_eq!(version(&["--http2", "--data-binary", &data]), "5242880 2");
    let url = format!("https://{}/", front.listen);
    let said = std::process::Command::new("h2load").args(["-n5000", "-c8", "-m10", &url]).output();
    let said =
        String::from_utf8(said.expect("this test needs h2load (Debian: nghttp2-client)").stdout).unwrap();
    assert!(said.contains("Application protocol: h2") && said.contains("5000 succeeded, 0 failed"), "{said}");
}
