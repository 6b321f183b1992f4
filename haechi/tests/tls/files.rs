//! What is wrong with files is said; good ones are taken at once, and nobody is disturbed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use haechi_tests::{Authority, Node, Scripted, Secure, eventually};

use super::{BINARY, Front, config, nobody, plain_address, write};

#[test]
fn check_says_what_is_wrong_and_where() {
    let node = Node::prepared(BINARY, &config(nobody(), nobody(), "", ""));
    let authority = Authority::new("the test's");
    let (good, other) = (authority.leaf(&["wild.example.org"]), authority.leaf(&["a.b"]));
    write(&node, "wild", &good);
    let folder = node.folder().to_owned();
    let says = |what: &str, code: &str, words: &str| {
        let path = node.config();
        let output = node.verb(&["check", "-c", path.to_str().unwrap()]);
        assert_eq!(output.code, 1, "{what}: {output:?}");
        assert!(output.out.contains(code) && output.out.contains(words), "{what}: {}", output.out);
        assert!(output.out.contains("haechi.yaml:7:"), "{what} has its place: {}", output.out);
        assert!(output.out.contains("= help: "), "{what} has a way out: {}", output.out);
        assert!(!output.out.contains("PRIVATE KEY-----\nM"), "no secret");
    };
    says("nothing there", "HCH0601", "there is no such file");
    write(&node, "shop", &good);
    std::fs::write(folder.join("shop.pem"), "hello").unwrap();
    says("no PEM", "HCH0602", "shop.pem holds no certificate");
    std::fs::write(folder.join("shop.pem"), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        .unwrap();
    says("no certificate", "HCH0602", "malformed");
    write(&node, "shop", &good);
    std::fs::write(folder.join("shop.key"), &good.certificate).unwrap();
    says("no key", "HCH0602", "shop.key holds no private key");
    std::fs::write(folder.join("shop.key"), "-----BEGIN ENCRYPTED PRIVATE KEY-----\n").unwrap();
    says("a passphrase", "HCH0602", "has a passphrase");
    std::fs::write(folder.join("shop.key"), &other.key).unwrap();
    says("another key", "HCH0603", "is not that of the first certificate in shop.pem");
    write(&node, "shop", &authority.expired(&["shop.example.com"]));
    says("expired", "HCH0604", "the certificate for shop.example.com expired ");
    let later = authority.leaf_with(&["shop.example.com"], |params| {
        (params.not_before, params.not_after) =
            (rcgen::date_time_ymd(2060, 1, 1), rcgen::date_time_ymd(2061, 1, 1));
    });
    write(&node, "shop", &later);
    says("not valid yet", "HCH0605", "is valid in ");
    let rsa = std::process::Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "rsa:1024",
            "-nodes",
            "-days",
            "90",
            "-subj",
            "/CN=short",
            "-keyout",
        ])
        .arg(folder.join("shop.key"))
        .arg("-out")
        .arg(folder.join("shop.pem"))
        .output()
        .unwrap();
    assert!(rsa.status.success(), "{rsa:?}");
    says("a short key", "HCH06", "1024 bits");
    write(&node, "shop", &good);
    assert_eq!(node.verb(&["check", "-c", node.config().to_str().unwrap()]).code, 0);
}

#[test]
fn a_certificate_that_expires_soon_is_a_warning_and_an_event() {
    let front = Front::new(nobody(), "");
    let soon = front.authority.leaf_with(&["shop.example.com"], |params| {
        params.not_before = rcgen::date_time_ymd(2024, 1, 1);
        let week = Duration::from_secs(7 * 86_400 + 3600);
        params.not_after = (haechi_sys_now() + week).into();
    });
    write(&front.node, "shop", &soon);
    let output = front.node.verb(&["check", "-c", front.node.config().to_str().unwrap()]);
    assert_eq!(output.code, 0, "{output:?}");
    assert!(output.out.contains("HCH0512") && output.out.contains("expires in 7 days"), "{}", output.out);
    eventually(Duration::from_secs(10), "it is taken, and told", || {
        let events = front.node.verb(&["events", "-o", "json"]).out;
        events.contains("certificateExpires") && events.contains("filesRenewed")
    });
}

#[expect(clippy::disallowed_methods, reason = "tests of the whole run in real time")]
fn haechi_sys_now() -> std::time::SystemTime {
    std::time::SystemTime::now()
}

/// The certificate that the node shows for the shop.
fn shown(front: &Front) -> Vec<u8> {
    let open = Secure::open(front.listen, &front.authority.client(), "shop.example.com").unwrap();
    open.connection().peer_certificates().unwrap()[0].to_vec()
}

#[test]
fn a_bad_new_file_is_refused_and_the_old_one_stays() {
    let front = Front::new(nobody(), "");
    let before = shown(&front);
    let refused = |what: &str, words: &str| {
        eventually(Duration::from_secs(10), what, || {
            let status = front.node.status();
            status["config"]["refused"]["rendered"].as_str().is_some_and(|text| text.contains(words))
        });
        assert_eq!(shown(&front), before, "{what}");
    };
    let good = front.authority.leaf(&["shop.example.com"]);
    std::fs::write(front.node.folder().join("shop.key"), &good.key).unwrap();
    refused("another key", "HCH0603");
    write(&front.node, "shop", &front.authority.expired(&["shop.example.com"]));
    refused("expired", "HCH0604");
    std::fs::write(front.node.folder().join("shop.pem"), [0xff; 300]).unwrap();
    refused("no text", "HCH0602");
    std::fs::remove_file(front.node.folder().join("shop.pem")).unwrap();
    refused("gone", "HCH0601");
    // Root may read whatever has no right to be read, but no folder.
    std::fs::create_dir(front.node.folder().join("shop.pem")).unwrap();
    refused("unreadable", "it is no file");
    std::fs::remove_dir(front.node.folder().join("shop.pem")).unwrap();
    let reload = front.node.verb(&["reload"]);
    assert_eq!(reload.code, 1, "{reload:?}");
    assert!(reload.err.contains("HCH0601"), "{reload:?}");
    write(&front.node, "shop", &good);
    eventually(Duration::from_secs(10), "the good one is taken", || shown(&front) != before);
    assert_eq!(front.node.verb(&["reload"]).code, 0);
    assert!(front.node.status()["config"]["refused"].is_null());
}

#[test]
fn a_certificate_that_nobody_renews_keeps_no_other_from_being_renewed() {
    let mut front = Front::new(nobody(), "");
    front.node.signal("TERM");
    front.node.wait_end(Duration::from_secs(20));
    write(&front.node, "wild", &front.authority.expired(&["*.example.org"]));
    front.node.resume();
    let before = shown(&front);
    write(&front.node, "shop", &front.authority.leaf(&["shop.example.com"]));
    eventually(Duration::from_secs(10), "the other one is taken", || shown(&front) != before);
    let reload = front.node.verb(&["reload"]);
    assert_eq!(reload.code, 0, "{reload:?}");
    assert!(front.node.status()["config"]["refused"].is_null());
    // One that was good is not made worse for it.
    let good = shown(&front);
    write(&front.node, "shop", &front.authority.expired(&["shop.example.com"]));
    eventually(Duration::from_secs(10), "it is refused", || {
        let status = front.node.status();
        status["config"]["refused"]["rendered"].as_str().is_some_and(|text| text.contains("shop.example.com"))
    });
    assert_eq!(shown(&front), good);
}

#[test]
fn a_start_takes_an_expired_certificate_and_no_broken_one() {
    let mut front = Front::new(nobody(), "");
    front.node.signal("TERM");
    front.node.wait_end(Duration::from_secs(20));
    write(&front.node, "shop", &front.authority.expired(&["shop.example.com"]));
    front.node.resume();
    assert!(front.node.log().contains("warning[HCH0604]"), "{}", front.node.log());
    let path = front.node.config();
    std::fs::write(front.node.folder().join("shop.pem"), "hello").unwrap();
    let socket = front.node.folder().join("other.sock");
    let start = ["run", "-c", path.to_str().unwrap(), "--admin-socket", socket.to_str().unwrap()];
    let output = front.node.verb(&start);
    assert_eq!(output.code, 1);
    assert!(output.err.contains("HCH0602"), "{output:?}");
}

/// Clients that never stop, half of them with a new connection for each request.
struct Clients {
    stop: Arc<AtomicBool>,
    fine: Arc<AtomicU64>,
    threads: Vec<std::thread::JoinHandle<Vec<String>>>,
}

impl Clients {
    fn start(front: &Front) -> Self {
        let (stop, fine) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let threads = (0..4).map(|number| {
            let (stop, fine, listen) = (Arc::clone(&stop), Arc::clone(&fine), front.listen);
            let mut config = front.authority.client_with(None);
            if number % 2 == 0 {
                config.resumption = rustls::client::Resumption::disabled();
            }
            let config = Arc::new(config);
            std::thread::spawn(move || {
                let mut failures = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let requests = if number < 2 { 1 } else { 50 };
                    let whole = Secure::open(listen, &config, "shop.example.com").and_then(|mut open| {
                        (0..requests).try_for_each(|_| match open.get("/")? {
                            (200, _) => {
                                fine.fetch_add(1, Ordering::Relaxed);
                                Ok(())
                            }
                            (status, _) => Err(std::io::Error::other(format!("status {status}"))),
                        })
                    });
                    failures.extend(whole.err().map(|error| error.to_string()));
                }
                failures
            })
        });
        Self { threads: threads.collect(), stop, fine }
    }

    fn stop(self) -> (u64, Vec<String>) {
        self.stop.store(true, Ordering::Relaxed);
        let failures = self.threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        (self.fine.load(Ordering::Relaxed), failures)
    }
}

#[test]
fn a_hundred_swaps_under_load_fail_nobody() {
    let endpoint =
        Scripted::start(plain_address(), |_, peer| while peer.head().is_some() && peer.answer("x") {});
    let front = Front::new(endpoint.address, "");
    let clients = Clients::start(&front);
    let mut seen = std::collections::BTreeSet::new();
    for round in 0..100 {
        write(&front.node, "shop", &front.authority.leaf(&["shop.example.com"]));
        if round % 10 == 0 {
            // By itself, when the files are seen to have changed.
            eventually(Duration::from_secs(10), "the new one is shown", || !seen.contains(&shown(&front)));
        } else {
            assert_eq!(front.node.verb(&["reload"]).code, 0);
        }
        assert!(seen.insert(shown(&front)), "round {round} shows an old certificate");
    }
    let (fine, failures) = clients.stop();
    assert!(failures.is_empty(), "{} of {fine}: {:?}", failures.len(), failures.first());
    assert!(fine > 1000, "only {fine} requests");
}
