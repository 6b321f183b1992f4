//! One connection of the origin: heads in pieces, several heads at once, ends and resets.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener as StdListener, TcpStream as StdStream};

use super::*;

fn pair(speaks: Speaks) -> (StdStream, Conn) {
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    let client = StdStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    server.set_nonblocking(true).unwrap();
    (client, Conn::new(TcpStream::from_std(server), speaks))
}

/// Turns the connection until it has answered with `expected` bytes in all.
fn answers(client: &mut StdStream, conn: &mut Conn, content: &Content, expected: usize) -> Vec<u8> {
    client.set_nonblocking(true).unwrap();
    let mut buffer = vec![0; 64 << 10];
    let mut got = Vec::new();
    for _ in 0..1_000_000 {
        conn.turn(&mut buffer, content, true).unwrap();
        let mut piece = [0; 8192];
        match client.read(&mut piece) {
            Ok(count) => got.extend_from_slice(&piece[..count]),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
        }
        if got.len() >= expected {
            break;
        }
    }
    got
}

const SMALL_REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn small(content: &Content) -> Vec<u8> {
    match content.answer(SMALL_REQUEST) {
        Answer::Ready(bytes) => bytes.to_vec(),
        Answer::Mirror | Answer::Last(_) => panic!("not plain"),
    }
}

#[test]
fn a_request_cut_anywhere_gets_the_same_answer() {
    let content = Content::new();
    let expected = small(&content);
    for cut in 1..SMALL_REQUEST.len() {
        let (mut client, mut conn) = pair(Speaks::Http);
        client.write_all(&SMALL_REQUEST[..cut]).unwrap();
        assert!(answers(&mut client, &mut conn, &content, 0).is_empty());
        client.write_all(&SMALL_REQUEST[cut..]).unwrap();
        assert_eq!(answers(&mut client, &mut conn, &content, expected.len()), expected, "cut at {cut}");
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let content = Content::new();
    let (mut client, mut conn) = pair(Speaks::Http);
    client
        .write_all(b"GET /mirror HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\nGET /none HTTP/1.1\r\n\r\n")
        .unwrap();
    let mirror = response("200 OK", "Content-Type: text/plain\r\n", b"GET /mirror HTTP/1.1\r\n\r\n");
    let expected =
        [&mirror[..], &small(&content), &response("404 Not Found", "", b"no such path\n")].concat();
    assert_eq!(answers(&mut client, &mut conn, &content, expected.len()), expected);
}

#[test]
fn a_client_that_says_close_gets_its_answer_and_the_end() {
    let content = Content::new();
    for request in [
        &b"GET / HTTP/1.0\r\n\r\n"[..],
        b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n",
        b"POST / HTTP/1.1\r\n\r\n",
    ] {
        let (mut client, mut conn) = pair(Speaks::Http);
        client.write_all(request).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let turn = conn.turn(&mut vec![0; 64 << 10], &content, true).unwrap();
        assert_eq!(turn, Turn::Ends);
        drop(conn);
        let mut got = Vec::new();
        client.read_to_end(&mut got).unwrap();
        assert!(got.starts_with(b"HTTP/1.1 "), "{request:?}");
    }
}

#[test]
fn an_endless_head_ends_the_connection() {
    let content = Content::new();
    let (mut client, mut conn) = pair(Speaks::Http);
    let writer = std::thread::spawn(move || {
        // The other side hangs up in the middle: that is the point.
        let _refused = client.write_all(&vec![b'a'; 4 << 20]);
    });
    let mut buffer = vec![0; 64 << 10];
    let ended = (0..10_000_000).any(|_| conn.turn(&mut buffer, &content, true).is_err());
    drop(conn);
    writer.join().unwrap();
    assert!(ended);
}

#[test]
fn an_echo_returns_more_than_the_kernel_holds() {
    let content = Content::new();
    let (mut client, mut conn) = pair(Speaks::Echo);
    let sent = crate::content::noise(9, 300_000);
    let mut writer = client.try_clone().unwrap();
    let copy = sent.clone();
    let thread = std::thread::spawn(move || {
        for piece in copy.chunks(1000) {
            let mut rest = piece;
            while !rest.is_empty() {
                match writer.write(rest) {
                    Ok(count) => rest = &rest[count..],
                    Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
                }
            }
        }
    });
    assert_eq!(answers(&mut client, &mut conn, &content, sent.len()), sent);
    thread.join().unwrap();
}

#[test]
fn a_source_repeats_its_mebibyte() {
    let content = Content::new();
    let (mut client, mut conn) = pair(Speaks::Source);
    let turns = crate::content::BULK + 5000;
    let got = answers(&mut client, &mut conn, &content, turns);
    let mebibyte = content.source();
    assert_eq!(got[..crate::content::BULK], mebibyte[..]);
    assert_eq!(got[crate::content::BULK..turns], mebibyte[..5000]);
}
