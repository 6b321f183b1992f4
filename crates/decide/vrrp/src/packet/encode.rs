//! Advertisement → bytes, always as VRRPv3. What would not be read the same again is refused here, so that a
//! wrong setting is an error on this node and not a riddle on another.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use super::checksum::checksum;
use super::{Advertisement, CENTISECOND, Cover, MAX_INTERVAL, TYPE_ADVERTISEMENT};

/// Why an advertisement can't be said.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum EncodeError {
    /// Virtual router 0 does not exist.
    Id,
    /// The interval is no whole number of centiseconds from 1 to 4095.
    Interval(Duration),
    /// No address, or more than 255.
    Addresses(usize),
    /// Addresses of both families, or of another one than the IP header's.
    Family(IpAddr),
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id => f.write_str("virtual router 0 does not exist"),
            Self::Interval(found) => {
                write!(f, "an interval of {found:?} is not 10 ms to 40.95 s in whole centiseconds")
            }
            Self::Addresses(found) => write!(f, "{found} addresses are not 1 to 255"),
            Self::Family(found) => write!(f, "{found} is of another family than the rest"),
        }
    }
}

impl std::error::Error for EncodeError {}

impl Advertisement {
    /// Puts the message, all that follows the IP header, in place of what `out` held.
    ///
    /// # Errors
    /// What it says can't be said; then `out` is empty.
    pub fn encode(&self, cover: Cover, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        out.clear();
        if self.id == 0 {
            return Err(EncodeError::Id);
        }
        let interval = centiseconds(self.interval).ok_or(EncodeError::Interval(self.interval))?;
        let count = u8::try_from(self.addresses.len()).ok().filter(|count| *count > 0);
        let count = count.ok_or(EncodeError::Addresses(self.addresses.len()))?;
        self.one_family(cover)?;
        let [upper, lower] = interval.to_be_bytes();
        out.extend_from_slice(&[
            3 << 4 | TYPE_ADVERTISEMENT,
            self.id,
            self.priority,
            count,
            upper,
            lower,
            0,
            0,
        ]);
        for address in &self.addresses {
            match address {
                IpAddr::V4(v4) => out.extend_from_slice(&v4.octets()),
                IpAddr::V6(v6) => out.extend_from_slice(&v6.octets()),
            }
        }
        let sum = checksum(out, cover).to_be_bytes();
        out[6..8].copy_from_slice(&sum);
        Ok(())
    }

    fn one_family(&self, cover: Cover) -> Result<(), EncodeError> {
        let lead = match cover {
            Cover::Message => self.addresses.first().copied(),
            Cover::PseudoHeader { source, .. } => Some(source),
        };
        let other = |address: &&IpAddr| lead.is_some_and(|lead| lead.is_ipv4() != address.is_ipv4());
        let header = match &cover {
            Cover::PseudoHeader { destination, .. } => Some(destination),
            Cover::Message => None,
        };
        match self.addresses.iter().chain(header).find(other) {
            Some(address) => Err(EncodeError::Family(*address)),
            None => Ok(()),
        }
    }
}

/// As on the wire; `None` if it does not fit there.
fn centiseconds(interval: Duration) -> Option<u16> {
    let whole = interval.as_nanos().is_multiple_of(CENTISECOND.as_nanos());
    let fits = !interval.is_zero() && interval <= MAX_INTERVAL;
    (whole && fits).then(|| u16::try_from(interval.as_millis() / 10).ok())?
}
