//! Streams that go one way, from a client to us: control, and those of QPACK (RFC 9114 §6.2, RFC 9204 §4.2).

use crate::code::{Broken, Code};
use crate::varint;
use crate::write::{CONTROL, DATA, HEADERS, SETTINGS};

/// What is to become of a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Heard {
    /// Read on.
    More,
    /// It means nothing to us: stop it with `STREAM_CREATION_ERROR` (§6.2).
    Unknown,
}

/// Which of a client's streams there were, that there may be one of.
#[derive(Clone, Copy, Default, Debug)]
pub struct Seen {
    control: bool,
    encoder: bool,
    decoder: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum Kind {
    #[default]
    Unsaid,
    Control,
    Encoder,
    Decoder,
    Unknown,
}

/// One such stream.
#[derive(Default, Debug)]
pub struct OneWay {
    kind: Kind,
    /// The beginning of what is to be read whole.
    kept: Vec<u8>,
    /// So many bytes mean nothing to us.
    skipped: u64,
    has_settings: bool,
    /// By `MAX_PUSH_ID`, which may only grow.
    most_pushes: u64,
    /// In an integer of the decoder's stream.
    in_integer: bool,
}

/// Bytes of a frame of the control stream that is to be read whole: settings of sixty entries, where ten are defined.
const FRAME: usize = 1024;

impl OneWay {
    /// Takes what came.
    ///
    /// # Errors
    /// A broken rule, which ends the connection.
    pub fn receive(&mut self, mut input: &[u8], seen: &mut Seen) -> Result<Heard, Broken> {
        if self.kind == Kind::Unsaid && !self.take_kind(&mut input, seen)? {
            return Ok(Heard::More);
        }
        match self.kind {
            Kind::Control => self.control(input)?,
            Kind::Encoder if !input.is_empty() => {
                let rule = "an instruction for a table that has no room";
                return Err(Broken::connection(Code::ENCODER_STREAM_ERROR, rule));
            }
            Kind::Decoder => self.decoder(input)?,
            Kind::Unknown => return Ok(Heard::Unknown),
            Kind::Encoder | Kind::Unsaid => {}
        }
        Ok(Heard::More)
    }

    /// It ended, or was reset.
    ///
    /// # Errors
    /// The connection can't do without it.
    pub fn end(&self) -> Result<(), Broken> {
        match self.kind {
            Kind::Control | Kind::Encoder | Kind::Decoder => {
                let rule = "a stream ended that lasts as long as the connection";
                Err(Broken::connection(Code::CLOSED_CRITICAL_STREAM, rule))
            }
            Kind::Unsaid | Kind::Unknown => Ok(()),
        }
    }

    fn take_kind(&mut self, input: &mut &[u8], seen: &mut Seen) -> Result<bool, Broken> {
        let before = self.kept.len();
        self.kept.extend_from_slice(input.get(..input.len().min(8)).unwrap_or_default());
        let Some((kind, used)) = varint::read(&self.kept) else {
            *input = &[];
            return Ok(false);
        };
        self.kept.clear();
        *input = input.get(used - before..).unwrap_or_default();
        let mut no_place = false;
        let (kind, twice) = match kind {
            CONTROL => (Kind::Control, &mut seen.control),
            2 => (Kind::Encoder, &mut seen.encoder),
            3 => (Kind::Decoder, &mut seen.decoder),
            1 => return Err(creation("only servers push")),
            _ => (Kind::Unknown, &mut no_place),
        };
        if std::mem::replace(twice, true) {
            return Err(creation("a second stream of a kind that there is one of"));
        }
        self.kind = kind;
        Ok(true)
    }

    fn control(&mut self, mut input: &[u8]) -> Result<(), Broken> {
        while !input.is_empty() {
            if self.skipped > 0 {
                let count = usize::try_from(self.skipped).unwrap_or(usize::MAX).min(input.len());
                self.skipped -= count as u64;
                input = input.get(count..).unwrap_or_default();
                continue;
            }
            // What a frame needs is little, so looking at it again costs little.
            let count = input.len().min(FRAME.saturating_sub(self.kept.len()));
            let before = self.kept.len();
            self.kept.extend_from_slice(input.get(..count).unwrap_or_default());
            match self.frame()? {
                Some(used) => {
                    input = input.get(used.saturating_sub(before)..).unwrap_or_default();
                    self.kept.clear();
                }
                None if count == 0 => {
                    return Err(Broken::connection(Code::EXCESSIVE_LOAD, "a frame too large"));
                }
                None => input = input.get(count..).unwrap_or_default(),
            }
        }
        Ok(())
    }

    /// Reads the frame that was kept, if it is whole; gives its length.
    fn frame(&mut self) -> Result<Option<usize>, Broken> {
        let head = varint::read(&self.kept).and_then(|(kind, first)| {
            let (len, second) = varint::read(self.kept.get(first..)?)?;
            Some((kind, len, first + second))
        });
        let Some((kind, len, used)) = head else { return Ok(None) };
        if !self.has_settings && kind != SETTINGS {
            return Err(Broken::connection(Code::MISSING_SETTINGS, "a frame in front of settings"));
        }
        match kind {
            // Data and heads, push, and those of HTTP/2 (§7.2.8).
            DATA | HEADERS | 2 | 5 | 6 | 8 | 9 => {
                let rule = "a frame that has no place on the control stream";
                return Err(Broken::connection(Code::FRAME_UNEXPECTED, rule));
            }
            3 | SETTINGS | 7 | 0xd => {}
            _ => {
                self.skipped = len;
                return Ok(Some(used));
            }
        }
        let end = usize::try_from(len).ok().and_then(|len| used.checked_add(len)).filter(|end| *end <= FRAME);
        let end = end.ok_or(Broken::connection(Code::EXCESSIVE_LOAD, "a frame too large"))?;
        let Some(payload) = self.kept.get(used..end) else { return Ok(None) };
        match kind {
            SETTINGS if self.has_settings => {
                return Err(Broken::connection(Code::FRAME_UNEXPECTED, "settings twice"));
            }
            SETTINGS => {
                settings(payload)?;
                self.has_settings = true;
            }
            _ => {
                let number = varint::read(payload).filter(|(_, len)| *len == payload.len());
                let (number, _) =
                    number.ok_or(Broken::connection(Code::FRAME_ERROR, "a frame of a wrong size"))?;
                self.number(kind, number)?;
            }
        }
        Ok(Some(end))
    }

    /// A frame that holds one number. A client's farewell (7) says nothing to who never pushes.
    fn number(&mut self, kind: u64, number: u64) -> Result<(), Broken> {
        match kind {
            3 => Err(Broken::connection(Code::ID_ERROR, "a push cancelled that was never promised")),
            0xd if number < self.most_pushes => {
                Err(Broken::connection(Code::ID_ERROR, "fewer pushes allowed than before"))
            }
            0xd => {
                self.most_pushes = number;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// With no dynamic table there is nothing to acknowledge; a stream may be cancelled all the same (RFC 9204
    /// §4.4.2).
    fn decoder(&mut self, input: &[u8]) -> Result<(), Broken> {
        for byte in input {
            if self.in_integer {
                self.in_integer = byte & 0x80 != 0;
            } else if byte & 0xc0 == 0x40 {
                self.in_integer = byte & 0x3f == 0x3f;
            } else {
                let rule = "an acknowledgement of nothing";
                return Err(Broken::connection(Code::DECODER_STREAM_ERROR, rule));
            }
        }
        Ok(())
    }
}

const fn creation(rule: &'static str) -> Broken {
    Broken::connection(Code::STREAM_CREATION_ERROR, rule)
}

/// §7.2.4: no setting twice, and none of HTTP/2 (§7.2.4.1). None of them changes what we do.
fn settings(mut payload: &[u8]) -> Result<(), Broken> {
    let mut seen = Vec::new();
    while !payload.is_empty() {
        let pair = varint::read(payload).and_then(|(name, first)| {
            let (_, second) = varint::read(payload.get(first..)?)?;
            Some((name, first + second))
        });
        let (name, used) = pair.ok_or(Broken::connection(Code::FRAME_ERROR, "settings that end early"))?;
        if (2..=5).contains(&name) || seen.contains(&name) {
            return Err(Broken::connection(Code::SETTINGS_ERROR, "a setting twice, or one of HTTP/2"));
        }
        seen.push(name);
        payload = payload.get(used..).unwrap_or_default();
    }
    Ok(())
}
