//! What an auditor finds that knows nothing of us: sslyze, by Mozilla's recommendations.

use std::path::Path;
use std::process::Command;

use haechi_tests::{TempDir, python};
use serde_json::Value;

use super::{Front, nobody};

/// A CA and a certificate that an auditor has nothing to say against: `ca.pem`, `shop.pem` and `shop.key`.
fn certificates(folder: &Path) {
    let p256 = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    let ca = ["req", "-x509", "-days", "90", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=auditor"];
    let asks = ["req", "-new", "-keyout", "shop.key", "-out", "shop.csr", "-subj", "/CN=shop.example.com"];
    let signs = ["x509", "-req", "-in", "shop.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"];
    let what = ["-days", "80", "-sha256", "-extfile", "shop.ext", "-out", "shop.pem"];
    let extensions = "subjectAltName=DNS:shop.example.com\nauthorityKeyIdentifier=keyid\nbasicConstraints=CA:FALSE\n\
                      extendedKeyUsage=serverAuth\nkeyUsage=digitalSignature\n";
    std::fs::write(folder.join("shop.ext"), extensions).unwrap();
    for arguments in [
        [&ca[..], &p256, &["-addext", "keyUsage=critical,keyCertSign"]].concat(),
        [&asks[..], &p256].concat(),
        [&signs[..], &what].concat(),
    ] {
        let output = Command::new("openssl").args(&arguments).current_dir(folder).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    }
}

/// Scans a listener with this policy; what it found, and what it says of Mozilla's recommendation of the same name.
fn scan(policy: &str, folder: &Path) -> (Value, String) {
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let files = [("shop.pem", read("shop.pem")), ("shop.key", read("shop.key"))];
    let front = Front::with_files(nobody(), &format!("      policy: {policy}\n"), &files);
    let found = folder.join("found.json");
    let output = Command::new(python())
        .args(["-W", "ignore", "-m", "sslyze", "--sni=shop.example.com"])
        .arg(format!("--mozilla_config={policy}"))
        .arg(format!("--certinfo_ca_file={}", folder.join("ca.pem").display()))
        .arg(format!("--json_out={}", found.display()))
        .arg(front.listen.to_string())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let mut found: Value = serde_json::from_slice(&std::fs::read(found).expect(&said)).unwrap();
    (found["server_scan_results"][0]["scan_result"].take(), said)
}

#[test]
fn an_auditor_finds_what_the_policy_says_and_nothing_else() {
    let folder = TempDir::new("auditor");
    certificates(folder.path());
    let strong = ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"];
    let older = [
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    ];
    for (policy, tls12) in [("intermediate", &older[..]), ("modern", &[])] {
        let (found, said) = scan(policy, folder.path());
        assert!(said.contains("OK - Compliant"), "{said}");
        for (version, wanted) in [
            ("ssl_2_0", &[][..]),
            ("ssl_3_0", &[]),
            ("tls_1_0", &[]),
            ("tls_1_1", &[]),
            ("tls_1_2", tls12),
            ("tls_1_3", &strong),
        ] {
            let suites = &found[format!("{version}_cipher_suites")]["result"]["accepted_cipher_suites"];
            let names =
                suites.as_array().unwrap().iter().map(|it| it["cipher_suite"]["name"].as_str().unwrap());
            let mut names: Vec<&str> = names.collect();
            names.sort_unstable();
            assert_eq!(names, wanted, "{policy}: {version}");
        }
        for (what, field, wanted) in [
            ("tls_compression", "supports_compression", Value::from(false)),
            ("heartbleed", "is_vulnerable_to_heartbleed", false.into()),
            ("openssl_ccs_injection", "is_vulnerable_to_ccs_injection", false.into()),
            ("robot", "robot_result", "NOT_VULNERABLE_RSA_NOT_SUPPORTED".into()),
            ("session_renegotiation", "is_vulnerable_to_client_renegotiation_dos", false.into()),
        ] {
            assert_eq!(found[what]["result"][field], wanted, "{policy}: {what}");
        }
    }
}
