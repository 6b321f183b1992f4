//! What each kind of value takes and refuses.

use std::time::Duration;

use haechi_model::HostMatch;
use proptest::prelude::*;

use super::duration::format;
use super::*;

#[test]
fn durations() {
    let ms = |ms| Some(Duration::from_millis(ms));
    for (text, want) in [
        ("0s", ms(0)),
        ("250ms", ms(250)),
        ("10s", ms(10_000)),
        ("1h30m", ms(5_400_000)),
        ("1d2h3m4s5ms", ms(93_784_005)),
        ("90m", ms(5_400_000)),
        ("7us", Some(Duration::from_micros(7))),
        ("7ns", Some(Duration::from_nanos(7))),
    ] {
        assert_eq!(duration::parse(text).ok(), want, "{text}");
    }
    for (text, meant) in [
        ("10", Some("10s")),
        ("0", Some("0s")),
        ("10 s", Some("10s")),
        ("10S", Some("10s")),
        ("2 minutes", Some("2m")),
        ("1.5h", Some("1h30m")),
        (".5s", None),
        ("1.s", Some("1s")),
        ("1m1m", None),
        ("1s1m", None),
        ("s", None),
        ("", None),
        ("-1s", None),
        ("+1s", None),
        ("1m1", None),
        ("99999999999999999999s", None),
        ("18446744073709551615s", None),
        ("1µ", None),
        ("５s", None),
    ] {
        let complaint = duration::parse(text).expect_err(text);
        assert_eq!((complaint.code, complaint.suggestion.as_deref()), (Code::Duration, meant), "{text}");
    }
}

#[test]
fn numbers_and_sizes() {
    assert_eq!(number::int("0", 0, 256), Ok(0));
    assert_eq!(number::int("256", 0, 256), Ok(256));
    for text in ["257", "-1", "", "1.0", "0x10", "1e3", "18446744073709551616", "１", "-", "abc"] {
        assert_eq!(number::int(text, 0, 256).expect_err(text).code, Code::Number, "{text}");
    }
    assert_eq!(number::int("1,000", 0, 1000).unwrap_err().suggestion.as_deref(), Some("1000"));
    for (text, bytes) in [("512B", 512), ("8KiB", 8192), ("1MiB", 1 << 20), ("2GiB", 2 << 30)] {
        assert_eq!(number::size(text, 0, u64::MAX), Ok(bytes));
        assert_eq!(number::format_size(bytes), text);
    }
    for text in ["8", "8K", "8 KiB", "KiB", "", "-8KiB", "99999999999999999999KiB", "18446744073709551615GiB"]
    {
        assert_eq!(number::size(text, 0, u64::MAX).expect_err(text).code, Code::Size, "{text}");
    }
    for (text, percent) in [
        ("0", Some(0)),
        ("100", Some(100)),
        ("50%", Some(50)),
        ("101", None),
        ("%", None),
        ("5.5", None),
        ("999", None),
    ] {
        assert_eq!(number::percent(text).ok(), percent, "{text}");
    }
    for (text, flag) in [("true", Some(true)), ("FALSE", Some(false)), ("yes", None), ("", None)] {
        assert_eq!(number::flag(text).ok(), flag, "{text}");
    }
    for (text, range) in [
        ("200", Some((200, 200))),
        ("200-399", Some((200, 399))),
        ("99", None),
        ("600", None),
        ("300-200", None),
        ("+20", None),
        ("200-", None),
    ] {
        assert_eq!(number::status(text).ok().map(|range| (range.first, range.last)), range, "{text}");
    }
}

#[test]
fn addresses() {
    for text in ["10.0.0.1:80", "[2001:db8::1]:65535", "127.0.0.1:1", "[fe80::1%2]:80"] {
        assert_eq!(net::endpoint(text).expect(text).to_string(), text);
    }
    for (text, code, meant) in [
        ("10.0.0.1", Code::Address, Some("10.0.0.1:80")),
        ("10.0.0.1:http", Code::Address, None),
        ("10.0.0.1:65536", Code::Address, None),
        ("10.0.0.01:80", Code::Address, None),
        ("::1:80", Code::Address, Some("[::1]:80")),
        ("1:2::3:80", Code::Address, Some("[1:2::3]:80")),
        ("https://10.0.0.1:443", Code::Address, Some("10.0.0.1:443")),
        ("[::]:80", Code::Address, None),
        ("255.255.255.255:80", Code::Address, None),
        ("[ff02::1]:80", Code::Address, None),
        ("web:80", Code::HostName, None),
        ("web", Code::HostName, None),
        ("localhost:80", Code::HostName, Some("127.0.0.1:80")),
        (":80", Code::Address, None),
        ("", Code::Address, None),
        (":", Code::Address, None),
        ("a b:80", Code::Address, None),
    ] {
        let complaint = net::endpoint(text).expect_err(text);
        assert_eq!((complaint.code, complaint.suggestion.as_deref()), (code, meant), "{text}");
    }
    let bound =
        |text| net::bind(text).map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "));
    assert_eq!(bound(":80").unwrap(), "0.0.0.0:80 [::]:80");
    assert_eq!(bound("[::]:80").unwrap(), "[::]:80");
    assert_eq!(bound("10.0.0.1:80").unwrap(), "10.0.0.1:80");
    for text in
        [":0", ":65536", ":+80", "::", ":", "", "*", "*:x", "10.0.0.1:0", "80x", "[::ffff:1.2.3.4]:80"]
    {
        bound(text).expect_err(text);
    }
}

#[test]
fn hosts() {
    let exact = |host: &str| Some(HostMatch::Exact(host.into()));
    let label = "a".repeat(63);
    let long = [label.as_str(); 4].join(".");
    for (text, want) in [
        ("Shop.Example.COM.", exact("shop.example.com")),
        ("localhost", exact("localhost")),
        ("10.0.0.1", exact("10.0.0.1")),
        ("[2001:DB8::1]", exact("[2001:db8::1]")),
        ("my_app.internal", exact("my_app.internal")),
        ("*.Example.com", Some(HostMatch::Wildcard("example.com".into()))),
        (&label, exact(&label)),
        (&long, None),
        ("*.*.example.com", None),
        ("*example.com", None),
        ("*.", None),
        (".", None),
        ("", None),
        ("a..b", None),
        ("example.com..", None),
        ("example.com:80", None),
        ("[::1]:80", None),
    ] {
        assert_eq!(http::host(text).ok(), want, "{text}");
    }
}

#[test]
fn paths() {
    for text in
        ["/", "/api", "/api/", "/a//b", "/%2F", "/a:b@c;d=e,f", "/...", "/.well-known/x", "/a/.b/..c", "/*"]
    {
        let taken = http::path(text).is_ok();
        assert_eq!(taken, text != "/*", "{text}");
    }
    for text in [
        "",
        "api",
        "/a?b",
        "/a#b",
        "/..",
        "/a/../b",
        "/%2e",
        "/a/%2E./b",
        "/a b",
        "/a\\b",
        "/%",
        "/%2",
        "/%zz",
        "/{id}",
        "/é",
        "/\n",
    ] {
        assert_eq!(http::path(text).expect_err(text).code, Code::Path, "{text}");
    }
    for (text, prefix) in [("/", "/"), ("/api/", "/api"), ("/api", "/api"), ("/a/b/", "/a/b")] {
        assert_eq!(http::prefix(text), prefix);
    }
    for (text, taken) in [("/health?full=1", true), ("/a#b", false), ("health", false), ("/a b", false)] {
        assert_eq!(http::target(text).is_ok(), taken, "{text}");
    }
}

#[test]
fn methods_and_headers() {
    for (text, taken) in [
        ("GET", true),
        ("M-SEARCH", true),
        ("get", false),
        ("", false),
        ("A B", false),
        ("TRACE", false),
        ("CONNECT", false),
    ] {
        assert_eq!(http::method(text).is_ok(), taken, "{text}");
    }
    for (text, name) in [("X-A", Some("x-a")), ("x:", None), ("", None), ("x y", None), ("é", None)] {
        assert_eq!(http::header_name(text).ok().as_deref(), name, "{text}");
    }
    for (text, taken) in [
        ("", true),
        ("a b", true),
        ("값", true),
        (" a", false),
        ("a\r\nb", false),
        ("a\0", false),
        ("a\tb", true),
    ] {
        assert_eq!(http::header_value(text).is_ok(), taken, "{text:?}");
    }
}

#[test]
fn names() {
    let longest = "a".repeat(63);
    for (text, taken) in [
        ("web-1", true),
        ("_x", true),
        ("1.0", true),
        (longest.as_str(), true),
        ("", false),
        ("-a", false),
        (".a", false),
        ("a b", false),
        ("é", false),
        ("a/b", false),
    ] {
        assert_eq!(name(text).is_ok(), taken, "{text}");
    }
    assert!(name(&"a".repeat(64)).is_err());
}

// A suggestion that is refused in turn would send its reader in circles.
proptest! {
    #[test]
    fn durations_come_back(nanos in any::<u64>()) {
        let duration = Duration::from_nanos(nanos);
        prop_assert_eq!(duration::parse(&format(duration)), Ok(duration));
    }

    #[test]
    fn suggestions_are_taken(text in "\\PC{0,12}|[0-9.]{1,5} ?[a-zA-Z]{0,4}|[/a-z%.?#{} ]{0,12}|[0-9.:]{1,12}") {
        if let Err(Complaint { suggestion: Some(meant), .. }) = duration::parse(&text) {
            prop_assert!(duration::parse(&meant).is_ok(), "{}", meant);
        }
        if let Err(Complaint { suggestion: Some(meant), .. }) = number::size(&text, 0, u64::MAX) {
            prop_assert!(number::size(&meant, 0, u64::MAX).is_ok(), "{}", meant);
        }
        if let Err(Complaint { suggestion: Some(meant), .. }) = http::path(&text) {
            // One suggestion mends one fault; following them must come to an end.
            let mut path = meant;
            for _ in 0..4 {
                match http::path(&path) {
                    Err(Complaint { suggestion: Some(next), .. }) => path = next,
                    _ => break,
                }
            }
            prop_assert!(!matches!(http::path(&path), Err(Complaint { suggestion: Some(_), .. })), "{}", path);
        }
        if let Err(Complaint { suggestion: Some(meant), .. }) = name(&text) {
            prop_assert!(name(&meant).is_ok(), "{}", meant);
        }
        if let Err(Complaint { suggestion: Some(meant), .. }) = net::endpoint(&text) {
            prop_assert!(meant.parse::<std::net::SocketAddr>().is_ok(), "{}", meant);
        }
    }
}

#[test]
fn interfaces() {
    for text in ["eth0", "bond0.100", "br-lan", "enp0s31f6np0v12", "veth#1", "한국", "lo"] {
        assert_eq!(interface(text), Ok(text));
    }
    for (text, meant) in [
        ("", None),
        ("enp0s31f6np0v123", None),
        ("eth0@if5", Some("eth0")),
        ("eth0:1", Some("eth0")),
        (":1", None),
        ("a/b", None),
        ("a b", None),
        ("a\u{a0}b", None),
        ("a\tb", None),
        ("a\0", None),
        (".", None),
        ("..", None),
    ] {
        let complaint = interface(text).expect_err(text);
        assert_eq!((complaint.code, complaint.suggestion.as_deref()), (Code::Interface, meant), "{text:?}");
    }
}

#[test]
fn hosts_of_a_virtual_router() {
    for text in ["10.0.0.1", "127.0.0.1", "fe80::1", "2001:db8::1"] {
        assert_eq!(net::host(text).unwrap().to_string(), text);
    }
    for (text, meant) in [
        ("10.0.0.1:7112", Some("10.0.0.1")),
        ("[2001:db8::1]:7112", Some("2001:db8::1")),
        ("[2001:db8::1]", Some("2001:db8::1")),
        ("::ffff:10.0.0.1", Some("10.0.0.1")),
        ("0.0.0.0", None),
        ("::", None),
        ("224.0.0.18", None),
        ("ff02::12", None),
        ("255.255.255.255", None),
        ("10.0.0.1/24", None),
        ("lb2", None),
        ("", None),
    ] {
        let complaint = net::host(text).expect_err(text);
        assert_eq!((complaint.code, complaint.suggestion.as_deref()), (Code::Address, meant), "{text}");
    }
    for text in ["10.0.0.1:7112", "[2001:db8::1]:1"] {
        assert_eq!(net::udp(text).unwrap().to_string(), text);
    }
    for (text, meant) in [
        ("10.0.0.1", Some("10.0.0.1:7112")),
        ("2001:db8::1", Some("[2001:db8::1]:7112")),
        ("[2001:db8::1]", Some("[2001:db8::1]:7112")),
        ("10.0.0.1:0", None),
        ("[::]:7112", None),
        ("224.0.0.18:7112", None),
        ("lb2:7112", None),
        ("localhost:7112", None),
        ("", None),
    ] {
        let complaint = net::udp(text).expect_err(text);
        assert_eq!((complaint.code, complaint.suggestion.as_deref()), (Code::Address, meant), "{text}");
    }
}

#[test]
fn virtual_addresses() {
    for text in [
        "10.0.0.100/24",
        "10.0.0.0/32",
        "10.0.0.0/31",
        "10.0.0.1/31",
        "10.0.1.0/23",
        "fe80::/64",
        "2001:db8::1/128",
    ] {
        assert_eq!(crate::write::address(&net::virtual_address(text).unwrap()), text);
    }
    for text in [
        "10.0.0.100",
        "10.0.0.100/0",
        "10.0.0.100/33",
        "10.0.0.100/+24",
        "10.0.0.100/024x",
        "10.0.0.100/255.255.255.0",
        "/24",
        "10.0.0.100/",
        "10.0.0/24",
        "10.0.0.0/30",
        "10.0.0.3/30",
        "10.255.255.255/8",
        "255.255.255.255/32",
        "0.0.0.0/32",
        "239.1.2.3/24",
        "::/64",
        "ff02::1/64",
        "::ffff:10.0.0.1/120",
        "2001:db8::1/129",
        "[2001:db8::1]/64",
        "eth0/24",
        "",
    ] {
        assert_eq!(net::virtual_address(text).expect_err(text).code, Code::VirtualAddress, "{text}");
    }
}

proptest! {
    /// The model: in a network of more than two, the first and the last address are nobody's.
    #[test]
    fn first_and_last_of_a_network_are_refused(bits in 0x0a00_0000..0x0aff_ffff_u32, prefix in 1..=32_u8) {
        let text = format!("{}/{prefix}", std::net::Ipv4Addr::from_bits(bits));
        let size = 1_u64 << (32 - prefix);
        let place = u64::from(bits) % size;
        let fine = size <= 2 || (place != 0 && place != size - 1);
        prop_assert_eq!(net::virtual_address(&text).is_ok(), fine, "{}", text);
    }

    /// What is suggested in place of a text is taken.
    #[test]
    fn suggestions_for_a_virtual_router_hold(text in "[0-9a-f:.\\[\\]/@]{0,20}|(10\\.0\\.0\\.[0-9]{1,3})(:[0-9]{1,5})?") {
        let complaints = [
            (interface(&text).err(), (|text| interface(text).is_ok()) as fn(&str) -> bool),
            (net::host(&text).err(), |text| net::host(text).is_ok()),
            (net::virtual_address(&text).err(), |text| net::virtual_address(text).is_ok()),
        ];
        for (complaint, holds) in complaints {
            if let Some(meant) = complaint.and_then(|complaint| complaint.suggestion) {
                prop_assert!(holds(&meant), "{} for {}", meant, text);
            }
        }
    }
}

/// In a list of who is refused it stood for nobody, and said nothing of it.
#[test]
fn networks_of_ipv4_are_not_written_as_ipv6() {
    for (text, meant) in [("::ffff:10.6.6.6", "10.6.6.6/32"), ("::ffff:10.0.0.0/104", "10.0.0.0/8")] {
        let complaint = net::network(text).expect_err(text);
        assert_eq!((complaint.code, complaint.suggestion.as_deref()), (Code::Network, Some(meant)), "{text}");
    }
    assert!(net::network("::/0").is_ok() && net::network("::ffff:0:0/95").is_err());
    assert!(net::network("::fffe:0:0/95").is_ok());
}
