//! The advertisement in authenticated UDP: for clouds that drop protocol 112, and for nodes without root.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-------------------------------+---------------+---------------+
//! |           magic "HV"          |   version 1   |    key id     |
//! +-------------------------------+---------------+---------------+
//! |                             epoch                             |
//! |                                                               |
//! +---------------------------------------------------------------+
//! |                           sequence                            |
//! |                                                               |
//! +---------------+-----------------------------------------------+
//! | sender length |  sender, UTF-8  …
//! +---------------+-------------------------------
//! |  the advertisement of packet.rs, with a plain checksum  …
//! +---------------------------------------------------------------+
//! |  HMAC-SHA256 over all of the above, 32 bytes                  |
//! ```
//!
//! IP addresses and ports are *not* covered: address translation on the way (clouds, containers) may change
//! them, and what they would prove, the sender's name and key do. So a message proves who made it and that
//! it is newer than those before; not by which way it came. Nor is it secret: an advertisement never is.
//!
//! Whoever holds a key may say anything in anybody's name. That is the bargain of shared keys: they keep
//! strangers out, not colleagues.

mod keys;
mod window;

use std::fmt;

use aws_lc_rs::hmac;
use serde::{Deserialize, Serialize};

pub use keys::{KeyError, Keys, MIN_KEY};
pub use window::{MAX_SENDERS, Stale, Window};

/// First bytes of every envelope: anything else on the port is a mistake, and is told apart from an attack.
const MAGIC: [u8; 2] = *b"HV";

/// Of the layout.
const VERSION: u8 = 1;

/// Bytes before the sender's name.
const HEAD: usize = 21;

/// Bytes of HMAC-SHA256. Not cut off: 32 bytes ten times a second are nothing.
const TAG: usize = 32;

/// Longest name of a sender: a DNS label, as a node's name is.
pub const MAX_SENDER: usize = 63;

/// Longest envelope. Above a usual MTU only with more than 80 IPv6 addresses.
pub const MAX_LEN: usize = HEAD + MAX_SENDER + crate::packet::MAX_LEN + TAG;

/// Who made a message, and when in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp<'a> {
    /// The node's name.
    pub sender: &'a str,
    /// Which life of the node: must grow with every start, also when the clock was set back meanwhile.
    pub epoch: u64,
    /// Which message of that life: must grow with every message.
    pub sequence: u64,
}

/// What an envelope held. Its sender is proved to have had a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Opened<'a> {
    /// Whose it is. Not yet known to be new: ask a [`Window`].
    pub stamp: Stamp<'a>,
    /// The key that it was sealed with.
    pub key_id: u8,
    /// Bytes for [`Advertisement::decode`](crate::packet::Advertisement::decode), with
    /// [`Carrier::Envelope`](crate::packet::Carrier::Envelope).
    pub message: &'a [u8],
}

/// Why some bytes are no envelope for us.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum OpenError {
    /// Too short to hold anything.
    Short,
    /// Something else than an envelope.
    Magic,
    /// A layout that is not known here.
    Version(u8),
    /// The sender's name is empty, too long, cut off, or no UTF-8.
    Sender,
    /// Sealed with a key that we don't have.
    UnknownKey(u8),
    /// Changed on the way, or made by somebody without the key.
    Forged,
}

impl OpenError {
    /// Every name, for counters that start at zero.
    pub const NAMES: [&'static str; 6] = ["short", "magic", "version", "sender", "unknownKey", "forged"];

    /// As a counter's label.
    pub const fn name(self) -> &'static str {
        let at = match self {
            Self::Short => 0,
            Self::Magic => 1,
            Self::Version(_) => 2,
            Self::Sender => 3,
            Self::UnknownKey(_) => 4,
            Self::Forged => 5,
        };
        Self::NAMES[at]
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short => f.write_str("too short for an envelope"),
            Self::Magic => f.write_str("something else than an envelope"),
            Self::Version(found) => write!(f, "envelope version {found} is not known here"),
            Self::Sender => f.write_str("its sender has no proper name"),
            Self::UnknownKey(id) => write!(f, "sealed with key {id}, which we don't have"),
            Self::Forged => {
                f.write_str("its HMAC is wrong: changed on the way, or another key of that number")
            }
        }
    }
}

impl std::error::Error for OpenError {}

/// A sender's name is empty or longer than [`MAX_SENDER`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadSender;

impl fmt::Display for BadSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a sender's name must have 1 to {MAX_SENDER} bytes")
    }
}

impl std::error::Error for BadSender {}

/// Puts a sealed envelope around `message` in place of what `out` held.
///
/// # Errors
/// The sender's name does not fit; then `out` is empty.
pub fn seal(keys: &Keys, stamp: Stamp<'_>, message: &[u8], out: &mut Vec<u8>) -> Result<(), BadSender> {
    out.clear();
    let len =
        u8::try_from(stamp.sender.len()).ok().filter(|len| (1..=MAX_SENDER).contains(&usize::from(*len)));
    let len = len.ok_or(BadSender)?;
    let (key_id, key) = keys.signing();
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&[VERSION, key_id]);
    out.extend_from_slice(&stamp.epoch.to_be_bytes());
    out.extend_from_slice(&stamp.sequence.to_be_bytes());
    out.push(len);
    out.extend_from_slice(stamp.sender.as_bytes());
    out.extend_from_slice(message);
    let tag = hmac::sign(key, out);
    out.extend_from_slice(tag.as_ref());
    Ok(())
}

/// Opens an envelope.
///
/// # Errors
/// The first thing that is wrong with it. Nothing in it is looked at closely before its HMAC was found right.
pub fn open<'a>(keys: &Keys, envelope: &'a [u8]) -> Result<Opened<'a>, OpenError> {
    let (sealed, tag) = envelope.split_last_chunk::<TAG>().ok_or(OpenError::Short)?;
    let (head, rest) = sealed.split_first_chunk::<HEAD>().ok_or(OpenError::Short)?;
    if head[..2] != MAGIC {
        return Err(OpenError::Magic);
    }
    if head[2] != VERSION {
        return Err(OpenError::Version(head[2]));
    }
    let key_id = head[3];
    let key = keys.get(key_id).ok_or(OpenError::UnknownKey(key_id))?;
    // In constant time: aws-lc's own comparison.
    hmac::verify(key, sealed, tag).map_err(|_| OpenError::Forged)?;
    let len = usize::from(head[20]);
    let fits = (1..=MAX_SENDER).contains(&len);
    let (sender, message) = rest.split_at_checked(len).filter(|_| fits).ok_or(OpenError::Sender)?;
    let sender = str::from_utf8(sender).map_err(|_| OpenError::Sender)?;
    let stamp = Stamp { sender, epoch: number(&head[4..12]), sequence: number(&head[12..20]) };
    Ok(Opened { stamp, key_id, message })
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}
