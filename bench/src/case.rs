//! What is measured, and what haechi has to reach.

use crate::content::{BULK, PAGE, SMALL};
use crate::load::Load;
use crate::ports::Door;

/// One kind of traffic.
#[derive(Debug)]
pub(crate) struct Case {
    /// For `--case`.
    pub(crate) name: &'static str,
    /// For people.
    pub(crate) title: &'static str,
    /// Who makes it, and how.
    pub(crate) traffic: Traffic,
    /// Open at a time.
    pub(crate) connections: u16,
    /// Which listener of a contender gets it.
    pub(crate) door: Door,
    /// What the cost is counted by: `request`, `message`, `MiB`.
    pub(crate) unit: &'static str,
    /// Fewest bytes that one unit brings back.
    pub(crate) least: u64,
    /// Most that haechi may cost as a share of HAProxy, same round.
    pub(crate) target: Option<f64>,
}

/// Who makes the load.
#[derive(Debug)]
pub(crate) enum Traffic {
    /// wrk asks for this path with these fields besides `Host`.
    Wrk(&'static str, &'static [&'static str]),
    /// h2load asks for this path in HTTP/2, so many streams at a time on each connection.
    H2load(&'static str, u16),
    /// Our own generator.
    Own(Load),
}

/// In the order in which they run; the one that leaves thousands of connections in TIME_WAIT is last.
pub(crate) static CASES: &[Case] = &[
    Case {
        name: "small",
        title: "HTTP/1.1 keep-alive, 100 B, 64 connections",
        traffic: Traffic::Wrk("/", &[]),
        connections: 64,
        door: Door::Web,
        unit: "request",
        least: SMALL as u64,
        target: Some(0.80),
    },
    Case {
        name: "many",
        title: "the same, 512 connections",
        traffic: Traffic::Wrk("/", &[]),
        connections: 512,
        door: Door::Web,
        unit: "request",
        least: SMALL as u64,
        target: Some(0.65),
    },
    Case {
        name: "browser",
        title: "browser-like request (12 fields), 10 fields + 4 KiB back, 64 connections",
        traffic: Traffic::Wrk("/4k", BROWSER),
        connections: 64,
        door: Door::Web,
        unit: "request",
        least: PAGE as u64,
        target: Some(0.75),
    },
    Case {
        name: "h2",
        title: "HTTP/2 in the clear, 100 B, 32 connections with 10 streams each",
        traffic: Traffic::H2load("/", 10),
        connections: 32,
        door: Door::Http2,
        unit: "request",
        least: SMALL as u64,
        target: Some(0.50),
    },
    Case {
        name: "body",
        title: "1 MiB bodies, 16 connections (HAProxy with splice)",
        traffic: Traffic::Wrk("/1m", &[]),
        connections: 16,
        door: Door::Body,
        unit: "MiB",
        least: BULK as u64,
        target: Some(1.0),
    },
    Case {
        name: "tcp-small",
        title: "TCP, 100 B to and fro, 64 connections",
        traffic: Traffic::Own(Load::PingPong),
        connections: 64,
        door: Door::Echo,
        unit: "message",
        least: SMALL as u64,
        target: None,
    },
    Case {
        name: "tcp-bulk",
        title: "TCP bulk, 16 connections (HAProxy with splice)",
        traffic: Traffic::Own(Load::Drain),
        connections: 16,
        door: Door::Source,
        unit: "MiB",
        least: BULK as u64,
        target: Some(1.0),
    },
    Case {
        name: "tls-small",
        title: "the first over TLS 1.3 (ECDSA P-256)",
        traffic: Traffic::Wrk("/", &[]),
        connections: 64,
        door: Door::Secure,
        unit: "request",
        least: SMALL as u64,
        target: Some(0.70),
    },
    Case {
        name: "tls-body",
        title: "1 MiB bodies over TLS 1.3, 16 connections",
        traffic: Traffic::Wrk("/1m", &[]),
        connections: 16,
        door: Door::Secure,
        unit: "MiB",
        least: BULK as u64,
        // Measured beside nginx, which is better at it: 1.1 of its cost is what is wanted.
        target: None,
    },
    Case {
        name: "tls-connect",
        title: "a TLS 1.3 handshake per request, 100 B, 64 at a time",
        traffic: Traffic::Wrk("/", &["Connection: close"]),
        connections: 64,
        door: Door::Secure,
        unit: "request",
        least: SMALL as u64,
        target: Some(0.55),
    },
    Case {
        name: "connect",
        title: "a connection per request, 100 B, 64 at a time",
        traffic: Traffic::Wrk("/", &["Connection: close"]),
        connections: 64,
        door: Door::Web,
        unit: "request",
        least: SMALL as u64,
        target: Some(0.95),
    },
];

/// With `Host`, the twelve fields of a browser's navigation.
const BROWSER: &[&str] = &[
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "Accept-Language: en-US,en;q=0.9,ko;q=0.8",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Referer: https://shop.example.com/catalogue/lamps?page=3",
    "Cookie: session=8d1f0a3c5b7e9d2f4a6c8e0b1d3f5a7c; theme=dark; _ga=GA1.2.1234567890.1700000000",
    "Upgrade-Insecure-Requests: 1",
    "Sec-Fetch-Dest: document",
    "Sec-Fetch-Mode: navigate",
    "Sec-Fetch-Site: same-origin",
    "Cache-Control: max-age=0",
];

/// By its name.
pub(crate) fn named(name: &str) -> Option<&'static Case> {
    CASES.iter().find(|case| case.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_sends_twelve_fields() {
        assert_eq!(BROWSER.len() + 1, 12);
    }

    #[test]
    fn every_case_is_found_by_its_own_name() {
        for case in CASES {
            assert!(std::ptr::eq(named(case.name).unwrap(), case), "{}", case.name);
        }
        assert!(named("none").is_none());
    }
}
