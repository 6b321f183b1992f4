//! Just enough of DER (X.690) to walk a certificate: definite lengths, one element after the other.

/// What a walk may end with: the bytes are no DER, or end too early.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct NotDer;

pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const OID: u8 = 0x06;
pub(crate) const UTC_TIME: u8 = 0x17;
pub(crate) const GENERALIZED_TIME: u8 = 0x18;
pub(crate) const UTF8_STRING: u8 = 0x0c;
pub(crate) const PRINTABLE_STRING: u8 = 0x13;
pub(crate) const IA5_STRING: u8 = 0x16;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;
const BOOLEAN: u8 = 0x01;

/// Elements that stand one behind the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The next element: its tag and what it holds.
    pub(crate) fn next(&mut self) -> Result<(u8, &'a [u8]), NotDer> {
        let [tag, first, rest @ ..] = self.0 else { return Err(NotDer) };
        let (len, rest) = match first {
            short @ ..=0x7f => (usize::from(*short), rest),
            // Certificates are below 16 MiB; an indefinite length (0x80) is not DER.
            long @ 0x81..=0x83 => {
                let digits = usize::from(long & 0x7f);
                let (digits, rest) = rest.split_at_checked(digits).ok_or(NotDer)?;
                (digits.iter().fold(0, |len, digit| len << 8 | usize::from(*digit)), rest)
            }
            _ => return Err(NotDer),
        };
        let (content, rest) = rest.split_at_checked(len).ok_or(NotDer)?;
        self.0 = rest;
        Ok((*tag, content))
    }

    /// The next element, which must have this tag.
    pub(crate) fn expect(&mut self, tag: u8) -> Result<&'a [u8], NotDer> {
        match self.next()? {
            (found, content) if found == tag => Ok(content),
            _ => Err(NotDer),
        }
    }

    /// The elements of the next sequence.
    pub(crate) fn sequence(&mut self) -> Result<Self, NotDer> {
        self.expect(SEQUENCE).map(Self)
    }

    /// Steps over an element that may be there.
    pub(crate) fn skip_if(&mut self, tag: u8) -> Result<(), NotDer> {
        if self.0.first() == Some(&tag) { self.next().map(drop) } else { Ok(()) }
    }

    /// Steps over a boolean that stands here unless it has its default.
    pub(crate) fn skip_boolean(&mut self) -> Result<(), NotDer> {
        self.skip_if(BOOLEAN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_definite_and_within_their_bytes() {
        let long = [vec![OCTET_STRING, 0x82, 1, 0], vec![7; 256]].concat();
        assert_eq!(Der::new(&long).expect(OCTET_STRING).unwrap().len(), 256);
        for broken in [
            &[][..],
            &[SEQUENCE],
            &[SEQUENCE, 1],
            &[SEQUENCE, 0x80, 0, 0],
            &[SEQUENCE, 0x81],
            &[SEQUENCE, 0x84, 0, 0, 0, 0],
            &[SEQUENCE, 0xff],
        ] {
            assert_eq!(Der::new(broken).next(), Err(NotDer), "{broken:?}");
        }
    }

    #[test]
    fn optional_elements_are_stepped_over_or_not() {
        let mut der = Der::new(&[BOOLEAN, 1, 0xff, INTEGER, 1, 5]);
        der.skip_boolean().unwrap();
        der.skip_boolean().unwrap();
        assert_eq!(der.expect(INTEGER), Ok(&[5][..]));
        assert!(der.is_empty());
    }
}
