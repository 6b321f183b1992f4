//! What is no TLS, half of it, or too much of it.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use haechi_tests::{Authority, Scripted, Secure, eventually, now};

use super::{Front, nobody, plain_address};

fn connect(front: &Front) -> TcpStream {
    let stream = TcpStream::connect(front.listen).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// Sends bytes and reads to the end; what came.
fn answer(front: &Front, bytes: &[u8]) -> Vec<u8> {
    let mut stream = connect(front);
    let _ = stream.write_all(bytes);
    let mut all = Vec::new();
    // A reset is an end too.
    let _ = stream.read_to_end(&mut all);
    all
}

fn hello(front: &Front) -> Vec<u8> {
    super::hello(&front.authority, b"http/1.1")
}

/// A record with a fatal alert.
fn is_alert(bytes: &[u8]) -> bool {
    bytes.len() == 7 && bytes[..3] == [21, 3, 3] && bytes[5] == 2
}

#[test]
fn what_is_no_tls_is_answered_with_an_alert_and_an_end() {
    let front = Front::new(nobody(), "");
    let oversized = [&[22, 3, 1, 0xff, 0xff][..], &[1; 70_000]].concat();
    for (what, bytes) in [
        ("http", &b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"[..]),
        ("garbage", &[0xff; 512]),
        ("SSLv2", &[0x80, 0x2e, 1, 0, 2, 0, 0x15, 0, 0, 0, 0x10]),
        ("an oversized record", &oversized),
        ("data before all else", &[23, 3, 3, 0, 1, 0]),
        ("a server's hello", &[22, 3, 3, 0, 4, 2, 0, 0, 0]),
        ("an empty record", &[22, 3, 3, 0, 0]),
    ] {
        let came = answer(&front, bytes);
        assert!(is_alert(&came) || came.is_empty(), "{what}: {came:?}");
    }
    assert!(front.handshakes("notTls") >= 3 && front.handshakes("complete") == 0);
    let (code, text) = front.curl("shop.example.com", "/", &[]);
    assert!(code == 0 && text.contains("can't be reached"), "it still serves: {text}");
}

/// Found with clients whose certificate was refused: rustls had noted where the messages behind it stand, was shown no
/// bytes when it was asked for its alert, and panicked.
#[test]
fn messages_behind_a_refused_one_bring_nobody_down() {
    let front = Front::new(nobody(), "      strictSni: true\n");
    // A server's hello, twice in one record; and one for a name that nobody has, with another behind it.
    let twice = [22, 3, 3, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0];
    let mut named = hello(&front)[5..].to_vec();
    let at = named.windows(16).position(|part| part == b"shop.example.com").unwrap();
    named[at] = b'x';
    let length = u16::try_from(named.len() + 4).unwrap().to_be_bytes();
    let named = [&[22, 3, 1][..], &length, &named, &[2, 0, 0, 0]].concat();
    for _ in 0..2 * front.node.status()["workers"].as_u64().unwrap() {
        assert!(is_alert(&answer(&front, &twice)));
        assert!(is_alert(&answer(&front, &named)));
    }
    let (code, text) = front.curl("shop.example.com", "/", &[]);
    assert!(code == 0 && text.contains("can't be reached"), "it still serves: {text}");
}

#[test]
fn half_a_hello_and_silence_have_an_end() {
    let front = Front::with(nobody(), "", "    timeouts: { header: 500ms }\n");
    let whole = hello(&front);
    let began = now();
    for cut in [0, 1, 5, whole.len() / 2, whole.len() - 1] {
        assert_eq!(answer(&front, &whole[..cut]), b"", "{cut} bytes");
    }
    let took = began.elapsed();
    assert!(took > Duration::from_secs(2) && took < Duration::from_secs(15), "{took:?}");
    assert_eq!(front.handshakes("timedOut"), 5);
    // A byte now and then does not renew it.
    let mut stream = connect(&front);
    let began = now();
    let broken = whole.iter().position(|byte| {
        haechi_tests::pause(Duration::from_millis(50));
        stream.write_all(&[*byte]).is_err()
    });
    assert!(broken.is_some() && began.elapsed() < Duration::from_secs(10));
    // After the handshake the first request has the time anew.
    let config = front.authority.client();
    let mut silent = Secure::open(front.listen, &config, "shop.example.com").unwrap();
    let began = now();
    assert!(silent.rest().expect("an end with close_notify").is_empty());
    assert!(began.elapsed() > Duration::from_millis(300));
}

/// CVE-2026-22045: who is answered and then falls silent held a connection of Traefik for ever.
#[test]
fn who_falls_silent_after_the_hello_has_an_end() {
    let front = Front::with(nobody(), "", "    timeouts: { header: 500ms }\n");
    for (alpn, result) in [(&b"http/1.1"[..], "timedOut"), (b"acme-tls/1", "refused")] {
        let began = now();
        let answer = answer(&front, &super::hello(&front.authority, alpn));
        assert!(!answer.is_empty() && began.elapsed() < Duration::from_secs(5), "{result}: {answer:?}");
        assert_eq!(front.handshakes(result), 1);
    }
    let status = front.node.status();
    assert_eq!(status["listeners"][0]["open"], 0, "{status}");
}

/// CVE-2025-23419: a ticket of a listener that asks for no certificate let nginx' clients in where one is needed.
#[test]
fn a_ticket_of_an_open_listener_opens_no_closed_one() {
    let endpoint =
        Scripted::start(plain_address(), |_, peer| while peer.head().is_some() && peer.answer("x") {});
    let keys = ["11", "22", "33"].map(|key| key.repeat(32)).join("\n");
    let authority = Authority::new("clients");
    let files = [("tickets.keys", keys), ("clients.pem", authority.pem())];
    let front = Front::with_files(endpoint.address, "      ticketKeys: tickets.keys\n", &files);
    let closed = SocketAddr::new(haechi_tests::address(), 443);
    let config = std::fs::read_to_string(front.node.config()).unwrap();
    let (_, web) = config.split_once("  web:\n").unwrap();
    let (web, pools) = web.split_once("pools:\n").unwrap();
    let asks = "      clientCertificates: { ca: clients.pem }\n";
    let second = web.replace(&front.listen.to_string(), &closed.to_string());
    front.node.change(&format!("listeners:\n  web:\n{web}  closed:\n{second}{asks}pools:\n{pools}"));
    let session = front.node.folder().join("session");
    let session = session.to_str().unwrap();
    for version in ["-tls1_2", "-tls1_3"] {
        let open = |to: SocketAddr, how: &str| {
            let to = to.to_string();
            let arguments =
                ["-connect", &to, version, "-servername", "shop.example.com", how, session, "-ign_eof"];
            front.s_client_saying("GET / HTTP/1.0\r\n\r\n", &arguments)
        };
        assert!(open(front.listen, "-sess_out").contains("200 OK"));
        assert!(
            open(front.listen, "-sess_in").contains("Reused, "),
            "{version}: it is good where it was given"
        );
        let refused = open(closed, "-sess_in");
        assert!(!refused.contains("Reused, ") && !refused.contains("200 OK"), "{version}: {refused}");
    }
    let seen = endpoint.seen();
    assert_eq!(seen.matches("GET / ").count(), 4, "{seen}");
}

#[test]
fn a_hello_in_many_pieces_is_one() {
    let front = Front::new(nobody(), "");
    let whole = hello(&front);
    // In packets of a byte, and in records of three bytes.
    let mut stream = connect(&front);
    stream.set_nodelay(true).unwrap();
    whole.iter().for_each(|byte| stream.write_all(&[*byte]).unwrap());
    let mut head = [0; 5];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(head[..3], [22, 3, 3], "a ServerHello");
    let records: Vec<u8> = whole[5..]
        .chunks(3)
        .flat_map(|part| [&[22, 3, 1, 0, u8::try_from(part.len()).unwrap()], part].concat())
        .collect();
    let mut stream = connect(&front);
    stream.write_all(&records).unwrap();
    stream.read_exact(&mut head).unwrap();
    assert_eq!(head[..3], [22, 3, 3], "a ServerHello");
}

#[test]
fn odd_names_are_refused_and_harm_nobody() {
    let front = Front::new(nobody(), "");
    let whole = hello(&front);
    let at = whole.windows(16).position(|part| part == b"shop.example.com").unwrap();
    for odd in [0u8, b'\n', b'/', 0xff, b' ', b'*'] {
        let mut bytes = whole.clone();
        bytes[at + 4] = odd;
        let came = answer(&front, &bytes);
        assert!(is_alert(&came), "{odd}: {came:?}");
    }
}

#[test]
fn a_flood_of_handshakes_is_bounded_and_honest_clients_get_in() {
    let endpoint =
        Scripted::start(plain_address(), |_, peer| while peer.head().is_some() && peer.answer("x") {});
    let front = Front::new(endpoint.address, "      maxHandshakes: 16\n");
    let half = &hello(&front)[..100];
    let flood: Vec<TcpStream> = (0..200)
        .map(|_| {
            let mut stream = connect(&front);
            let _ = stream.write_all(half);
            stream
        })
        .collect();
    let workers = front.node.status()["workers"].as_u64().unwrap();
    eventually(Duration::from_secs(10), "all but the newest gave way", || {
        front.handshakes("crowded") >= 200 - 16 * workers
    });
    let config = front.authority.client();
    for _ in 0..20 {
        let mut open = Secure::open(front.listen, &config, "shop.example.com").unwrap();
        assert_eq!(open.get("/").unwrap().0, 200);
    }
    drop(flood);
}

#[test]
fn renegotiation_is_refused() {
    let endpoint =
        Scripted::start(plain_address(), |_, peer| while peer.head().is_some() && peer.answer("x") {});
    let front = Front::new(endpoint.address, "");
    // `R` asks for it.
    let mut child = std::process::Command::new("openssl")
        .args(["s_client", "-tls1_2", "-connect", &front.listen.to_string()])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.as_mut().unwrap().write_all(b"R\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(text.contains("RENEGOTIATING"), "{text}");
    assert!(
        text.contains("no renegotiation")
            || text.contains("ssl handshake failure")
            || text.contains("error:"),
        "{text}"
    );
    assert_eq!(front.handshakes("complete"), 1);
}

#[test]
fn a_client_that_cuts_its_body_off_is_no_whole_request() {
    let endpoint = Scripted::start(plain_address(), |_, peer| {
        peer.head();
        peer.body(1000);
    });
    let front = Front::new(endpoint.address, "");
    let config = front.authority.client();
    let mut open = Secure::open(front.listen, &config, "shop.example.com").unwrap();
    open.send(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 1000\r\n\r\nhalf").unwrap();
    open.socket().shutdown(Shutdown::Write).unwrap();
    eventually(Duration::from_secs(10), "it is the client's fault", || {
        front.node.status()["listeners"][0]["faults"]["clientGone"] == 1
    });
}
