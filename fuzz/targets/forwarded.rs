//! Chains of proxies: whatever they say, what goes on is whole lines, and the client is who is first in its chain.

#![no_main]

use std::net::IpAddr;

use haechi_forwarded::{Fields, Hop, request_id, tell};
use haechi_model::{Forwarded, ForwardedBy, Network, RequestIds};
use libfuzzer_sys::fuzz_target;

/// A line each, `name: value`.
struct Lines<'d>(Vec<(&'d [u8], &'d [u8])>);

impl Fields for Lines<'_> {
    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.0.iter().filter(move |line| line.0.eq_ignore_ascii_case(name.as_bytes())).map(|line| line.1)
    }
}

fuzz_target!(|data: &[u8]| {
    // What the parser of heads lets through.
    let lines = data.split(|byte| *byte < b' ' || *byte == 127).filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        Some((&line[..colon], line[colon + 1..].trim_ascii()))
    });
    let fields = Lines(lines.collect());
    let network = |address: &str, prefix| Network::of(address.parse().expect("one"), prefix);
    let trust = vec![network("10.0.0.0", 8), network("2001:db8:1::", 48)];
    for by in [ForwardedBy::XForwardedFor, ForwardedBy::Forwarded] {
        let rules = Forwarded { trust: trust.clone(), by, request_id: RequestIds::Answered };
        for peer in ["10.0.0.1", "192.0.2.1"] {
            let peer: IpAddr = peer.parse().expect("one");
            let (hop, mut out) = (Hop { peer, secure: false, port: 80, host: b"a" }, Vec::new());
            let client = tell(&fields, &hop, &rules, &mut out).client;
            assert!(client == peer || rules.trusts(peer), "a stranger is believed");
            let text = String::from_utf8_lossy(&out).into_owned();
            let lines: Vec<&str> = text.split_terminator("\r\n").collect();
            assert_eq!(lines.len(), if by == ForwardedBy::Forwarded { 5 } else { 4 }, "{text}");
            let chain = lines[0].strip_prefix("X-Forwarded-For: ").expect("it is the first");
            let chain: Vec<IpAddr> = chain.split(", ").map(|one| one.parse().expect("an address")).collect();
            assert_eq!((chain.first(), chain.last()), (Some(&client), Some(&peer)));
            assert!(chain[1..].iter().all(|address| rules.trusts(*address)), "{text}");
            let mut id = Vec::new();
            request_id(&fields, rules.trusts(peer), || 1, &mut id);
            assert!(!id.is_empty() && id.iter().all(u8::is_ascii_graphic));
        }
    }
});
