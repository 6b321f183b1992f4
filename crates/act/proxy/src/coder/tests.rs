//! What comes out is read back by other programs' decoders, in any pieces and after any flush.

use std::io::Read;

use proptest::prelude::*;
use zstd_safe::InBuffer;

use super::*;

/// Text with some of everything.
fn text(len: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(len + 100);
    let mut number = 1_u64;
    while out.len() < len {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        out.extend_from_slice(
            format!("<li class=\"item\">number {} of many</li>\n", number >> 40).as_bytes(),
        );
    }
    out.truncate(len);
    out
}

fn decode(coding: Coding, mut coded: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    match coding {
        Coding::Gzip => flate2::read::GzDecoder::new(coded).read_to_end(&mut out).map(drop).unwrap(),
        Coding::Br => brotli::BrotliDecompress(&mut coded, &mut out).unwrap(),
        Coding::Zstd => {
            out.reserve(2 << 20);
            zstd_safe::decompress(&mut out, coded).unwrap();
        }
    }
    out
}

/// As much as can be read of a stream that has not ended.
fn decode_part(coding: Coding, coded: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    match coding {
        Coding::Gzip => drop(flate2::read::GzDecoder::new(coded).read_to_end(&mut out)),
        Coding::Br => drop(brotli::Decompressor::new(coded, 4096).read_to_end(&mut out)),
        Coding::Zstd => {
            out.reserve(1 << 20);
            let mut context = zstd_safe::DCtx::create();
            let mut input = InBuffer::around(coded);
            let mut output = zstd_safe::OutBuffer::around(&mut out);
            while input.pos() < coded.len() {
                context.decompress_stream(&mut output, &mut input).unwrap();
            }
        }
    }
    out
}

fn levels(coding: Coding) -> std::ops::RangeInclusive<u8> {
    match coding {
        Coding::Gzip => 1..=9,
        Coding::Br => 0..=4,
        Coding::Zstd => 1..=6,
    }
}

#[test]
fn every_level_gives_back_what_went_in() {
    for coding in Coding::ALL {
        for level in levels(coding) {
            for body in [Vec::new(), b"a".to_vec(), text(500_000)] {
                let mut coder = Coder::new(coding, level).unwrap();
                let mut out = Vec::new();
                body.chunks(16 << 10).for_each(|piece| coder.code(piece, Until::More, &mut out).unwrap());
                coder.code(&[], Until::Ended, &mut out).unwrap();
                assert_eq!(decode(coding, &out), body, "{coding:?} {level}");
                assert!(body.len() < 10 || out.len() < body.len() / 2, "{coding:?} {level}: {}", out.len());
            }
        }
    }
}

#[test]
fn after_a_flush_all_can_be_read() {
    for coding in Coding::ALL {
        for level in levels(coding) {
            let mut coder = Coder::new(coding, level).unwrap();
            let (mut out, mut went) = (Vec::new(), Vec::new());
            for size in [1, 10, 3000, 70_000, 1] {
                let piece = text(size);
                went.extend_from_slice(&piece);
                coder.code(&piece, Until::More, &mut out).unwrap();
                assert!(coder.keeps());
                coder.code(&[], Until::Flushed, &mut out).unwrap();
                assert!(!coder.keeps());
                assert_eq!(decode_part(coding, &out), went, "{coding:?} {level} {size}");
            }
            let before = out.len();
            coder.code(&[], Until::Flushed, &mut out).unwrap();
            assert!(out.len() - before < 32, "a second flush says next to nothing: {}", out.len() - before);
            coder.code(&[], Until::Ended, &mut out).unwrap();
            assert_eq!(decode(coding, &out), went, "{coding:?} {level}");
        }
    }
}

/// What can't be made smaller (by gzip at 1 it becomes an eighth larger at the worst) fills more than the room that is made at a time, and ends where a buffer ends.
#[test]
fn noise_of_any_length_is_whole() {
    let mut state = 1_u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    })
    .take(70_000)
    .collect();
    for coding in Coding::ALL {
        for len in (8000..8400).chain([16_384, 65_536, 70_000]) {
            let mut coder = Coder::new(coding, 1).unwrap();
            let mut out = Vec::new();
            coder.code(&noise[..len], Until::More, &mut out).unwrap();
            coder.code(&[], Until::Flushed, &mut out).unwrap();
            coder.code(&[], Until::Ended, &mut out).unwrap();
            assert!(out.len() < len + len / 8, "{coding:?} {len}: {}", out.len());
            assert_eq!(decode(coding, &out), &noise[..len], "{coding:?} {len}");
        }
    }
}

#[test]
fn one_that_was_cut_off_is_as_new_for_the_next_answer() {
    let coders = Coders::default();
    for coding in Coding::ALL {
        for round in 0..3 {
            let mut coder = coders.take(coding, 3).unwrap();
            let mut out = Vec::new();
            coder.code(&text(100_000), Until::More, &mut out).unwrap();
            if round != 1 {
                coder.code(&[], Until::Ended, &mut out).unwrap();
                assert_eq!(decode(coding, &out), text(100_000), "{coding:?}");
            }
            coders.give(coder);
        }
    }
}

#[test]
fn memory_of_lent_ones_has_a_bound_and_comes_back() {
    let coders = Coders::default();
    let lent: Vec<Coder> = std::iter::from_fn(|| coders.take(Coding::Gzip, 6)).take(1000).collect();
    assert_eq!(lent.len(), (128 << 20) / gzip::COST);
    assert!(coders.take(Coding::Zstd, 6).is_none());
    lent.into_iter().for_each(|coder| coders.give(coder));
    assert!(coders.take(Coding::Zstd, 6).is_some());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn any_pieces_and_flushes_give_the_same_body(
        coding in 0..3_usize,
        level in 1..=4_u8,
        pieces in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..400), 1..200_usize, any::<bool>()), 0..8),
    ) {
        let coding = Coding::ALL[coding];
        let mut coder = Coder::new(coding, level).unwrap();
        let (mut out, mut went) = (Vec::new(), Vec::new());
        for (piece, times, flush) in pieces {
            let piece = piece.repeat(times);
            went.extend_from_slice(&piece);
            coder.code(&piece, if flush { Until::Flushed } else { Until::More }, &mut out).unwrap();
        }
        coder.code(&[], Until::Ended, &mut out).unwrap();
        prop_assert_eq!(decode(coding, &out), went);
    }
}
