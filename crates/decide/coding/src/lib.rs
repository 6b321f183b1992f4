//! Which content coding an answer gets on its way to a client, and what that changes in its head.
//!
//! ```text
//!   Compression ─▶ Rules::new                     once, when the config changes
//!   request's fields ─▶ Rules::wish ─▶ Wish       while its head is there
//!   answer's fields + Wish ─▶ Rules::decide ─▶ Verdict, and whole lines for the head
//! ```
//!
//! A coded answer is another representation (RFC 9110 §8.4): its validator is weak, what measured the bytes of the
//! other one is taken out, and caches are told that it depends on `Accept-Encoding`, coded or not. What it refuses: it
//! codes no byte, frames no message, and codes nothing twice.

mod accept;
mod answer;
#[cfg(test)]
mod tests;

use haechi_model::{Coding, Compression};

pub use answer::{Answer, Verdict, Why, is_about_bytes};

/// What is coded, ready for use.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rules {
    config: Compression,
}

/// What a client takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wish {
    /// What it likes best of what is on offer.
    coding: Result<Coding, Why>,
    /// It refuses what is not coded.
    insists: bool,
    /// It knows an answer by a weak validator, which may be one that we made weak.
    knows_weak: bool,
}

impl Wish {
    /// The same of a client that gets nothing coded, for this reason.
    pub const fn denied(self, why: Why) -> Self {
        Self { coding: Err(why), ..self }
    }
}

impl Rules {
    /// The rules of this config.
    pub fn new(config: &Compression) -> Self {
        Self { config: config.clone() }
    }

    /// How much work this coding is to do.
    pub const fn level(&self, coding: Coding) -> u8 {
        self.config.levels.of(coding)
    }

    /// What the client of a request takes, by names and values of its fields. `chunks`: whether its protocol can end a
    /// body whose length is not known without ending the connection. HTTP/1.0 can't, and a client could not tell a
    /// body that was cut off from a whole one.
    pub fn wish<'a>(&self, fields: impl Iterator<Item = (&'a [u8], &'a [u8])>, chunks: bool) -> Wish {
        let mut accepted = accept::Accepted::default();
        let (mut keeps, mut knows_weak) = (false, false);
        for (name, value) in fields {
            if name.eq_ignore_ascii_case(b"accept-encoding") {
                accepted.take(value);
            } else if name.eq_ignore_ascii_case(b"cache-control") {
                keeps |= answer::lists(value, b"no-transform");
            } else if name.eq_ignore_ascii_case(b"if-none-match") {
                knows_weak |= value.windows(3).any(|part| part == b"W/\"");
            }
        }
        let coding = match accepted.best(&self.config.codings) {
            _ if !chunks => Err(Why::Version),
            _ if keeps => Err(Why::NoTransform),
            None => Err(Why::Unwanted),
            Some(coding) => Ok(coding),
        };
        Wish { coding, insists: accepted.insists(), knows_weak }
    }

    /// Whether answers of this type may be coded, by the field's value.
    fn has_type(&self, value: &[u8]) -> bool {
        let essence = value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        // gRPC frames and compresses its messages itself, and its clients know no coding of a whole stream.
        if essence.get(..16).is_some_and(|start| start.eq_ignore_ascii_case(b"application/grpc")) {
            return false;
        }
        self.config.types.iter().any(|known| {
            let known = known.as_bytes();
            match known.strip_suffix(b"*") {
                Some(b"*/") => !essence.is_empty(),
                Some(kind) => essence.get(..kind.len()).is_some_and(|start| start.eq_ignore_ascii_case(kind)),
                None => essence.eq_ignore_ascii_case(known),
            }
        })
    }
}
