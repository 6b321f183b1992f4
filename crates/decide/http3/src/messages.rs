//! A request's stream: frames in, a head, pieces of a body and trailers out (RFC 9114 §4.1, §7).

use haechi_http2::{Head, Limits, SectionKind, Unfit};

use crate::code::{Broken, Code};
use crate::varint;
use crate::write::{DATA, HEADERS};

/// What came on a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event<'a> {
    /// A request's head is in the list that was lent.
    Head,
    /// One that is larger than allowed. Nothing more is read of the stream.
    TooLarge,
    /// A piece of the body, as it lies in the input.
    Data(&'a [u8]),
    /// Trailers are in the list that was lent.
    Trailers,
}

/// How far the message is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Head,
    Body,
    Trailers,
}

/// Which bytes come next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Next {
    /// Type and length of a frame.
    Frame,
    /// So many of a field section in all.
    Section(usize),
    /// So many of a body.
    Data(u64),
    /// So many that mean nothing to us.
    Skipped(u64),
    /// Whatever comes, nobody reads it.
    Nothing,
}

/// The messages of one stream that a client opened.
#[derive(Debug)]
pub struct Messages {
    stage: Stage,
    next: Next,
    /// The beginning of what is to be read whole.
    kept: Vec<u8>,
    /// What `content-length` has promised.
    length_left: Option<u64>,
}

impl Default for Messages {
    fn default() -> Self {
        Self { stage: Stage::Head, next: Next::Frame, kept: Vec::new(), length_left: None }
    }
}

/// Type and length of a frame are two integers of eight bytes at most.
const FRAME_HEAD: usize = 16;

impl Messages {
    /// Reads on; gives what came, and leaves the rest in `input`. Nothing: all of it was taken.
    ///
    /// # Errors
    /// A broken rule, which ends the stream or the connection. Nothing is read after it.
    pub fn receive<'a>(
        &mut self,
        input: &mut &'a [u8],
        head: &mut Head,
        limits: &Limits,
    ) -> Result<Option<Event<'a>>, Broken> {
        while !input.is_empty() {
            match self.next {
                Next::Frame => {
                    if !self.take_frame_head(input, limits)? {
                        return Ok(None);
                    }
                }
                Next::Section(len) => {
                    take(input, len - self.kept.len(), &mut self.kept);
                    if self.kept.len() < len {
                        return Ok(None);
                    }
                }
                Next::Data(left) => {
                    let piece = skip(input, left);
                    self.next = after(left, piece.len(), Next::Data);
                    if let Some(promised) = &mut self.length_left {
                        let rest = promised.checked_sub(piece.len() as u64);
                        *promised = rest.ok_or(LONGER)?;
                    }
                    return Ok(Some(Event::Data(piece)));
                }
                Next::Skipped(left) => {
                    let piece = skip(input, left);
                    self.next = after(left, piece.len(), Next::Skipped);
                }
                Next::Nothing => *input = &[],
            }
            if let Some(event) = self.after_take(head, limits)? {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    /// Looks whether something is whole now; a section may have no bytes at all.
    fn after_take<'a>(&mut self, head: &mut Head, limits: &Limits) -> Result<Option<Event<'a>>, Broken> {
        match self.next {
            Next::Section(len) if len == self.kept.len() && len <= limits.block as usize => {
                self.next = Next::Frame;
                let kept = std::mem::take(&mut self.kept);
                self.section(&kept, head, limits).map(Some)
            }
            Next::Nothing if self.stage == Stage::Head => {
                self.stage = Stage::Trailers;
                Ok(Some(Event::TooLarge))
            }
            _ => Ok(None),
        }
    }

    /// Whether type and length are whole.
    fn take_frame_head(&mut self, input: &mut &[u8], limits: &Limits) -> Result<bool, Broken> {
        let before = self.kept.len();
        let whole = *input;
        take(input, FRAME_HEAD.saturating_sub(before), &mut self.kept);
        let parsed = varint::read(&self.kept).and_then(|(kind, first)| {
            let (len, second) = varint::read(self.kept.get(first..)?)?;
            Some((kind, len, first + second))
        });
        let Some((kind, len, used)) = parsed else { return Ok(false) };
        *input = whole.get(used - before..).unwrap_or_default();
        self.kept.clear();
        self.begin(kind, len, limits)?;
        Ok(true)
    }

    /// A frame begins (§7.1, §7.2).
    fn begin(&mut self, kind: u64, len: u64, limits: &Limits) -> Result<(), Broken> {
        let unexpected = |rule| Err(Broken::connection(Code::FRAME_UNEXPECTED, rule));
        self.next = match (kind, self.stage) {
            (DATA, Stage::Head) => return unexpected("DATA in front of a head"),
            (DATA | HEADERS, Stage::Trailers) => return unexpected("a frame behind trailers"),
            (DATA, Stage::Body) => after(len, 0, Next::Data),
            (HEADERS, stage) => match usize::try_from(len) {
                Ok(len) if len <= limits.block as usize => Next::Section(len),
                _ if stage == Stage::Head => Next::Nothing,
                _ => return Err(Broken::stream(Code::EXCESSIVE_LOAD, "trailers too large")),
            },
            // Those of the control stream, those of HTTP/2 (§7.2.8), and push, which is a server's.
            (2..=9 | 0xd, _) => return unexpected("a frame that has no place on a request's stream"),
            _ => after(len, 0, Next::Skipped),
        };
        Ok(())
    }

    fn section<'a>(&mut self, section: &[u8], head: &mut Head, limits: &Limits) -> Result<Event<'a>, Broken> {
        let kind = if self.stage == Stage::Head { SectionKind::Request } else { SectionKind::Trailers };
        let read = head.read_section(section, kind, limits);
        match (read, self.stage) {
            (Ok(()), Stage::Head) => {
                self.stage = Stage::Body;
                self.length_left = head.content_length();
                Ok(Event::Head)
            }
            (Ok(()), _) => {
                self.stage = Stage::Trailers;
                Ok(Event::Trailers)
            }
            (Err(Unfit::TooLarge), Stage::Head) => {
                (self.stage, self.next) = (Stage::Trailers, Next::Nothing);
                Ok(Event::TooLarge)
            }
            (Err(Unfit::TooLarge), _) => Err(Broken::stream(Code::EXCESSIVE_LOAD, "trailers too large")),
            (Err(Unfit::Malformed(rule)), _) => Err(Broken::stream(Code::MESSAGE_ERROR, rule)),
            (Err(Unfit::Undecodable(rule)), _) => Err(Broken::connection(Code::DECOMPRESSION_FAILED, rule)),
            (Err(Unfit::Bomb(rule)), _) => Err(Broken::connection(Code::EXCESSIVE_LOAD, rule)),
        }
    }

    /// The client ended its side.
    ///
    /// # Errors
    /// It did so in the middle of something.
    pub fn end(&mut self) -> Result<(), Broken> {
        if self.next == Next::Nothing {
            return Ok(());
        }
        if self.next != Next::Frame || !self.kept.is_empty() {
            return Err(Broken::connection(Code::FRAME_ERROR, "the stream ends in a frame"));
        }
        if self.stage == Stage::Head {
            return Err(Broken::stream(Code::REQUEST_INCOMPLETE, "the stream ends without a head"));
        }
        if self.length_left.is_some_and(|left| left > 0) {
            return Err(Broken::stream(Code::MESSAGE_ERROR, "body shorter than its `content-length`"));
        }
        Ok(())
    }

    /// Whether a head has not come whole.
    pub fn waits_for_head(&self) -> bool {
        self.stage == Stage::Head
    }
}

const LONGER: Broken = Broken::stream(Code::MESSAGE_ERROR, "body longer than its `content-length`");

/// Moves up to `most` bytes.
fn take(input: &mut &[u8], most: usize, to: &mut Vec<u8>) {
    let (taken, rest) = input.split_at(most.min(input.len()));
    to.extend_from_slice(taken);
    *input = rest;
}

/// Up to `most` bytes.
fn skip<'a>(input: &mut &'a [u8], most: u64) -> &'a [u8] {
    let count = usize::try_from(most).unwrap_or(usize::MAX).min(input.len());
    let (skipped, rest) = input.split_at(count);
    *input = rest;
    skipped
}

/// What comes next when `taken` of `left` bytes were.
fn after(left: u64, taken: usize, more: impl Fn(u64) -> Next) -> Next {
    match left.saturating_sub(taken as u64) {
        0 => Next::Frame,
        rest => more(rest),
    }
}
