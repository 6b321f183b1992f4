//! Heads of HTTP/3: the same messages (RFC 9114 §4.3 repeats RFC 9113 §8.3), in QPACK's encoding.

use haechi_hpack::{Bounds, Error, decode_section};

use crate::head::Head;
use crate::limits::{Limit, Limits};
use crate::message::{self, Fault, Shape};
use crate::names::Http;

/// Which fields a section must have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SectionKind {
    /// A request's head, without extended CONNECT.
    Request,
    /// What stands behind a body.
    Trailers,
}

/// What is wrong with a section.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unfit {
    /// It is not a field section.
    Undecodable(&'static str),
    /// It stands for so much that it can only be meant to cost us.
    Bomb(&'static str),
    /// It is no message, by this rule.
    Malformed(&'static str),
    /// It may be one, but is larger than allowed.
    TooLarge,
}

impl Head {
    /// Reads a whole field section of HTTP/3 by two who keep no dynamic table.
    ///
    /// # Errors
    /// What is wrong with it. The list holds nothing of use then.
    pub fn read_section(&mut self, section: &[u8], kind: SectionKind, limits: &Limits) -> Result<(), Unfit> {
        let bounds = Bounds {
            list: limits.list,
            fields: limits.fields + limits.cookie_crumbs,
            most_work: limits.list_work,
        };
        self.clear();
        decode_section::<Http>(section, &bounds, &mut self.fields).map_err(|error| match error {
            Error::Work => Unfit::Bomb(Limit::ListWork.text()),
            error => Unfit::Undecodable(error.rule()),
        })?;
        let shape = match kind {
            SectionKind::Request => Shape::Request { extended_connect: false },
            SectionKind::Trailers => Shape::Trailers,
        };
        message::check(self, shape, limits).map_err(|fault| match fault {
            Fault::Malformed(why) => Unfit::Malformed(why.rule),
            Fault::TooLarge => Unfit::TooLarge,
        })
    }
}
