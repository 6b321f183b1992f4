//! Users and their passwords as htpasswd files have them, and logins that requests bring.
//!
//! ```text
//!   file ─▶ Users::read ─▶ Users            once, when the file changes
//!   Authorization ─▶ Login::read ─▶ Login   for each request (RFC 7617)
//!   Login ─▶ Known::has                     cheap: it was right before
//!   Login ─▶ Users::take                    dear, on purpose: whoever asks has a thread for it
//! ```
//!
//! What it refuses: hashes that a stolen file gives away (MD5, DES, SHA-1, plain text), those that would keep a core
//! busy for seconds, and logins that no person types. It touches nothing of the world, and stands in this room because
//! the crates that compute hashes ask the processor what it can.

mod known;
mod login;
mod users;

pub use known::{Known, Tag};
pub use login::Login;
pub(crate) use users::Complaint;
pub use users::Users;
