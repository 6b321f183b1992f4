//! The examples of RFC 7541 appendix C: blocks to lists, and the same lists back to the same blocks' meaning.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use haechi_hpack::{Bounds, DEFAULT_TABLE, Decoder, Encoder, Error, Fields, Secrecy, Unjudged};

const WIDE: Bounds = Bounds { list: 1 << 16, fields: 1000, most_work: 1 << 20 };

type List = &'static [(&'static str, &'static str)];

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect()
}

fn text(fields: &Fields) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    fields.iter().map(|field| (text(field.name), text(field.value))).collect()
}

fn expected(list: List) -> Vec<(String, String)> {
    list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

const REQUESTS: [List; 3] = [
    &[(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "www.example.com")],
    &[
        (":method", "GET"),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "www.example.com"),
        ("cache-control", "no-cache"),
    ],
    &[
        (":method", "GET"),
        (":scheme", "https"),
        (":path", "/index.html"),
        (":authority", "www.example.com"),
        ("custom-key", "custom-value"),
    ],
];

const RESPONSES: [List; 3] = [
    &[
        (":status", "302"),
        ("cache-control", "private"),
        ("date", "Mon, 21 Oct 2013 20:13:21 GMT"),
        ("location", "https://www.example.com"),
    ],
    &[
        (":status", "307"),
        ("cache-control", "private"),
        ("date", "Mon, 21 Oct 2013 20:13:21 GMT"),
        ("location", "https://www.example.com"),
    ],
    &[
        (":status", "200"),
        ("cache-control", "private"),
        ("date", "Mon, 21 Oct 2013 20:13:22 GMT"),
        ("location", "https://www.example.com"),
        ("content-encoding", "gzip"),
        ("set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"),
    ],
];

const SERIES: [(&str, u32, [&str; 3], [List; 3]); 4] = [
    (
        "C.3",
        DEFAULT_TABLE,
        [
            "828684410f7777772e6578616d706c652e636f6d",
            "828684be58086e6f2d6361636865",
            "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
        ],
        REQUESTS,
    ),
    (
        "C.4",
        DEFAULT_TABLE,
        [
            "828684418cf1e3c2e5f23a6ba0ab90f4ff",
            "828684be5886a8eb10649cbf",
            "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
        ],
        REQUESTS,
    ),
    (
        "C.5",
        256,
        [
            "4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d546e1768747470733a2f2f7777772e6578616d706c652e636f6d",
            "4803333037c1c0bf",
            "88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31",
        ],
        RESPONSES,
    ),
    (
        "C.6",
        256,
        [
            "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3",
            "4883640effc1c0bf",
            "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
        ],
        RESPONSES,
    ),
];

#[test]
fn series_of_blocks_on_one_table() {
    for (name, table, blocks, lists) in SERIES {
        let mut decoder = Decoder::new(table);
        for (at, (block, list)) in blocks.iter().zip(lists).enumerate() {
            let mut fields = Fields::default();
            decoder.decode::<Unjudged>(&bytes(block), &WIDE, &mut fields).unwrap();
            assert_eq!(text(&fields), expected(list), "{name}.{}", at + 1);
        }
    }
}

#[test]
fn our_blocks_for_the_same_lists_mean_the_same() {
    for (name, table, _, lists) in SERIES {
        for huffman in [false, true] {
            let (mut encoder, mut decoder) = (Encoder::new(huffman), Decoder::new(table));
            encoder.set_allowed(table);
            // Twice over, so that what was seen once is put in the table.
            for list in lists.iter().chain(&lists) {
                let (mut block, mut fields) = (Vec::new(), Fields::default());
                encoder.begin(&mut block);
                for (name, value) in *list {
                    encoder.field(name.as_bytes(), value.as_bytes(), Secrecy::Open, &mut block);
                }
                decoder.decode::<Unjudged>(&block, &WIDE, &mut fields).unwrap();
                assert_eq!(text(&fields), expected(list), "{name}");
            }
        }
    }
}

#[test]
fn single_representations() {
    for (block, name, value, never) in [
        ("400a637573746f6d2d6b65790d637573746f6d2d686561646572", "custom-key", "custom-header", false),
        ("040c2f73616d706c652f70617468", ":path", "/sample/path", false),
        ("100870617373776f726406736563726574", "password", "secret", true),
        ("82", ":method", "GET", false),
    ] {
        let mut fields = Fields::default();
        Decoder::new(DEFAULT_TABLE).decode::<Unjudged>(&bytes(block), &WIDE, &mut fields).unwrap();
        let field = fields.get(0).unwrap();
        assert_eq!((field.name, field.value), (name.as_bytes(), value.as_bytes()));
        assert_eq!((fields.len(), field.never_indexed), (1, never));
    }
}

#[test]
fn blocks_that_are_refused() {
    for (block, error, why) in [
        ("80", Error::Index, "index 0"),
        ("be", Error::Index, "an empty dynamic table"),
        ("7f0000", Error::Index, "a name of an empty dynamic table"),
        ("8220", Error::TableSize, "a size update after a field"),
        ("3fe21f", Error::TableSize, "a size of 4097"),
        ("202020", Error::TableSize, "three size updates"),
        ("40", Error::Short, "no name"),
        ("4001", Error::Short, "a name of no bytes"),
        ("40016102", Error::Short, "a value of no bytes"),
        ("400161", Error::Short, "no value"),
        ("ff", Error::Short, "an index that goes on"),
        ("ffffffffffff7f", Error::Integer, "an index beyond 32 bits"),
        ("400161ffffffffff7f", Error::Integer, "a length beyond 32 bits"),
        ("4001618106", Error::Huffman, "padding that is not ones"),
        ("40016184ffffffff", Error::Huffman, "EOS"),
        ("40016182f8ff", Error::Huffman, "an octet of padding"),
    ] {
        let mut fields = Fields::default();
        let outcome = Decoder::new(DEFAULT_TABLE).decode::<Unjudged>(&bytes(block), &WIDE, &mut fields);
        assert_eq!(outcome, Err(error), "{why}");
    }
}

#[test]
fn the_largest_allowed_size_and_two_updates_are_taken() {
    let mut decoder = Decoder::new(DEFAULT_TABLE);
    let mut fields = Fields::default();
    decoder.decode::<Unjudged>(&bytes("203fe11f82"), &WIDE, &mut fields).unwrap();
    assert_eq!(fields.len(), 1);
}

#[test]
fn a_list_too_large_leaves_the_table_right() {
    let tight = Bounds { list: 100, fields: 1000, most_work: 1 << 20 };
    let mut decoder = Decoder::new(DEFAULT_TABLE);
    let mut fields = Fields::default();
    // custom-key: custom-header is 55 bytes: the second one is too much, and so is what comes after it.
    let field = "400a637573746f6d2d6b65790d637573746f6d2d686561646572";
    decoder.decode::<Unjudged>(&bytes(&format!("{field}{field}824001620163")), &tight, &mut fields).unwrap();
    assert!(fields.is_too_large());
    assert_eq!(fields.len(), 1);
    fields.clear();
    decoder.decode::<Unjudged>(&bytes("bebf"), &tight, &mut fields).unwrap();
    assert_eq!(text(&fields), expected(&[("b", "c"), ("custom-key", "custom-header")]));
}

#[test]
fn more_fields_than_allowed_are_a_list_too_large() {
    let mut fields = Fields::default();
    let bounds = Bounds { fields: 3, ..WIDE };
    Decoder::new(DEFAULT_TABLE).decode::<Unjudged>(&[0x82; 3], &bounds, &mut fields).unwrap();
    assert!(!fields.is_too_large());
    fields.clear();
    Decoder::new(DEFAULT_TABLE).decode::<Unjudged>(&[0x82; 4], &bounds, &mut fields).unwrap();
    assert!(fields.is_too_large());
}

#[test]
fn a_bomb_of_references_is_cut_off() {
    // One entry that fills the table, then an octet for each further 4 KiB (CVE-2016-6581, CVE-2026-49975).
    let mut block = bytes("4001617fa11e");
    block.resize(block.len() + 4000, b'v');
    block.resize(block.len() + 60_000, 0xbe);
    let mut fields = Fields::default();
    let outcome = Decoder::new(DEFAULT_TABLE).decode::<Unjudged>(&block, &WIDE, &mut fields);
    assert_eq!(outcome, Err(Error::Work));
    assert!(fields.size() < u64::from(WIDE.most_work) + 2 * u64::from(DEFAULT_TABLE));
}
