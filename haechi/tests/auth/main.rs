//! Somebody else is asked whether requests may go on: over HTTP/1 and HTTP/2, by endpoints that answer well, badly and
//! not at all.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod trouble;

use std::net::SocketAddr;

use haechi_tests::{Connection, Http2, Node, Peer, Scripted, address};

const BINARY: &str = env!("CARGO_BIN_EXE_haechi");

/// An endpoint that shows the head that it got, as its body, after it has read what came behind it.
fn shows() -> Scripted {
    Scripted::start(address(), |_, peer| {
        while let Some(head) = peer.head() {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().unwrap())
            });
            peer.body(length.unwrap_or(0));
            if !peer.answer(&head) {
                return;
            }
        }
    })
}

/// A node with the pools `web` and `auth`, which has this filter on `/` and none on `/open`.
struct Rig {
    web: Scripted,
    listen: SocketAddr,
    node: Node,
}

fn rig(auth: SocketAddr, keys: &str) -> Rig {
    rig_of(shows(), auth, keys)
}

fn rig_of(web: Scripted, auth: SocketAddr, keys: &str) -> Rig {
    let ip = address();
    let config = format!(
        "workers: 1\nlisteners:\n  web:\n    bind: \"{ip}:80\"\n    protocol: http\n    routes:\n\
         \x20     - {{ pool: web, filters: {{ externalAuth: {{ pool: auth, responseHeaders: [X-User, X-Groups], {keys} }} }} }}\n\
         \x20     - {{ path: /open, pool: web }}\n\
         pools:\n  web: {{ endpoints: {{ a: \"{}\" }} }}\n  auth: {{ endpoints: {{ a: \"{auth}\" }} }}\n",
        web.address
    );
    Rig { web, listen: SocketAddr::new(ip, 80), node: Node::start(BINARY, &config) }
}

/// Lets in who has the cookie `user=…`, by that name; sends others to sign in, and refuses `user=mallory`.
fn doorman() -> Scripted {
    Scripted::start(address(), |_, peer: &mut Peer| {
        while let Some(head) = peer.head() {
            let user = head.lines().find_map(|line| line.strip_prefix("cookie: user="));
            let answer = match user {
                Some("mallory") => {
                    "HTTP/1.1 403 Forbidden\r\nX-Why: because\r\nContent-Length: 2\r\n\r\nno".to_owned()
                }
                Some(user) => format!(
                    "HTTP/1.1 200 OK\r\nx-user: {user}\r\nX-Else: kept back\r\nX-Groups: a\r\nX-Groups: b\r\n\
                     Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
                ),
                None => "HTTP/1.1 302 Found\r\nLocation: https://sign.in/?rd\r\nContent-Length: 0\r\n\r\n"
                    .to_owned(),
            };
            // As many servers write it: the head first.
            let (head, body) = answer.split_at(answer.find("\r\n\r\n").unwrap() + 4);
            if !peer.send(head) || !peer.send(body) {
                return;
            }
        }
    })
}

const FORGED: &str = "X-User: root\r\nx_user: root\r\nX-GROUPS: wheel\r\nX-Forwarded-Uri: /open\r\n";

fn assert_seen(seen: &str, user: &str) {
    let lines: Vec<String> = seen.lines().map(str::to_ascii_lowercase).collect();
    let has = |begin: &str| lines.iter().filter(|line| line.starts_with(begin)).cloned().collect::<Vec<_>>();
    assert_eq!(has("x-user"), [format!("x-user: {user}")], "{seen}");
    assert_eq!(has("x_user"), [""; 0], "{seen}");
    assert_eq!(has("x-groups"), ["x-groups: a", "x-groups: b"], "{seen}");
    assert_eq!(has("x-else"), [""; 0], "{seen}");
    assert_eq!(has("cookie"), [format!("cookie: user={user}")], "the request's own fields go on");
}

#[test]
fn who_is_let_in_goes_on_as_whom_the_answer_says() {
    let doorman = doorman();
    let rig = rig(doorman.address, "path: /verify, requestHeaders: [Cookie]");
    let mut connection = Connection::open(rig.listen).unwrap();
    for (user, method, body) in [("ann", "GET", ""), ("bob", "POST", "hello"), ("ann", "GET", "")] {
        let request = format!(
            "{method} /x?q HTTP/1.1\r\nHost: shop.example\r\nAuthorization: secret\r\nCookie: user={user}\r\n\
             {FORGED}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        connection.send(request.as_bytes()).unwrap();
        let reply = connection.reply(false).unwrap();
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert!(reply.text().starts_with(&format!("{method} /x?q HTTP/1.1\r\n")), "{}", reply.text());
        assert_seen(&reply.text(), user);
    }
    let mut client = Http2::open(rig.listen).unwrap();
    let fields = [("x-user", "root"), ("x_user", "root"), ("x-groups", "wheel"), ("cookie", "user=eve")];
    let stream = client.begin("POST", "/x?q", &fields, false);
    client.send(stream, b"hello");
    assert_seen(&client.answer(stream).text(), "eve");
    let seen = doorman.seen();
    let question = seen.split("\r\n\r\n").nth(1).unwrap();
    for line in [
        "GET /verify HTTP/1.1",
        "Host: shop.example",
        "X-Forwarded-Method: POST",
        "X-Forwarded-Uri: /x?q",
        "X-Forwarded-Host: shop.example",
        "cookie: user=bob",
    ] {
        assert_eq!(question.lines().filter(|seen| *seen == line).count(), 1, "{line} in {question}");
    }
    assert_eq!(question.matches("X-Forwarded-For: 127.").count(), 1, "{question}");
    for word in ["secret", "/open", "root", "ontent-", "hello"] {
        assert!(!seen.contains(word), "{word} in {seen}");
    }
    assert_eq!(doorman.connections.load(std::sync::atomic::Ordering::Relaxed), 1, "it is kept");
    assert_eq!(rig.node.status()["listeners"][0]["auths"][0]["results"]["allowed"], 4);
}

/// Whoever merges trailers into a head saw the client's.
#[test]
fn trailers_are_no_way_to_be_somebody_else() {
    let web = Scripted::start(address(), |_, peer| {
        while peer.head().is_some() {
            let (_, trailers) = peer.chunks_and_trailers();
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{trailers}", trailers.len());
            if !peer.send(answer) {
                return;
            }
        }
    });
    let doorman = doorman();
    let rig = rig_of(web, doorman.address, "path: /verify, requestHeaders: [Cookie]");
    let mut connection = Connection::open(rig.listen).unwrap();
    connection
        .send(b"POST / HTTP/1.1\r\nHost: h\r\nCookie: user=ann\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-User: root\r\n\r\n")
        .unwrap();
    let reply = connection.reply(false).unwrap();
    assert_eq!((reply.status, reply.text().trim()), (200, ""));
    let mut client = Http2::open(rig.listen).unwrap();
    let stream = client.begin("POST", "/", &[("cookie", "user=ann")], false);
    client.send_part(stream, b"hi");
    client.send_trailers(stream, &[("x-user", "root")]);
    let answer = client.answer(stream);
    assert_eq!((answer.status, answer.text().trim()), (200, ""));
    assert!(!rig.web.seen().contains("root"));
}

#[test]
fn who_is_not_let_in_gets_the_answer() {
    let doorman = doorman();
    let rig = rig(doorman.address, "path: /verify");
    let mut connection = Connection::open(rig.listen).unwrap();
    let ask = |connection: &mut Connection, method: &str, fields: &str| {
        let request = format!("{method} / HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
        connection.send(request.as_bytes()).unwrap();
        connection.reply(method == "HEAD").unwrap()
    };
    for method in ["GET", "HEAD"] {
        let reply = ask(&mut connection, method, "");
        assert_eq!((reply.status, reply.fields["location"].as_str()), (302, "https://sign.in/?rd"));
        let reply = ask(&mut connection, method, "Cookie: user=mallory\r\n");
        let body = if method == "HEAD" { "" } else { "no" };
        assert_eq!((reply.status, reply.fields["x-why"].as_str(), &*reply.text()), (403, "because", body));
        assert_eq!(reply.fields["content-length"], "2");
        assert!(!reply.fields.contains_key("haechi-fault"));
    }
    assert!(connection.get("/open").unwrap().text().starts_with("GET /open "), "the connection goes on");
    // A body that nobody reads can't be told from the next request, so the connection ends.
    connection
        .send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 40\r\n\r\nGET /open?stolen HTTP/1.1\r\n")
        .unwrap();
    let reply = connection.reply(false).unwrap();
    assert_eq!((reply.status, reply.fields["connection"].as_str()), (302, "close"));
    assert!(connection.rest().unwrap().is_empty());
    let mut client = Http2::open(rig.listen).unwrap();
    let stream = client.begin("POST", "/", &[("content-length", "5")], false);
    let answer = client.answer(stream);
    assert_eq!((answer.status, answer.fields["location"].as_str()), (302, "https://sign.in/?rd"));
    let stream = client.begin("GET", "/", &[("cookie", "user=mallory")], true);
    let answer = client.answer(stream);
    assert_eq!((answer.status, &*answer.text()), (403, "no"));
    assert!(client.get("/open").text().starts_with("GET /open "), "the others go on");
    let seen = rig.web.seen();
    assert!(
        seen.lines().filter(|line| line.contains(" HTTP/1.1")).all(|line| line.starts_with("GET /open HTTP")),
        "{seen}"
    );
    let status = rig.node.status();
    assert_eq!(status["listeners"][0]["auths"][0]["results"]["denied"], 7);
    assert_eq!(status["listeners"][0]["faults"], serde_json::json!({}));
}

#[test]
fn question_over_http2_with_the_host_that_the_config_names() {
    let doorman = doorman();
    let rig = rig(doorman.address, "path: \"/verify?a=b\", host: auth.internal");
    let mut client = Http2::open(rig.listen).unwrap();
    let stream = client.begin("GET", "/", &[("cookie", "user=ann"), ("authorization", "x")], true);
    assert_eq!(client.answer(stream).status, 200);
    let seen = doorman.seen();
    for line in
        ["GET /verify?a=b HTTP/1.1", "Host: auth.internal", "X-Forwarded-Host: test", "authorization: x"]
    {
        assert_eq!(seen.lines().filter(|seen| *seen == line).count(), 1, "{line} in {seen}");
    }
}
