//! What shows in a handshake of WebSocket that the other side has read it (RFC 6455 §4.2.2).

use std::io::Write;
use std::process::{Command, Stdio};

/// The value of `Sec-WebSocket-Accept` for the key of this head, made by openssl.
///
/// # Panics
/// When there is no key, or no openssl.
pub fn agreement(head: &str) -> String {
    let named = |line: &str| line.to_ascii_lowercase().starts_with("sec-websocket-key:");
    let line = head.lines().find(|line| named(line)).expect("a key");
    let text = format!("{}258EAFA5-E914-47DA-95CA-C5AB0DC85B11", line[18..].trim());
    let mut pipe = Command::new("sh");
    pipe.args(["-c", "openssl dgst -sha1 -binary | openssl base64"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut pipe = pipe.spawn().expect("sh");
    pipe.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let said = pipe.wait_with_output().unwrap().stdout;
    String::from_utf8(said).unwrap().trim().to_owned()
}
