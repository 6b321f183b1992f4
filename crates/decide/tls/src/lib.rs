//! What TLS's bytes say before anything is decrypted, and whether it can be used.
//!
//! Of a client's first message the name is read that it asks for, so that a connection can be passed on unopened. A
//! certificate is read for what a listener needs of it: the names that it is for, when it is valid, which key
//! it has, and of a client's for who it is. It is judged here, so that `haechi check`, a reload and a start say the same of it. Nothing here
//! verifies a signature or touches a secret: that is rustls' part, in the shells.
//!
//! It refuses to read files, to know the time (it is passed in) and to choose ciphers.

mod certificate;
mod der;
mod hello;
mod identity;
mod judge;

pub use certificate::{Facts, KeyKind, Malformed};
pub use hello::{Hello, HelloReader, MOST_ON_WIRE};
pub use identity::Identity;
pub use judge::{Doubt, EXPIRES_SOON, judge};
