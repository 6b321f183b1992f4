//! Who the client is by the word of trusted proxies, and names for requests: over HTTP/1 and HTTP/2, with hostile input.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod ids;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use haechi_tests::{Node, Scripted, address};

const BINARY: &str = env!("CARGO_BIN_EXE_haechi");
const SOON: Duration = Duration::from_secs(10);

/// Who is trusted, and who is not.
const PROXY: &str = "127.0.0.77";
const STRANGER: &str = "127.0.9.9";

/// Answers each request with its head.
fn mirror() -> Scripted {
    Scripted::start(address(), |_, peer| {
        while let Some(head) = peer.head() {
            let line = "X-Request-ID: the endpoint's own";
            let answer = format!("HTTP/1.1 200 OK\r\n{line}\r\nContent-Length: {}\r\n\r\n{head}", head.len());
            if !peer.send(answer.as_bytes()) {
                return;
            }
        }
    })
}

struct Front {
    listen: SocketAddr,
    node: Node,
    _mirror: Scripted,
}

impl Front {
    fn new(forwarded: &str) -> Self {
        Self::with(forwarded, "")
    }

    fn with(forwarded: &str, pool: &str) -> Self {
        let (mirror, listen) = (mirror(), SocketAddr::new(address(), 8080));
        let config = format!(
            "listeners:\n  web:\n    bind: \"{listen}\"\n    protocol: http\n    forwarded: {forwarded}\n    \
             routes: [{{ path: /none, pool: none }}, {{ pool: web }}]\n\
             pools:\n  web: {{ endpoints: {{ e: \"{}\" }}{pool} }}\n  none: {{ endpoints: {{ e: \"{listen}9\" }} }}\n",
            mirror.address
        );
        // A port where nobody listens.
        let config = config.replace(&format!("{listen}9"), &format!("{}:9", listen.ip()));
        Self { listen, node: Node::start(BINARY, &config), _mirror: mirror }
    }

    /// All that comes back for one request from this address.
    fn ask(&self, from: &str, target: &str, lines: &str) -> String {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&format!("{from}:0").parse::<SocketAddr>().unwrap().into()).unwrap();
        socket.connect(&self.listen.into()).unwrap();
        let mut stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(SOON)).unwrap();
        let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\n{lines}Connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all);
        String::from_utf8_lossy(&all).into_owned()
    }

    /// The same over HTTP/2, as curl asks.
    fn ask_http2(&self, from: &str, target: &str, fields: &[&str]) -> String {
        let mut curl = Command::new("curl");
        curl.args([
            "-sSi",
            "--http2-prior-knowledge",
            "--max-time",
            "20",
            "--interface",
            from,
            "-H",
            "Host: a",
        ]);
        for field in fields {
            curl.args(["-H", field]);
        }
        let output = curl.arg(format!("http://{}{target}", self.listen)).stdin(Stdio::null()).output();
        let output = output.expect("scripts/setup test installs curl");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// What the endpoint saw, over both protocols.
    fn seen(&self, from: &str, fields: &[&str]) -> [String; 2] {
        let lines: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
        let body = |answer: String| answer.split_once("\r\n\r\n").expect(&answer).1.to_owned();
        [body(self.ask(from, "/", &lines)), body(self.ask_http2(from, "/", fields))]
    }
}

/// All values of a field in a head, in any case of letters.
fn values<'a>(head: &'a str, name: &str) -> Vec<&'a str> {
    let fields = head.lines().filter_map(|line| line.split_once(": "));
    fields.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
}

#[test]
fn endpoints_are_told_by_whose_word_counts() {
    let front = Front::new(&format!("{{ trust: [{PROXY}, 10.0.0.0/8] }}"));
    let said = [
        "X-Forwarded-For: 6.6.6.6, 192.0.2.1, 10.0.0.3",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: shop.example.com",
        "Forwarded: for=9.9.9.9",
        "X_Forwarded_For: 8.8.8.8",
        "X-Real-IP: 7.7.7.7",
        "X-Forwarded-Client-Cert: evil",
    ];
    for head in front.seen(PROXY, &said) {
        assert_eq!(values(&head, "x-forwarded-for"), [format!("192.0.2.1, 10.0.0.3, {PROXY}")], "{head}");
        assert_eq!(values(&head, "x-forwarded-proto"), ["https"], "{head}");
        assert_eq!(values(&head, "x-forwarded-host"), ["shop.example.com"], "{head}");
        assert_eq!(values(&head, "x-forwarded-port"), ["443"], "{head}");
        for gone in ["forwarded", "x_forwarded_for", "x-real-ip", "x-forwarded-client-cert"] {
            assert!(values(&head, gone).is_empty(), "{gone}: {head}");
        }
    }
    for head in front.seen(STRANGER, &said) {
        assert_eq!(values(&head, "x-forwarded-for"), [STRANGER], "{head}");
        assert_eq!(values(&head, "x-forwarded-proto"), ["http"], "{head}");
        assert_eq!(values(&head, "x-forwarded-host"), ["a"], "{head}");
        assert_eq!(values(&head, "x-forwarded-port"), ["8080"], "{head}");
        for said in ["6.6.6.6", "7.7.7.7", "8.8.8.8", "9.9.9.9", "shop", "evil"] {
            assert!(!head.contains(said), "{said}: {head}");
        }
    }
}

/// What `Connection` lists is taken out, but not what we say (CVE-2024-45410).
#[test]
fn a_client_cannot_take_out_what_it_may_not_say() {
    let front = Front::new(&format!("{{ trust: {PROXY}, by: forwarded, requestId: pass }}"));
    let listed = "Connection: X-Forwarded-For, X-Forwarded-Proto, Forwarded, X-Request-ID, X-Own, close";
    for from in [PROXY, STRANGER] {
        let lines = format!("{listed}\r\nForwarded: for=192.0.2.1\r\nX-Request-ID: told\r\nX-Own: x\r\n");
        let head = front.ask(from, "/", &lines);
        let (client, id_is_told) = if from == PROXY { ("192.0.2.1", true) } else { (STRANGER, false) };
        let head = head.split_once("\r\n\r\n").unwrap().1;
        assert!(values(head, "x-forwarded-for")[0].starts_with(client), "{head}");
        assert!(values(head, "forwarded")[0].starts_with(&format!("for={client}")), "{head}");
        assert_eq!(values(head, "x-forwarded-proto"), ["http"], "{head}");
        assert_eq!(values(head, "x-request-id") == ["told"], id_is_told, "{head}");
        assert_eq!(values(head, "x-request-id").len(), 1, "{head}");
        assert!(values(head, "x-own").is_empty(), "{head}");
    }
}

#[test]
fn the_client_of_the_chain_is_the_one_that_counts() {
    let mirrors: Vec<_> = (0..8).map(|_| mirror()).collect();
    let endpoints: Vec<_> =
        mirrors.iter().enumerate().map(|(n, it)| format!("e{n}: \"{}\"", it.address)).collect();
    let listen = SocketAddr::new(address(), 8080);
    let node = Node::start(
        BINARY,
        &format!(
            "listeners:\n  web: {{ bind: \"{listen}\", protocol: http, forwarded: {{ trust: {PROXY} }}, routes: [{{ pool: web }}] }}\n\
             pools:\n  web: {{ algorithm: ipHash, endpoints: {{ {} }} }}\n",
            endpoints.join(", ")
        ),
    );
    let front = Front { listen, node, _mirror: mirror() };
    let spread = |from: &str| {
        (0..30).for_each(|n| drop(front.ask(from, "/", &format!("X-Forwarded-For: 10.{n}.{n}.1\r\n"))));
        let requests =
            (0..8).map(|n| front.node.endpoint("web", &format!("e{n}"))["requests"].as_u64().unwrap());
        requests.filter(|count| *count > 0).count()
    };
    assert_eq!(spread(STRANGER), 1, "who is not trusted is one client");
    assert!(spread(PROXY) > 4, "a proxy is many");
    (0..10).for_each(|_| drop(front.ask(PROXY, "/", "X-Forwarded-For: 192.0.2.200\r\n")));
    let most =
        (0..8).map(|n| front.node.endpoint("web", &format!("e{n}"))["requests"].as_u64().unwrap()).max();
    assert!(most.unwrap() >= 10, "and each of them stays with one endpoint");
}

#[test]
fn a_preface_tells_the_client_of_the_chain_too() {
    let front = Front::with(&format!("{{ trust: {PROXY} }}"), ", proxyProtocol: v1");
    let head = front.ask(PROXY, "/", "X-Forwarded-For: 192.0.2.1\r\n");
    assert!(head.contains("PROXY TCP4 192.0.2.1 "), "{head}");
    let head = front.ask(STRANGER, "/", "X-Forwarded-For: 192.0.2.1\r\n");
    assert!(head.contains(&format!("PROXY TCP4 {STRANGER} ")), "{head}");
}

#[test]
fn hostile_chains_are_answered_and_stay_chains() {
    let front = Front::new(&format!("{{ trust: [{PROXY}, 10.0.0.0/8], requestId: pass }}"));
    let long = |element: &str, separator: &str| vec![element; 50_000 / element.len()].join(separator);
    let rows: Vec<String> = vec![
        long("6.6.6.6", ","),
        long("10.1.1.1", ", "),
        long("unknown", ","),
        long("[2001:db8::1]:65535", ","),
        "[2001:db8::1".into(),
        "[2001:db8::1]x".into(),
        "192.0.2.1:99999".into(),
        "_obfuscated, _".into(),
        "\"192.0.2.1\"".into(),
        ",".repeat(50_000),
        "\u{e9}\u{ff}, \u{201c}".into(),
        "10.0.0.1%eth0, 0x7f.1, 2130706433, 127.1".into(),
    ];
    for row in &rows {
        let answer = front.ask(PROXY, "/", &format!("X-Forwarded-For: {row}\r\n"));
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        let [chain] = values(body, "x-forwarded-for")[..] else { panic!("one line: {body}") };
        assert!(chain.split(", ").all(|one| one.parse::<std::net::IpAddr>().is_ok()), "{chain:.200}");
        assert!(chain.ends_with(PROXY), "{chain:.200}");
    }
    // A field for each address; with the others, 99 are in what a head may have.
    let lines: String = (0..95).map(|n| format!("X-Forwarded-For: 10.0.0.{n}\r\n")).collect();
    let body = front.ask(PROXY, "/", &lines);
    let chain = values(body.split_once("\r\n\r\n").unwrap().1, "x-forwarded-for").join(", ");
    let all: BTreeSet<_> = chain.split(", ").collect();
    assert_eq!(all.len(), 96, "{chain}");
    let over: String = (0..120).map(|_| "X-Forwarded-For: 10.0.0.1\r\n").collect();
    assert!(front.ask(PROXY, "/", &over).starts_with("HTTP/1.1 431 "));
}
