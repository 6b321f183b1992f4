//! What is read is read; what is refused is refused without a word of the secret.

use proptest::prelude::*;

use super::*;
use crate::render;

const SECRET_A: &str = "00112233445566778899aabbccddeeff";
const SECRET_B: &str = "FFEEDDCCBBAA99887766554433221100FFEEDDCCBBAA99887766554433221100";

#[test]
fn keys_are_read_in_order() {
    let outcome = compile_keys(&format!("sign: 7\nkeys:\n  7: {SECRET_A}\n  0: \"{SECRET_B}\"\n"));
    assert_eq!(outcome.diagnostics, []);
    let keys = outcome.keys.unwrap();
    assert_eq!(keys.sign, 7);
    let ids: Vec<u8> = keys.all.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, [7, 0]);
    assert_eq!(keys.all[0].1.bytes()[..4], [0x00, 0x11, 0x22, 0x33]);
    assert_eq!(keys.all[0].1.as_ref(), keys.all[0].1.bytes());
    assert_eq!(keys.all[1].1.bytes()[..4], [0xff, 0xee, 0xdd, 0xcc]);
    assert_eq!(format!("{keys:?}"), "Keys { sign: 7, all: [(7, Secret(16 bytes)), (0, Secret(32 bytes))] }");
}

#[test]
fn what_is_no_keys_file_is_refused_by_code() {
    let long = "ab".repeat(65);
    for (text, code, line) in [
        ("", Code::Empty, 1),
        ("6a3c", Code::WrongType, 1),
        ("keys: { 1: KEY }", Code::MissingKey, 1),
        ("sign: 1", Code::MissingKey, 1),
        ("sign: 1\nkeys: {}", Code::Secret, 2),
        ("sign: 2\nkeys: { 1: KEY }", Code::Secret, 1),
        ("sign: KEY\nkeys: { 1: KEY }", Code::Number, 1),
        ("sign: 1\nkeys: { 1: KEY, 1: KEY }", Code::DuplicateKey, 2),
        ("sign: 1\nkeys: { 1: KEY, KEY: 1 }", Code::Secret, 2),
        ("sign: 1\nkeys: { 1: KEY, 256: KEY }", Code::Secret, 2),
        ("sign: 1\nkeys: { 1: KEY, 01: KEY }", Code::Secret, 2),
        ("sign: 1\nkeys:\n  1: KEYa", Code::Secret, 3),
        ("sign: 1\nkeys:\n  1: 0xKEY", Code::Secret, 3),
        ("sign: 1\nkeys:\n  1: abcd", Code::Secret, 3),
        ("sign: 1\nkeys:\n  1: LONG", Code::Secret, 3),
        ("sign: 1\nkeys:\n  1: [KEY]", Code::Secret, 3),
        ("sign: 1\nkeys:\n  1:", Code::Secret, 3),
        ("sign: 1\nKEY: 1\nkeys: { 1: KEY }", Code::UnknownKey, 2),
        ("sign: 1\nkeys: { 1: *KEY }", Code::Alias, 2),
        ("sign: 1\nkeys: { 1: !KEY a }", Code::Tag, 2),
        ("sign: 1\nkeys: { 1: KEY", Code::Syntax, 2),
    ] {
        let text = text.replace("KEY", SECRET_A).replace("LONG", &long);
        let outcome = compile_keys(&text);
        assert_eq!(outcome.keys, None, "{text}");
        let seen = render(&outcome.diagnostics, "keys.yaml", &conceal(&text), false);
        let first = outcome.diagnostics.iter().find(|one| one.code == code);
        assert_eq!(first.map(|one| one.span.line), Some(line), "{text}\n{seen}");
        assert!(!seen.contains(&SECRET_A[..8]) && !seen.contains(&long[..16]), "{seen}");
        let json = serde_json::to_string(&outcome.diagnostics).unwrap();
        assert!(!json.contains(&SECRET_A[..8]) && !json.contains(&long[..16]), "{json}");
    }
}

#[test]
fn places_stay_where_they_are() {
    let text = format!("sign: 1\r\nkeys:\n  1: {SECRET_A} # 값\n  {{ 2: x }}\n{SECRET_A}");
    let hidden = conceal(&text);
    assert_eq!(hidden.len(), text.len());
    assert_eq!(
        hidden,
        format!("sign: *\r\nkeys:\n  1: {0} * ***\n  * ** * *\n{0}", "*".repeat(SECRET_A.len()))
    );
}

proptest! {
    /// Whatever stands around it, no message and no shown line holds the secret.
    #[test]
    fn a_secret_is_never_shown(
        before in "[-:{}\\[\\],&*!|>'\"%@`#?<~ \na-z0-9]{0,30}",
        after in "[-:{}\\[\\],&*!|>'\"%@`#?<~ \na-z0-9]{0,30}",
        sound in any::<bool>(),
    ) {
        let secret = "5ec2e75ec2e75ec2e75ec2e75ec2e75e";
        let head = if sound { "sign: 1\nkeys:\n  1: " } else { "" };
        let text = format!("{head}{before}{secret}{after}");
        let outcome = compile_keys(&text);
        let seen = render(&outcome.diagnostics, "keys.yaml", &conceal(&text), false);
        prop_assert!(!seen.contains("5ec2e75e"), "{}", seen);
        let printed = format!("{outcome:?}");
        prop_assert!(!printed.contains("5ec2e75e"));
        if let Some(keys) = outcome.keys {
            prop_assert!(keys.all.iter().any(|(id, _)| *id == keys.sign));
        }
    }
}
