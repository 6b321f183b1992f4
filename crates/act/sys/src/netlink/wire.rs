//! Netlink messages as bytes: a header, a fixed part, attributes (RFC 3549 §2.3, `linux/netlink.h`).
//!
//! Our own and not `netlink-packet-route`, for two reasons. We write eight kinds of messages and read six
//! attributes; that crate decodes every attribute of a message and refuses all of it for one that it does not
//! expect, which has happened with kernels newer and older than itself (its issues 54, 147, 151, 332). A node
//! that stops seeing its link because a kernel update made a counter longer is an outage. And its companion
//! `netlink-sys` has a socket that can be cloned and closes its descriptor with each clone.
//!
//! So this reads what it knows and skips the rest. All numbers are in the byte order of the machine.

/// Bytes of a message's header.
const HEADER: usize = 16;
/// Bytes of an attribute's header.
const ATTRIBUTE: usize = 4;
/// Messages and attributes begin at multiples of this.
const ALIGN: usize = 4;
/// The two upper bits of an attribute's type are flags (`NLA_F_NESTED`, `NLA_F_NET_BYTEORDER`).
const TYPE_MASK: u16 = 0x3fff;
/// Marks an attribute that holds attributes.
const NESTED: u16 = 0x8000;

/// A message on its way to the kernel.
#[derive(Clone, Debug)]
pub(crate) struct Request(Vec<u8>);

impl Request {
    /// A message of this type with these flags; `fixed` is the fixed part of its family.
    pub(crate) fn new(kind: u16, flags: u16, fixed: &[u8]) -> Self {
        let mut bytes = vec![0; HEADER];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
        bytes.extend_from_slice(fixed);
        let mut request = Self(bytes);
        request.pad();
        request
    }

    /// Adds an attribute. Values are names, addresses and numbers of ours: far below the 64 KiB that fit.
    pub(crate) fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        let start = self.0.len();
        self.0.extend_from_slice(&[0; 2]);
        self.0.extend_from_slice(&kind.to_ne_bytes());
        self.0.extend_from_slice(value);
        self.close(start);
        self
    }

    /// Adds a number of 32 bits.
    pub(crate) fn number(self, kind: u16, value: u32) -> Self {
        self.attribute(kind, &value.to_ne_bytes())
    }

    /// Adds a text with the zero byte that the kernel expects.
    pub(crate) fn text(self, kind: u16, value: &str) -> Self {
        self.attribute(kind, &[value.as_bytes(), &[0]].concat())
    }

    /// Adds an attribute that holds what `inside` adds.
    pub(crate) fn nested(mut self, kind: u16, inside: impl FnOnce(Self) -> Self) -> Self {
        let start = self.0.len();
        self.0.extend_from_slice(&[0; 2]);
        self.0.extend_from_slice(&(kind | NESTED).to_ne_bytes());
        let mut outer = inside(self);
        outer.close(start);
        outer
    }

    /// The bytes to send, with the number that answers will carry.
    pub(crate) fn numbered(mut self, sequence: u32) -> Vec<u8> {
        let length = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        self.0[0..4].copy_from_slice(&length.to_ne_bytes());
        self.0[8..12].copy_from_slice(&sequence.to_ne_bytes());
        self.0
    }

    fn close(&mut self, start: usize) {
        let length = u16::try_from(self.0.len() - start).unwrap_or(u16::MAX);
        self.0[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self.pad();
    }

    fn pad(&mut self) {
        self.0.resize(self.0.len().next_multiple_of(ALIGN), 0);
    }
}

/// A message from the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Message<'a> {
    /// `RTM_…`, or below 16 one of netlink's own.
    pub(crate) kind: u16,
    /// `NLM_F_…`.
    pub(crate) flags: u16,
    /// That of the request it answers.
    pub(crate) sequence: u32,
    /// Fixed part and attributes.
    pub(crate) body: &'a [u8],
}

impl<'a> Message<'a> {
    /// The attributes after a fixed part of so many bytes.
    pub(crate) fn attributes(&self, fixed: usize) -> Attributes<'a> {
        attributes(self.body.get(fixed.next_multiple_of(ALIGN)..).unwrap_or_default())
    }

    /// The status of an error message: 0 is a yes, otherwise an errno. `None` when it is too short to be one.
    pub(crate) fn status(&self) -> Option<i32> {
        i32_at(self.body, 0).map(i32::wrapping_neg)
    }

    /// What the kernel says about an error in words (`NETLINK_EXT_ACK`), if it does.
    pub(crate) fn words(&self) -> Option<String> {
        // After the status stands the request, whole unless NLM_F_CAPPED says that only its header is there.
        let whole = usize::try_from(u32_at(self.body, 4)?).ok()?;
        let request = if self.flags & CAPPED != 0 { HEADER } else { whole.next_multiple_of(ALIGN) };
        let said = attributes(self.body.get(4_usize.checked_add(request)?..)?);
        let text = said.into_iter().find(|(kind, _)| *kind == WORDS)?.1;
        Some(self::text(text))
    }
}

/// `NLM_F_CAPPED`.
const CAPPED: u16 = 0x100;
/// `NLMSGERR_ATTR_MSG`.
const WORDS: u16 = 1;

/// The messages of what was received. What is cut off ends it.
pub(crate) fn messages(bytes: &[u8]) -> Messages<'_> {
    Messages(bytes)
}

/// See [`messages`].
#[derive(Clone, Debug)]
pub(crate) struct Messages<'a>(&'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let length = usize::try_from(u32_at(self.0, 0)?).ok()?;
        let body = self.0.get(HEADER..length)?;
        let message = Message {
            kind: u16_at(self.0, 4)?,
            flags: u16_at(self.0, 6)?,
            sequence: u32_at(self.0, 8)?,
            body,
        };
        self.0 = self.0.get(length.next_multiple_of(ALIGN)..).unwrap_or_default();
        Some(message)
    }
}

/// The attributes in these bytes, type and value. What is cut off ends it.
pub(crate) fn attributes(bytes: &[u8]) -> Attributes<'_> {
    Attributes(bytes)
}

/// See [`attributes`].
#[derive(Clone, Debug)]
pub(crate) struct Attributes<'a>(&'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let length = usize::from(u16_at(self.0, 0)?);
        let value = self.0.get(ATTRIBUTE..length)?;
        let kind = u16_at(self.0, 2)? & TYPE_MASK;
        self.0 = self.0.get(length.next_multiple_of(ALIGN)..).unwrap_or_default();
        Some((kind, value))
    }
}

/// The number at this place; `None` beyond the end.
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().copied().map(u16::from_ne_bytes)
}

/// The number at this place; `None` beyond the end.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_ne_bytes)
}

/// The number at this place; `None` beyond the end.
pub(crate) fn i32_at(bytes: &[u8], at: usize) -> Option<i32> {
    bytes.get(at..)?.first_chunk().copied().map(i32::from_ne_bytes)
}

/// A text up to its zero byte.
pub(crate) fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// An address of 4 or 16 bytes.
pub(crate) fn address(bytes: &[u8]) -> Option<std::net::IpAddr> {
    let v4 = || <[u8; 4]>::try_from(bytes).ok().map(Into::into);
    <[u8; 16]>::try_from(bytes).ok().map(Into::into).or_else(v4)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_request_has_the_layout_of_the_kernel() {
        let request = Request::new(16, 5, &[1, 2, 3, 4])
            .text(3, "eth0")
            .nested(18, |inner| inner.attribute(1, b"ab").number(2, 7));
        let bytes = request.numbered(9);
        assert_eq!(u32_at(&bytes, 0), Some(52), "length");
        assert_eq!(&bytes[4..16], &[16, 0, 5, 0, 9, 0, 0, 0, 0, 0, 0, 0], "type, flags, sequence, port");
        assert_eq!(&bytes[20..32], &[9, 0, 3, 0, b'e', b't', b'h', b'0', 0, 0, 0, 0]);
        assert_eq!(&bytes[32..36], &[20, 0, 18, 0x80], "length without the padding, marked as nested");
        assert_eq!(&bytes[36..44], &[6, 0, 1, 0, b'a', b'b', 0, 0]);
        assert_eq!(&bytes[44..52], &[8, 0, 2, 0, 7, 0, 0, 0]);
        assert_eq!(bytes.len(), 52);
    }

    #[test]
    fn words_are_found_behind_the_request() {
        let request = Request::new(20, 0, &[0; 8]).number(1, 1).numbered(1);
        let mut body = (-1_i32).to_ne_bytes().to_vec();
        body.extend_from_slice(&request);
        body.extend_from_slice(&[8, 0, 1, 0, b'n', b'o', b'!', 0]);
        let whole = Message { kind: 2, flags: 0x200, sequence: 1, body: &body };
        assert_eq!((whole.status(), whole.words().as_deref()), (Some(1), Some("no!")));
        let mut capped = body[..20].to_vec();
        capped.extend_from_slice(&[8, 0, 1, 0, b'n', b'o', b'!', 0]);
        let capped = Message { flags: 0x300, body: &capped, ..whole };
        assert_eq!(capped.words().as_deref(), Some("no!"));
        assert_eq!(Message { body: &[1, 0], ..whole }.status(), None);
        assert_eq!(Message { body: &body[..20], ..whole }.words(), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            kind in 16_u16..200, flags in any::<u16>(), sequence in any::<u32>(),
            fixed in prop::collection::vec(any::<u8>(), 0..40),
            wanted in prop::collection::vec((0_u16..TYPE_MASK, prop::collection::vec(any::<u8>(), 0..30)), 0..8),
        ) {
            let request = wanted.iter().fold(
                Request::new(kind, flags, &fixed), |request, (kind, value)| request.attribute(*kind, value));
            let twice = [request.clone().numbered(sequence), request.numbered(sequence)].concat();
            let read: Vec<_> = messages(&twice).collect();
            prop_assert_eq!(read.len(), 2);
            for message in read {
                prop_assert_eq!((message.kind, message.flags, message.sequence), (kind, flags, sequence));
                prop_assert!(message.body.starts_with(&fixed));
                let found: Vec<_> =
                    message.attributes(fixed.len()).map(|(kind, value)| (kind, value.to_vec())).collect();
                prop_assert_eq!(&found, &wanted);
            }
        }

        #[test]
        fn any_bytes_end(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            // Each step takes at least a header, so nothing reads for ever.
            prop_assert!(messages(&bytes).count() <= bytes.len() / HEADER);
            prop_assert!(attributes(&bytes).count() <= bytes.len() / ATTRIBUTE);
            for message in messages(&bytes) {
                let _ = (message.status(), message.words(), message.attributes(16).count());
            }
        }
    }
}
