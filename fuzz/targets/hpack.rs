//! Blocks in a row on one table: no panic, a bounded list, the same list for the same bytes, and what is encoded
//! again from it reads the same again, here and at a peer.

#![no_main]

use haechi_fuzz::Sizes;
use haechi_hpack::{Bounds, DEFAULT_TABLE, Decoder, Encoder, Fields, Secrecy, Unjudged};
use libfuzzer_sys::fuzz_target;

/// Small enough for short inputs to reach them.
const TIGHT: Bounds = Bounds { list: 2048, fields: 40, most_work: 32 << 10 };

/// None that matter.
const WIDE: Bounds = Bounds { list: u32::MAX, fields: u32::MAX, most_work: u32::MAX };

fuzz_target!(|data: &[u8]| {
    let mut sizes = Sizes::of(data);
    let (mut tight, mut wide) = (Decoder::new(DEFAULT_TABLE), Decoder::new(DEFAULT_TABLE));
    let (mut encoder, mut again) = (Encoder::new(data.len() % 2 == 0), Decoder::new(DEFAULT_TABLE));
    let mut peer = loona_hpack::Decoder::new();
    let (mut bounded, mut whole, mut reread) = (Fields::default(), Fields::default(), Fields::default());
    let mut rest = data;
    while !rest.is_empty() {
        let block;
        (block, rest) = rest.split_at((1 + sizes.below(200)).min(rest.len()));
        for fields in [&mut bounded, &mut whole, &mut reread] {
            fields.clear();
        }
        let cut = tight.decode::<Unjudged>(block, &TIGHT, &mut bounded);
        let stored: usize = bounded.iter().map(|field| field.name.len() + field.value.len() + 32).sum();
        assert!(stored <= TIGHT.list as usize && bounded.len() <= TIGHT.fields as usize);
        // No block of this size can stand for more than what is allowed and one more field.
        assert!(bounded.size() <= u64::from(TIGHT.most_work) + u64::from(DEFAULT_TABLE) + 32 + 400);
        let full = wide.decode::<Unjudged>(block, &WIDE, &mut whole);
        if cut.is_ok() {
            assert_eq!(full, cut, "bounds change what is stored, never what is understood");
            assert!(bounded.iter().zip(whole.iter()).all(|(one, other)| one == other));
            assert_eq!(bounded.is_too_large(), bounded.len() != whole.len());
            assert_eq!(bounded.size(), whole.size());
        }
        if cut.is_err() || full.is_err() {
            return;
        }
        if sizes.below(8) == 0 {
            encoder.set_allowed(u32::try_from(sizes.below(DEFAULT_TABLE as usize + 1)).unwrap_or(0));
        }
        let mut written = Vec::new();
        encoder.begin(&mut written);
        for field in whole.iter() {
            let secrecy = if field.never_indexed { Secrecy::Secret } else { Secrecy::Open };
            encoder.field(field.name, field.value, secrecy, &mut written);
        }
        again.decode::<Unjudged>(&written, &WIDE, &mut reread).expect("what we write is sound");
        let same = |(one, other): (haechi_hpack::Field<'_>, haechi_hpack::Field<'_>)| {
            one.name == other.name && one.value == other.value && (!one.never_indexed || other.never_indexed)
        };
        assert_eq!(reread.len(), whole.len());
        assert!(reread.iter().zip(whole.iter()).all(|(other, one)| same((one, other))));
        if !whole.is_empty() {
            let theirs = peer.decode(&written).expect("a peer takes what we write");
            assert!(
                theirs
                    .iter()
                    .zip(whole.iter())
                    .all(|(one, other)| one.0 == other.name && one.1 == other.value)
            );
        }
    }
});
