//! Our encoder and decoder against a model that is too simple to be wrong, and against another implementation.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use haechi_hpack::{Bounds, DEFAULT_TABLE, Decoder, Encoder, Fields, STATIC, Secrecy, Unjudged};
use proptest::prelude::*;

const WIDE: Bounds = Bounds { list: 1 << 20, fields: 10_000, most_work: 1 << 24 };

type List = Vec<(Vec<u8>, Vec<u8>)>;

fn list(fields: &Fields) -> List {
    fields.iter().map(|field| (field.name.to_vec(), field.value.to_vec())).collect()
}

/// The dynamic table as a list of pairs, newest first.
#[derive(Default)]
struct Model {
    entries: List,
    max: usize,
}

impl Model {
    fn insert(&mut self, field: (Vec<u8>, Vec<u8>)) {
        self.entries.insert(0, field);
        self.cut();
    }

    fn cut(&mut self) {
        let size = |entries: &List| entries.iter().map(|e| e.0.len() + e.1.len() + 32).sum::<usize>();
        while size(&self.entries) > self.max {
            self.entries.pop();
        }
    }

    fn get(&self, index: usize) -> Option<(Vec<u8>, Vec<u8>)> {
        match index.checked_sub(1)? {
            at if at < STATIC.len() => Some((STATIC[at].0.to_vec(), STATIC[at].1.to_vec())),
            at => self.entries.get(at - STATIC.len()).cloned(),
        }
    }
}

/// One representation of a block.
#[derive(Clone, Debug)]
enum Part {
    Indexed(usize),
    Literal { kind: u8, name: Result<usize, Vec<u8>>, value: Vec<u8> },
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => proptest::collection::vec(97u8..100, 0..12),
        1 => proptest::collection::vec(any::<u8>(), 0..400),
    ]
}

fn part() -> impl Strategy<Value = Part> {
    let index = || prop_oneof![1usize..62, 62usize..70, 62usize..90];
    let name = prop_oneof![index().prop_map(Ok), bytes().prop_map(Err)];
    prop_oneof![
        index().prop_map(Part::Indexed),
        (prop_oneof![Just(0x40u8), Just(0x00), Just(0x10)], name, bytes())
            .prop_map(|(kind, name, value)| Part::Literal { kind, name, value }),
    ]
}

fn integer(value: usize, bits: u32, pattern: u8, out: &mut Vec<u8>) {
    let mask = (1usize << bits) - 1;
    if value < mask {
        out.push(pattern | u8::try_from(value).unwrap());
        return;
    }
    out.push(pattern | u8::try_from(mask).unwrap());
    let mut rest = value - mask;
    while rest > 127 {
        out.push(u8::try_from(rest % 128).unwrap() | 0x80);
        rest /= 128;
    }
    out.push(u8::try_from(rest).unwrap());
}

fn string(text: &[u8], out: &mut Vec<u8>) {
    integer(text.len(), 7, 0, out);
    out.extend_from_slice(text);
}

proptest! {
    /// Any sequence of representations: the decoder's list is the model's, and so is its refusal.
    #[test]
    fn the_decoder_is_the_model(
        blocks in proptest::collection::vec((proptest::option::of(0usize..300), proptest::collection::vec(part(), 0..12)), 1..6),
    ) {
        let mut decoder = Decoder::new(300);
        let mut model = Model { max: 300, ..Model::default() };
        for (size, parts) in blocks {
            let (mut block, mut wanted, mut sound) = (Vec::new(), List::new(), true);
            if let Some(size) = size {
                integer(size, 5, 0x20, &mut block);
                model.max = size;
                model.cut();
            }
            for part in parts {
                let field = match part {
                    Part::Indexed(index) => {
                        integer(index, 7, 0x80, &mut block);
                        model.get(index)
                    }
                    Part::Literal { kind, name, value } => {
                        let index = *name.as_ref().unwrap_or(&0);
                        integer(index, if kind == 0x40 { 6 } else { 4 }, kind, &mut block);
                        let name = name.map(|index| model.get(index).map(|field| field.0));
                        let name = match name {
                            Ok(known) => known,
                            Err(name) => {
                                string(&name, &mut block);
                                Some(name)
                            }
                        };
                        string(&value, &mut block);
                        let field = name.map(|name| (name, value));
                        if let (0x40, Some(field)) = (kind, &field) {
                            model.insert(field.clone());
                        }
                        field
                    }
                };
                match field {
                    Some(field) => wanted.push(field),
                    None => { sound = false; break; }
                }
            }
            let mut fields = Fields::default();
            let outcome = decoder.decode::<Unjudged>(&block, &WIDE, &mut fields);
            prop_assert_eq!(outcome.is_ok(), sound);
            prop_assert_eq!(list(&fields), wanted);
            if !sound { break; }
        }
    }

    /// What we encode, we and the other implementation decode to the same list, through changes of the table's
    /// size. What it encodes, we decode.
    #[test]
    fn lists_pass_between_us_and_a_peer(
        huffman in any::<bool>(),
        lists in proptest::collection::vec(
            (proptest::option::of(0u32..5000), proptest::collection::vec((0usize..80, 0usize..6, bytes()), 0..15)),
            1..12,
        ),
    ) {
        let mut ours = (Encoder::new(huffman), Decoder::new(DEFAULT_TABLE));
        let mut theirs = (loona_hpack::Encoder::new(), loona_hpack::Decoder::new());
        for (size, fields) in lists {
            let fields: List = fields.into_iter().map(|(name, value, bytes)| {
                let name = STATIC.get(name).map_or_else(|| format!("x-{name}").into_bytes(), |it| it.0.to_vec());
                (name, match value { 0 => bytes, other => format!("value {other}").into_bytes() })
            }).collect();
            if let Some(size) = size {
                ours.0.set_allowed(size.min(DEFAULT_TABLE));
            }
            let mut block = Vec::new();
            ours.0.begin(&mut block);
            for (name, value) in &fields {
                ours.0.field(name, value, Secrecy::Open, &mut block);
            }
            let mut decoded = Fields::default();
            ours.1.decode::<Unjudged>(&block, &WIDE, &mut decoded).unwrap();
            prop_assert_eq!(list(&decoded), fields.clone());
            if fields.is_empty() {
                // The peer refuses a block that holds a size update only; RFC 7541 §4.2 does not.
                continue;
            }
            let peer = theirs.1.decode(&block);
            prop_assert_eq!(peer.map_err(|error| format!("{error:?}")), Ok(fields.clone()));
        }
    }

    #[test]
    fn what_a_peer_encodes_we_decode(
        lists in proptest::collection::vec(proptest::collection::vec((0usize..80, 0usize..6), 0..15), 1..12),
    ) {
        let (mut theirs, mut ours) = (loona_hpack::Encoder::new(), Decoder::new(DEFAULT_TABLE));
        for fields in lists {
            let fields: List = fields.into_iter().map(|(name, value)| {
                let name = STATIC.get(name).map_or_else(|| format!("x-{name}").into_bytes(), |it| it.0.to_vec());
                (name, format!("value {value}").into_bytes())
            }).collect();
            let block = theirs.encode(fields.iter().map(|(name, value)| (&name[..], &value[..])));
            let mut decoded = Fields::default();
            ours.decode::<Unjudged>(&block, &WIDE, &mut decoded).unwrap();
            prop_assert_eq!(list(&decoded), fields);
        }
    }

    /// Any bytes: no panic, and either both of us refuse or both give the same list.
    #[test]
    fn any_bytes_are_taken_or_refused_like_a_peer_does(block in proptest::collection::vec(any::<u8>(), 0..60)) {
        let mut decoded = Fields::default();
        let ours = Decoder::new(DEFAULT_TABLE).decode::<Unjudged>(&block, &WIDE, &mut decoded);
        let theirs = loona_hpack::Decoder::new().decode(&block);
        // It takes size updates of any size and more than two of them, which we do not (§4.2, §6.3); it refuses
        // a block that holds size updates only.
        if let (Ok(()), Ok(theirs)) = (&ours, &theirs) {
            prop_assert_eq!(list(&decoded), theirs.clone());
        }
        if ours.is_ok() && !decoded.is_empty() {
            prop_assert!(theirs.is_ok(), "{:?}", theirs);
        }
    }
}

#[test]
fn secrets_never_stand_in_a_table() {
    let mut encoder = Encoder::new(true);
    let mut decoder = Decoder::new(DEFAULT_TABLE);
    let mut lengths = Vec::new();
    for _ in 0..4 {
        let (mut block, mut fields) = (Vec::new(), Fields::default());
        for name in [&b"cookie"[..], b"set-cookie", b"authorization", b"proxy-authorization"] {
            encoder.field(name, b"a secret", Secrecy::Open, &mut block);
        }
        encoder.field(b"x-key", b"a secret", Secrecy::Secret, &mut block);
        // Found by fuzzing: one that the static table has went on as its index.
        encoder.field(b":method", b"GET", Secrecy::Secret, &mut block);
        decoder.decode::<Unjudged>(&block, &WIDE, &mut fields).unwrap();
        assert!(fields.iter().all(|field| field.never_indexed));
        lengths.push(block.len());
    }
    assert!(lengths.windows(2).all(|pair| pair[0] == pair[1]), "{lengths:?}");
}

#[test]
fn a_repeated_response_is_an_octet_a_field() {
    let mut encoder = Encoder::new(true);
    let mut lengths = Vec::new();
    for id in 0..4 {
        let mut block = Vec::new();
        for (name, value) in
            [("content-type", "text/html"), ("server", "x"), ("x-frame-options", "DENY"), ("vary", "accept")]
        {
            encoder.field(name.as_bytes(), value.as_bytes(), Secrecy::Open, &mut block);
        }
        lengths.push(block.len());
        encoder.field(b"x-request-id", format!("{id:08}").as_bytes(), Secrecy::Open, &mut block);
    }
    assert!(lengths[0] > 20, "{lengths:?}");
    assert_eq!(lengths[2..], [4, 4]);
}

/// Found by counting instructions: fields whose hashes shared a place pushed each other out for ever.
#[test]
fn many_repeated_fields_are_all_indices() {
    let mut encoder = Encoder::new(true);
    let mut lengths = Vec::new();
    for _ in 0..4 {
        let mut block = Vec::new();
        for number in 0..20 {
            encoder.field(format!("x-{number}").as_bytes(), b"some value", Secrecy::Open, &mut block);
        }
        lengths.push(block.len());
    }
    assert!(lengths[3] == 20, "{lengths:?}");
}
