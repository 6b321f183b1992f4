//! How long an endpoint's answer may be.

use haechi_tests::{Connection, Http2, Scripted, address};

use super::front;

const ROUTES: &str = "
      - { path: /any, pool: web }
      - { pool: web, filters: { maxResponseBody: 10B } }
";

/// Answers as the path says.
fn wordy() -> Scripted {
    Scripted::start(address(), |_, peer| {
        while let Some(head) = peer.head() {
            let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
            let answer = match path.as_str() {
                "/ten" => "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789",
                "/eleven" | "/any" => "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n0123456789a",
                "/huge" => "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n0123",
                "/head" => "HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n",
                "/chunks" => {
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n"
                }
                "/over" => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n",
                "/announced" => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n",
                _ => "HTTP/1.1 200 OK\r\n\r\n01234",
            };
            if !peer.send(answer) {
                return;
            }
            match path.as_str() {
                "/over" => drop(peer.send("6\r\n56789a\r\n0\r\n\r\n")),
                "/open" => drop(peer.send("56789a")),
                "/closed" => drop(peer.send("56789")),
                _ => continue,
            }
            return;
        }
    })
}

#[test]
fn an_answer_over_its_limit_never_looks_whole() {
    let endpoint = wordy();
    let (listen, node) = front(endpoint.address, ROUTES);
    let ask = |method: &str, path: &str| {
        let mut connection = Connection::open(listen).unwrap();
        connection.send(format!("{method} {path} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes()).unwrap();
        connection.reply(method == "HEAD")
    };
    let mut client = Http2::open(listen).unwrap();
    for path in ["/ten", "/chunks", "/closed", "/any"] {
        assert_eq!(ask("GET", path).unwrap().status, 200, "{path}");
        let answer = client.get(path);
        assert!(answer.status == 200 && answer.reset.is_none(), "{path}");
    }
    assert_eq!(ask("HEAD", "/head").unwrap().fields["content-length"], "99999", "it has no body");
    for path in ["/eleven", "/huge", "/announced"] {
        let reply = ask("GET", path).unwrap();
        assert_eq!(
            (reply.status, reply.fields["haechi-fault"].as_str()),
            (502, "responseTooLarge"),
            "{path}"
        );
        let answer = client.get(path);
        assert_eq!(
            (answer.status, answer.fields["haechi-fault"].as_str()),
            (502, "responseTooLarge"),
            "{path}"
        );
    }
    for path in ["/over", "/open"] {
        match ask("GET", path) {
            Ok(reply) => assert_eq!(reply.status, 502, "{path}: all of it came at once"),
            Err(error) => assert!(error.kind() != std::io::ErrorKind::TimedOut, "{path}: {error}"),
        }
        let answer = client.get(path);
        assert!(answer.status == 502 || answer.reset.is_some(), "{path}");
    }
    assert_eq!(node.status()["listeners"][0]["faults"]["responseTooLarge"], 10);
    assert_eq!(ask("GET", "/ten").unwrap().status, 200);
}

#[test]
fn who_asks_for_something_large_has_no_endpoint_ejected() {
    let endpoint = wordy();
    let (listen, node) = front(endpoint.address, ROUTES);
    let config = std::fs::read_to_string(node.config()).unwrap();
    node.change(&config.replace("endpoints:", "passive: { consecutiveFailures: 2 }, endpoints:"));
    let mut connection = Connection::open(listen).unwrap();
    for _ in 0..10 {
        assert_eq!(connection.get("/eleven").unwrap().status, 502);
    }
    assert_eq!(connection.get("/ten").unwrap().status, 200);
    assert_eq!(node.endpoint("web", "a")["ejected"], false);
}
