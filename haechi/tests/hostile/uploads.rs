//! Large bodies on their way up, most of which pass inside the kernel: byte for byte, and with a side that
//! pauses or breaks.

use std::time::Duration;

use haechi_tests::{Connection, Scripted, address, pause};

use super::Front;

const LENGTH: usize = 5_000_000;

/// A body whose every piece tells its place.
fn body() -> Vec<u8> {
    (0..LENGTH / 8).flat_map(|n| format!("{n:07} ").into_bytes()).collect()
}

fn head(path: &str) -> Vec<u8> {
    format!("POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: {LENGTH}\r\n\r\n").into_bytes()
}

#[test]
fn a_large_upload_arrives_whole_and_both_connections_go_on() {
    let endpoint = Scripted::start(address(), |_, peer| {
        while peer.head().is_some() {
            // A slow reader: the pipe between the two fills up in between.
            let mut got = peer.body(1_000_000);
            pause(Duration::from_millis(100));
            got.extend(peer.body(LENGTH - got.len()));
            peer.answer(if got == body() { "whole" } else { "broken" });
        }
    });
    let front = Front::new(&[&endpoint], 1, "", "");
    let mut connection = Connection::open(front.listen).unwrap();
    for _ in 0..3 {
        connection.send(&head("/")).unwrap();
        // In two parts, with a pause of the client between them, and the next request right behind.
        let bytes = body();
        connection.send(&bytes[..2_000_000]).unwrap();
        pause(Duration::from_millis(50));
        connection.send(&bytes[2_000_000..]).unwrap();
        assert_eq!(connection.reply(false).unwrap().text(), "whole");
    }
    assert_eq!(front.connects("e0"), 1);
    assert!(front.node.endpoint("web", "e0")["bytesOut"].as_u64().unwrap() >= 3 * LENGTH as u64);
}

#[test]
fn requests_behind_a_large_upload_are_not_taken_for_its_body() {
    let endpoint = Scripted::start(address(), |_, peer| {
        while let Some(head) = peer.head() {
            if head.starts_with("POST") {
                assert_eq!(peer.body(LENGTH).len(), LENGTH);
            }
            peer.answer(if head.contains("/second") { "second" } else { "first" });
        }
    });
    let front = Front::new(&[&endpoint], 1, "", "");
    let mut connection = Connection::open(front.listen).unwrap();
    let mut all = head("/first");
    all.extend(body());
    all.extend(b"GET /second HTTP/1.1\r\nHost: h\r\n\r\n");
    connection.send(&all).unwrap();
    assert_eq!(connection.reply(false).unwrap().text(), "first");
    assert_eq!(connection.reply(false).unwrap().text(), "second");
}

#[test]
fn a_client_that_breaks_off_a_large_upload_takes_its_endpoint_connection_along() {
    let endpoint = Scripted::start(address(), |_, peer| {
        while let Some(head) = peer.head() {
            if head.starts_with("POST") {
                assert!(peer.body(LENGTH).len() < LENGTH, "the body must end before its time");
                return;
            }
            peer.answer("fine");
        }
    });
    let front = Front::new(&[&endpoint], 1, "", "");
    let mut connection = Connection::open(front.listen).unwrap();
    connection.send(&head("/")).unwrap();
    connection.send(&body()[..LENGTH / 2]).unwrap();
    drop(connection);
    front.assert_calm();
}

#[test]
fn an_endpoint_that_answers_and_goes_within_a_large_upload_is_heard() {
    let endpoint = Scripted::start(address(), |_, peer| {
        while let Some(head) = peer.head() {
            if head.starts_with("POST") {
                peer.body(LENGTH / 2);
                peer.send("HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\nConnection: close\r\n\r\nlarge");
                pause(Duration::from_millis(100));
                return;
            }
            peer.answer("fine");
        }
    });
    let front = Front::new(&[&endpoint], 1, "", "");
    let mut connection = Connection::open(front.listen).unwrap();
    connection.send(&head("/")).unwrap();
    connection.send(&body()[..LENGTH / 2 + 1000]).unwrap();
    let reply = connection.reply(false).unwrap();
    assert_eq!((reply.status, reply.text().as_str()), (413, "large"));
    drop(connection);
    front.assert_calm();
}
