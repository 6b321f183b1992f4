//! Fields behind a body, from HTTP/1 to HTTP/2 and back, and heads without a body.

use haechi_tests::{Http2, Scripted, address};

use crate::front;

/// Answers a body in chunks with the same body, and the trailers that came with some more behind it.
fn echo(more: &'static str) -> Scripted {
    Scripted::start(address(), move |_, peer| {
        while let Some(head) = peer.head() {
            assert!(head.contains("TE: trailers\r\nConnection: TE\r\n"), "{head}");
            let (body, trailers) = peer.chunks_and_trailers();
            peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: sum\r\n\r\n");
            if !body.is_empty() {
                peer.send(format!("{:x}\r\n", body.len()));
                peer.send(&body);
                peer.send("\r\n");
            }
            peer.send(format!("0\r\n{trailers}{more}\r\n"));
        }
    })
}

fn pairs(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn trailers_go_both_ways_and_what_a_head_alone_may_say_is_dropped() {
    let endpoint = echo("Sum:  7 \r\nSet-Cookie: a=1\r\n");
    let (listen, _node) = front(endpoint.address, "");
    let mut client = Http2::open(listen).unwrap();
    for body in [&b""[..], b"hello", &[7; 60_000]] {
        let stream = client.begin("POST", "/", &[("te", "trailers"), ("trailer", "x-own")], false);
        let mut rest = body;
        while !rest.is_empty() {
            rest = &rest[client.send_part(stream, rest)..];
        }
        let trailers =
            [("x-own", "1"), ("authorization", "root"), ("x-forwarded-for", "6.6.6.6"), ("empty", "")];
        client.send_trailers(stream, &trailers);
        let answer = client.answer(stream);
        assert!(answer.whole && answer.body == body, "{:?}", answer.reset);
        assert_eq!(answer.fields["trailer"], "sum");
        assert_eq!(answer.trailers, pairs(&[("x-own", "1"), ("empty", ""), ("sum", "7")]));
    }
}

#[test]
fn a_trailer_that_would_frame_a_message_ends_its_stream_and_no_other() {
    let endpoint = echo("");
    let (listen, node) = front(endpoint.address, "");
    let mut client = Http2::open(listen).unwrap();
    let other = client.begin("POST", "/", &[("te", "trailers")], false);
    for name in ["host", "content_length", "transfer_encoding"] {
        let stream = client.begin("POST", "/", &[("te", "trailers")], false);
        client.send_part(stream, b"hello");
        client.send_trailers(stream, &[(name, "5")]);
        let answer = client.answer(stream);
        assert!(!answer.whole && answer.status == 0, "{name}: {answer:?}");
    }
    client.send(other, b"still here");
    assert_eq!(client.answer(other).body, b"still here");
    assert!(!endpoint.seen().contains("transfer_encoding"));
    drop(node);
}

#[test]
fn an_endpoint_with_such_a_trailer_is_cut_off() {
    let endpoint = echo("Content-Length: 5\r\n");
    let (listen, _node) = front(endpoint.address, "");
    let mut client = Http2::open(listen).unwrap();
    let stream = client.begin("POST", "/", &[("te", "trailers")], false);
    client.send(stream, b"hello");
    let answer = client.answer(stream);
    // Where nothing had gone on yet, it is our answer.
    assert!(
        !answer.whole || answer.fields.get("haechi-fault").is_some_and(|it| it == "badResponse"),
        "{answer:?}"
    );
}

#[test]
fn responses_without_a_body_end_with_their_head() {
    let endpoint = Scripted::start(address(), |_, peer| {
        while let Some(head) = peer.head() {
            let path = head.split(' ').nth(1).unwrap();
            peer.send(match path {
                "/204" => "HTTP/1.1 204 No Content\r\n\r\n",
                "/304" => "HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\nETag: \"a\"\r\n\r\n",
                "/chunked" => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                _ => "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
            });
        }
    });
    let (listen, node) = front(endpoint.address, "");
    let mut client = Http2::open(listen).unwrap();
    for (method, path, status) in
        [("GET", "/204", 204), ("GET", "/304", 304), ("HEAD", "/", 200), ("HEAD", "/chunked", 200)]
    {
        let stream = client.begin(method, path, &[], true);
        let answer = client.answer(stream);
        assert!(answer.whole && answer.body.is_empty(), "{method} {path}: {answer:?}");
        assert_eq!(answer.status, status);
        let length = answer.fields.get("content-length").map(String::as_str);
        assert_eq!(length, ["/304", "/"].contains(&path).then_some("1000"), "{method} {path}");
    }
    assert_eq!(node.endpoint("web", "a")["connects"], 1, "each left its connection as it should");
}
