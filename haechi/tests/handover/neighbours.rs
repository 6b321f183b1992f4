//! Neighbours that do not know where the address is, and ask in the middle of a hand-over: somebody answers, and two
//! never do for longer than it takes to hear each other.

use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use haechi_tests::{Heard, Namespace, Node, Observer, now, pause};

use super::{Plan, Rig, SOON, V4, V6, hand_over, wait_state};

/// A neighbour that hears nothing asks again after a second (`retrans_time_ms`).
const RETRY: Duration = Duration::from_secs(1);

/// A round trip, and what this machine, which others use, adds to it. The observer looks every three milliseconds.
const ROUND_TRIP: Duration = Duration::from_millis(30);

const MOVES: usize = 6;

/// Forgets where the address is, connects, and so on; gives how long each connection took.
struct Forgetful {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Duration>>,
}

impl Forgetful {
    fn start(host: &Namespace, address: &'static str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, to) = (Arc::clone(&stop), SocketAddr::new(address.parse().unwrap(), 80));
        let thread = host.spawn(move || {
            let (mut took, until) = (Vec::new(), now() + Duration::from_secs(60));
            while !stopped.load(Ordering::Relaxed) && now() < until {
                // It complains if there is nothing to forget.
                Command::new("ip").args(["neigh", "flush", "to", address, "dev", "eth0"]).output().unwrap();
                let began = now();
                TcpStream::connect_timeout(&to, SOON).unwrap();
                took.push(began.elapsed());
                pause(Duration::from_millis(20).saturating_sub(began.elapsed()));
            }
            took
        });
        Self { stop, thread }
    }

    fn stop(self) -> Vec<Duration> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// There and back again, by hand-overs of whoever is active.
fn moves(rig: &Rig, before_each: impl Fn(), after_each: impl Fn(usize)) {
    let first = rig.start("lb1", 150);
    wait_state(&first, "active");
    let second = rig.start("lb2", 100);
    wait_state(&second, "backup");
    let (mut from, mut to): (&Node, &Node) = (&first, &second);
    for number in 0..MOVES {
        before_each();
        hand_over(from, to);
        pause(Duration::from_millis(500));
        after_each(number);
        std::mem::swap(&mut from, &mut to);
    }
}

fn forgetful_neighbours_are_answered(plan: &'static Plan) {
    let rig = Rig::new(plan);
    let clients = std::cell::RefCell::new(None);
    let took = std::cell::RefCell::new(Vec::new());
    moves(
        &rig,
        || {
            // One at a time: what is forgotten while somebody asks for it can't be reached.
            clients.replace(Some(Forgetful::start(rig.network.host("client"), plan.moving)));
            pause(Duration::from_millis(200));
        },
        |_| clients.take().into_iter().for_each(|client| took.borrow_mut().extend(client.stop())),
    );
    let took = took.take();
    let longest = took.iter().max().unwrap();
    assert!(took.len() > 50 && *longest < RETRY, "{} connections, the longest took {longest:?}", took.len());
}

#[test]
fn forgetful_neighbours_are_answered_in_the_middle_of_a_move() {
    forgetful_neighbours_are_answered(&V4);
}

#[test]
fn forgetful_neighbours_are_answered_over_ipv6() {
    forgetful_neighbours_are_answered(&V6);
}

#[test]
fn two_never_answer_for_longer_than_a_round_trip() {
    let rig = Rig::new(&V4);
    let observer = Observer::start(rig.network.host("lb3"), V4.moving);
    let since = std::cell::Cell::new(now());
    moves(
        &rig,
        || since.set(now()),
        |number| {
            let heard: Vec<Heard> = observer.since(since.get());
            let (old, new) = (heard.first().unwrap().mac, heard.last().unwrap().mac);
            assert!(old != new && heard.iter().all(|it| it.mac == old || it.mac == new));
            let first = heard.iter().find(|it| it.mac == new).unwrap().at;
            let last = heard.iter().rev().find(|it| it.mac == old).unwrap().at;
            let both = last.saturating_duration_since(first);
            assert!(both <= ROUND_TRIP, "both answered for {both:?} in move {number}");
        },
    );
}
