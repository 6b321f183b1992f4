//! What clients are told of a coded answer, and which answers stay as they are.

use haechi_tests::{Connection, Http2, Scripted, address};

use super::{front, text, unzip};

const LEN: usize = 5000;

fn endpoint() -> Scripted {
    Scripted::start(address(), |_, peer| {
        while let Some(head) = peer.head() {
            let kind = "Content-Type: text/html\r\nETag: \"a\"\r\nVary: Origin\r\nAccept-Ranges: bytes\r\nRepr-Digest: sha-256=:x:\r\n";
            let body = text(LEN);
            let part = |lines: &str, body: &[u8]| {
                [format!("HTTP/1.1 200 OK\r\n{kind}{lines}\r\n").as_bytes(), body].concat()
            };
            let length = format!("Content-Length: {LEN}\r\n");
            let answer = match head.split(' ').nth(1).unwrap() {
                _ if head.starts_with("HEAD") => part(&length, b""),
                "/kept" => part(&format!("{length}Cache-Control: no-transform\r\n"), &body),
                "/coded" => part(&format!("{length}Content-Encoding: x-own\r\n"), &body),
                "/304" => b"HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n".to_vec(),
                "/trailers" => {
                    let body = text(LEN);
                    let (first, second) = body.split_at(1000);
                    let mut wire = part("Transfer-Encoding: chunked\r\n", b"");
                    for chunk in [first, second] {
                        wire.extend_from_slice(format!("{:x};ext=1\r\n", chunk.len()).as_bytes());
                        wire.extend_from_slice(chunk);
                        wire.extend_from_slice(b"\r\n");
                    }
                    wire.extend_from_slice(b"0\r\nX-Sum: 7\r\nRepr-Digest: sha-256=:x:\r\n\r\n");
                    wire
                }
                _ => part(&length, &body),
            };
            if !peer.send(answer) {
                return;
            }
        }
    })
}

fn ask(client: &mut Connection, method: &str, path: &str, lines: &str) {
    client
        .send(
            format!("{method} {path} HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip\r\n{lines}\r\n").as_bytes(),
        )
        .unwrap();
}

#[test]
fn the_head_says_what_the_body_is_and_the_connection_goes_on() {
    let endpoint = endpoint();
    let (to, _node) = front(endpoint.address, "");
    let mut client = Connection::open(to).unwrap();
    for method in ["GET", "HEAD", "GET"] {
        ask(&mut client, method, "/", "");
        let reply = client.reply(method == "HEAD").unwrap();
        let field = |name: &str| reply.fields.get(name).map(String::as_str);
        assert_eq!(field("content-encoding"), Some("gzip"), "{reply:?}");
        assert_eq!((field("etag"), field("vary")), (Some("W/\"a\""), Some("Origin, Accept-Encoding")));
        for gone in ["content-length", "accept-ranges", "repr-digest"] {
            assert_eq!(field(gone), None, "{gone}");
        }
        if method == "GET" {
            assert_eq!(unzip(&reply.body), text(LEN));
        }
    }
    for path in ["/kept", "/coded", "/plain"] {
        ask(&mut client, "GET", path, "");
        let reply = client.reply(false).unwrap();
        assert_eq!(reply.body, text(LEN), "{path}");
        assert_eq!((&*reply.fields["etag"], &*reply.fields["vary"]), ("\"a\"", "Origin"), "{path}");
    }
    ask(&mut client, "GET", "/304", "If-None-Match: W/\"a\"\r\n");
    let reply = client.reply(false).unwrap();
    assert_eq!((reply.status, &*reply.fields["etag"]), (304, "W/\"a\""));
}

#[test]
fn http_1_0_gets_it_as_it_is_but_caches_are_told() {
    let endpoint = endpoint();
    let (to, _node) = front(endpoint.address, "");
    let mut client = Connection::open(to).unwrap();
    client.send(b"GET / HTTP/1.0\r\nHost: h\r\nAccept-Encoding: gzip\r\n\r\n").unwrap();
    let reply = client.reply(false).unwrap();
    assert_eq!(reply.body, text(LEN));
    assert_eq!(&*reply.fields["vary"], "Origin, Accept-Encoding");
}

#[test]
fn trailers_stay_but_those_of_other_bytes() {
    let endpoint = endpoint();
    let (to, _node) = front(endpoint.address, "");
    let mut client = Http2::open(to).unwrap();
    let stream = client.begin("GET", "/trailers", &[("accept-encoding", "gzip")], true);
    let answer = client.answer(stream);
    assert_eq!(unzip(&answer.body), text(LEN));
    assert_eq!(answer.trailers, [("x-sum".to_owned(), "7".to_owned())]);
    let mut client = Connection::open(to).unwrap();
    ask(&mut client, "GET", "/trailers", "Connection: close\r\n");
    let all = client.rest().unwrap();
    assert!(all.ends_with(b"\r\n0\r\nX-Sum: 7\r\n\r\n"), "{}", all[all.len() - 60..].escape_ascii());
}
