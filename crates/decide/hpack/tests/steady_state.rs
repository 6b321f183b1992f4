//! Once warm, neither direction allocates: shown with a counting allocator.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::alloc::System;

use haechi_hpack::{Bounds, DEFAULT_TABLE, Decoder, Encoder, Fields, Secrecy, Unjudged};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static COUNTING: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const BOUNDS: Bounds = Bounds { list: 64 << 10, fields: 100, most_work: 1 << 20 };

struct Warm {
    encoder: Encoder,
    decoder: Decoder,
    fields: Fields,
    block: Vec<u8>,
}

impl Warm {
    /// A head whose last field is another one each time, so that the tables turn over.
    fn pass(&mut self, number: u32) {
        let Self { encoder, decoder, fields, block } = self;
        let digit = |place: u32| b'0' + u8::try_from(number / 10u32.pow(place) % 10).unwrap();
        let value: [u8; 6] = [0, 1, 2, 3, 4, 5].map(digit);
        block.clear();
        fields.clear();
        for _ in 0..2 {
            encoder.begin(block);
            encoder.field(b":status", b"200", Secrecy::Open, block);
            encoder.field(b"content-type", b"text/html; charset=utf-8", Secrecy::Open, block);
            encoder.field(b"x-some-number", &value, Secrecy::Open, block);
        }
        decoder.decode::<Unjudged>(block, &BOUNDS, fields).unwrap();
        assert_eq!(fields.len(), 6);
        assert_eq!(fields.get(2).unwrap().value, value);
    }
}

#[test]
fn lists_pass_without_an_allocation() {
    let mut warm = Warm {
        encoder: Encoder::new(true),
        decoder: Decoder::new(DEFAULT_TABLE),
        fields: Fields::default(),
        block: Vec::new(),
    };
    let region = Region::new(COUNTING);
    (0..2000).for_each(|number| warm.pass(number));
    assert!(region.change().allocations > 0, "the first ones must allocate, or nothing is counted");
    let region = Region::new(COUNTING);
    (2000..12_000).for_each(|number| warm.pass(number));
    let change = region.change();
    assert_eq!((change.allocations, change.reallocations), (0, 0), "{change:?}");
}
