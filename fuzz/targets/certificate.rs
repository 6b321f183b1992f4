//! A certificate in DER: any bytes are safe, and what is told of it can stand in a header.
#![no_main]

use haechi_tls::{Facts, Identity, judge};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(facts) = Facts::read(bytes) {
        let names = facts.names.iter().map(|name| &**name);
        assert!(names.clone().all(|name| !name.is_empty() && name.is_ascii() && !name.contains('\0')));
        for now in [i64::MIN, 0, i64::MAX] {
            let _ = judge(&facts, now);
        }
    }
    if let Ok(Identity { subject, names }) = Identity::read(bytes) {
        for told in [subject, names].into_iter().flatten() {
            assert!(
                (1..=2048).contains(&told.len()) && told.bytes().all(|byte| (b' '..=b'~').contains(&byte))
            );
        }
    }
});
