//! Requests in a row on one connection: an endpoint behind us sees as many as we saw, with the same words
//! and the same bodies. Request smuggling is this property broken.

#![no_main]

use haechi_fuzz::{WIDE, requests};
use haechi_model::HttpLimits;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let (seen, mut written) = requests(data, &HttpLimits::default(), b"X-Forwarded-For: 192.0.2.1\r\n");
    // Whatever follows must not look like the rest of what was written.
    written.extend_from_slice(b"\0");
    let (arrived, _) = requests(&written, &WIDE, b"");
    assert_eq!(arrived, seen, "{}", written.escape_ascii());
});
