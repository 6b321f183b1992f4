//! What the targets share: pieces of any size from any input, and messages as a whole for comparison.
//!
//! A target checks properties that hold for *every* input (it is read the same in pieces; what is written
//! reads the same again; a naive model or a peer agrees), so that a finding is a bug and not an opinion.

use haechi_http1::{Body, Framing, Onward, Parsed, Pieces, RequestHead, Version};
use haechi_model::HttpLimits;

/// Limits that short inputs can reach too; the defaults are far beyond what a fuzzer sends.
pub const TIGHT: HttpLimits = HttpLimits { request_line: 48, head: 160, fields: 5 };

/// No limits that matter: for reading what was written on, which has a few lines more than what came.
pub const WIDE: HttpLimits = HttpLimits { request_line: u32::MAX, head: u32::MAX, fields: u16::MAX };

/// The listener's own name: where a request without a host is meant to go.
pub const AUTHORITY: &[u8] = b"me.example";

/// Sizes that depend on the input only, so that a finding replays.
#[derive(Clone, Debug)]
pub struct Sizes(u64);

impl Sizes {
    /// A sequence that differs between inputs (FNV-1a of the bytes).
    pub fn of(data: &[u8]) -> Self {
        let hash = data.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Self(hash | 1)
    }

    /// From 0 up to and without `below` (xorshift64).
    pub fn below(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or(0) % below.max(1)
    }
}

/// `data` in pieces: now and then one byte, seldom more than 16, because that is where edges are.
pub fn pieces(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut sizes = Sizes::of(data);
    let mut rest = data;
    std::iter::from_fn(move || {
        let most = [1, 3, 16, 200][sizes.below(4)];
        let size = (1 + sizes.below(most)).min(rest.len());
        let piece;
        (piece, rest) = rest.split_at(size);
        (!piece.is_empty()).then_some(piece)
    })
}

/// What a body's reader made of its bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BodyRead {
    /// What goes on.
    pub out: Vec<u8>,
    /// Bytes that belonged to it, those of a refused byte's place included.
    pub taken: usize,
    /// Its end was seen, or the rule that it broke.
    pub done: Result<bool, &'static str>,
}

/// Follows a body through `blocks`.
pub fn read_body<'a>(framing: Framing, dechunk: bool, blocks: impl Iterator<Item = &'a [u8]>) -> BodyRead {
    let mut body = Body::new(framing, dechunk);
    let mut read = BodyRead { out: Vec::new(), taken: 0, done: Ok(body.is_done()) };
    let mut ranges = Pieces::default();
    for block in blocks {
        if read.done != Ok(false) {
            break;
        }
        ranges.clear();
        let advance = body.advance(block, &mut ranges);
        for range in ranges.ranges() {
            read.out.extend_from_slice(&block[range.clone()]);
        }
        match advance {
            Ok(advance) => {
                assert!(advance.consumed <= block.len(), "more was taken than was there");
                assert!(
                    advance.done || advance.consumed == block.len(),
                    "bytes were left although it goes on"
                );
                assert_eq!(advance.done, body.is_done());
                if let Some(trailers) = body.take_trailers().filter(|_| !dechunk) {
                    read.out.extend_from_slice(trailers.lines());
                    read.out.extend_from_slice(b"\r\n");
                }
                read.taken += advance.consumed;
                read.done = Ok(advance.done);
            }
            Err(error) => {
                read.taken += error.at;
                read.done = Err(error.rule);
            }
        }
    }
    read
}

/// A request as an endpoint must understand it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Meaning {
    /// As sent.
    pub method: Vec<u8>,
    /// Path without query.
    pub path: Vec<u8>,
    /// In lower case, as names are compared; empty if nobody was named.
    pub host: Vec<u8>,
    /// How the body ends.
    pub framing: Framing,
    /// Whether another protocol is asked for.
    pub upgrade: bool,
    /// Whether the body waits for `100 Continue`.
    pub expects: bool,
    /// The body without its framing.
    pub body: Vec<u8>,
}

impl Meaning {
    /// Of a head that was parsed from `buf`, without its body.
    pub fn of(head: &RequestHead, buf: &[u8]) -> Self {
        Self {
            method: head.method_name(buf).to_vec(),
            path: if head.path.is_empty() { b"/".to_vec() } else { head.path.of(buf).to_vec() },
            host: head.host.map(|host| host.of(buf).to_ascii_lowercase()).unwrap_or_default(),
            framing: head.framing,
            upgrade: head.upgrade,
            expects: head.version == Version::Http11
                && head.framing != Framing::None
                && head.values(buf, "expect").next().is_some(),
            body: Vec::new(),
        }
    }
}

/// Reads requests from `wire` until it breaks, ends, or hands the connection over to another protocol.
/// Gives each complete one, and all that goes on to the endpoint for them.
pub fn requests(wire: &[u8], limits: &HttpLimits, forwarding: &[u8]) -> (Vec<Meaning>, Vec<u8>) {
    let (mut found, mut written) = (Vec::new(), Vec::new());
    let mut head = RequestHead::default();
    let mut rest = wire;
    while let Ok(Parsed::Complete(len)) = head.parse(rest, limits) {
        let mut meaning = Meaning::of(&head, rest);
        let unwrapped = read_body(head.framing, true, std::iter::once(&rest[len..]));
        let framed = read_body(head.framing, false, std::iter::once(&rest[len..]));
        if unwrapped.done != Ok(true) {
            break;
        }
        assert_eq!((framed.taken, framed.done), (unwrapped.taken, unwrapped.done));
        meaning.body = unwrapped.out;
        if meaning.host.is_empty() {
            meaning.host = AUTHORITY.to_vec();
        }
        let onward = Onward { authority: AUTHORITY, forwarding, ..Onward::default() };
        head.write_upstream(rest, &onward, &mut written);
        written.extend_from_slice(&framed.out);
        let last = !head.keep_alive || meaning.upgrade || head.version == Version::Http10;
        found.push(meaning);
        rest = &rest[len + framed.taken..];
        if last {
            break;
        }
    }
    (found, written)
}
