//! `X-Request-ID`: one name for a request on all of its way, for people who look for it in logs.

use crate::{Fields, only, put};

/// Longest name of a request that is taken from somebody. All that are in use are shorter (a UUID has 36 bytes,
/// AWS' trace ids 41); it goes into logs and answers.
pub const LONGEST_ID: usize = 128;

/// Appends the name of a request: the one that came, if it came from who is `trusted` and is well-formed, or a new
/// one of 32 hexadecimal digits.
pub fn request_id(fields: &impl Fields, trusted: bool, make: impl FnOnce() -> u128, out: &mut Vec<u8>) {
    match only(fields, "x-request-id").filter(|id| trusted && is_well_formed(id)) {
        Some(id) => out.extend_from_slice(id),
        None => put(out, format_args!("{:032x}", make())),
    }
}

/// Letters, digits, and what UUIDs, base64 and trace ids have besides. No white space, no quotes, nothing that a log
/// or a page could take for something else.
fn is_well_formed(id: &[u8]) -> bool {
    (1..=LONGEST_ID).contains(&id.len())
        && id.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/=:@".contains(byte))
}
