//! Once warm, neither role allocates for a request: shown with a counting allocator over both, back to back.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::alloc::System;

use haechi_http2::{Config, Connection, Event, Head, Input, Request, Role};
use haechi_model::Moment;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static COUNTING: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Requests under way at a time.
const AT_ONCE: usize = 10;

struct Rig {
    client: Connection,
    server: Connection,
    head: Head,
    now: Moment,
    answered: usize,
}

impl Rig {
    fn turn(&mut self, number: usize) {
        for at in 0..AT_ONCE {
            let request = Request {
                method: if at == 0 { b"POST" } else { b"GET" },
                scheme: b"http",
                authority: b"example.com",
                path: [b"/a", b"/b"][number % 2],
                protocol: None,
            };
            let (stream, mut head) = self.client.request(&request).unwrap();
            head.field(b"User-Agent", b"test");
            head.secret(b"cookie", b"a=b; c=d");
            head.finish(at > 0);
            if at == 0 {
                assert_eq!(self.client.send_data(stream, &[b'u'; 1500], true, self.now), 1500);
            }
        }
        let count = self.serve();
        self.client.sent(count);
        let count = self.collect();
        self.server.sent(count);
    }

    fn serve(&mut self) -> usize {
        let mut input = Input::new(self.client.output());
        while let Some(event) = self.server.receive(&mut input, &mut self.head, self.now) {
            match event {
                Event::Data { stream, bytes, end: false } => self.server.release(stream, bytes.len()),
                Event::Head { stream, end: true } | Event::Data { stream, end: true, .. } => {
                    let mut head = self.server.respond(stream, 200).unwrap();
                    head.field(b"Content-Type", b"text/plain");
                    head.field(b"Server", b"test");
                    head.finish(false);
                    assert_eq!(self.server.send_data(stream, b"hello", true, self.now), 5);
                }
                _ => {}
            }
        }
        self.client.output().len()
    }

    fn collect(&mut self) -> usize {
        let mut input = Input::new(self.server.output());
        while let Some(event) = self.client.receive(&mut input, &mut self.head, self.now) {
            if let Event::Data { stream, bytes, end } = event {
                self.client.release(stream, bytes.len());
                self.answered += usize::from(end);
            }
        }
        self.server.output().len()
    }
}

#[test]
fn a_request_allocates_nothing_in_either_role() {
    let now = Moment::from_nanos(1_000_000_000);
    let mut rig = Rig {
        client: Connection::new(Role::Client, Config { huffman: false, ..Config::default() }, now),
        server: Connection::new(Role::Server, Config::default(), now),
        head: Head::default(),
        now,
        answered: 0,
    };
    let region = Region::new(COUNTING);
    (0..500).for_each(|number| rig.turn(number));
    assert!(region.change().allocations > 0, "the first ones must allocate, or nothing is counted");
    assert_eq!(rig.answered, 500 * AT_ONCE);
    let region = Region::new(COUNTING);
    (500..2500).for_each(|number| rig.turn(number));
    let change = region.change();
    assert_eq!(rig.answered, 2500 * AT_ONCE);
    assert_eq!((change.allocations, change.reallocations), (0, 0), "{change:?}");
}
