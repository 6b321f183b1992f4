//! Every situation of a router times every kind of input: what follows, to the word, and what it waits for
//! then. This node is 10.0.0.2 with priority 100. A row that is missing is a failure too.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which clippy takes for more")]

mod common;

use haechi_vrrp::packet::Version;
use haechi_vrrp::{Effect, Input};

use common::{Node, advertisement, failed, ip, lower, ms, paused, said, settings, track, words};

/// How each situation comes about. 10 ms after its last event, so that an answer may be sent at once.
fn situation(name: &str) -> Node {
    let node = match name {
        "new" => Node::new(settings(2, 100)),
        "fault" => {
            let mut node = Node::started(settings(2, 100));
            node.feed(&track("disk", Effect::Fault));
            node
        }
        "alone" => Node::started(settings(2, 100)),
        "following" => {
            let mut node = Node::started(settings(2, 100));
            node.feed(&said(9, 200));
            node
        }
        "claiming" => {
            let mut node = Node::started(settings(2, 100));
            node.claims_succeed = false;
            node.until_active();
            node
        }
        "active" => Node::active(settings(2, 100)),
        "yielding" => {
            let mut node = Node::active(settings(2, 100));
            node.feed(&Input::Yield { to: Some(ip(3)) });
            node
        }
        "quiet" => {
            let mut node = Node::active(settings(2, 100));
            node.feed(&said(9, 200));
            node
        }
        other => unreachable!("{other}"),
    };
    let mut node = node;
    node.now = node.now + ms(10);
    node
}

fn inputs() -> Vec<(&'static str, Input)> {
    let other = |source: u8, change: fn(&mut haechi_vrrp::packet::Advertisement)| {
        let mut advertisement = advertisement(200);
        change(&mut advertisement);
        Input::Advertisement { source: ip(source), advertisement }
    };
    let configured = |change: fn(&mut haechi_vrrp::Settings)| {
        let mut settings = settings(2, 100);
        change(&mut settings);
        Input::Configure(Box::new(settings))
    };
    vec![
        ("start", Input::Start),
        ("stop", Input::Stop),
        ("timer, early", Input::Timer),
        ("greater priority", said(9, 200)),
        ("lesser priority", said(9, 50)),
        ("equal, greater address", said(9, 100)),
        ("equal, lesser address", said(1, 100)),
        ("priority 0 of the followed", said(9, 0)),
        ("priority 0 of another", said(8, 0)),
        ("own address", said(2, 200)),
        ("other id", other(9, |said| said.id = 52)),
        ("other addresses", other(9, |said| said.addresses = vec![ip(100)])),
        ("version 2, same addresses", other(9, |said| (said.version, said.priority) = (Version::V2, 50))),
        (
            "version 2, other addresses",
            other(9, |said| (said.version, said.addresses) = (Version::V2, vec![ip(77)])),
        ),
        ("track: well", track("disk", Effect::Clear)),
        ("track: lower", track("link", lower(30))),
        ("track: fault", track("link", Effect::Fault)),
        ("claimed", Input::Claimed),
        ("claim failed", failed()),
        ("released", Input::Released),
        ("configure: same", configured(|_| ())),
        ("configure: priority", configured(|it| it.priority = 120.try_into().unwrap())),
        ("configure: addresses", configured(|it| it.addresses = vec![ip(110)])),
        ("configure: announce", configured(|it| it.announce.repeat = 2)),
        ("configure: id", configured(|it| it.id = 99.try_into().unwrap())),
        ("yield", Input::Yield { to: None }),
        ("resumed", Input::Resumed),
        ("paused briefly", paused(100)),
        ("paused for long", paused(400)),
        ("link up", Input::LinkUp),
        ("link down", Input::LinkDown),
    ]
}

#[test]
fn every_situation_and_every_input() {
    let table = include_str!("table.txt");
    let mut found = String::new();
    for name in ["new", "fault", "alone", "following", "claiming", "active", "yielding", "quiet"] {
        found += &format!("\n{name}\n");
        for (label, input) in inputs() {
            let mut node = situation(name);
            let out = node.feed(&input);
            let waits = match node.next() {
                Some(next) => format!("{:.1} ms", next.as_secs_f64() * 1e3),
                None => "-".to_owned(),
            };
            let state = node.router.state().name();
            found += &format!("    {label:27} {state:10} {waits:>9}   {}\n", words(&out));
        }
    }
    if std::env::var_os("HAECHI_UPDATE_GOLDEN").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/table.txt");
        let head: String =
            table.lines().take_while(|line| line.starts_with('#')).map(|l| format!("{l}\n")).collect();
        std::fs::write(path, head + &found).unwrap();
        return;
    }
    let rows = |text: &str| -> Vec<String> {
        text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    };
    for (expected, found) in rows(table).iter().zip(rows(&found)) {
        assert_eq!(*expected, found);
    }
    assert_eq!(rows(table).len(), rows(&found).len());
}
