//! HTTPS probes: who is trusted, and what is said when not.

use std::path::PathBuf;
use std::sync::Mutex;

use haechi_model::ProbeTls;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{HandshakeKind, ServerConfig};
use tokio::io::AsyncWriteExt;
use tokio_rustls::TlsAcceptor;

use super::http::{get, request};
use super::*;

type Ca = CertifiedIssuer<'static, KeyPair>;

fn ca(name: &str) -> Ca {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a CA")
}

fn acceptor(ca: &Ca, names: &[&str], expired: bool) -> TlsAcceptor {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names");
    if expired {
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
    }
    let key = KeyPair::generate().expect("a key");
    let certificate = params.signed_by(&key, ca).expect("a certificate");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )
        .expect("a server");
    TlsAcceptor::from(Arc::new(config))
}

/// What a server saw of its clients: the name asked for, and how the handshake went.
type Seen = Arc<Mutex<Vec<(Option<String>, HandshakeKind)>>>;

async fn server(acceptor: TlsAcceptor) -> (SocketAddr, Seen) {
    let seen = Seen::default();
    let log = Arc::clone(&seen);
    let address = serve(move |stream| {
        let (acceptor, log) = (acceptor.clone(), Arc::clone(&log));
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let connection = stream.get_ref().1;
            let name = connection.server_name().map(str::to_owned);
            let kind = connection.handshake_kind().expect("done");
            log.lock().expect("the log").push((name, kind));
            request(&mut stream).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
            let _ = stream.flush().await;
        }
    })
    .await;
    (address, seen)
}

/// A file that is gone with the test.
struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("haechi-prober-{}-{name}", std::process::id()));
        std::fs::write(&path, text).expect("a file");
        Self(path)
    }

    fn name(&self) -> Box<str> {
        self.0.to_str().expect("UTF-8").into()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn https(settings: ProbeTls, with_host: Option<&str>) -> Probe {
    match get("/health") {
        Probe::Http { method, path, expect, body, .. } => {
            Probe::Http { tls: Some(settings), method, path, host: with_host.map(Into::into), expect, body }
        }
        other => other,
    }
}

fn trusting(file: &File) -> ProbeTls {
    ProbeTls { ca_file: Some(file.name()), ..ProbeTls::default() }
}

#[tokio::test]
async fn a_trusted_certificate_for_the_right_name() {
    let ca = ca("ours");
    let file = File::new("trusted.pem", &ca.pem());
    let (address, seen) = server(acceptor(&ca, &["shop.example.com", "127.0.0.1"], false)).await;
    let named = ProbeTls { server_name: Some("shop.example.com".into()), ..trusting(&file) };
    for (settings, host, name) in [
        (named.clone(), None, Some("shop.example.com")),
        (named, Some("other.example.com"), Some("shop.example.com")),
        (trusting(&file), Some("shop.example.com:8443"), Some("shop.example.com")),
        (trusting(&file), None, None),
    ] {
        let last = probe(address, check(https(settings, host), PATIENCE)).await;
        assert_eq!(said(&last), (None, "status 200"), "{name:?}");
        let first = seen.lock().expect("the log").first().cloned().expect("a handshake");
        assert_eq!(first.0.as_deref(), name);
        seen.lock().expect("the log").clear();
    }
}

#[tokio::test]
async fn distrust_says_why() {
    let (good, other) = (ca("one"), ca("two"));
    let trusted = File::new("good.pem", &good.pem());
    let empty = File::new("empty.pem", "no certificate in here");
    let shop = Some("shop.example.com");
    let fine = server(acceptor(&good, &["shop.example.com"], false)).await.0;
    let expired = server(acceptor(&good, &["shop.example.com"], true)).await.0;
    let foreign = server(acceptor(&other, &["shop.example.com"], false)).await.0;
    let missing = ProbeTls { ca_file: Some("/no/such/ca.pem".into()), ..ProbeTls::default() };
    let table = [
        (foreign, trusting(&trusted), shop, "its issuer is unknown".to_owned()),
        (fine, ProbeTls::default(), shop, "its issuer is unknown".to_owned()),
        (expired, trusting(&trusted), shop, "it has expired".to_owned()),
        (
            fine,
            trusting(&trusted),
            Some("bank.example.com"),
            "it is for shop.example.com, not for bank.example.com".to_owned(),
        ),
        (fine, missing, shop, "can't read /no/such/ca.pem: there is no such file".to_owned()),
        (fine, trusting(&empty), shop, format!("{} holds no certificate", empty.name())),
    ];
    for (address, settings, host, why) in table {
        let last = probe(address, check(https(settings, host), PATIENCE)).await;
        let expected = format!("certificate not trusted: {why}");
        assert_eq!(said(&last), (Some(FailureKind::Certificate), &*expected));
    }
}

#[tokio::test]
async fn insecure_accepts_anybody() {
    let (address, _) = server(acceptor(&ca("ours"), &["bank.example.com"], true)).await;
    let anybody = ProbeTls { insecure: true, ..ProbeTls::default() };
    let last = probe(address, check(https(anybody, Some("shop.example.com")), PATIENCE)).await;
    assert_eq!(said(&last), (None, "status 200"));
}

#[tokio::test]
async fn each_probe_verifies_anew() {
    let ca = ca("ours");
    let file = File::new("anew.pem", &ca.pem());
    let (address, seen) = server(acceptor(&ca, &["127.0.0.1"], false)).await;
    let (prober, _verdicts) = Prober::start(options());
    prober.set_targets(vec![target(address, check(https(trusting(&file), None), PATIENCE))]);
    let three = async {
        while seen.lock().expect("the log").len() < 3 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, three).await.expect("three probes");
    let resumed = seen.lock().expect("the log").iter().any(|(_, kind)| *kind == HandshakeKind::Resumed);
    assert!(!resumed, "a resumed session would hide a bad certificate");
}

#[tokio::test]
async fn a_new_ca_file_is_read_after_a_reload() {
    let (old, new) = (ca("one"), ca("two"));
    let file = File::new("rotated.pem", &old.pem());
    let (address, _) = server(acceptor(&new, &["127.0.0.1"], false)).await;
    let (prober, mut verdicts) = Prober::start(options());
    let asked = check(https(trusting(&file), None), PATIENCE);
    prober.set_targets(vec![target(address, asked.clone())]);
    let mut healths = Vec::new();
    let both = async {
        while healths.len() < 2 {
            let verdict = verdicts.recv().await.expect("the prober runs");
            if verdict.change.is_some() {
                healths.push(verdict.report.health.serving);
                std::fs::write(&file.0, new.pem()).expect("a file");
                prober.set_targets(vec![target(address, asked.clone())]);
            }
        }
    };
    tokio::time::timeout(PATIENCE, both).await.expect("two verdicts");
    assert_eq!(healths, [false, true]);
}

#[tokio::test]
async fn peers_that_do_not_speak_tls() {
    let plain = serve(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        request(&mut stream).await;
    })
    .await;
    let last = probe(plain, check(https(ProbeTls::default(), None), PATIENCE)).await;
    assert_eq!(said(&last), (Some(FailureKind::Tls), "the endpoint does not speak TLS"));

    let silent = serve(|stream| async move {
        let _stream = stream;
        std::future::pending().await
    })
    .await;
    let last = probe(silent, check(https(ProbeTls::default(), None), TIMEOUT)).await;
    assert_eq!(said(&last), (Some(FailureKind::Timeout), "no TLS handshake within 300ms"));

    let gone = serve(|mut stream| async move {
        let _ = tokio::io::AsyncReadExt::read_u8(&mut stream).await;
    })
    .await;
    let last = probe(gone, check(https(ProbeTls::default(), None), PATIENCE)).await;
    assert_eq!(last.outcome.failure, Some(FailureKind::Closed), "{last:?}");
}
