//! Encoders of content codings: bytes in, bytes out, one answer after the other. Which answer gets which is decided
//! in `haechi-coding`.

mod br;
mod gzip;
mod lent;
#[cfg(test)]
mod tests;
mod zstd;

use haechi_model::Coding;

pub(crate) use lent::Coders;

/// Room that is made for an encoder's output at a time. Text of one read of a socket becomes less than this.
const ROOM: usize = 8 << 10;

/// It can't go on. No input brings that about; it may be out of memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Broken;

/// What is wanted of an encoder besides taking its input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Until {
    /// It may keep what makes a better whole with what follows.
    More,
    /// Whoever decodes what came out so far has all that went in.
    Flushed,
    /// Nothing follows.
    Ended,
}

/// An encoder at work on one answer.
pub(crate) struct Coder {
    engine: Engine,
    level: u8,
    /// Bytes of memory that it takes, all in all.
    cost: usize,
    /// It keeps something.
    keeps: bool,
}

enum Engine {
    Gzip(gzip::Gzip),
    Br(Box<br::Br>),
    Zstd(zstd::Zstd),
}

impl Coder {
    /// # Errors
    /// Out of memory.
    fn new(coding: Coding, level: u8) -> Result<Self, Broken> {
        let engine = match coding {
            Coding::Gzip => Engine::Gzip(gzip::Gzip::new(level)),
            Coding::Br => Engine::Br(Box::new(br::Br::new(level))),
            Coding::Zstd => Engine::Zstd(zstd::Zstd::new(level)?),
        };
        Ok(Self { engine, level, cost: cost(coding, level), keeps: false })
    }

    pub(crate) const fn coding(&self) -> Coding {
        match self.engine {
            Engine::Gzip(_) => Coding::Gzip,
            Engine::Br(_) => Coding::Br,
            Engine::Zstd(_) => Coding::Zstd,
        }
    }

    /// Whether what went in is not all in what came out.
    pub(crate) const fn keeps(&self) -> bool {
        self.keeps
    }

    /// Takes all of `input` and appends to `out` what comes of it.
    ///
    /// # Errors
    /// The answer can't go on.
    pub(crate) fn code(&mut self, input: &[u8], until: Until, out: &mut Vec<u8>) -> Result<(), Broken> {
        self.keeps = match until {
            Until::More => self.keeps || !input.is_empty(),
            Until::Flushed | Until::Ended => false,
        };
        match &mut self.engine {
            Engine::Gzip(gzip) => gzip.code(input, until, out),
            Engine::Br(br) => br.code(input, until, out),
            Engine::Zstd(zstd) => zstd.code(input, until, out),
        }
    }

    /// Forgets the answer; whether another one can begin.
    fn renew(&mut self) -> bool {
        self.keeps = false;
        match &mut self.engine {
            Engine::Gzip(gzip) => gzip.renew(),
            Engine::Zstd(zstd) => zstd.renew(),
            // It can't.
            Engine::Br(_) => false,
        }
    }
}

/// What an encoder takes, in bytes: measured (`tests`), because none of them says it before it is there.
const fn cost(coding: Coding, level: u8) -> usize {
    match coding {
        Coding::Gzip => gzip::COST,
        Coding::Br => br::cost(level),
        Coding::Zstd => zstd::cost(level),
    }
}
