//! Datagrams that want to do harm, and more flows than there may be.

use std::net::SocketAddr;
use std::time::Duration;

use haechi_tests::{eventually, pause};
use socket2::{Domain, Protocol, Socket, Type};

use crate::rig::{Client, Echo, Front, SOON};

#[test]
fn empty_and_largest_datagrams_go_through_whole() {
    let echo = Echo::new(b'a');
    let front = Front::start(&[&echo], "", "");
    let client = Client::new(front.listen);
    assert_eq!(client.ask(b""), b'a');
    for size in [1, 1472, 9000, 65_506] {
        let bytes: Vec<u8> = (0..size).map(|at| u8::try_from(at % 251).unwrap()).collect();
        assert_eq!(client.ask(&bytes), b'a', "{size} bytes");
    }
    // Of the largest one every byte is its own.
    let largest = vec![7; 65_507];
    client.say(&largest);
    assert!(client.hear().unwrap() == largest);
    assert_eq!(front.listener()["open"], 1);
}

/// A datagram that says it comes from the listener itself would be answered to the listener without end.
#[test]
fn what_pretends_to_come_from_the_listener_itself_makes_no_loop() {
    let echo = Echo::new(b'a');
    let front = Front::start(&[&echo], "", "");
    let raw = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::UDP)).expect("raw sockets take root");
    raw.bind(&SocketAddr::new(front.listen.ip(), 0).into()).unwrap();
    let to = front.listen.port();
    for from in [to, 0] {
        // Ports, length, and a checksum of 0, which is none.
        let header = [from, to, 12, 0].map(u16::to_be_bytes).concat();
        raw.send_to(&[&header[..], b"loop"].concat(), &front.listen.into()).unwrap();
    }
    eventually(SOON, "both are dropped", || front.dropped("notUnicast") == 2);
    assert_eq!(front.listener()["datagrams"]["received"], 2);
    assert_eq!(front.listener()["open"], 0);
    assert_eq!(Client::new(front.listen).ask(b"x"), b'a');
}

#[test]
fn a_flood_of_flows_locks_nobody_out_who_is_there() {
    let echo = Echo::new(b'a');
    let front = Front::start(&[&echo], ", maxFlows: 200, idleTimeout: 1m", "");
    let known: Vec<Client> = (0..100).map(|_| Client::new(front.listen)).collect();
    for round in [b"1", b"2"] {
        known.iter().for_each(|client| assert_eq!(client.ask(round), b'a'));
    }
    let strangers: Vec<Client> = (0..3000).map(|_| Client::new(front.listen)).collect();
    strangers.iter().for_each(|client| client.say(b"?"));
    eventually(SOON, "the bound bites", || front.dropped("flowsFull") > 1000);
    assert!(front.listener()["open"].as_u64().unwrap() <= 200);
    known.iter().for_each(|client| assert_eq!(client.ask(b"3"), b'a'));
    // A second later those that were let in give way to whoever comes.
    pause(Duration::from_millis(1100));
    let dropped = front.dropped("flowsFull");
    let late: Vec<Client> = (0..40).map(|_| Client::new(front.listen)).collect();
    let answered = late.iter().filter(|client| client.ask_until_answered(b"x") == b'a').count();
    assert_eq!(answered, 40);
    known.iter().for_each(|client| assert_eq!(client.ask(b"4"), b'a'));
    let listener = front.listener();
    assert!(listener["open"].as_u64().unwrap() <= 200, "{listener}");
    assert!(front.dropped("flowsFull") - dropped < 40, "{listener}");
}
