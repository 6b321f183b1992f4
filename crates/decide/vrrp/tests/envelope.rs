//! Envelopes against a vector made elsewhere, against every byte that could be changed, and against what was
//! heard before.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which clippy takes for more")]

use haechi_vrrp::envelope::{
    BadSender, KeyError, Keys, MAX_LEN, MAX_SENDER, MAX_SENDERS, MIN_KEY, OpenError, Stale, Stamp, Window,
    open, seal,
};
use haechi_vrrp::packet;
use proptest::prelude::*;

const FIRST: [u8; 32] = [1; 32];
const SECOND: [u8; 16] = [2; 16];

fn keys() -> Keys {
    Keys::new([(1, &FIRST[..]), (2, &SECOND[..])], 1).unwrap()
}

fn stamp(sender: &str, epoch: u64, sequence: u64) -> Stamp<'_> {
    Stamp { sender, epoch, sequence }
}

fn sealed(keys: &Keys, stamp: Stamp<'_>, message: &[u8]) -> Vec<u8> {
    let mut out = vec![9; 3];
    seal(keys, stamp, message, &mut out).unwrap();
    out
}

/// The tag was made by Python's `hmac` module.
#[test]
fn the_layout_is_what_is_written_down() {
    let message = [0x31, 51, 150, 1, 0, 10, 0, 0, 10, 0, 0, 100];
    let found = sealed(&keys(), stamp("lb1", 0x0102_0304_0506_0708, 9), &message);
    let mut expected = b"HV\x01\x01\x01\x02\x03\x04\x05\x06\x07\x08\0\0\0\0\0\0\0\x09\x03lb1".to_vec();
    expected.extend(message);
    let tag = "359bc7e2ab70704a5b8b7c1bc1d0208e90e664ef1e942e5f1db6ccd340c03658";
    expected.extend((0..32).map(|at| u8::from_str_radix(&tag[2 * at..2 * at + 2], 16).unwrap()));
    assert_eq!(found, expected);
}

#[test]
fn what_is_sealed_can_be_opened_with_any_key_that_is_accepted() {
    let newer = Keys::new([(1, &FIRST[..]), (2, &SECOND[..])], 2).unwrap();
    for (signer, id) in [(keys(), 1), (newer, 2)] {
        let envelope = sealed(&signer, stamp("lb1", 7, 8), b"what it says");
        let opened = open(&keys(), &envelope).unwrap();
        assert_eq!((opened.stamp, opened.key_id), (stamp("lb1", 7, 8), id));
        assert_eq!(opened.message, b"what it says");
    }
}

#[test]
fn each_wrong_thing_has_its_name() {
    let good = sealed(&keys(), stamp("lb1", 7, 8), b"message");
    let with = |at: usize, value: u8| {
        let mut envelope = good.clone();
        envelope[at] = value;
        envelope
    };
    let other = Keys::new([(1, &[9; 32])], 1).unwrap();
    let third = Keys::new([(3, &FIRST)], 3).unwrap();
    // Made by somebody with the key, but not by us.
    let odd = |name_len: u8, rest: &[u8]| {
        let mut envelope = b"HV\x01\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x01".to_vec();
        envelope.push(name_len);
        envelope.extend(rest);
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &FIRST);
        let tag = aws_lc_rs::hmac::sign(&key, &envelope);
        envelope.extend(tag.as_ref());
        envelope
    };
    let rows = [
        (Vec::new(), OpenError::Short),
        (good[..52].to_vec(), OpenError::Short),
        (with(0, b'h'), OpenError::Magic),
        (with(1, 0), OpenError::Magic),
        (with(2, 2), OpenError::Version(2)),
        (with(3, 3), OpenError::UnknownKey(3)),
        (with(3, 2), OpenError::Forged),
        (with(4, 1), OpenError::Forged),
        (sealed(&other, stamp("lb1", 7, 8), b"message"), OpenError::Forged),
        (sealed(&third, stamp("lb1", 7, 8), b"message"), OpenError::UnknownKey(3)),
        (odd(0, b"lb1"), OpenError::Sender),
        (odd(4, b"lb1"), OpenError::Sender),
        (odd(64, &[b'a'; 80]), OpenError::Sender),
        (odd(2, b"\xff\xfe"), OpenError::Sender),
    ];
    let mut named = Vec::new();
    for (envelope, expected) in rows {
        assert_eq!(open(&keys(), &envelope), Err(expected), "{envelope:02x?}");
        assert!(!expected.to_string().is_empty());
        named.push(expected.name());
    }
    named.sort_unstable();
    named.dedup();
    let mut names = OpenError::NAMES;
    names.sort_unstable();
    assert_eq!(named, names);
    assert!(open(&keys(), &odd(3, b"lb1")).is_ok(), "the maker of these is sound");
}

#[test]
fn names_have_a_length() {
    let mut out = vec![1];
    assert_eq!(seal(&keys(), stamp("", 1, 1), b"", &mut out), Err(BadSender));
    assert!(out.is_empty());
    let long = "a".repeat(MAX_SENDER + 1);
    assert_eq!(seal(&keys(), stamp(&long, 1, 1), b"", &mut out), Err(BadSender));
    seal(&keys(), stamp(&long[1..], 1, 1), &[0; packet::MAX_LEN], &mut out).unwrap();
    assert_eq!(out.len(), MAX_LEN);
    assert!(open(&keys(), &out).is_ok());
}

#[test]
fn keys_that_can_not_work_are_refused_and_none_is_printed() {
    let short = [0; MIN_KEY - 1];
    assert_eq!(Keys::new([(5, &short)], 5).unwrap_err(), KeyError::Short(5));
    assert_eq!(Keys::new([(5, &FIRST), (5, &FIRST)], 5).unwrap_err(), KeyError::Twice(5));
    assert_eq!(Keys::new([(5, &FIRST)], 6).unwrap_err(), KeyError::NotThere(6));
    assert_eq!(format!("{:?}", keys()), "Keys { ids: [1, 2], signing: 1, .. }");
}

#[test]
fn only_the_new_is_heard() {
    let mut window = Window::default();
    let steps = [
        ("lb1", 5, 10, Ok(())),
        ("lb1", 5, 10, Err(Stale::Replayed)),
        ("lb1", 5, 9, Err(Stale::Replayed)),
        ("lb2", 1, 0, Ok(())),
        ("lb1", 5, 11, Ok(())),
        ("lb1", 4, 99, Err(Stale::Replayed)),
        ("lb1", 6, 0, Ok(())),
        ("lb1", 5, 12, Err(Stale::Replayed)),
        ("lb1", 6, u64::MAX, Ok(())),
        ("lb1", 6, u64::MAX, Err(Stale::Replayed)),
        ("lb1", 7, 0, Ok(())),
    ];
    for (sender, epoch, sequence, expected) in steps {
        assert_eq!(window.admit(stamp(sender, epoch, sequence)), expected, "{sender} {epoch} {sequence}");
    }
    let kept = serde_json::to_string(&window).unwrap();
    let mut again: Window = serde_json::from_str(&kept).unwrap();
    assert_eq!(again.admit(stamp("lb1", 7, 0)), Err(Stale::Replayed), "over a restart of ours");
    again.forget("lb1");
    assert_eq!(again.admit(stamp("lb1", 7, 0)), Ok(()));
}

#[test]
fn senders_are_not_remembered_without_end() {
    let mut window = Window::default();
    for number in 0..MAX_SENDERS {
        assert_eq!(window.admit(stamp(&format!("n{number}"), 1, 1)), Ok(()));
    }
    assert_eq!(window.admit(stamp("one more", 1, 1)), Err(Stale::TooMany));
    assert_eq!(window.admit(stamp("n0", 1, 2)), Ok(()), "those that are known go on");
    assert_ne!(Stale::TooMany.to_string(), Stale::Replayed.to_string());
    assert_ne!(Stale::TooMany.name(), Stale::Replayed.name());
}

proptest! {
    #[test]
    fn sealed_and_opened_is_the_same(
        sender in "[a-z0-9é-]{1,31}",
        epoch in any::<u64>(),
        sequence in any::<u64>(),
        message in prop::collection::vec(any::<u8>(), 0..200),
        flip in any::<prop::sample::Index>(),
    ) {
        let mut envelope = sealed(&keys(), stamp(&sender, epoch, sequence), &message);
        let opened = open(&keys(), &envelope).unwrap();
        prop_assert_eq!(opened.stamp, stamp(&sender, epoch, sequence));
        prop_assert_eq!(opened.message, &message[..]);

        let bit = flip.index(envelope.len() * 8);
        envelope[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(open(&keys(), &envelope).is_err(), "bit {} is not covered", bit);
    }

    #[test]
    fn any_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), shaped in any::<bool>()) {
        let mut bytes = bytes;
        if shaped && bytes.len() >= 4 {
            bytes[..4].copy_from_slice(b"HV\x01\x01");
        }
        prop_assert!(open(&keys(), &bytes).is_err());
    }

    /// The window is the greatest pair that was admitted, for each sender by itself.
    #[test]
    fn a_window_is_a_maximum(messages in prop::collection::vec((0_usize..3, 0_u64..4, 0_u64..4), 0..60)) {
        let mut window = Window::default();
        let mut heard: [Vec<(u64, u64)>; 3] = Default::default();
        for (sender, epoch, sequence) in messages {
            let is_new = heard[sender].iter().all(|before| *before < (epoch, sequence));
            let admitted = window.admit(stamp(["a", "b", "c"][sender], epoch, sequence));
            prop_assert_eq!(admitted.is_ok(), is_new);
            heard[sender].push((epoch, sequence));
        }
    }
}

#[test]
fn senders_whose_lives_began_long_ago_are_forgotten_first() {
    let all = ["lb1", "lb2", "lb3", "lb4"];
    let stamp = |place: usize| Stamp { sender: all[place], epoch: 10 - place as u64, sequence: 5 };
    for (most, wanted) in [(0, 0), (1, 1), (3, 3), (4, 4), (9, 4)] {
        let mut window = Window::default();
        (0..all.len()).for_each(|place| window.admit(stamp(place)).unwrap());
        window.keep_newest(most);
        let known = (0..all.len()).filter(|place| window.admit(stamp(*place)).is_err());
        assert_eq!(known.collect::<Vec<_>>(), (0..wanted).collect::<Vec<_>>(), "{most}");
    }
}
