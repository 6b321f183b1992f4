//! Peers that are slow, silent, greedy or gone: what they hold is bounded in memory and in time.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use haechi_tests::{Connection, Peer, Scripted, address, eventually, get, now, pause};

use super::{Front, framed};

/// Longer than anything here may take.
const SOON: Duration = Duration::from_secs(10);

/// An endpoint with many faces: `/hang` is never answered, `/large` and `/chunks` are 6 MB, `/slow` takes a
/// while, all else is `fine`.
pub(crate) fn faces() -> Scripted {
    let large: Arc<str> = "x".repeat(6_000_000).into();
    let chunks: Arc<str> =
        format!("{}0\r\n\r\n", format!("4000\r\n{}\r\n", "x".repeat(0x4000)).repeat(366)).into();
    Scripted::start(address(), move |_, peer| {
        while let Some(head) = peer.head() {
            let path = head.split(' ').nth(1).unwrap_or_default();
            let goes_on = match path {
                "/hang" => {
                    // Until haechi ends it.
                    while !peer.body(1).is_empty() {}
                    false
                }
                "/large" => send_large(peer, "Content-Length: 6000000", &large),
                "/chunks" => send_large(peer, "Transfer-Encoding: chunked", &chunks),
                "/slow" => {
                    pause(Duration::from_millis(300));
                    peer.answer("slow")
                }
                _ => peer.answer("fine"),
            };
            if !goes_on {
                return;
            }
        }
    })
}

fn send_large(peer: &mut Peer, line: &str, body: &str) -> bool {
    peer.send(format!("HTTP/1.1 200 OK\r\n{line}\r\n\r\n")) && peer.send(body)
}

fn asking(front: &Front, path: &str) -> Connection {
    let mut connection = Connection::open(front.listen).unwrap();
    connection.send(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes()).unwrap();
    connection
}

#[track_caller]
fn assert_flat(front: &Front, before: u64, most: u64) {
    let now = front.node.resident();
    assert!(now < before + most, "{before} KiB grew to {now} KiB, more than {most} KiB");
}

#[test]
fn heads_that_trickle_are_ended_by_one_deadline_and_cost_little() {
    const CLIENTS: usize = 500;
    let endpoint = framed();
    let front = Front::new(&[&endpoint], 2, ", timeouts: { header: 1s }", "");
    get(front.listen, "/").unwrap();
    let before = front.node.resident();
    let mut clients: Vec<TcpStream> =
        (0..CLIENTS).map(|_| TcpStream::connect(front.listen).unwrap()).collect();
    let began = now();
    let head = format!("GET / HTTP/1.1\r\nHost: h\r\nA: {}", "b".repeat(99));
    for byte in head.as_bytes().iter().take(15) {
        for client in &mut clients {
            // Those that are ended already need no more.
            let _ = client.write_all(&[*byte]);
        }
        pause(Duration::from_millis(100));
    }
    assert_flat(&front, before, 12 << 10);
    for client in &mut clients {
        let mut back = String::new();
        client.set_read_timeout(Some(SOON)).unwrap();
        client.read_to_string(&mut back).unwrap();
        assert!(
            back.starts_with("HTTP/1.1 408 ") && back.contains("Haechi-Fault: headerTimeout\r\n"),
            "{back:?}"
        );
    }
    assert!(began.elapsed() < Duration::from_secs(5), "took {:?}", began.elapsed());
    drop(clients);
    front.assert_calm();
}

#[test]
fn a_begun_head_behind_a_request_has_the_time_of_a_head() {
    let endpoint = framed();
    let front = Front::new(&[&endpoint], 1, ", timeouts: { header: 300ms, keepAlive: 60s }", "");
    let mut connection = Connection::open(front.listen).unwrap();
    connection.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\nG").unwrap();
    assert_eq!(connection.reply(false).unwrap().text(), "fine");
    let began = now();
    assert_eq!(connection.reply(false).unwrap().fields["haechi-fault"], "headerTimeout");
    assert!(began.elapsed() < Duration::from_secs(5), "not the time of an idle connection");
}

#[test]
fn a_change_gives_an_idle_connection_no_more_time() {
    let endpoint = framed();
    let front = Front::new(&[&endpoint], 1, ", timeouts: { keepAlive: 1s }", "");
    let mut connection = Connection::open(front.listen).unwrap();
    connection.get("/").unwrap();
    let began = now();
    let waiting = std::thread::spawn(move || connection.rest().unwrap());
    for weight in 1..=12 {
        front.node.change(&front.config.replace("e0: \"", &format!("e{weight}: \"")));
        pause(Duration::from_millis(150));
        if waiting.is_finished() {
            break;
        }
    }
    assert_eq!(waiting.join().unwrap(), b"");
    assert!(began.elapsed() < Duration::from_secs(3), "took {:?}", began.elapsed());
}

#[test]
fn connections_that_say_nothing_are_closed() {
    let endpoint = framed();
    let front = Front::new(&[&endpoint], 2, ", timeouts: { header: 500ms }", "");
    let clients: Vec<Connection> = (0..200).map(|_| Connection::open(front.listen).unwrap()).collect();
    for mut client in clients {
        // An end; or a reset by the kernel, which had the connection back before anybody accepted it.
        assert!(client.rest().map_or(true, |back| back.is_empty()));
    }
    front.assert_calm();
}

#[test]
fn answers_that_nobody_reads_are_bounded_in_memory_and_time() {
    const CLIENTS: usize = 60;
    let endpoint = faces();
    let front = Front::new(&[&endpoint], 2, ", timeouts: { send: 1s }", "");
    get(front.listen, "/").unwrap();
    for path in ["/large", "/chunks"] {
        let before = front.node.resident();
        let clients: Vec<Connection> = (0..CLIENTS).map(|_| asking(&front, path)).collect();
        pause(Duration::from_millis(700));
        // A hot buffer's worth for each, and the vector that holds it may have grown by half.
        assert_flat(&front, before, CLIENTS as u64 * 192);
        eventually(SOON, "the send timeout has ended them", || front.busy().1 == 0);
        drop(clients);
        front.assert_calm();
    }
}

#[test]
fn who_sends_ahead_and_reads_nothing_is_not_buffered_for() {
    let endpoint = faces();
    let front = Front::new(&[&endpoint], 1, ", timeouts: { send: 1s }", "");
    get(front.listen, "/").unwrap();
    let before = front.node.resident();
    let mut client = TcpStream::connect(front.listen).unwrap();
    client.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    let block = "GET /chunks HTTP/1.1\r\nHost: h\r\n\r\n".repeat(1000);
    let sent = (0..1000).take_while(|_| client.write_all(block.as_bytes()).is_ok()).count();
    assert!(sent < 1000, "33 MB of requests were taken though no answer was");
    // The kernel may give memory in huge pages of 2 MiB, so one touched byte can cost that.
    assert_flat(&front, before, 4 << 10);
    eventually(SOON, "the send timeout has ended it", || front.busy() == (0, 0));
    front.assert_calm();
}

#[test]
fn ten_thousand_requests_in_one_write_hold_nobody_up() {
    const REQUESTS: usize = 10_000;
    let endpoint = framed();
    let front = Front::new(&[&endpoint], 1, "", "");
    front.node.change(&front.config.replace("path: /,", "path: /here,"));
    for (path, status) in [("/here", "HTTP/1.1 200 "), ("/gone", "HTTP/1.1 404 ")] {
        let client = TcpStream::connect(front.listen).unwrap();
        client.set_read_timeout(Some(SOON)).unwrap();
        let (mut writer, mut reader) = (client.try_clone().unwrap(), client);
        let flood = std::thread::spawn(move || {
            writer
                .write_all(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n").repeat(REQUESTS).as_bytes())
                .unwrap();
            writer.shutdown(std::net::Shutdown::Write).unwrap();
        });
        let counting = std::thread::spawn(move || {
            let mut back = String::new();
            reader.read_to_string(&mut back).unwrap();
            back.matches(status).count()
        });
        let mut worst = Duration::ZERO;
        while !counting.is_finished() {
            let began = now();
            assert_eq!(get(front.listen, "/here").unwrap().status, 200);
            worst = worst.max(began.elapsed());
        }
        flood.join().unwrap();
        assert_eq!(counting.join().unwrap(), REQUESTS, "{path}");
        assert!(worst < Duration::from_millis(500), "{path}: another client waited {worst:?}");
    }
}

#[test]
fn heads_in_crumbs_cost_their_length_and_not_its_square() {
    let endpoint = framed();
    let front = Front::new(&[&endpoint], 1, "", "");
    let head = format!("GET / HTTP/1.1\r\nHost: h\r\nA: {}\r\n\r\n", "a".repeat(60_000));
    let took = front.cpu_of(|| {
        let mut clients: Vec<Connection> = (0..10).map(|_| Connection::open(front.listen).unwrap()).collect();
        for crumb in head.as_bytes().chunks(16) {
            clients.iter_mut().for_each(|client| client.send(crumb).unwrap());
        }
        for client in &mut clients {
            assert_eq!(client.reply(false).unwrap().text(), "fine");
        }
    });
    // 37,500 reads; parsing from the start each time would be 20 s.
    assert!(took < Duration::from_secs(4), "{took:?}");
    front.assert_calm();
}

#[test]
fn bodies_that_stop_end_in_time_and_huge_chunks_are_not_waited_for() {
    let endpoint = framed();
    let front = Front::new(&[&endpoint], 2, ", timeouts: { body: 400ms }", "");
    let before = front.node.resident();
    let heads = [
        "Content-Length: 1000\r\n\r\nabc",
        "Content-Length: 9999999999999999999\r\n\r\nabc",
        "Transfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\nabc",
        "Transfer-Encoding: chunked\r\n\r\n5",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
    ];
    for head in heads {
        let clients: Vec<Connection> = (0..20)
            .map(|_| {
                let mut client = Connection::open(front.listen).unwrap();
                client.send(format!("POST / HTTP/1.1\r\nHost: h\r\n{head}").as_bytes()).unwrap();
                client
            })
            .collect();
        for mut client in clients {
            let reply = client.reply(false).unwrap();
            assert_eq!((reply.status, reply.fields["haechi-fault"].as_str()), (408, "bodyTimeout"), "{head}");
        }
    }
    front.assert_calm();
    assert_flat(&front, before, 12 << 10);
}

#[test]
fn clients_that_break_off_leave_nothing_behind_in_any_phase() {
    let endpoint = faces();
    let front = Front::new(&[&endpoint], 2, "", "");
    let phases = [
        ("before a head", ""),
        ("in a head", "GET / HT"),
        ("in a body", "POST /hang HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nabc"),
        ("while the answer is awaited", "GET /hang HTTP/1.1\r\nHost: h\r\n\r\n"),
        (
            "with a request behind",
            "GET /slow HTTP/1.1\r\nHost: h\r\n\r\nGET /hang HTTP/1.1\r\nHost: h\r\n\r\n",
        ),
        ("in a response", "GET /large HTTP/1.1\r\nHost: h\r\n\r\n"),
    ];
    for (phase, bytes) in phases {
        let clients: Vec<Connection> = (0..40)
            .map(|_| {
                let mut client = Connection::open(front.listen).unwrap();
                client.send(bytes.as_bytes()).unwrap();
                client
            })
            .collect();
        if bytes.contains("hang") {
            eventually(SOON, "they are in flight", || front.busy().1 == 40);
        }
        pause(Duration::from_millis(50));
        clients.into_iter().for_each(Connection::reset);
        let began = now();
        front.assert_calm();
        assert!(began.elapsed() < Duration::from_secs(5), "{phase}: {:?}", began.elapsed());
    }
}

#[test]
fn a_client_that_breaks_off_in_the_queue_frees_its_place() {
    let endpoint = faces();
    let front = Front::new(&[&endpoint], 2, "", ", connectionLimit: 1, queue: { size: 10, timeout: 60s }");
    let holding = asking(&front, "/hang");
    eventually(SOON, "the only place is taken", || front.busy().1 == 1);
    let waiting: Vec<Connection> = (0..10).map(|_| asking(&front, "/")).collect();
    eventually(SOON, "the queue is full", || front.busy().1 == 11);
    assert_eq!(get(front.listen, "/").unwrap().fields["haechi-fault"], "queueFull");
    waiting.into_iter().for_each(Connection::reset);
    eventually(SOON, "the queue is empty", || front.busy().1 == 1);
    let mut last = asking(&front, "/");
    eventually(SOON, "one waits", || front.busy().1 == 2);
    holding.reset();
    assert_eq!(last.reply(false).unwrap().text(), "fine");
    drop(last);
    front.assert_calm();
}

#[test]
fn a_raised_limit_lets_those_in_who_wait_already() {
    let endpoint = faces();
    let front = Front::new(&[&endpoint], 2, "", ", connectionLimit: 1, queue: { size: 10, timeout: 60s }");
    let _holding = asking(&front, "/hang");
    eventually(SOON, "the only place is taken", || front.busy().1 == 1);
    let waiting: Vec<Connection> = (0..5).map(|_| asking(&front, "/")).collect();
    eventually(SOON, "they wait", || front.busy().1 == 6);
    front.node.change(&front.config.replace(", connectionLimit: 1", ""));
    for mut client in waiting {
        assert_eq!(client.reply(false).unwrap().text(), "fine");
    }
}

#[test]
fn a_listener_has_as_many_connections_as_it_may_and_the_rest_waits() {
    const MOST: usize = 10;
    let endpoint = framed();
    let front = Front::new(&[&endpoint], 2, ", maxConnections: 10", "");
    let mut clients: Vec<Connection> = (0..40).map(|_| asking(&front, "/")).collect();
    let mut served = 0;
    while !clients.is_empty() {
        let wanted = clients.len().min(MOST) as u64;
        eventually(SOON, "all places are taken", || front.busy().0 == wanted);
        pause(Duration::from_millis(30));
        assert_eq!(front.busy().0, wanted, "never more");
        // Whoever is served goes, and lets another one in.
        let mut open = Vec::new();
        for mut client in clients {
            match client.answered(Duration::from_millis(20)) {
                true => served += 1,
                false => open.push(client),
            }
        }
        clients = open;
    }
    assert_eq!(served, 40);
    front.assert_calm();
}
