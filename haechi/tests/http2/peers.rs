//! Clients that others wrote.

use std::process::{Command, Output};

use haechi_tests::TempDir;

use crate::{endpoint, front, large};

fn run(program: &str, words: &[&str]) -> Output {
    Command::new(program).args(words).output().unwrap_or_else(|error| panic!("this needs {program}: {error}"))
}

#[test]
fn curl_gets_and_posts() {
    let endpoint = endpoint();
    let (listen, _node) = front(endpoint.address, "");
    let folder = TempDir::new("curl");
    let file = folder.path().join("large");
    std::fs::write(&file, large()).unwrap();
    let (file, echo) = (format!("@{}", file.display()), format!("http://{listen}/echo"));
    for more in [&[][..], &["-H", "Transfer-Encoding: chunked"]] {
        let words = [&["-s", "--http2-prior-knowledge", "--data-binary", &file, &echo][..], more].concat();
        assert!(run("curl", &words).stdout == large());
    }
    let got = run("curl", &["-si", "--http2-prior-knowledge", &format!("http://{listen}/a%2f..%2fb")]);
    let got = String::from_utf8(got.stdout).unwrap();
    assert!(got.starts_with("HTTP/2 400") && got.contains("haechi-fault: badRequest"), "{got}");
    let version = ["-s", "-o", "/dev/null", "-w", "%{http_version}", &format!("http://{listen}/1")];
    assert_eq!(run("curl", &version).stdout, b"1.1", "HTTP/1 goes on beside it");
}

#[test]
fn h2load_loses_nothing() {
    let endpoint = endpoint();
    let (listen, node) = front(endpoint.address, "");
    let said = run("h2load", &["-n", "20000", "-c", "8", "-m", "32", &format!("http://{listen}/100")]);
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(said.contains("20000 succeeded, 0 failed, 0 errored, 0 timeout"), "{said}");
    assert_eq!(node.endpoint("web", "a")["requests"].as_u64(), Some(20_000));
}
