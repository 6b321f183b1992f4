//! Which name a client asks for in its first message (RFC 8446 section 4.1.2, RFC 6066 section 3), without
//! decrypting anything: for those who pass TLS on as it comes.

/// Longest first message that is read. Clients with post-quantum keys send about 2 KiB; servers such as BoringSSL's
/// take 16 KiB.
const MOST: usize = 16 << 10;

/// The same on the wire, where a message may come in many small records, each with a header of 5 bytes.
pub const MOST_ON_WIRE: usize = 2 * MOST;

/// What stands at the beginning of a connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Hello {
    /// The name, in lower case; nothing if the client asks for none.
    For(Option<Box<str>>),
    /// The message is not complete.
    Partial,
    /// It is no TLS, or breaks this rule.
    Broken(&'static str),
}

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: u16 = 0;
const HOST_NAME: u8 = 0;
/// Kind, version and length of a record.
const HEADER: usize = 5;
/// Plaintext of a record at most (RFC 8446 section 5.1).
const RECORD: usize = 1 << 14;

/// Reads a first message while it comes. Each byte is looked at once, however many pieces it comes in.
#[derive(Clone, Default, Debug)]
pub struct HelloReader {
    /// The handshake message, without the headers of its records.
    joined: Vec<u8>,
    /// How many bytes of the wire were read.
    at: usize,
    /// What the record has that these end in.
    left: usize,
}

impl HelloReader {
    /// `wire` is all that a client has sent so far.
    pub fn read(&mut self, wire: &[u8]) -> Hello {
        let read = self.message(wire).and_then(|message| name(message).map(Hello::For).map_err(Stop::Broken));
        match read {
            Ok(hello) => hello,
            Err(Stop::Partial) if wire.len() >= MOST_ON_WIRE => {
                Hello::Broken("a first message in too many pieces")
            }
            Err(Stop::Partial) => Hello::Partial,
            Err(Stop::Broken(rule)) => Hello::Broken(rule),
        }
    }

    /// The first handshake message, joined from as many records as it takes.
    fn message(&mut self, wire: &[u8]) -> Result<&[u8], Stop> {
        loop {
            let end = self.end()?;
            if let Some(end) = end.filter(|end| self.joined.len() >= *end) {
                return self.joined.get(4..end).ok_or(Stop::Partial);
            }
            let rest = wire.get(self.at..).unwrap_or_default();
            if self.left == 0 {
                self.left = record(rest)?;
                self.at += HEADER;
                continue;
            }
            let piece = &rest[..self.left.min(rest.len())];
            if piece.is_empty() {
                return Err(Stop::Partial);
            }
            self.joined.extend_from_slice(piece);
            self.at += piece.len();
            self.left -= piece.len();
        }
    }

    /// Where the message ends, once its own header is there.
    fn end(&self) -> Result<Option<usize>, Stop> {
        match self.joined.as_slice() {
            [] => Ok(None),
            [CLIENT_HELLO, a, b, c, ..] => {
                let length = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
                if length > MOST {
                    return Err(Stop::Broken("a first message that is too long"));
                }
                Ok(Some(4 + length))
            }
            [CLIENT_HELLO, ..] => Ok(None),
            _ => Err(Stop::Broken("the first message is no ClientHello")),
        }
    }
}

impl Hello {
    /// Reads what has come whole, or its beginning.
    pub fn read(wire: &[u8]) -> Self {
        HelloReader::default().read(wire)
    }
}

enum Stop {
    Partial,
    Broken(&'static str),
}

/// What the record that begins here holds.
fn record(wire: &[u8]) -> Result<usize, Stop> {
    // Told by what there is of a header, so that nobody waits for the rest of what is no TLS.
    if wire.iter().zip([HANDSHAKE, 3]).any(|(byte, good)| *byte != good) {
        return Err(Stop::Broken("not TLS"));
    }
    let [_, _, _, high, low, ..] = wire else { return Err(Stop::Partial) };
    match usize::from(*high) << 8 | usize::from(*low) {
        size @ 1..=RECORD => Ok(size),
        _ => Err(Stop::Broken("a record of a length that none has")),
    }
}

/// Bytes that are read from the front.
struct Reader<'a>(&'a [u8]);

const SHORT: &str = "a length that reaches past its end";

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], &'static str> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(SHORT)?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, &'static str> {
        self.take(1).map(|taken| taken[0])
    }

    fn short(&mut self) -> Result<u16, &'static str> {
        self.take(2).map(|taken| u16::from_be_bytes([taken[0], taken[1]]))
    }

    /// As many bytes as the next two say.
    fn vector(&mut self) -> Result<Reader<'a>, &'static str> {
        let length = self.short()?;
        self.take(length.into()).map(Reader)
    }
}

fn name(message: &[u8]) -> Result<Option<Box<str>>, &'static str> {
    let mut hello = Reader(message);
    // Version and random.
    hello.take(2 + 32)?;
    let session = hello.byte()?;
    hello.take(session.into())?;
    let suites = hello.vector()?;
    if suites.0.is_empty() || !suites.0.len().is_multiple_of(2) {
        return Err("a list of ciphers that is none");
    }
    let compressions = hello.byte()?;
    hello.take(compressions.into())?;
    if hello.0.is_empty() {
        // SSL 3.0 and bare TLS 1.0 had no extensions.
        return Ok(None);
    }
    let mut extensions = hello.vector()?;
    let mut found = None;
    while !extensions.0.is_empty() {
        let kind = extensions.short()?;
        let content = extensions.vector()?;
        if kind == SERVER_NAME {
            if found.is_some() {
                return Err("two lists of names");
            }
            found = Some(host_name(content)?);
        }
    }
    if !hello.0.is_empty() {
        return Err("bytes behind the extensions");
    }
    Ok(found)
}

/// The one host name of a list. Another kind of name was never defined.
fn host_name(mut content: Reader<'_>) -> Result<Box<str>, &'static str> {
    let mut list = content.vector()?;
    if list.byte()? != HOST_NAME {
        return Err("a name of an unknown kind");
    }
    let name = list.vector()?.0;
    if !list.0.is_empty() || !content.0.is_empty() {
        return Err("more than one name");
    }
    let usable = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    match std::str::from_utf8(name) {
        Ok(name) if name.len() <= 255 && name.bytes().all(|byte| usable(&byte)) => {
            match name.strip_suffix('.').unwrap_or(name) {
                "" => Err("a name that no host has"),
                name => Ok(name.to_ascii_lowercase().into()),
            }
        }
        _ => Err("a name that no host has"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sized(bytes: &[u8]) -> Vec<u8> {
        [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
    }

    fn extension(kind: u16, content: &[u8]) -> Vec<u8> {
        [&kind.to_be_bytes()[..], &sized(content)].concat()
    }

    fn named(name: &[u8]) -> Vec<u8> {
        extension(0, &sized(&[&[0][..], &sized(name)].concat()))
    }

    /// The message alone.
    fn hello(extensions: &[Vec<u8>]) -> Vec<u8> {
        let body =
            [&[3, 3][..], &[7; 32], &[0], &[0, 2, 0x13, 1], &[1, 0], &sized(&extensions.concat())].concat();
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        [&[1], &length[1..], &body].concat()
    }

    fn records(message: &[u8], size: usize) -> Vec<u8> {
        message.chunks(size).flat_map(|part| [&[22, 3, 1][..], &sized(part)].concat()).collect()
    }

    fn grease() -> Vec<u8> {
        extension(0x3a3a, &[0; 7])
    }

    #[test]
    fn a_name_is_found_wherever_it_stands_and_however_it_comes() {
        let message =
            hello(&[grease(), extension(16, &[0, 3, 2, b'h', b'2']), named(b"Shop.Example.com."), grease()]);
        let wanted = Hello::For(Some("shop.example.com".into()));
        for size in [1, 2, 3, 5, 50, RECORD] {
            let wire = records(&message, size);
            assert_eq!(Hello::read(&wire), wanted, "records of {size}");
            assert_eq!(Hello::read(&[&wire[..], b"more"].concat()), wanted, "what follows is not looked at");
            let mut reader = HelloReader::default();
            for cut in 0..wire.len() {
                assert_eq!(Hello::read(&wire[..cut]), Hello::Partial, "records of {size}, {cut} bytes");
                assert_eq!(reader.read(&wire[..cut]), Hello::Partial, "the same in one go");
            }
            assert_eq!(reader.read(&wire), wanted);
        }
    }

    #[test]
    fn no_name_is_no_fault() {
        assert_eq!(Hello::read(&records(&hello(&[grease()]), RECORD)), Hello::For(None));
        let mut bare = hello(&[]);
        bare.truncate(bare.len() - 2);
        bare[3] -= 2;
        assert_eq!(Hello::read(&records(&bare, RECORD)), Hello::For(None));
    }

    #[test]
    fn what_breaks_a_rule_says_which() {
        let read = |extensions: &[Vec<u8>]| Hello::read(&records(&hello(extensions), RECORD));
        for odd in [
            &b""[..],
            b".",
            b"a b",
            b"::1",
            b"a:443",
            b"a\0b",
            b"a/b",
            b"*.example.com",
            &[0xff],
            &[b'a'; 256],
        ] {
            assert_eq!(read(&[named(odd)]), Hello::Broken("a name that no host has"), "{odd:?}");
        }
        assert_eq!(read(&[named(b"a"), named(b"b")]), Hello::Broken("two lists of names"));
        let two = extension(0, &sized(&[&[0][..], &sized(b"a"), &[0], &sized(b"b")].concat()));
        assert_eq!(read(&[two]), Hello::Broken("more than one name"));
        assert_eq!(read(&[extension(0, &[])]), Hello::Broken(SHORT));
        assert_eq!(read(&[extension(0, &[0, 9, 0, 0, 1, b'a'])]), Hello::Broken(SHORT));
        for (wire, rule) in [
            (&b"GET / HTTP/1.1\r\n"[..], "not TLS"),
            (b"G", "not TLS"),
            (&[22, 2], "not TLS"),
            (&[21, 3, 3, 0, 2, 1, 0], "not TLS"),
            (&[22, 3, 1, 0, 0], "a record of a length that none has"),
            (&[22, 3, 1, 0x40, 1], "a record of a length that none has"),
            (&[22, 3, 1, 0, 4, 2], "the first message is no ClientHello"),
            (&[22, 3, 1, 0, 4, 1, 0, 0x40, 1], "a first message that is too long"),
        ] {
            assert_eq!(Hello::read(wire), Hello::Broken(rule), "{wire:?}");
        }
    }

    #[test]
    fn a_message_in_crumbs_has_an_end() {
        let message = hello(&[extension(21, &[0; 12_000]), named(b"a")]);
        let wire = records(&message, 1);
        assert!(wire.len() > MOST_ON_WIRE);
        assert_eq!(Hello::read(&wire[..MOST_ON_WIRE - 1]), Hello::Partial);
        let end = Hello::Broken("a first message in too many pieces");
        assert_eq!(Hello::read(&wire[..MOST_ON_WIRE]), end);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_safe_and_an_answer_stays(bytes: Vec<u8>, more: Vec<u8>) {
            let wire = [&[22, 3, 1][..], &sized(&bytes[..bytes.len().min(RECORD)])].concat();
            let first = Hello::read(&wire);
            let mut reader = HelloReader::default();
            let by_pieces = (0..=wire.len()).map(|cut| reader.read(&wire[..cut])).find(|it| *it != Hello::Partial);
            proptest::prop_assert_eq!(&by_pieces.unwrap_or(Hello::Partial), &first);
            if first != Hello::Partial {
                proptest::prop_assert_eq!(Hello::read(&[wire, more].concat()), first);
            }
        }
    }
}
