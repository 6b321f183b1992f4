//! Who is believed how far: a table, a model that is too simple to be wrong, and hostile input.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::net::IpAddr;

use haechi_forwarded::{Fields, Hop, LONGEST_ID, request_id, tell};
use haechi_model::{Forwarded, ForwardedBy, Network, RequestIds};
use proptest::prelude::*;

struct List(Vec<(String, Vec<u8>)>);

impl Fields for List {
    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.0.iter().filter(move |field| field.0.eq_ignore_ascii_case(name)).map(|field| &field.1[..])
    }
}

fn list(fields: &[(&str, &str)]) -> List {
    List(fields.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect())
}

/// 10.0.0.0/8 and 2001:db8:1::/48 are trusted.
fn rules(by: ForwardedBy) -> Forwarded {
    let network = |address: &str, prefix| Network::of(address.parse().unwrap(), prefix);
    let trust = vec![network("10.0.0.0", 8), network("2001:db8:1::", 48)];
    Forwarded { trust, by, request_id: RequestIds::Untouched }
}

/// The client, and the lines.
fn told(peer: &str, by: ForwardedBy, fields: &List) -> (String, String) {
    let hop = Hop { peer: peer.parse().unwrap(), secure: false, port: 8080, host: b"shop.example.com" };
    let mut out = Vec::new();
    let client = tell(fields, &hop, &rules(by), &mut out).client;
    (client.to_string(), String::from_utf8(out).unwrap())
}

/// The chain that goes on.
fn chain(lines: &str) -> &str {
    lines.lines().find_map(|line| line.strip_prefix("X-Forwarded-For: ")).unwrap()
}

#[test]
fn the_client_is_the_last_that_is_not_trusted() {
    let rows: [(&str, &[&str], &str, &str); 20] = [
        ("192.0.2.9", &[], "192.0.2.9", "192.0.2.9"),
        ("192.0.2.9", &["6.6.6.6"], "192.0.2.9", "192.0.2.9"),
        ("10.0.0.1", &[], "10.0.0.1", "10.0.0.1"),
        ("10.0.0.1", &["192.0.2.1"], "192.0.2.1", "192.0.2.1, 10.0.0.1"),
        ("::ffff:10.0.0.1", &["192.0.2.1"], "192.0.2.1", "192.0.2.1, 10.0.0.1"),
        ("10.0.0.1", &["6.6.6.6, 192.0.2.1, 10.0.0.2"], "192.0.2.1", "192.0.2.1, 10.0.0.2, 10.0.0.1"),
        ("10.0.0.1", &["10.6.6.6, 192.0.2.1"], "192.0.2.1", "192.0.2.1, 10.0.0.1"),
        ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3", "10.0.0.3, 10.0.0.2, 10.0.0.1"),
        // Several lines are one list.
        ("10.0.0.1", &["6.6.6.6", "192.0.2.1", "10.0.0.2"], "192.0.2.1", "192.0.2.1, 10.0.0.2, 10.0.0.1"),
        ("10.0.0.1", &[" , ,192.0.2.1,\t, "], "192.0.2.1", "192.0.2.1, 10.0.0.1"),
        // Who does not tell is the client as far as we know.
        ("10.0.0.1", &["unknown"], "10.0.0.1", "10.0.0.1"),
        ("10.0.0.1", &["6.6.6.6, unknown, 10.0.0.2"], "10.0.0.2", "10.0.0.2, 10.0.0.1"),
        ("10.0.0.1", &["6.6.6.6, _hidden"], "10.0.0.1", "10.0.0.1"),
        ("10.0.0.1", &["192.0.2.1, 10.0.0.999"], "10.0.0.1", "10.0.0.1"),
        ("10.0.0.1", &["192.0.2.1 10.0.0.2"], "10.0.0.1", "10.0.0.1"),
        // Ports and brackets.
        ("10.0.0.1", &["192.0.2.1:4711"], "192.0.2.1", "192.0.2.1, 10.0.0.1"),
        (
            "10.0.0.1",
            &["[2001:db8::7]:4711, 2001:db8:1::1"],
            "2001:db8::7",
            "2001:db8::7, 2001:db8:1::1, 10.0.0.1",
        ),
        ("2001:db8:1::2", &["::ffff:192.0.2.1"], "192.0.2.1", "192.0.2.1, 2001:db8:1::2"),
        ("10.0.0.1", &["2001:db8::7%eth0"], "10.0.0.1", "10.0.0.1"),
        ("10.0.0.1", &["192.0.2.1\"; drop"], "10.0.0.1", "10.0.0.1"),
    ];
    for (peer, values, client, wanted) in rows {
        let fields: Vec<_> = values.iter().map(|value| ("x-FORWARDED-for", *value)).collect();
        let (found, lines) = told(peer, ForwardedBy::XForwardedFor, &list(&fields));
        assert_eq!((found.as_str(), chain(&lines)), (client, wanted), "{peer} {values:?}");
    }
}

#[test]
fn scheme_host_and_port_of_who_is_trusted() {
    type Said = [(&'static str, &'static str)];
    let rows: [(&str, &Said, &str); 14] = [
        ("192.0.2.9", &[("proto", "https"), ("host", "evil"), ("port", "1")], "http shop.example.com 8080"),
        ("10.0.0.1", &[], "http shop.example.com 8080"),
        ("10.0.0.1", &[("proto", "https")], "https shop.example.com 443"),
        ("10.0.0.1", &[("proto", "WSS")], "https shop.example.com 443"),
        ("10.0.0.1", &[("proto", "http")], "http shop.example.com 80"),
        ("10.0.0.1", &[("proto", "https"), ("host", "a:8443")], "https a:8443 8443"),
        ("10.0.0.1", &[("proto", "https"), ("port", "444")], "https shop.example.com 444"),
        ("10.0.0.1", &[("host", "a.example.com")], "http a.example.com 8080"),
        ("10.0.0.1", &[("proto", "https, http")], "http shop.example.com 8080"),
        ("10.0.0.1", &[("proto", "https"), ("proto", "http")], "http shop.example.com 8080"),
        ("10.0.0.1", &[("proto", "gopher"), ("port", "0")], "http shop.example.com 8080"),
        ("10.0.0.1", &[("port", "65536")], "http shop.example.com 8080"),
        ("10.0.0.1", &[("host", "a b")], "http shop.example.com 8080"),
        ("10.0.0.1", &[("host", "a, b"), ("port", "+1")], "http shop.example.com 8080"),
    ];
    for (peer, fields, wanted) in rows {
        let names: Vec<_> = fields.iter().map(|(name, _)| format!("X-Forwarded-{name}")).collect();
        let fields: Vec<_> =
            names.iter().map(String::as_str).zip(fields.iter().map(|field| field.1)).collect();
        let (_, lines) = told(peer, ForwardedBy::XForwardedFor, &list(&fields));
        let value = |name: &str| lines.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        let found = ["X-Forwarded-Proto: ", "X-Forwarded-Host: ", "X-Forwarded-Port: "].map(value).join(" ");
        assert_eq!(found, wanted, "{peer} {fields:?}");
    }
}

#[test]
fn forwarded_is_believed_where_it_is_the_chosen_field() {
    let own = "for=10.0.0.1;host=\"shop.example.com\";proto=http";
    let rows: [(&[&str], &str, &str, &str); 9] = [
        (&[], "10.0.0.1", "http", own),
        (&["for=192.0.2.1"], "192.0.2.1", "http", &format!("for=192.0.2.1, {own}")),
        (
            &[
                "for=6.6.6.6;proto=https, FOR=\"192.0.2.1:80\";x=\"a,b\";Proto=https , for=10.0.0.2;proto=http",
            ],
            "192.0.2.1",
            "https",
            &format!("FOR=\"192.0.2.1:80\";x=\"a,b\";Proto=https, for=10.0.0.2;proto=http, {own}"),
        ),
        (
            &["for=\"[2001:db8::7]\"", "for=10.0.0.2"],
            "2001:db8::7",
            "http",
            &format!("for=\"[2001:db8::7]\", for=10.0.0.2, {own}"),
        ),
        (&["for=6.6.6.6, for=_hidden, for=10.0.0.2"], "10.0.0.2", "http", &format!("for=10.0.0.2, {own}")),
        (&["for=6.6.6.6, proto=https"], "10.0.0.1", "https", own),
        // Broken: where an element ends, two may see in two ways.
        (&["for=192.0.2.1, for=\"10.0.0.2"], "10.0.0.1", "http", own),
        (&["for=192.0.2.1;for=10.0.0.2"], "10.0.0.1", "http", own),
        (&["for=192.0.2.1", "for=10.0.0.2 x"], "10.0.0.1", "http", own),
    ];
    for (values, client, proto, forwarded) in rows {
        let mut fields: Vec<_> = values.iter().map(|value| ("Forwarded", *value)).collect();
        // Not the chosen field: it may have come through as somebody wrote it.
        fields.push(("X-Forwarded-For", "9.9.9.9"));
        fields.push(("X-Forwarded-Proto", "https"));
        let (found, lines) = told("10.0.0.1", ForwardedBy::Forwarded, &list(&fields));
        assert_eq!(found, client, "{values:?}");
        assert!(lines.contains(&format!("X-Forwarded-Proto: {proto}\r\n")), "{values:?} {lines}");
        assert!(lines.ends_with(&format!("Forwarded: {forwarded}\r\n")), "{values:?} {lines}");
        assert!(chain(&lines).starts_with(client) && !chain(&lines).contains("9.9.9.9"), "{lines}");
    }
    let fields = list(&[("forwarded", "for=192.0.2.1")]);
    let (client, lines) = told("192.0.2.9", ForwardedBy::Forwarded, &fields);
    assert_eq!(client, "192.0.2.9", "who is not trusted says it in vain");
    assert!(lines.ends_with("Forwarded: for=192.0.2.9;host=\"shop.example.com\";proto=http\r\n"), "{lines}");
    let (client, lines) = told("10.0.0.1", ForwardedBy::XForwardedFor, &fields);
    assert_eq!(client, "10.0.0.1", "nor is it believed where it is not the chosen field");
    assert!(!lines.contains("\r\nForwarded:"), "{lines}");
}

#[test]
fn an_address_of_version_6_is_quoted_and_no_quote_leads_out() {
    let hop = Hop { peer: "2001:db8::9".parse().unwrap(), secure: true, port: 0, host: b"a\"b" };
    let mut out = Vec::new();
    tell(&list(&[]), &hop, &rules(ForwardedBy::Forwarded), &mut out);
    let text = String::from_utf8(out).unwrap();
    assert!(text.ends_with("Forwarded: for=\"[2001:db8::9]\";proto=https\r\n"), "{text}");
    assert!(!text.contains("X-Forwarded-Port"), "{text}");
}

#[test]
fn huge_chains_take_time_in_proportion() {
    let long = "6.6.6.6,".repeat(8_000) + "192.0.2.1";
    let (client, lines) = told("10.0.0.1", ForwardedBy::XForwardedFor, &list(&[("x-forwarded-for", &long)]));
    assert_eq!((client.as_str(), chain(&lines)), ("192.0.2.1", "192.0.2.1, 10.0.0.1"));
    let long = "10.1.1.1,".repeat(7_000);
    let (client, lines) = told("10.0.0.1", ForwardedBy::XForwardedFor, &list(&[("x-forwarded-for", &long)]));
    assert_eq!((client.as_str(), chain(&lines).split(", ").count()), ("10.1.1.1", 7_001));
    let long = "for=\"\\\"".repeat(8_000);
    let (client, _) = told("10.0.0.1", ForwardedBy::Forwarded, &list(&[("forwarded", &long)]));
    assert_eq!(client, "10.0.0.1");
}

#[test]
fn an_id_is_taken_from_who_is_trusted_only() {
    let id = |trusted, values: &[&str]| {
        let fields: Vec<_> = values.iter().map(|value| ("X-Request-ID", *value)).collect();
        let mut out = Vec::new();
        request_id(&list(&fields), trusted, || 7, &mut out);
        String::from_utf8(out).unwrap()
    };
    let made = "00000000000000000000000000000007";
    let (longest, over) = ("a".repeat(LONGEST_ID), "a".repeat(LONGEST_ID + 1));
    for good in ["8f3c2b1e-0000-4000-8000-aabbccddeeff", "Root=1-67891233-abcdef", "a+b/c==", &longest] {
        assert_eq!(id(true, &[good]), good);
        assert_eq!(id(false, &[good]), made);
    }
    for bad in ["", "a b", "a\tb", "a\"b", "<b>", "a;b", "a,b", "\u{e9}", &over] {
        assert_eq!(id(true, &[bad]), made, "{bad}");
    }
    assert_eq!(id(true, &[]), made);
    assert_eq!(id(true, &["a", "b"]), made, "which of the two?");
}

/// From the right: the first that is not trusted, or the one before something that is no address.
fn model(peer: IpAddr, chain: &[Option<IpAddr>], rules: &Forwarded) -> IpAddr {
    let mut client = peer;
    for next in chain.iter().rev() {
        match next {
            Some(address) if rules.trusts(client) => client = *address,
            _ => break,
        }
    }
    client
}

proptest! {
    #[test]
    fn both_fields_say_what_the_model_says(
        peer in 0u8..4,
        chain in proptest::collection::vec((0u8..5, any::<bool>()), 0..8),
    ) {
        let address = |kind: u8| -> Option<IpAddr> {
            let text = ["10.0.0.1", "192.0.2.1", "2001:db8:1::5", "2001:db8::5"].get(usize::from(kind))?;
            Some(text.parse().unwrap())
        };
        let peer = address(peer).unwrap();
        let wanted: Vec<_> = chain.iter().map(|(kind, _)| address(*kind)).collect();
        let text = |kind: u8| address(kind).map_or("unknown".to_owned(), |address| address.to_string());
        let mut fields = vec![("x-forwarded-for".to_owned(), Vec::new()), ("forwarded".to_owned(), Vec::new())];
        for (kind, new_line) in &chain {
            for name in ["x-forwarded-for", "forwarded"] {
                let node = if name == "forwarded" && address(*kind).is_some_and(|it| it.is_ipv6()) {
                    format!("for=\"[{}]\"", text(*kind))
                } else if name == "forwarded" {
                    format!("for={}", text(*kind))
                } else {
                    text(*kind)
                };
                let last = fields.iter_mut().rfind(|field| field.0 == name).unwrap();
                if *new_line {
                    fields.push((name.to_owned(), node.into_bytes()));
                } else {
                    last.1.extend_from_slice(b" ,");
                    last.1.extend_from_slice(node.as_bytes());
                }
            }
        }
        let fields = List(fields);
        for by in [ForwardedBy::XForwardedFor, ForwardedBy::Forwarded] {
            let rules = rules(by);
            let hop = Hop { peer, secure: true, port: 443, host: b"a" };
            let mut out = Vec::new();
            let client = tell(&fields, &hop, &rules, &mut out).client;
            prop_assert_eq!(client, model(peer, &wanted, &rules));
            let text = String::from_utf8(out).unwrap();
            let said = chain_of(&text);
            prop_assert_eq!(said.first(), Some(&client));
            prop_assert_eq!(said.last(), Some(&peer));
            prop_assert!(said[1..].iter().all(|address| rules.trusts(*address)));
            if by == ForwardedBy::Forwarded {
                let elements = text.lines().find_map(|line| line.strip_prefix("Forwarded: ")).unwrap();
                prop_assert_eq!(elements.split(", ").count(), said.len());
            }
        }
    }

    #[test]
    fn any_bytes_make_whole_lines(
        values in proptest::collection::vec((0usize..6, proptest::collection::vec(any::<u8>(), 0..40)), 0..6),
    ) {
        const NAMES: [&str; 6] = [
            "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port", "forwarded", "x-request-id",
        ];
        // What a head's parser lets through.
        let clean = |bytes: Vec<u8>| bytes.into_iter().filter(|b| *b >= b' ' && *b != 127).collect();
        let fields = List(values.into_iter().map(|(at, bytes)| (NAMES[at].to_owned(), clean(bytes))).collect());
        for by in [ForwardedBy::XForwardedFor, ForwardedBy::Forwarded] {
            let hop = Hop { peer: "10.0.0.1".parse().unwrap(), secure: true, port: 443, host: b"a" };
            let mut out = Vec::new();
            let client = tell(&fields, &hop, &rules(by), &mut out).client;
            let text = String::from_utf8_lossy(&out).into_owned();
            prop_assert_eq!(chain_of(&text)[0], client);
            let names: Vec<_> = text.lines().map(|line| line.split(": ").next().unwrap().to_owned()).collect();
            prop_assert_eq!(names.len(), if by == ForwardedBy::Forwarded { 5 } else { 4 });
        }
    }
}

fn chain_of(lines: &str) -> Vec<IpAddr> {
    chain(lines).split(", ").map(|address| address.parse().unwrap()).collect()
}
