//! An envelope as somebody without the key might forge it: never opened; and as somebody with the key might
//! make it: opened to what was sealed, once.
//!
//! Input: a byte that chooses, then an envelope; or what to seal (name's length, epoch, sequence, name,
//! message), and which bit to flip after that.

#![no_main]

use haechi_vrrp::envelope::{Keys, MAX_SENDER, Stamp, Window, open, seal};
use haechi_vrrp::packet::{Advertisement, Carrier};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((choice, rest)) = data.split_first() else { return };
    let Ok(keys) = Keys::new([(1, [1; 32]), (2, [2; 32])], 1) else { return };
    if choice & 1 == 0 {
        assert!(open(&keys, rest).is_err(), "made without the key");
        return;
    }
    let Some((&[len, epoch, sequence, upper, lower], rest)) = rest.split_first_chunk() else { return };
    let Some((name, message)) = rest.split_at_checked(len.into()) else { return };
    let Ok(sender) = str::from_utf8(name) else { return };
    let stamp = Stamp { sender, epoch: epoch.into(), sequence: sequence.into() };
    let mut envelope = Vec::new();
    if seal(&keys, stamp, message, &mut envelope).is_err() {
        assert!(sender.is_empty() || sender.len() > MAX_SENDER);
        return;
    }
    let mut window = Window::default();
    match open(&keys, &envelope) {
        Ok(opened) => {
            assert_eq!((opened.stamp, opened.message), (stamp, message));
            assert!(window.admit(opened.stamp).is_ok());
            assert!(window.admit(opened.stamp).is_err(), "heard twice");
            let older = Stamp { sequence: u64::from(sequence).wrapping_sub(1), ..stamp };
            assert_eq!(window.admit(older).is_ok(), sequence == 0, "only the greatest number is greater");
            // Whatever stands in it is read or refused.
            let _ = Advertisement::decode(opened.message, Carrier::Envelope);
        }
        Err(error) => panic!("sealed, and not opened: {error}"),
    }
    let bit = usize::from(u16::from_be_bytes([upper, lower])) % (envelope.len() * 8);
    envelope[bit / 8] ^= 1 << (bit % 8);
    assert!(open(&keys, &envelope).is_err(), "bit {bit} is not covered");
});
