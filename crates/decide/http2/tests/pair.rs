//! Two of our own connections back to back over a transport that cuts and delays at will: what arrives is exactly
//! what was sent, whatever the sizes, windows and order.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, VecDeque};

use haechi_http2::{Code, Config, Connection, Event, Head, Input, Request, Role, StreamId};
use haechi_model::Moment;
use proptest::prelude::*;

/// One direction of one exchange, as planned or as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Message {
    /// Path or status, and fields.
    head: Vec<String>,
    body: Vec<u8>,
    trailers: Vec<String>,
    /// It came to its end.
    ended: bool,
}

#[derive(Debug, Default)]
struct Sending {
    message: Message,
    at: usize,
    begun: bool,
    done: bool,
}

/// One side with all that it sends and has got.
struct Side {
    connection: Connection,
    head: Head,
    sending: BTreeMap<u32, Sending>,
    got: BTreeMap<u32, Message>,
    held: BTreeMap<u32, usize>,
    reset: Vec<u32>,
    wire: VecDeque<u8>,
}

struct Chance(u64);

impl Chance {
    fn below(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % below.max(1)
    }

    fn message(&mut self, size: usize, number: u32) -> Message {
        let fields = (0..self.below(4)).map(|at| format!("x-{at}: {}", self.below(3))).collect::<Vec<_>>();
        let body: Vec<u8> = (0..self.below(size)).map(|at| u8::try_from(at % 251).unwrap()).collect();
        let trailers = if self.below(3) == 0 { vec![format!("x-sum: {number}")] } else { vec![] };
        Message { head: fields, body, trailers, ended: true }
    }
}

impl Side {
    fn new(role: Role, config: Config, now: Moment) -> Self {
        Self {
            connection: Connection::new(role, config, now),
            head: Head::default(),
            sending: BTreeMap::new(),
            got: BTreeMap::new(),
            held: BTreeMap::new(),
            reset: Vec::new(),
            wire: VecDeque::new(),
        }
    }

    /// Gives some of what lies on the wire to this side.
    fn read(&mut self, wire: &mut VecDeque<u8>, count: usize, now: Moment) -> Vec<u32> {
        let bytes: Vec<u8> = wire.drain(..count.min(wire.len())).collect();
        let mut input = Input::new(&bytes);
        let mut begun = Vec::new();
        while let Some(event) = self.connection.receive(&mut input, &mut self.head, now) {
            match event {
                Event::Head { stream, end } => {
                    let got = self.got.entry(stream.number()).or_default();
                    got.head = lines(&self.head);
                    got.ended = end;
                    begun.push(stream.number());
                }
                Event::Data { stream, bytes, end } => {
                    let got = self.got.get_mut(&stream.number()).unwrap();
                    got.body.extend(bytes);
                    got.ended = end;
                    *self.held.entry(stream.number()).or_default() += bytes.len();
                }
                Event::Trailers { stream } => {
                    let got = self.got.get_mut(&stream.number()).unwrap();
                    got.trailers = lines(&self.head);
                    got.ended = true;
                }
                Event::Reset { stream, .. } => self.reset.push(stream.number()),
                Event::Settings | Event::Writable { .. } => {}
                other => panic!("{other:?}"),
            }
        }
        begun
    }

    /// Sends a piece on a stream, if anything may go.
    fn write(&mut self, id: u32, stream: StreamId, chance: &mut Chance, now: Moment) {
        let Some(sending) = self.sending.get_mut(&id).filter(|it| it.begun && !it.done) else { return };
        let rest = &sending.message.body[sending.at..];
        let piece = (1 + chance.below(30_000)).min(rest.len());
        let last = piece == rest.len();
        let end = last && sending.message.trailers.is_empty();
        let taken = if chance.below(2) == 0 || piece == 0 {
            self.connection.send_data(stream, &rest[..piece], end, now)
        } else if let Some(gather) = self.connection.gather_data(stream, piece, end, now) {
            let count = gather.len();
            let before = gather.output().len();
            let written = chance.below(before + count + 1);
            let whole: Vec<u8> = gather.output().iter().chain(&rest[..count]).copied().collect();
            self.wire.extend(&whole[..written]);
            gather.sent(written, &rest[..piece]);
            count
        } else {
            0
        };
        sending.at += taken;
        if taken < piece || !last {
            return;
        }
        sending.done = true;
        if !end && let Some(mut trailers) = self.connection.trailers(stream) {
            write_fields(&sending.message.trailers, |name, value| trailers.field(name, value));
            trailers.finish(true);
        }
    }

    fn flush(&mut self, count: usize) {
        let count = count.min(self.connection.output().len());
        self.wire.extend(&self.connection.output()[..count]);
        self.connection.sent(count);
    }

    fn release(&mut self, stream: StreamId, count: usize) {
        if let Some(held) = self.held.get_mut(&stream.number()) {
            let count = count.min(*held);
            *held -= count;
            self.connection.release(stream, count);
        }
    }
}

fn lines(head: &Head) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    head.fields().map(|(_, field)| format!("{}: {}", text(field.name), text(field.value))).collect()
}

fn write_fields(lines: &[String], mut put: impl FnMut(&[u8], &[u8])) {
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        put(name.as_bytes(), value.as_bytes());
    }
}

struct World {
    client: Side,
    server: Side,
    streams: BTreeMap<u32, StreamId>,
    chance: Chance,
    size: usize,
    now: Moment,
}

impl World {
    fn new(seed: u64, size: usize, windows: (u32, u32)) -> Self {
        let now = Moment::from_nanos(1 << 40);
        let config = |window| Config {
            stream_window: window,
            connection_window: window * 2,
            huffman: seed.is_multiple_of(2),
            ..Config::default()
        };
        Self {
            client: Side::new(Role::Client, config(windows.0), now),
            server: Side::new(Role::Server, config(windows.1), now),
            streams: BTreeMap::new(),
            chance: Chance(seed | 1),
            size,
            now,
        }
    }

    fn ask(&mut self) {
        let number = u32::try_from(self.streams.len()).unwrap();
        let message = self.chance.message(self.size, number);
        let path = format!("/{number}");
        let request = Request {
            method: b"POST",
            scheme: b"http",
            authority: b"e",
            path: path.as_bytes(),
            protocol: None,
        };
        let Ok((stream, mut head)) = self.client.connection.request(&request) else { return };
        write_fields(&message.head, |name, value| head.field(name, value));
        let end = message.body.is_empty() && message.trailers.is_empty();
        head.finish(end);
        self.streams.insert(stream.number(), stream);
        self.client.sending.insert(stream.number(), Sending { message, at: 0, begun: true, done: end });
    }

    fn answer(&mut self, id: u32) {
        let message = self.chance.message(self.size, id);
        self.server.sending.insert(id, Sending { message, ..Sending::default() });
    }

    fn begin(&mut self, id: u32) {
        let stream = self.streams[&id];
        let Some(sending) = self.server.sending.get_mut(&id).filter(|it| !it.begun) else { return };
        let Some(mut head) = self.server.connection.respond(stream, 200) else { return };
        write_fields(&sending.message.head, |name, value| head.field(name, value));
        let end = sending.message.body.is_empty() && sending.message.trailers.is_empty();
        head.finish(end);
        (sending.begun, sending.done) = (true, end);
    }

    fn step(&mut self, eager: bool) {
        let Self { client, server, chance, now, .. } = self;
        let count = if eager { usize::MAX } else { 1 + chance.below(40_000) };
        client.flush(count);
        server.flush(count);
        let (up, down) = (chance.below(60_000), chance.below(60_000));
        let (up, down) = if eager { (usize::MAX, usize::MAX) } else { (up, down) };
        let begun = server.read(&mut client.wire, up, *now);
        client.read(&mut server.wire, down, *now);
        for id in begun {
            self.answer(id);
        }
        let ids: Vec<u32> = self.streams.keys().copied().collect();
        for id in ids {
            let stream = self.streams[&id];
            if eager || self.chance.below(3) == 0 {
                self.begin(id);
                self.client.write(id, stream, &mut self.chance, self.now);
                self.server.write(id, stream, &mut self.chance, self.now);
            }
            if eager || self.chance.below(3) == 0 {
                let count = if eager { usize::MAX } else { self.chance.below(50_000) };
                self.client.release(stream, count);
                self.server.release(stream, count);
            }
        }
    }

    /// Until nothing moves any more.
    fn finish(&mut self) {
        for _ in 0..3000 {
            self.step(true);
            let busy = |side: &Side| {
                side.connection.streams() > 0 || !side.connection.output().is_empty() || !side.wire.is_empty()
            };
            if !busy(&self.client) && !busy(&self.server) {
                return;
            }
        }
        panic!(
            "it never ends: {} and {} streams",
            self.client.connection.streams(),
            self.server.connection.streams()
        );
    }

    fn check(&self) {
        for (from, to) in [(&self.client, &self.server), (&self.server, &self.client)] {
            for (id, sending) in &from.sending {
                if from.reset.contains(id) || to.reset.contains(id) {
                    continue;
                }
                let got = to.got.get(id).unwrap_or_else(|| panic!("stream {id} never came"));
                assert_eq!(got.head, sending.message.head);
                assert_eq!(got.body.len(), sending.message.body.len(), "stream {id}");
                assert_eq!(got, &sending.message, "stream {id}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn what_arrives_is_what_was_sent(
        seed in any::<u64>(),
        steps in 1usize..60,
        size in prop_oneof![Just(10usize), Just(2000), Just(200_000)],
        windows in (65_535u32..200_000, 65_535u32..200_000),
    ) {
        let mut world = World::new(seed, size, windows);
        for _ in 0..steps {
            if world.chance.below(3) == 0 && world.streams.len() < 40 {
                world.ask();
            }
            world.step(false);
        }
        world.finish();
        prop_assert_eq!(world.server.got.len(), world.streams.len());
        world.check();
    }

    /// The same with resets from both sides in between: the others are not touched by it.
    #[test]
    fn resets_touch_nobody_else(seed in any::<u64>(), steps in 1usize..60) {
        let mut world = World::new(seed, 50_000, (70_000, 70_000));
        for _ in 0..steps {
            if world.chance.below(2) == 0 && world.streams.len() < 40 {
                world.ask();
            }
            world.step(false);
            let newest = world.streams.keys().next_back().copied();
            // The server can't reset what it has not heard of.
            let by_client = world.chance.below(2) == 0;
            let known = newest.filter(|id| by_client || world.server.got.contains_key(id));
            if let Some(id) = known.filter(|_| world.chance.below(4) == 0) {
                let stream = world.streams[&id];
                let side = if by_client { &mut world.client } else { &mut world.server };
                side.connection.reset(stream, Code::CANCEL);
                side.reset.push(id);
                for side in [&mut world.client, &mut world.server] {
                    if let Some(sending) = side.sending.get_mut(&id) {
                        sending.done = true;
                    }
                }
            }
        }
        world.finish();
        world.check();
    }
}
