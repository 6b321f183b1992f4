//! The connection: what it holds, how it begins and how it ends. What it does with frames stands in the files
//! beside this one, one for each decision.

mod body;
mod control;
mod heads;
mod receive;
mod send;
mod send_body;
mod times;

use haechi_hpack::{DEFAULT_TABLE, Decoder, Encoder};
use haechi_model::Moment;

pub use receive::Input;
pub use send::{HeadWriter, NotNow, Request};
pub use send_body::Gather;

use crate::Limit;
use crate::event::{Event, StreamId};
use crate::frames;
use crate::limits::{Gates, Limits, Rate};
use crate::settings::{self, DEFAULT_WINDOW, Peer};
use crate::streams::{Stream, Streams};
use crate::{Code, Why};
use heads::Block;
use receive::Reading;
use times::{Farewell, Times};

/// What a client sends before its first frame (RFC 9113 §3.4).
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Which side of the connection we are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Requests come to us.
    Server,
    /// We ask.
    Client,
}

/// How a connection is set up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Config {
    /// What it may cost.
    pub limits: Limits,
    /// Bytes of a body that may be under way to us on a stream. Never below the protocol's 65,535, which a peer
    /// may use before it has seen our settings.
    pub stream_window: u32,
    /// The same for all streams together: what a connection can make us hold. Envoy's edge default is 1 MiB.
    pub connection_window: u32,
    /// Take, as a server, CONNECT with `:protocol` (RFC 8441: WebSocket).
    pub extended_connect: bool,
    /// Shorten strings of heads that we send.
    pub huffman: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            stream_window: DEFAULT_WINDOW,
            connection_window: 1 << 20,
            extended_connect: false,
            huffman: true,
        }
    }
}

/// One HTTP/2 connection, seen from one side.
#[derive(Debug)]
pub struct Connection {
    role: Role,
    config: Config,
    reading: Reading,
    /// The beginning of a frame whose end has not come.
    partial: Vec<u8>,
    block: Block,
    decoder: Decoder,
    encoder: Encoder,
    peer: Peer,
    streams: Streams,
    /// Highest id that the peer opened.
    last_theirs: u32,
    /// The id that we open next.
    next_ours: u32,
    /// Ids that we reset: what the peer sent before it knew is passed over (§5.1).
    cut: Cut,
    /// What we may send on all streams together.
    send_window: i64,
    /// What the peer may send on all streams together.
    receive_window: i64,
    /// Released and not yet told the peer.
    owed: u32,
    /// Somebody waits for the connection's window.
    waits: bool,
    gates: Gates,
    earned: Earned,
    opened: u64,
    reset_by_peer: u64,
    times: Times,
    out: Vec<u8>,
    /// How much of it is sent.
    sent: usize,
    farewell: Farewell,
    /// The peer will not look at streams of ours above this.
    unseen_above: Option<u32>,
    /// The peer takes no further streams.
    leaving: bool,
    closed: Option<Why>,
    /// The consumer knows that it is closed.
    told: bool,
}

/// Frames that a peer may send because of what we did, beyond any rate.
#[derive(Clone, Copy, Debug, Default)]
struct Earned {
    windows: u32,
    pings: u32,
    priorities: u32,
}

/// Most of each that can be saved up: what a burst of DATA at 10 Gbit/s earns in 10 ms.
const MOST_EARNED: u32 = 1000;

impl Earned {
    fn earn(&mut self, windows: u32, pings: u32, priorities: u32) {
        self.windows = (self.windows + windows).min(MOST_EARNED);
        self.pings = (self.pings + pings).min(MOST_EARNED);
        self.priorities = (self.priorities + priorities).min(MOST_EARNED);
    }
}

/// The last ids that we reset, as many as can be open at a time: an endpoint that dies may take them all at once.
#[derive(Clone, Debug, Default)]
struct Cut {
    ids: Vec<u32>,
    next: usize,
}

impl Cut {
    fn note(&mut self, id: u32, most: u32) {
        if self.ids.len() < most.max(1) as usize {
            self.ids.push(id);
        } else {
            self.ids[self.next] = id;
            self.next = (self.next + 1) % self.ids.len();
        }
    }

    fn has(&self, id: u32) -> bool {
        self.ids.contains(&id)
    }
}

/// Vectors above this capacity are given back once they are empty, so that an idle connection holds next to none.
const KEEP: usize = 2 << 10;

impl Connection {
    /// Begins: our settings (and, as a client, the preface) are in the output.
    pub fn new(role: Role, config: Config, now: Moment) -> Self {
        let clamp = |window: u32| window.clamp(DEFAULT_WINDOW, 0x7fff_ffff);
        let (stream_window, connection_window) =
            (clamp(config.stream_window), clamp(config.connection_window));
        let config = Config { stream_window, connection_window, ..config };
        let mut out = Vec::new();
        if role == Role::Client {
            out.extend_from_slice(PREFACE);
        }
        settings::write(role, &config, &mut out);
        Self {
            role,
            config,
            reading: Reading::begin(role),
            partial: Vec::new(),
            block: Block::default(),
            decoder: Decoder::new(DEFAULT_TABLE),
            encoder: Encoder::new(config.huffman),
            peer: Peer::new(),
            streams: Streams::default(),
            last_theirs: 0,
            next_ours: if role == Role::Client { 1 } else { 2 },
            cut: Cut::default(),
            send_window: i64::from(DEFAULT_WINDOW),
            receive_window: i64::from(connection_window),
            owed: 0,
            waits: false,
            gates: Gates::new(),
            earned: Earned::default(),
            opened: 0,
            reset_by_peer: 0,
            times: Times::new(now, &config.limits),
            out,
            sent: 0,
            farewell: Farewell::None,
            unseen_above: None,
            leaving: false,
            closed: None,
            told: false,
        }
    }

    /// What is to be sent.
    #[inline]
    pub fn output(&self) -> &[u8] {
        self.out.get(self.sent..).unwrap_or_default()
    }

    /// So many bytes of the output were sent.
    #[inline]
    pub fn sent(&mut self, count: usize) {
        self.sent = (self.sent + count).min(self.out.len());
        if self.sent == self.out.len() {
            self.out.clear();
            self.sent = 0;
        } else if self.sent > self.out.len() / 2 {
            // Moving less than was sent costs less than sending did.
            self.out.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// Takes the vector of an empty output away, or gives one back: an idle connection need not hold one.
    pub fn swap_output(&mut self, vector: Vec<u8>) -> Vec<u8> {
        if self.out.is_empty() { std::mem::replace(&mut self.out, vector) } else { vector }
    }

    /// Streams that are open.
    pub const fn streams(&self) -> u32 {
        self.streams.len()
    }

    /// Why it is broken, if it is.
    pub const fn closed(&self) -> Option<Why> {
        self.closed
    }

    /// Whether it has said farewell, and nothing is left to do but to send the output and to close.
    pub const fn is_finished(&self) -> bool {
        self.closed.is_some() || (self.streams.len() == 0 && self.farewell.is_last())
    }

    /// Which side we are.
    pub const fn role(&self) -> Role {
        self.role
    }

    /// Whether the peer takes CONNECT with `:protocol` (RFC 8441).
    pub const fn takes_extended_connect(&self) -> bool {
        self.peer.extended_connect
    }

    /// Ends a stream before its time; it is gone at once, and nothing more is told of it. With
    /// [`Code::NO_ERROR`] a server asks a client not to send the rest of a body after a complete response (§8.1).
    pub fn reset(&mut self, stream: StreamId, code: Code) {
        if self.remove(stream.0).is_some() {
            self.write_reset(stream.0, code);
        }
    }

    /// Ends the connection at once, because something beyond this core is wrong.
    pub fn abort(&mut self, code: Code, rule: &'static str) {
        self.fail(Why::new(code, rule));
    }

    fn limits(&self) -> &Limits {
        &self.config.limits
    }

    /// The end, if the consumer does not know of it.
    #[inline]
    fn untold<'b>(&mut self) -> Option<Event<'b>> {
        let why = self.closed?;
        (!std::mem::replace(&mut self.told, true)).then_some(Event::Closed(why))
    }

    /// Ends everything.
    fn fail(&mut self, why: Why) {
        if self.closed.is_some() {
            return;
        }
        frames::write_goaway(self.last_theirs, why, &mut self.out);
        self.closed = Some(why);
        self.partial = Vec::new();
        self.block = Block::default();
    }

    fn write_reset(&mut self, id: u32, code: Code) {
        let most = self.limits().streams;
        frames::write_reset(id, code, &mut self.out);
        self.cut.note(id, most);
    }

    /// Takes a stream out; what it held counts against the connection no more.
    fn remove(&mut self, id: u32) -> Option<Stream> {
        let stream = self.streams.remove(id)?;
        self.give_back(stream.held);
        Some(stream)
    }

    /// Whether the peer could have spoken of this stream before.
    const fn was_open(&self, id: u32) -> bool {
        if self.is_ours(id) { id < self.next_ours } else { id <= self.last_theirs }
    }

    /// Whether frames of this stream may still come although it means nothing any more: we reset it, or it came
    /// after our farewell.
    fn passes_over(&self, id: u32) -> bool {
        self.cut.has(id) || (self.farewell.is_last() && !self.is_ours(id) && id > self.last_theirs)
    }

    /// Clients open odd ones (§5.1.1).
    const fn is_ours(&self, id: u32) -> bool {
        (id % 2 == 1) == matches!(self.role, Role::Client)
    }

    /// Counts against a rate, as a server: endpoints are chosen by who runs us, clients are not.
    fn count_of_client(&mut self, limit: Limit, rate: Rate, now: Moment) -> Result<(), Why> {
        if self.role == Role::Server { self.gates.pass(limit, rate, now) } else { Ok(()) }
    }

    /// The event that ends a stream because of a rule.
    fn broke_rule<'b>(&mut self, id: u32, why: Why, now: Moment) -> Result<Option<Event<'b>>, Why> {
        let known = self.remove(id).is_some();
        self.write_reset(id, why.code);
        let rate = self.limits().own_resets;
        self.count_of_client(Limit::OwnResets, rate, now)?;
        let stream = StreamId(id);
        Ok(Some(if known {
            Event::Reset { stream, by_peer: false, why }
        } else {
            Event::Refused { stream, why }
        }))
    }
}
