//! Who is asked is dead, slow or lies.

use std::time::Duration;

use haechi_tests::{Connection, Http2, Peer, Scripted, address, now};

use super::rig;

/// What it does with a question.
type Deed = fn(&mut Peer);

fn endless(peer: &mut Peer, begin: &str, piece: &str) {
    let _ = peer.send(begin);
    while peer.send(piece) {}
}

const TROUBLE: [(&str, Deed); 12] = [
    ("a status that answers nothing", |peer| {
        peer.send("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    }),
    ("its own fault", |peer| {
        peer.send("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n");
    }),
    ("not HTTP", |peer| {
        peer.send("SSH-2.0-OpenSSH_9.2\r\n\r\n");
    }),
    ("nothing", |_| {}),
    ("half a head", |peer| {
        peer.send("HTTP/1.1 200 OK\r\nX-User: ro");
    }),
    ("two lengths", |peer| {
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab");
    }),
    ("a field with a bare line end", |peer| {
        peer.send("HTTP/1.1 200 OK\r\nX-User: a\nX-Groups: wheel\r\nContent-Length: 0\r\n\r\n");
    }),
    ("a head without end", |peer| endless(peer, "HTTP/1.1 200 OK\r\n", "X-Pad: pad pad pad pad\r\n")),
    ("interim answers without end", |peer| endless(peer, "", "HTTP/1.1 103 Early\r\nLink: </x>\r\n\r\n")),
    ("a refusal without end", |peer| {
        endless(peer, "HTTP/1.1 401 No\r\nTransfer-Encoding: chunked\r\n\r\n", "4\r\nno! \r\n");
    }),
    ("a refusal that ends early", |peer| {
        peer.send("HTTP/1.1 403 No\r\nContent-Length: 10\r\n\r\nno");
    }),
    ("silence", |peer| while peer.head().is_some() {}),
];

#[test]
fn nobody_gets_in_when_nobody_can_judge() {
    for (what, deed) in TROUBLE {
        let asked = Scripted::start(address(), move |_, peer| {
            if peer.head().is_some() {
                deed(peer);
            }
        });
        let rig = rig(asked.address, "path: /verify, timeout: 500ms");
        let began = now();
        let mut connection = Connection::open(rig.listen).unwrap();
        let reply = connection.get("/").unwrap();
        assert_eq!((reply.status, reply.fields["haechi-fault"].as_str()), (503, "authFailed"), "{what}");
        assert_eq!(connection.get("/open").unwrap().status, 200, "{what}: the connection goes on");
        let mut client = Http2::open(rig.listen).unwrap();
        let answer = client.get("/");
        assert_eq!((answer.status, answer.fields["haechi-fault"].as_str()), (503, "authFailed"), "{what}");
        assert!(now() - began < Duration::from_secs(5), "{what} takes too long");
        assert_eq!(rig.web.seen().matches("GET / ").count(), 0, "{what}");
        let listener = &rig.node.status()["listeners"][0];
        assert_eq!(listener["auths"][0]["results"]["failed"], 2, "{what}");
        assert_eq!(listener["faults"], serde_json::json!({ "authFailed": 2 }), "{what}");
        let fault = "haechi_listener_faults_total{listener=\"web\",fault=\"authFailed\",side=\"endpoint\"} 2";
        assert!(rig.node.metrics().contains(fault), "{what}");
    }
}

#[test]
fn whoever_is_not_there_lets_nobody_in_unless_the_config_says_so() {
    let gone = Scripted::start(address(), |_, _| {}).address;
    for (keys, status) in [("path: /", 503), ("path: /, allowOnFailure: true", 200)] {
        let rig = rig(gone, keys);
        let mut connection = Connection::open(rig.listen).unwrap();
        connection.send(b"GET / HTTP/1.1\r\nHost: h\r\nX-User: root\r\nx_groups: wheel\r\n\r\n").unwrap();
        let reply = connection.reply(false).unwrap();
        assert_eq!(reply.status, status, "{keys}");
        let seen = rig.web.seen();
        assert_eq!(seen.contains("GET / "), status == 200, "{keys}");
        assert!(!seen.contains("root") && !seen.contains("wheel"), "{seen}");
        let results = &rig.node.status()["listeners"][0]["auths"][0]["results"];
        let count = if status == 200 { &results["unjudged"] } else { &results["failed"] };
        assert_eq!(count, 1, "{results}");
    }
}

#[test]
fn a_good_answer_counts_from_its_head_on() {
    let asked = Scripted::start(address(), |_, peer| {
        if peer.head().is_some() {
            let begin = "HTTP/1.1 103 Early\r\nX-User: nobody\r\n\r\nHTTP/1.1 200 OK\r\nX-User: ann\r\n\r\n";
            endless(peer, begin, "and so on ");
        }
    });
    let rig = rig(asked.address, "path: /, timeout: 30s");
    let began = now();
    let reply = Connection::open(rig.listen).unwrap().get("/").unwrap();
    assert_eq!(reply.status, 200);
    assert!(
        reply.text().contains("x-user: ann\r\n") || reply.text().contains("X-User: ann\r\n"),
        "{}",
        reply.text()
    );
    assert!(!reply.text().contains("nobody"));
    assert!(now() - began < Duration::from_secs(5));
}
