//! Programs of others against the core on a real socket: curl, nghttp and h2load, which speak HTTP/2 by nghttp2.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::process::Command;

use haechi_http2::Config;
use haechi_http2_peers::serve;

fn run(program: &str, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error} (scripts/setup installs it)"));
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text)
}

#[test]
fn curl_gets_and_posts() {
    let address = serve(Config::default());
    let url = |path: &str| format!("http://{address}/{path}");
    let write_out = "%{http_version} %{http_code} %{size_download}";
    let common =
        ["-s", "-S", "--max-time", "20", "--http2-prior-knowledge", "-o", "/dev/null", "-w", write_out];
    for size in ["0", "5", "100000", "10000000"] {
        let url = url(size);
        let (ok, text) = run("curl", &[&common[..], &[&url]].concat());
        assert_eq!((ok, text), (true, format!("2 200 {size}")));
    }
    let body = "b".repeat(3_000_000);
    let file = std::env::temp_dir().join(format!("haechi-http2-{}", std::process::id()));
    std::fs::write(&file, &body).unwrap();
    let data = format!("@{}", file.display());
    let (ok, text) = run("curl", &[&common[..], &["--data-binary", &data, &url("echo")]].concat());
    std::fs::remove_file(&file).unwrap();
    assert_eq!((ok, text), (true, "2 200 3000000".into()));
}

#[test]
fn nghttp_sees_trailers_padding_and_continuations() {
    let address = serve(Config::default());
    let url = format!("http://{address}/1000");
    for more in [
        &["-n"][..],
        &["-n", "--padding=100"],
        &["-n", "--continuation"],
        &["-n", "--no-dep"],
        &["-n", "-m", "20"],
    ] {
        let (ok, text) = run("nghttp", &[more, &["-v", "-t", "20", &url]].concat());
        assert!(ok && text.contains(":status: 200") && !text.contains("INVALID"), "{more:?}\n{text}");
        assert!(!text.contains("RST_STREAM") && text.contains("error_code=NO_ERROR"), "{more:?}\n{text}");
    }
}

#[test]
fn h2load_loses_nothing() {
    let address = serve(Config::default());
    for (path, requests, streams) in [("0", "20000", "10"), ("100", "20000", "100"), ("200000", "500", "20")]
    {
        let url = format!("http://{address}/{path}");
        let (ok, text) = run("h2load", &["-n", requests, "-c", "4", "-m", streams, &url]);
        let all = format!("{requests} succeeded, 0 failed, 0 errored, 0 timeout");
        assert!(ok && text.contains(&all), "{text}");
    }
}
