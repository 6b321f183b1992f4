//! Who may come in: users of a file, over HTTP/1 and HTTP/2, and what a flood of logins does to others.

use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

use haechi_tests::{Connection, Http2, Node, Scripted, address, eventually, now};

use super::{BINARY, mirror};

const SOON: Duration = Duration::from_secs(10);

/// By glibc's `crypt`: `sesame` by 16 rounds of bcrypt, `Hello world!` by SHA-512-crypt.
const BCRYPT: &str = "$2b$04$abcdefghijklmnopqrstuuinwY/tkBVrn3xrxQI/TgnMHhkvl85RW";
const SHA512: &str = "$6$rounds=1400$anotherlongsalts$5FGyu8c4BZDX4wJgs0Un26YOw2XibT5eTkHF1I1aP3QqStoJI9BHD2YPJYsAjEePVGUyBjdZxcNqMWlrrbIOC.";

/// `ann:sesame`, `ben:Hello world!`, `ann:wrong`, `eve:sesame`
const ANN: &str = "Basic YW5uOnNlc2FtZQ==";
const BEN: &str = "Basic YmVuOkhlbGxvIHdvcmxkIQ==";
const WRONG: &str = "Basic YW5uOndyb25n";
const NOBODY: &str = "Basic ZXZlOnNlc2FtZQ==";

/// A node in front of this endpoint whose file holds this.
fn front(endpoint: &Scripted, users: &str) -> (SocketAddr, Node) {
    let listen = SocketAddr::new(address(), 80);
    let config = format!(
        "workers: 1\nlisteners:\n  web:\n    bind: \"{listen}\"\n    protocol: http\n    routes:\n\
         \x20     - {{ path: /staff, pool: web, filters: {{ basicAuth: {{ file: staff, realm: the staff }} }} }}\n\
         \x20     - {{ path: /told, pool: web, filters: {{ basicAuth: {{ file: staff, passOn: true }} }} }}\n\
         \x20     - {{ path: /script, pool: web, filters: {{ basicAuth: {{ file: staff }}, cors: {{ allowOrigins: \"https://a.example\" }} }} }}\n\
         \x20     - {{ pool: web }}\n\
         pools:\n  web: {{ endpoints: {{ a: \"{}\" }} }}\n",
        endpoint.address
    );
    let mut node = Node::prepared(BINARY, &config);
    std::fs::write(node.folder().join("staff"), users).unwrap();
    node.resume();
    (listen, node)
}

fn ask(connection: &mut Connection, path: &str, lines: &str) -> haechi_tests::Reply {
    connection.send(format!("GET {path} HTTP/1.1\r\nHost: h\r\n{lines}\r\n").as_bytes()).unwrap();
    connection.reply(false).unwrap()
}

#[test]
fn only_who_has_a_login_comes_in() {
    let mirror = mirror();
    let (listen, node) = front(&mirror, &format!("ann:{BCRYPT}\nben:{SHA512}\n"));
    let mut connection = Connection::open(listen).unwrap();
    let mut client = Http2::open(listen).unwrap();
    let line = |login: &str| format!("Authorization: {login}\r\n");
    for lines in [
        String::new(),
        line(WRONG),
        line(NOBODY),
        line("Basic"),
        line("Basic !!!!"),
        line("Bearer YW5uOnNlc2FtZQ=="),
        line(&format!("Basic {}", "QUFB".repeat(4000))),
        // Two are none: an endpoint could read the other one.
        line(ANN) + &line(ANN),
    ] {
        let reply = ask(&mut connection, "/staff", &lines);
        assert_eq!(
            (reply.status, reply.fields["haechi-fault"].as_str()),
            (401, "unauthenticated"),
            "{lines}"
        );
        assert_eq!(reply.fields["www-authenticate"], "Basic realm=\"the staff\", charset=\"UTF-8\"");
        assert!(!reply.fields.contains_key("connection"), "it may try again: {lines}");
    }
    for login in ["", WRONG, NOBODY] {
        let fields: &[_] = if login.is_empty() { &[] } else { &[("authorization", login)] };
        let stream = client.begin("GET", "/staff", fields, true);
        let answer = client.answer(stream);
        assert_eq!((answer.status, answer.fields["www-authenticate"].starts_with("Basic ")), (401, true));
    }
    assert_eq!(mirror.seen(), "", "none of them reached the endpoint");
    for login in [ANN, BEN, ANN] {
        let reply = ask(&mut connection, "/staff", &line(login));
        assert!(reply.status == 200 && !reply.text().to_ascii_lowercase().contains("authorization"));
        let stream = client.begin("GET", "/staff", &[("authorization", login)], true);
        let answer = client.answer(stream);
        assert!(answer.status == 200 && !answer.text().to_ascii_lowercase().contains("authorization"));
    }
    assert!(ask(&mut connection, "/told", &line(ANN)).text().contains(ANN), "the endpoint wants it too");
    assert_eq!(ask(&mut connection, "/else", "").status, 200);
    // A body waits until it is known who sends it, and is not lost.
    connection
        .send(format!("POST /staff HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n{}\r\n", line(BEN)).as_bytes())
        .unwrap();
    assert_eq!(connection.reply(false).unwrap().status, 200);
    // Preflights can't have a login.
    let preflight = "Origin: https://a.example\r\nAccess-Control-Request-Method: PUT\r\n";
    connection.send(format!("OPTIONS /script HTTP/1.1\r\nHost: h\r\n{preflight}\r\n").as_bytes()).unwrap();
    assert_eq!(connection.reply(false).unwrap().status, 204);
    assert_eq!(node.status()["listeners"][0]["faults"]["unauthenticated"], 11);
    assert!(!node.log().contains("sesame") && !node.log().contains("$2b$"));
}

#[test]
fn a_file_that_changes_is_taken_and_one_that_is_broken_is_not() {
    let mirror = mirror();
    let (listen, node) = front(&mirror, &format!("ann:{BCRYPT}\n"));
    let status = |login: &str| {
        ask(&mut Connection::open(listen).unwrap(), "/staff", &format!("Authorization: {login}\r\n")).status
    };
    assert_eq!((status(ANN), status(BEN)), (200, 401));
    let file = node.folder().join("staff");
    std::fs::write(&file, format!("ben:{SHA512}\n")).unwrap();
    eventually(SOON, "ben may come in", || status(BEN) == 200);
    assert_eq!(status(ANN), 401, "whoever was known goes with the file");
    std::fs::write(&file, "ben:$apr1$abc$def\n").unwrap();
    eventually(SOON, "it is said what is wrong", || {
        node.status()["config"].to_string().contains("line 1 of staff can't be used: its hash is MD5")
    });
    assert_eq!(status(BEN), 200, "those of before stay");
    let out = node.verb(&["check", "-c", node.config().to_str().unwrap()]);
    assert!(out.out.contains("HCH0608") || out.err.contains("HCH0608"), "{}{}", out.out, out.err);
}

#[test]
fn logins_that_are_looked_at_hold_up_nobody_else() {
    let mirror = mirror();
    // 2¹² rounds: a quarter of a second and more each, also for names that are not there.
    let dear = BCRYPT.replace("$04$", "$12$");
    let (listen, node) = front(&mirror, &format!("ann:{dear}\n"));
    let mut client = Http2::open(listen).unwrap();
    let guesses: Vec<_> =
        (0..40).map(|_| client.begin("GET", "/staff", &[("authorization", NOBODY)], true)).collect();
    let mut connection = Connection::open(listen).unwrap();
    let began = now();
    for _ in 0..200 {
        assert_eq!(ask(&mut connection, "/else", "").status, 200);
    }
    let took = began.elapsed();
    assert!(took < Duration::from_secs(3), "200 requests took {took:?} beside 40 logins");
    println!("200 requests took {took:?} beside 40 logins of bcrypt with cost 12");
    for guess in guesses {
        let answer = client.answer(guess);
        assert!(matches!(answer.status, 401 | 503), "{}", answer.status);
    }
    assert!(node.metrics().contains("fault=\"loginsBusy\",side=\"us\"} "));
}

#[test]
fn a_huge_file_is_refused_or_read_and_a_login_of_it_is_not_slower() {
    let mirror = mirror();
    let mut users = String::new();
    for at in 0..30_000 {
        let _ = writeln!(users, "user{at}:{BCRYPT}");
    }
    let (listen, node) = front(&mirror, &format!("{users}ann:{BCRYPT}\n"));
    let mut connection = Connection::open(listen).unwrap();
    assert_eq!(ask(&mut connection, "/staff", &format!("Authorization: {ANN}\r\n")).status, 200);
    std::fs::write(node.folder().join("staff"), users.repeat(3)).unwrap();
    eventually(SOON, "more than 4 MiB are refused", || node.status()["config"].to_string().contains("4 MiB"));
    assert_eq!(ask(&mut connection, "/staff", &format!("Authorization: {ANN}\r\n")).status, 200);
}
