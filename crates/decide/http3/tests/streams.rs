//! What streams say, rule by rule, whole and a byte at a time.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use haechi_http2::{Head, Limits};
use haechi_http3::{Broken, Code, Event, Heard, Messages, OneWay, Scope, Seen};
use proptest::prelude::*;

/// `GET https://a/`, by the static table and one literal.
const GET: &[u8] = b"\x01\x08\x00\x00\xd1\xd7\x50\x01a\xc1";
/// Trailers `x: y`.
const TRAILERS: &[u8] = b"\x01\x06\x00\x00\x21x\x01y";

/// What became of a stream: each event by its name, the body, and how it ended.
fn outcome(pieces: &[&[u8]]) -> Result<(String, Vec<u8>), Broken> {
    let (mut messages, mut head, limits) = (Messages::default(), Head::default(), Limits::default());
    let (mut events, mut body) = (String::new(), Vec::new());
    for piece in pieces {
        let mut input = *piece;
        while let Some(event) = messages.receive(&mut input, &mut head, &limits)? {
            match event {
                Event::Head => events.push_str("head "),
                Event::TooLarge => events.push_str("large "),
                Event::Trailers => events.push_str("trailers "),
                Event::Data(bytes) => body.extend_from_slice(bytes),
            }
        }
        assert!(input.is_empty(), "all is taken");
    }
    messages.end()?;
    Ok((events, body))
}

/// The same, whole and by single bytes.
fn both(stream: &[u8]) -> Result<(String, Vec<u8>), Broken> {
    let whole = outcome(&[stream]);
    let bytes: Vec<&[u8]> = stream.chunks(1).collect();
    assert_eq!(outcome(&bytes), whole, "{}", stream.escape_ascii());
    whole
}

fn head_with(length: &str) -> Vec<u8> {
    let mut section = b"\x00\x00\xd4\xd7\x50\x01a\xc1\x54".to_vec();
    section.push(u8::try_from(length.len()).unwrap());
    section.extend_from_slice(length.as_bytes());
    [&[1, u8::try_from(section.len()).unwrap()], &section[..]].concat()
}

#[test]
fn streams_that_are_messages() {
    let none: &[u8] = b"";
    for (stream, events, body) in [
        (GET.to_vec(), "head ", none),
        ([GET, b"\x00\x02hi", b"\x00\x00", b"\x00\x01!"].concat(), "head ", b"hi!"),
        ([GET, b"\x00\x02hi", TRAILERS].concat(), "head trailers ", b"hi"),
        ([&head_with("2")[..], b"\x00\x01h\x00\x01i"].concat(), "head ", b"hi"),
        // Frames that nobody knows, in front, between and behind (RFC 9114 §7.2.8).
        (
            [b"\x21\x03abc", GET, b"\x21\x00\x00\x01x\x40\x5f\x01z", TRAILERS, b"\x21\x01a"].concat(),
            "head trailers ",
            b"x",
        ),
    ] {
        assert_eq!(both(&stream), Ok((events.to_owned(), body.to_vec())), "{}", stream.escape_ascii());
    }
}

#[test]
fn streams_that_break_a_rule() {
    use Scope::{Connection, Stream};
    for (stream, scope, code) in [
        (b"".to_vec(), Stream, Code::REQUEST_INCOMPLETE),
        (b"\x21\x01a".to_vec(), Stream, Code::REQUEST_INCOMPLETE),
        (GET[..4].to_vec(), Connection, Code::FRAME_ERROR),
        ([GET, b"\x00"].concat(), Connection, Code::FRAME_ERROR),
        ([GET, b"\x00\x05hi"].concat(), Connection, Code::FRAME_ERROR),
        (b"\x00\x02hi".to_vec(), Connection, Code::FRAME_UNEXPECTED),
        (b"\x04\x00".to_vec(), Connection, Code::FRAME_UNEXPECTED),
        (b"\x02\x00".to_vec(), Connection, Code::FRAME_UNEXPECTED),
        ([GET, b"\x05\x01\x00"].concat(), Connection, Code::FRAME_UNEXPECTED),
        ([GET, b"\x0d\x01\x00"].concat(), Connection, Code::FRAME_UNEXPECTED),
        ([GET, TRAILERS, TRAILERS].concat(), Connection, Code::FRAME_UNEXPECTED),
        ([GET, TRAILERS, b"\x00\x01x"].concat(), Connection, Code::FRAME_UNEXPECTED),
        ([&head_with("3")[..], b"\x00\x02hi"].concat(), Stream, Code::MESSAGE_ERROR),
        ([&head_with("1")[..], b"\x00\x02hi"].concat(), Stream, Code::MESSAGE_ERROR),
        // No `:path`; a pseudo-header field behind another one; a second method; upper case; trailers with `:status`.
        (b"\x01\x07\x00\x00\xd1\xd7\x50\x01a".to_vec(), Stream, Code::MESSAGE_ERROR),
        (b"\x01\x0c\x00\x00\xd1\x21x\x01y\xd7\x50\x01a\xc1".to_vec(), Stream, Code::MESSAGE_ERROR),
        (b"\x01\x09\x00\x00\xd1\xd1\xd7\x50\x01a\xc1".to_vec(), Stream, Code::MESSAGE_ERROR),
        (b"\x01\x0c\x00\x00\xd1\xd7\x50\x01a\xc1\x21X\x01y".to_vec(), Stream, Code::MESSAGE_ERROR),
        ([GET, b"\x01\x03\x00\x00\xd9"].concat(), Stream, Code::MESSAGE_ERROR),
        // A section that refers to a dynamic table, and one of no bytes.
        (b"\x01\x03\x01\x00\x80".to_vec(), Connection, Code::DECOMPRESSION_FAILED),
        (b"\x01\x00\x00\x00".to_vec(), Connection, Code::DECOMPRESSION_FAILED),
    ] {
        let broken = both(&stream).unwrap_err();
        assert_eq!((broken.scope, broken.code), (scope, code), "{}: {broken}", stream.escape_ascii());
    }
}

/// A frame that says that it is large must not make us wait for it, nor keep it.
#[test]
fn a_head_that_is_too_large_is_said_at_once() {
    let limits = Limits::default();
    for stream in [&b"\x01\xc0\x00\x00\x01\x00\x00\x00\x00"[..], b"\x01\x80\x02\x00\x01abc"] {
        assert_eq!(both(stream), Ok(("large ".to_owned(), Vec::new())));
    }
    // One that becomes too large only when it is decoded: 1500 times 44 bytes.
    let mut section = b"\x00\x00\xd1\xd7\x50\x01a\xc1".to_vec();
    (0..1500).for_each(|_| section.extend_from_slice(b"\x21x\x0aaaaaaaaaaa"));
    let len = u32::try_from(section.len()).unwrap() | 0x8000_0000;
    let stream = [&b"\x01"[..], &len.to_be_bytes(), &section, b"\x00\x05hello"].concat();
    assert!(section.len() < limits.block as usize);
    assert_eq!(both(&stream), Ok(("large ".to_owned(), Vec::new())));
}

/// 20,000 bytes that stand for 1.8 MB.
#[test]
fn a_bomb_of_references_ends_the_connection() {
    let mut section = b"\x00\x00".to_vec();
    (0..10_000).for_each(|_| section.extend_from_slice(b"\xff\x16"));
    let len = u32::try_from(section.len()).unwrap() | 0x8000_0000;
    let broken = outcome(&[&b"\x01"[..], &len.to_be_bytes(), &section]).unwrap_err();
    assert_eq!((broken.scope, broken.code), (Scope::Connection, Code::EXCESSIVE_LOAD));
}

fn one_way(stream: &[u8]) -> Result<Heard, Code> {
    let whole = OneWay::default().receive(stream, &mut Seen::default());
    let (mut by_bytes, mut seen) = (OneWay::default(), Seen::default());
    let mut last = Ok(Heard::More);
    for byte in stream.chunks(1) {
        last = by_bytes.receive(byte, &mut seen);
        if last != Ok(Heard::More) {
            break;
        }
    }
    assert_eq!(last, whole, "{}", stream.escape_ascii());
    whole.map_err(|broken| {
        assert_eq!(broken.scope, Scope::Connection);
        broken.code
    })
}

#[test]
fn one_way_streams() {
    let large = [&b"\x00\x04\x44\x00"[..], &[0; 1100]].concat();
    for (stream, wanted) in [
        (&b""[..], Ok(Heard::More)),
        (b"\x00", Ok(Heard::More)),
        (b"\x00\x04\x00", Ok(Heard::More)),
        (b"\x00\x04\x04\x06\x40\x64\x07\x00\x07\x01\x00\x0d\x01\x05\x0d\x01\x05", Err(Code::FRAME_ERROR)),
        (b"\x00\x04\x03\x06\x40\x64\x07\x01\x00\x0d\x01\x05\x0d\x01\x05", Ok(Heard::More)),
        (b"\x00\x04\x00\x21\x02ab\x21\x00\x07\x01\x00", Ok(Heard::More)),
        (b"\x00\x07\x01\x00", Err(Code::MISSING_SETTINGS)),
        (b"\x00\x21\x00", Err(Code::MISSING_SETTINGS)),
        (b"\x00\x04\x00\x04\x00", Err(Code::FRAME_UNEXPECTED)),
        (b"\x00\x04\x00\x00\x00", Err(Code::FRAME_UNEXPECTED)),
        (b"\x00\x04\x00\x01\x00", Err(Code::FRAME_UNEXPECTED)),
        (b"\x00\x04\x00\x06\x00", Err(Code::FRAME_UNEXPECTED)),
        (b"\x00\x04\x00\x05\x00", Err(Code::FRAME_UNEXPECTED)),
        (b"\x00\x04\x00\x03\x01\x00", Err(Code::ID_ERROR)),
        (b"\x00\x04\x00\x0d\x01\x05\x0d\x01\x04", Err(Code::ID_ERROR)),
        (b"\x00\x04\x00\x07\x02\x00\x00", Err(Code::FRAME_ERROR)),
        (b"\x00\x04\x02\x02\x00", Err(Code::SETTINGS_ERROR)),
        (b"\x00\x04\x04\x06\x01\x06\x01", Err(Code::SETTINGS_ERROR)),
        (&large, Err(Code::EXCESSIVE_LOAD)),
        (b"\x00\x04\xc0\x00\x00\x01\x00\x00\x00\x00", Err(Code::EXCESSIVE_LOAD)),
        (b"\x01", Err(Code::STREAM_CREATION_ERROR)),
        (b"\x02", Ok(Heard::More)),
        (b"\x02\x20", Err(Code::ENCODER_STREAM_ERROR)),
        (b"\x03\x44\x7f\x80\x01\x40", Ok(Heard::More)),
        (b"\x03\x80", Err(Code::DECODER_STREAM_ERROR)),
        (b"\x03\x01", Err(Code::DECODER_STREAM_ERROR)),
        (b"\x40\x21", Ok(Heard::Unknown)),
    ] {
        assert_eq!(one_way(stream), wanted, "{}", stream.escape_ascii());
    }
}

#[test]
fn there_is_one_control_stream_and_it_does_not_end() {
    let mut seen = Seen::default();
    let (mut first, mut second) = (OneWay::default(), OneWay::default());
    assert_eq!(first.end(), Ok(()), "it has not said what it is");
    first.receive(b"\x00\x04\x00", &mut seen).unwrap();
    assert_eq!(first.end().unwrap_err().code, Code::CLOSED_CRITICAL_STREAM);
    assert_eq!(second.receive(b"\x00", &mut seen).unwrap_err().code, Code::STREAM_CREATION_ERROR);
}

proptest! {
    /// However a stream is cut, it means the same.
    #[test]
    fn cuts_change_nothing(
        frames in prop::collection::vec((prop_oneof![Just(0u8), Just(1), Just(0x21), any::<u8>()], prop::collection::vec(any::<u8>(), 0..20)), 0..6),
        cuts in prop::collection::vec(1..30usize, 1..20),
    ) {
        let mut stream = GET.to_vec();
        for (kind, payload) in frames {
            stream.extend_from_slice(&[kind & 0x3f, u8::try_from(payload.len()).unwrap()]);
            stream.extend_from_slice(&payload);
        }
        let (mut pieces, mut rest) = (Vec::new(), &stream[..]);
        for cut in cuts.into_iter().cycle().take(200) {
            let (piece, after) = rest.split_at(cut.min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        pieces.push(rest);
        prop_assert_eq!(outcome(&pieces), outcome(&[&stream]));
    }

    /// No bytes make a one-way stream of any kind panic, or keep more than a frame.
    #[test]
    fn no_bytes_break_a_one_way_stream(stream in prop::collection::vec(any::<u8>(), 0..300), kind in 0..5u8) {
        let mut seen = Seen::default();
        let _ = OneWay::default().receive(&[&[kind], &stream[..]].concat(), &mut seen);
    }
}
