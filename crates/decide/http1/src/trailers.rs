//! Fields behind a chunked body (RFC 9110 §6.5, RFC 9112 §7.1.2), from wherever they came: which of them go on.

use haechi_model::Fault;

use crate::HeadError;
use crate::fields::FieldName;

/// Most bytes of them: twice the 8 KiB that gRPC takes of metadata by default, and nobody else sends so many.
const MAX_BYTES: usize = 16 << 10;

/// Most of them, those that are dropped included; as many as a head may have.
const MAX_FIELDS: u16 = 100;

/// Fields behind a body that go on, as whole lines.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Trailers {
    lines: Vec<u8>,
    /// Where the line begins that is being read.
    begun: usize,
    /// Of all that came.
    bytes: usize,
    fields: u16,
}

/// What becomes of a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Verdict {
    GoesOn,
    Dropped,
    Refused,
}

impl Trailers {
    /// Whole lines, each with its CRLF, without the empty one that ends a body.
    pub fn lines(&self) -> &[u8] {
        self.lines.get(..self.begun).unwrap_or_default()
    }

    /// Adds a field that came in another protocol, if it goes on. Its name and value hold no byte that could end a
    /// line.
    ///
    /// # Errors
    /// One that would say how a message is framed or where it goes, or too many.
    pub fn add(&mut self, name: &[u8], value: &[u8]) -> Result<(), HeadError> {
        for piece in [name, b": ", value, b"\r\n"] {
            self.push(piece, 0)?;
        }
        self.end_line(0)
    }

    /// Keeps none of those that came, and counts them still.
    pub(crate) fn forget(&mut self) {
        self.lines.clear();
        self.begun = 0;
    }

    /// A byte of the line that is being read.
    pub(crate) fn byte(&mut self, byte: u8, at: usize) -> Result<(), HeadError> {
        self.push(&[byte], at)
    }

    fn push(&mut self, bytes: &[u8], at: usize) -> Result<(), HeadError> {
        self.bytes += bytes.len();
        if self.bytes > MAX_BYTES {
            return Err(HeadError::new(Fault::BadRequestBody, "trailers over their limit", at));
        }
        self.lines.extend_from_slice(bytes);
        Ok(())
    }

    /// The line is there with its end: it is judged, and stays or goes.
    pub(crate) fn end_line(&mut self, at: usize) -> Result<(), HeadError> {
        self.fields += 1;
        if self.fields > MAX_FIELDS {
            return Err(HeadError::new(Fault::BadRequestBody, "more trailers than allowed", at));
        }
        let line = self.lines.get(self.begun..).unwrap_or_default();
        let name = line.split(|&byte| byte == b':').next().unwrap_or_default();
        match judge(name) {
            Verdict::GoesOn => self.begun = self.lines.len(),
            Verdict::Dropped => self.lines.truncate(self.begun),
            Verdict::Refused => {
                return Err(HeadError::new(Fault::BadRequestBody, "trailer that only a head may hold", at));
            }
        }
        Ok(())
    }
}

/// Names and values in whole lines, without white space around them.
pub fn read_fields(lines: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
    lines.split(|&byte| byte == b'\n').filter_map(|line| {
        let colon = memchr::memchr(b':', line)?;
        let (name, value) = line.split_at_checked(colon)?;
        Some((name, value.get(1..)?.trim_ascii()))
    })
}

/// Appends the chunk that ends a body, and the fields behind it.
pub fn write_last_chunk(lines: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"0\r\n");
    out.extend_from_slice(lines);
    out.extend_from_slice(b"\r\n");
}

/// Fields that say how a message is framed or where it goes are refused: whoever merges trailers into a head would see
/// another message than we did. Those that say who asks, under which conditions, or what a response is, are dropped
/// (RFC 9110 §6.5.1): they were judged, or missed, when the head was.
fn judge(name: &[u8]) -> Verdict {
    // Recipients that read `X_Forwarded_For` as `X-Forwarded-For` exist, and metadata of gRPC with underscores too.
    let mut plain = [0; LONGEST_KNOWN];
    for (to, from) in plain.iter_mut().zip(name) {
        *to = if *from == b'_' { b'-' } else { from.to_ascii_lowercase() };
    }
    let plain = plain.get(..name.len()).unwrap_or(&plain);
    if plain.starts_with(b"x-forwarded-") || DROPPED.contains(&plain) || plain.starts_with(b"if-") {
        return Verdict::Dropped;
    }
    match FieldName::of(plain) {
        FieldName::Other if plain.is_empty() || plain == b"trailer" => Verdict::Refused,
        FieldName::Other => Verdict::GoesOn,
        FieldName::Forwarding => Verdict::Dropped,
        _ => Verdict::Refused,
    }
}

/// Names are looked at up to here: longer ones are none of those that are known.
const LONGEST_KNOWN: usize = 64;

const DROPPED: [&[u8]; 21] = [
    b"age",
    b"authorization",
    b"cache-control",
    b"content-encoding",
    b"content-range",
    b"content-type",
    b"cookie",
    b"date",
    b"expires",
    b"location",
    b"max-forwards",
    b"pragma",
    b"proxy-authenticate",
    b"proxy-authorization",
    b"range",
    b"retry-after",
    b"set-cookie",
    b"strict-transport-security",
    b"vary",
    b"via",
    b"www-authenticate",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_means_nothing_for_a_head_goes_on() {
        for goes in
            ["grpc-status", "Grpc-Message", "x-checksum", "my_key", "etag", "server-timing", "x-forwarded"]
        {
            assert_eq!(judge(goes.as_bytes()), Verdict::GoesOn, "{goes}");
        }
        for dropped in [
            "Set-Cookie",
            "authorization",
            "X-Forwarded-For",
            "x_forwarded_proto",
            "x_real_ip",
            "Forwarded",
            "If-Match",
            "content_type",
        ] {
            assert_eq!(judge(dropped.as_bytes()), Verdict::Dropped, "{dropped}");
        }
        for refused in [
            "Content-Length",
            "content_length",
            "transfer-encoding",
            "Transfer_Encoding",
            "HOST",
            "connection",
            "TE",
            "upgrade",
            "keep-alive",
            "proxy-connection",
            "trailer",
            "expect",
            "",
        ] {
            assert_eq!(judge(refused.as_bytes()), Verdict::Refused, "{refused:?}");
        }
        assert_eq!(judge(&[b'a'; 300]), Verdict::GoesOn);
        let long = [&b"x-forwarded-"[..], &[b'a'; 100]].concat();
        assert_eq!(judge(&long), Verdict::Dropped);
    }

    #[test]
    fn fields_are_read_back_as_they_were_added() {
        let mut trailers = Trailers::default();
        trailers.add(b"grpc-status", b"0").unwrap();
        trailers.add(b"cookie", b"a=1").unwrap();
        trailers.add(b"empty", b"").unwrap();
        assert_eq!(trailers.lines(), b"grpc-status: 0\r\nempty: \r\n");
        let fields: Vec<_> = read_fields(trailers.lines()).collect();
        assert_eq!(fields, [(&b"grpc-status"[..], &b"0"[..]), (b"empty", b"")]);
        assert_eq!(read_fields(b"a:\t b:c \r\n").next(), Some((&b"a"[..], &b"b:c"[..])));
        assert!(trailers.add(b"content-length", b"1").is_err());
    }

    #[test]
    fn they_come_to_an_end() {
        let mut many = Trailers::default();
        assert!((0..101).all(|at| many.add(b"a", b"b").is_ok() == (at < 100)));
        let mut large = Trailers::default();
        assert!(large.add(b"a", &[b'b'; MAX_BYTES]).is_err());
        let mut dropped = Trailers::default();
        assert!(
            (0..101).all(|at| dropped.add(b"cookie", b"b").is_ok() == (at < 100)),
            "what is dropped counts"
        );
    }
}
