//! Bodies that come slowly, and those that do not come to their end.

use std::sync::Mutex;
use std::sync::mpsc;

use haechi_tests::{Connection, Http2, Scripted, address};

use super::{front, text, unzip};

const STREAM: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

fn chunk(data: &str) -> String {
    format!("{:x}\r\n{data}\r\n", data.len())
}

/// The endpoint says its next event only after the client has read the one before.
#[test]
fn no_event_waits_for_the_next_one() {
    for coding in ["gzip", "br", "zstd"] {
        let (go_on, told) = mpsc::channel::<()>();
        let told = Mutex::new(told);
        let endpoint = Scripted::start(address(), move |_, peer| {
            while peer.head().is_some() {
                peer.send(STREAM);
                for event in 0..5 {
                    peer.send(chunk(&format!("data: {event}\n\n")));
                    if told.lock().unwrap().recv().is_err() {
                        return;
                    }
                }
                peer.send("0\r\n\r\n");
            }
        });
        let (to, _node) = front(endpoint.address, "types: [text/event-stream]");
        let mut client = Http2::open(to).unwrap();
        let stream = client.begin("GET", "/", &[("accept-encoding", coding)], true);
        let mut expected = String::new();
        for event in 0..5 {
            expected += &format!("data: {event}\n\n");
            client.until("the event comes", |client| {
                decoded(coding, &client.state(stream).body) == expected.as_bytes()
            });
            go_on.send(()).unwrap();
        }
        assert!(client.answer(stream).whole, "{coding}");
    }
}

fn decoded(coding: &str, coded: &[u8]) -> Vec<u8> {
    match coding {
        "gzip" => unzip(coded),
        "br" => {
            let mut out = Vec::new();
            let _ = std::io::Read::read_to_end(&mut brotli::Decompressor::new(coded, 4096), &mut out);
            out
        }
        _ => {
            let (mut out, mut context) = (Vec::with_capacity(1 << 16), zstd_safe::DCtx::create());
            let mut input = zstd_safe::InBuffer::around(coded);
            let mut output = zstd_safe::OutBuffer::around(&mut out);
            while input.pos() < coded.len() {
                context.decompress_stream(&mut output, &mut input).unwrap();
            }
            out
        }
    }
}

/// Whoever finished the coding of what is there would make a whole answer of half of one.
#[test]
fn an_answer_that_is_cut_off_is_seen_to_be() {
    let endpoint = Scripted::start(address(), |_, peer| {
        if let Some(head) = peer.head() {
            let how =
                if head.contains("/length") { "Content-Length: 90000" } else { "Transfer-Encoding: chunked" };
            let data = String::from_utf8(text(30_000)).unwrap();
            let body = if head.contains("/length") { data } else { chunk(&data) };
            peer.send(format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n{how}\r\n\r\n{body}"));
        }
    });
    let (to, _node) = front(endpoint.address, "");
    for path in ["/length", "/chunks"] {
        let mut client = Connection::open(to).unwrap();
        client
            .send(format!("GET {path} HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip\r\n\r\n").as_bytes())
            .unwrap();
        assert!(client.reply(false).is_err(), "{path}");
        let mut client = Http2::open(to).unwrap();
        let stream = client.begin("GET", path, &[("accept-encoding", "gzip")], true);
        let answer = client.answer(stream);
        assert!(!answer.whole && answer.reset.is_some(), "{path}: {answer:?}");
    }
}

#[test]
fn a_body_that_ends_with_its_connection_is_whole() {
    let endpoint = Scripted::start(address(), |_, peer| {
        if peer.head().is_some() {
            peer.send("HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n");
            peer.send(text(50_000));
        }
    });
    let (to, _node) = front(endpoint.address, "");
    let mut client = Connection::open(to).unwrap();
    client.send(b"GET / HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip\r\n\r\n").unwrap();
    let reply = client.reply(false).unwrap();
    assert_eq!((&*reply.fields["content-encoding"], unzip(&reply.body)), ("gzip", text(50_000)));
}
