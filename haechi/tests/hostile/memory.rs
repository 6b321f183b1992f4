//! More clients than there is memory for: what runs goes on, the rest is told, and all is well when they are gone.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use haechi_tests::{Connection, eventually, get};

use super::Front;
use super::patience::faces;

/// Longer than anything here may take; memory is there again within a second after the hoarders are gone.
const SOON: Duration = Duration::from_secs(60);

const CEILING: &str = "memoryCeiling: 64MiB\n";

/// Parts of heads, each nearly as long as a head may be: 3,000 of them are three times the ceiling.
const HOARDERS: usize = 3000;

/// Longer than anything takes that is not made to wait.
const AT_ONCE: Duration = Duration::from_millis(500);

/// As the default is, but with time for all of them.
const LONG_HEADS: &str = ", limits: { head: 64KiB }, timeouts: { header: 5m }";

fn pressure(front: &Front) -> String {
    front.node.status()["memory"]["pressure"].as_str().unwrap().to_owned()
}

/// Opens connections that begin a head and never end it, until no more are accepted.
fn hoard(front: &Front) -> Vec<TcpStream> {
    let part = format!("GET / HTTP/1.1\r\nHost: h\r\nX-Long: {}", "x".repeat(60_000));
    let mut all = Vec::new();
    for _ in 0..HOARDERS {
        // Who is not accepted waits in the kernel's queue, until that is full too.
        let Ok(mut client) = TcpStream::connect_timeout(&front.listen, AT_ONCE) else { break };
        client.set_write_timeout(Some(AT_ONCE)).unwrap();
        let sent = client.write_all(part.as_bytes());
        all.push(client);
        if sent.is_err() || (all.len().is_multiple_of(50) && pressure(front) == "full") {
            break;
        }
    }
    all
}

#[test]
fn more_than_there_is_memory_for_is_refused_and_what_runs_goes_on() {
    let endpoint = faces();
    let front = Front::new(&[&endpoint], 2, LONG_HEADS, "");
    front.node.change(&format!("{CEILING}{}", front.config));
    assert_eq!(pressure(&front), "none");
    let mut running = Connection::open(front.listen).unwrap();
    running.send(b"GET /large HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    let mut second = Connection::open(front.listen).unwrap();
    assert_eq!(second.get("/").unwrap().status, 200);

    let hoarders = hoard(&front);
    eventually(SOON, "memory is full", || pressure(&front) == "full");
    let taken = front.node.resident() >> 10;
    // Between two looks, 0.1 s, those go on that were accepted already; all of them would take 180 MiB.
    assert!(taken < 96, "{taken} MiB are taken of 64");
    // Who kept its connection hears why, and that it was the last answer there; or it was left while it was silent.
    if let Ok(reply) = second.get("/") {
        assert_eq!((reply.status, &*reply.fields["haechi-fault"]), (503, "overloaded"), "{reply:?}");
        assert_eq!(reply.fields["connection"], "close", "{reply:?}");
    }
    let reply = running.reply(false).unwrap();
    assert_eq!((reply.status, reply.body.len()), (200, 6_000_000), "what runs goes on");
    let metrics = front.node.metrics();
    assert!(metrics.contains("haechi_memory_pressure{level=\"full\"} 1\n"), "{metrics}");
    assert!(metrics.contains("haechi_memory_ceiling_bytes 67108864\n"), "{metrics}");
    let events = front.node.verb(&["events"]).out;
    assert!(events.contains("to full: "), "{events}");

    drop(hoarders);
    eventually(SOON, "memory is there again", || pressure(&front) == "none");
    let reply = get(front.listen, "/").unwrap();
    assert_eq!((reply.status, reply.fields.get("connection")), (200, None), "{reply:?}");
    drop((running, second));
    front.assert_calm();
}

#[test]
fn a_higher_ceiling_holds_at_once() {
    let endpoint = faces();
    let front = Front::new(&[&endpoint], 1, LONG_HEADS, "");
    front.node.change(&format!("{CEILING}{}", front.config));
    let hoarders = hoard(&front);
    eventually(SOON, "memory is full", || pressure(&front) == "full");
    front.node.change(&format!("memoryCeiling: 1GiB\n{}", front.config));
    eventually(SOON, "there is room", || pressure(&front) == "none");
    assert_eq!(get(front.listen, "/").unwrap().status, 200);
    drop(hoarders);
}
