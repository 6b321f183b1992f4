//! Exchanges with endpoints that behave and that do not: what reaches the client, and who sees what twice.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use haechi_tests::{Connection, Load, Nginx, Node, Scripted, address, eventually, get, now, pause};

const BINARY: &str = env!("CARGO_BIN_EXE_haechi");

/// A node in front of these addresses; `pool` is more of the pool's keys, indented by four.
fn front(addresses: &[SocketAddr], pool: &str) -> (SocketAddr, Node) {
    let ip = address();
    let endpoints: String =
        addresses.iter().enumerate().map(|(n, address)| format!("      e{n}: \"{address}\"\n")).collect();
    let config = format!(
        "listeners:\n  web: {{ bind: \"{ip}:80\", protocol: http, routes: [{{ pool: web }}] }}\npools:\n  web:\n    endpoints:\n{endpoints}{pool}"
    );
    (SocketAddr::new(ip, 80), Node::start(BINARY, &config))
}

fn request(method: &str, body: &str) -> Vec<u8> {
    format!("{method} / HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn refusing() -> SocketAddr {
    // Nothing listens on an address that nobody else has.
    SocketAddr::new(address(), 8080)
}

fn plain() -> Scripted {
    Scripted::start(address(), |_, peer| while peer.head().is_some() && peer.answer("fine") {})
}

#[test]
fn a_refused_connect_goes_to_another_endpoint_even_for_post() {
    let good = plain();
    let (listen, node) = front(&[refusing(), good.address], "");
    for _ in 0..6 {
        assert_eq!(get(listen, "/").unwrap().text(), "fine");
    }
    let mut connection = Connection::open(listen).unwrap();
    for _ in 0..4 {
        connection.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n").unwrap();
        assert_eq!(connection.reply(false).unwrap().text(), "fine");
    }
    assert!(node.endpoint("web", "e0")["failures"].as_u64().unwrap() > 0);
    assert!(node.endpoint("web", "e1")["retries"].as_u64().unwrap() > 0);
}

#[test]
fn a_get_that_breaks_before_its_answer_is_tried_elsewhere_a_post_is_not() {
    let breaking = Scripted::start(address(), |_, peer| drop(peer.head()));
    let good = plain();
    let (listen, _node) = front(&[breaking.address, good.address], "");
    for _ in 0..6 {
        assert_eq!(get(listen, "/").unwrap().text(), "fine");
    }
    let before = breaking.connections.load(Ordering::Relaxed);
    assert!(before >= 3);
    let mut faults = 0;
    for _ in 0..6 {
        let mut connection = Connection::open(listen).unwrap();
        connection.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n").unwrap();
        let reply = connection.reply(false).unwrap();
        match reply.status {
            200 => assert_eq!(reply.text(), "fine"),
            502 => {
                faults += 1;
                assert_eq!(reply.fields["haechi-fault"], "reset");
                assert!(reply.text().contains("(endpoint)"), "{}", reply.text());
            }
            other => panic!("{other}"),
        }
    }
    assert_eq!(faults, 3, "each POST that met the breaking endpoint failed once, and was sent once");
    assert_eq!(breaking.connections.load(Ordering::Relaxed), before + 3);
}

#[test]
fn a_put_with_a_small_body_is_sent_again_whole() {
    let breaking = Scripted::start(address(), |_, peer| {
        peer.head();
        peer.body(5);
    });
    let good = Scripted::start(address(), |_, peer| {
        while peer.head().is_some() {
            let body = String::from_utf8(peer.body(5)).unwrap();
            if !peer.answer(&body) {
                return;
            }
        }
    });
    let (listen, _node) = front(&[breaking.address, good.address], "");
    for _ in 0..4 {
        let mut connection = Connection::open(listen).unwrap();
        connection.send(&request("PUT", "hello")).unwrap();
        assert_eq!(connection.reply(false).unwrap().text(), "hello");
    }
    assert!(breaking.connections.load(Ordering::Relaxed) >= 1);
}

#[test]
fn statuses_are_tried_again_only_where_the_pool_says_so_and_the_last_one_goes_through() {
    let busy = || {
        Scripted::start(address(), |_, peer| {
            while peer.head().is_some() && peer.send("HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy") {}
        })
    };
    let (one, two, good) = (busy(), busy(), plain());
    let (listen, _node) = front(&[one.address, good.address], "    retry: { on: [error, 503] }\n");
    for _ in 0..6 {
        assert_eq!(get(listen, "/").unwrap().text(), "fine");
    }
    let (listen, _node) = front(&[one.address, two.address], "    retry: { on: [error, 503] }\n");
    let reply = get(listen, "/").unwrap();
    assert_eq!((reply.status, reply.text().as_str()), (503, "busy"));
    let (listen, _node) = front(&[one.address], "");
    assert_eq!(get(listen, "/").unwrap().text(), "busy");
}

#[test]
fn a_silent_endpoint_costs_its_timeout_and_then_another_answers() {
    let silent = Scripted::start(address(), |_, peer| {
        peer.head();
        peer.body(1);
    });
    let good = plain();
    let (listen, _node) = front(&[silent.address, good.address], "    timeouts: { read: 300ms }\n");
    for _ in 0..4 {
        assert_eq!(get(listen, "/").unwrap().text(), "fine");
    }
    let (listen, _node) =
        front(&[silent.address], "    timeouts: { read: 300ms }\n    retry: { tries: 1 }\n");
    let began = now();
    let reply = get(listen, "/").unwrap();
    assert_eq!((reply.status, reply.fields["haechi-fault"].as_str()), (504, "responseTimeout"));
    assert!(began.elapsed() >= Duration::from_millis(300) && began.elapsed() < Duration::from_secs(3));
}

#[test]
fn an_idle_connection_that_the_endpoint_closed_costs_no_request() {
    // Closes every connection after two requests, or after 50 ms, without a word.
    let nginx =
        Nginx::start("short", address(), "location / { return 200 \"fine\"; }", "keepalive_timeout 50ms; ");
    let (listen, _node) = front(&[nginx.address], "    retry: { tries: 2 }\n");
    let rude = Scripted::start(address(), |_, peer| {
        for _ in 0..2 {
            if peer.head().is_none() || !peer.answer("fine") {
                return;
            }
        }
    });
    let (rude_listen, _rude_node) = front(&[rude.address], "    retry: { tries: 2 }\n");
    for listen in [listen, rude_listen] {
        let mut connection = Connection::open(listen).unwrap();
        for round in 0..40u64 {
            for method in ["GET", "POST"] {
                connection
                    .send(format!("{method} / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n").as_bytes())
                    .unwrap();
                let reply = connection.reply(false).unwrap();
                assert_eq!((reply.status, reply.text().as_str()), (200, "fine"), "{method} in round {round}");
            }
            pause(Duration::from_millis(40 + round % 20));
        }
    }
}

#[test]
fn a_response_cut_off_is_cut_off_for_the_client_too() {
    let cutting = Scripted::start(address(), |number, peer| {
        peer.head();
        let head = if number == 0 { "Content-Length: 100" } else { "Transfer-Encoding: chunked" };
        peer.send(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n5\r\nhello\r\n"));
    });
    let (listen, node) = front(&[cutting.address], "");
    for _ in 0..2 {
        assert!(get(listen, "/").is_err(), "a truncated body must not look complete");
    }
    eventually(Duration::from_secs(5), "the fault is counted", || {
        node.status()["listeners"][0]["faults"]["truncated"] == 2
    });
}

#[test]
fn bodies_of_all_kinds_go_through_byte_by_byte() {
    let nginx =
        Nginx::start("bodies", address(), "location /put { dav_methods PUT; create_full_put_path on; }", "");
    let big: Vec<u8> = (0..3_000_000u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[1]).collect();
    std::fs::write(nginx.root().join("big"), &big).unwrap();
    let echo = Scripted::start(address(), |_, peer| {
        while let Some(head) = peer.head() {
            // Chunked both ways: echoes the chunks as they came.
            let mut chunks = Vec::new();
            assert!(head.contains("Transfer-Encoding: chunked"), "{head}");
            while !chunks.ends_with(b"0\r\n\r\n") {
                chunks.extend(peer.body(1));
            }
            let mut answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
            answer.extend(chunks);
            if !peer.send(answer) {
                return;
            }
        }
    });
    let (listen, node) = front(&[nginx.address], "");
    let mut connection = Connection::open(listen).unwrap();
    for _ in 0..9 {
        assert!(connection.get("/big").unwrap().body == big, "the spliced body differs");
    }
    assert_eq!(node.endpoint("web", "e0")["connects"], 1, "a connection is kept after a spliced body");
    connection.send(b"HEAD /big HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    let head = connection.reply(true).unwrap();
    assert_eq!(head.fields["content-length"], big.len().to_string());
    connection
        .send(format!("PUT /put/x HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n", big.len()).as_bytes())
        .unwrap();
    connection.send(&big).unwrap();
    assert_eq!(connection.reply(false).unwrap().status, 201);
    assert!(std::fs::read(nginx.root().join("put/x")).unwrap() == big, "the uploaded body differs");
    let (listen, _node) = front(&[echo.address], "");
    let mut connection = Connection::open(listen).unwrap();
    for _ in 0..3 {
        connection
            .send(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n")
            .unwrap();
        connection.send(b"6\r\n world\r\n0\r\nCookie: gone\r\n\r\n").unwrap();
        assert_eq!(connection.reply(false).unwrap().text(), "hello world");
    }
}

#[test]
fn an_early_answer_to_a_large_upload_arrives() {
    let early = Scripted::start(address(), |_, peer| {
        peer.head();
        peer.send("HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\nConnection: close\r\n\r\nlarge");
        pause(Duration::from_millis(100));
    });
    let (listen, _node) = front(&[early.address], "");
    let mut connection = Connection::open(listen).unwrap();
    connection.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10000000\r\n\r\n").unwrap();
    // The rest is never sent whole: the answer must come all the same.
    let _ = connection.send(&[b'x'; 100_000]);
    let reply = connection.reply(false).unwrap();
    assert_eq!((reply.status, reply.text().as_str()), (413, "large"));
}

#[test]
fn expect_100_continue_is_passed_on_and_answered_by_the_endpoint() {
    let waiting = Scripted::start(address(), |_, peer| {
        let head = peer.head().unwrap();
        assert!(head.contains("Expect: 100-continue"));
        peer.send("HTTP/1.1 100 Continue\r\n\r\n");
        let body = String::from_utf8(peer.body(5)).unwrap();
        peer.answer(&body);
    });
    let (listen, _node) = front(&[waiting.address], "");
    let mut connection = Connection::open(listen).unwrap();
    connection
        .send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        .unwrap();
    assert_eq!(connection.one_reply(false).unwrap().status, 100);
    connection.send(b"hello").unwrap();
    assert_eq!(connection.reply(false).unwrap().text(), "hello");
}

#[test]
fn an_upgrade_becomes_a_tunnel_only_after_101() {
    let upgrading = Scripted::start(address(), |_, peer| {
        let head = peer.head().unwrap();
        if head.contains("/refuse") {
            peer.answer("no tunnel");
            let next = peer.head().unwrap();
            assert!(next.starts_with("GET /next "), "{next}");
            peer.answer("next");
            return;
        }
        assert!(head.contains("Connection: upgrade\r\n") && head.contains("Upgrade: echo\r\n"), "{head}");
        peer.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nfirst");
        let ping = peer.body(4);
        peer.send(ping);
    });
    let (listen, _node) = front(&[upgrading.address], "");
    let upgrade = |path: &str| {
        format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
    };
    let mut connection = Connection::open(listen).unwrap();
    connection.send(upgrade("/accept").as_bytes()).unwrap();
    assert_eq!(connection.reply(false).unwrap().status, 101);
    assert_eq!(connection.bytes(5).unwrap(), b"first");
    connection.send(b"ping").unwrap();
    assert_eq!(connection.bytes(4).unwrap(), b"ping");
    assert!(connection.rest().unwrap().is_empty());
    let mut connection = Connection::open(listen).unwrap();
    connection.send(upgrade("/refuse").as_bytes()).unwrap();
    // Bytes behind a refused upgrade are the next request, seen by us and checked by us.
    connection.send(b"GET /next HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    assert_eq!(connection.reply(false).unwrap().text(), "no tunnel");
    assert_eq!(connection.reply(false).unwrap().text(), "next");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let numbered = Scripted::start(address(), |_, peer| {
        while let Some(head) = peer.head() {
            let path = head.split(' ').nth(1).unwrap().to_owned();
            if !peer.answer(&path) {
                return;
            }
        }
    });
    let (listen, _node) = front(&[numbered.address], "");
    let mut connection = Connection::open(listen).unwrap();
    let many: String = (0..50).map(|n| format!("GET /{n} HTTP/1.1\r\nHost: h\r\n\r\n")).collect();
    connection.send(many.as_bytes()).unwrap();
    for n in 0..50 {
        assert_eq!(connection.reply(false).unwrap().text(), format!("/{n}"));
    }
}

#[test]
fn an_old_client_is_served_in_its_version() {
    let nginx = Nginx::start("old", address(), "location / { return 200 \"fine\"; }", "");
    let (listen, _node) = front(&[nginx.address], "");
    let mut connection = Connection::open(listen).unwrap();
    connection.send(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let reply = connection.reply(false).unwrap();
    assert_eq!((reply.text().as_str(), reply.fields["connection"].as_str()), ("fine", "close"));
    assert!(connection.rest().unwrap().is_empty());
    let mut connection = Connection::open(listen).unwrap();
    for _ in 0..2 {
        connection.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").unwrap();
        assert_eq!(connection.reply(false).unwrap().fields["connection"], "keep-alive");
    }
}

#[test]
fn the_connection_limit_holds_over_all_workers_and_the_queue_is_bounded() {
    let slow = Scripted::start(address(), |_, peer| {
        while peer.head().is_some() {
            pause(Duration::from_millis(150));
            if !peer.answer("fine") {
                return;
            }
        }
    });
    let (listen, node) =
        front(&[slow.address], "    connectionLimit: 2\n    queue: { size: 4, timeout: 10s }\n");
    let asking: Vec<_> = (0..12).map(|_| std::thread::spawn(move || get(listen, "/").unwrap())).collect();
    eventually(Duration::from_secs(5), "the limit is reached", || {
        node.endpoint("web", "e0")["inFlight"] == 2
    });
    let replies: Vec<_> = asking.into_iter().map(|asking| asking.join().unwrap()).collect();
    let good = replies.iter().filter(|reply| reply.status == 200).count();
    let refused = replies
        .iter()
        .filter(|reply| reply.fields.get("haechi-fault").is_some_and(|fault| fault == "queueFull"))
        .count();
    assert_eq!((good + refused, good >= 6), (12, true), "good {good}, refused {refused}");
    assert!(refused > 0);
    let (listen, _node) = front(
        &[slow.address],
        "    connectionLimit: 1\n    queue: { size: 9, timeout: 100ms }\n    timeouts: { read: 5s }\n",
    );
    let first = std::thread::spawn(move || get(listen, "/").unwrap());
    pause(Duration::from_millis(30));
    let second = get(listen, "/").unwrap();
    assert!(first.join().unwrap().status == 200 || second.status == 200);
    assert!([200, 503].contains(&second.status));
}

#[test]
fn an_endpoint_that_dies_under_load_fails_no_request() {
    let mut servers: Vec<Nginx> = (1..=3).map(|n| Nginx::demo(&format!("e{n}"), address())).collect();
    let addresses: Vec<SocketAddr> = servers.iter().map(|server| server.address).collect();
    let (listen, _node) =
        front(&addresses, "    healthCheck: { path: /health, interval: 200ms, timeout: 100ms }\n");
    let load = Load::start(listen, "/", 16, Duration::ZERO);
    for round in 0..6 {
        pause(Duration::from_millis(300));
        servers[round % 3].kill();
        pause(Duration::from_millis(700));
        servers[round % 3].resume();
    }
    load.stop().assert_all_good();
}

#[test]
fn failures_in_a_row_eject_an_endpoint_for_a_while() {
    let flaky = Scripted::start(address(), |_, peer| {
        while peer.head().is_some() && peer.send("HTTP/1.1 502 Bad\r\nContent-Length: 0\r\n\r\n") {}
    });
    let good = plain();
    let (listen, node) = front(
        &[flaky.address, good.address],
        "    passive: { consecutiveFailures: 3, ejectionTime: 60s, maxEjected: 50 }\n",
    );
    let mut connection = Connection::open(listen).unwrap();
    eventually(Duration::from_secs(5), "e0 is ejected", || {
        connection.get("/").unwrap();
        node.endpoint("web", "e0")["ejected"] == true
    });
    for _ in 0..10 {
        assert_eq!(connection.get("/").unwrap().text(), "fine");
    }
    assert!(node.endpoint("web", "e0")["reason"].as_str().unwrap().contains("ejected"));
}

#[test]
fn no_endpoint_no_route_and_who_is_to_blame() {
    let ip = address();
    let config = format!(
        "listeners:\n  web:\n    bind: \"{ip}:80\"\n    protocol: http\n    routes: [{{ host: a.example, pool: web }}]\npools:\n  web:\n    endpoints: {{ e: {{ address: \"{}\", admin: disabled }} }}\n",
        refusing()
    );
    let node = Node::start(BINARY, &config);
    let mut connection = Connection::open(SocketAddr::new(ip, 80)).unwrap();
    connection.send(b"GET / HTTP/1.1\r\nHost: A.Example.:80\r\n\r\n").unwrap();
    let reply = connection.reply(false).unwrap();
    assert_eq!((reply.status, reply.fields["haechi-fault"].as_str()), (503, "noEndpoint"));
    assert!(reply.text().contains("(load balancer)"));
    connection.send(b"GET / HTTP/1.1\r\nHost: b.example\r\n\r\n").unwrap();
    let reply = connection.reply(false).unwrap();
    assert_eq!((reply.status, reply.fields["haechi-fault"].as_str()), (404, "noRoute"));
    assert!(node.status()["pools"][0]["empty"].is_string());
}
