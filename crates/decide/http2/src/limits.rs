//! Every bound of a connection, each with the reason for its number and the name under which it is counted.
//!
//! HTTP/2 lets a peer make us work with a few bytes: each kind of cheap frame has a rate, each list a size, each
//! wait an end. What a rate allows is far above what any real peer sends, so a bite ends the connection.

use std::time::Duration;

use haechi_model::{Limit, Moment};

/// So many at once, and then so many a second.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    /// At once.
    pub burst: u32,
    /// From then on.
    pub per_second: u32,
}

/// What a connection may cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Streams that a peer may have open: 100, the least that RFC 9113 §6.5.2 recommends, and what nginx (128),
    /// Envoy and HAProxy (100) allow.
    pub streams: u32,
    /// Bytes of a decoded head as RFC 9113 §10.5.1 counts them: 64 KiB, as in HTTP/1 here.
    pub list: u32,
    /// Fields of a head without cookie crumbs: 100, as in HTTP/1 here.
    pub fields: u32,
    /// Cookie crumbs of a head: Chrome keeps 180 cookies for a site and sends each as a field of its own.
    pub cookie_crumbs: u32,
    /// Bytes that one block may decode to before it is called an attack: 1 MiB, sixteen times what is allowed.
    /// Between the two it is an honest head that is too large, and is answered (CVE-2016-6581, CVE-2026-49975).
    pub list_work: u32,
    /// Bytes of a block on the wire: 128 KiB, twice a list, so that an honest head that is too large is answered.
    pub block: u32,
    /// CONTINUATION frames of a block: 8; with frames of 16 KiB the largest block needs seven (CVE-2024-27316).
    pub continuations: u32,
    /// RST_STREAM of a client: 100 a second, and two full windows of streams at once, which is what closing a
    /// browser's tabs may send (CVE-2023-44487).
    pub resets: Rate,
    /// Resets from which on it counts whether they are more than half of all streams: 500, Envoy's figure.
    pub early_resets: u32,
    /// Streams that we must reset because the client broke a rule: the same as its own resets, for they cost
    /// the same (CVE-2025-8671).
    pub own_resets: Rate,
    /// Streams refused because too many are open. A client may open a thousand before it has seen our settings.
    pub refused: Rate,
    /// SETTINGS frames, each of which we must acknowledge (CVE-2019-9515). Real peers send one or two.
    pub settings: Rate,
    /// Entries of a SETTINGS frame: 32, nghttp2's figure; ten are defined.
    pub settings_entries: u32,
    /// PING frames (CVE-2019-9512), beyond one for each DATA frame that we sent: gRPC measures bandwidth so.
    pub pings: Rate,
    /// PRIORITY and PRIORITY_UPDATE frames, beyond two for each stream. We use none of them (CVE-2019-9513).
    pub priorities: Rate,
    /// WINDOW_UPDATE frames, beyond three for each DATA frame that we sent and two for each stream.
    pub window_updates: Rate,
    /// DATA and HEADERS frames that carry nothing (CVE-2019-9518).
    pub empty_frames: Rate,
    /// Frames of unknown types: browsers send one at the start, to keep us tolerant (RFC 8701 in spirit).
    pub unknown_frames: Rate,
    /// DATA frames of ours below [`TINY`] bytes because the window allowed no more (CVE-2019-9511, "data
    /// dribble"): each costs a frame's head and a wait.
    pub tiny_windows: Rate,
    /// From our settings to their acknowledgement, and from the start to the peer's: 10 s, as for a head.
    pub settings_timeout: Duration,
    /// From the first byte of a block, or of any frame but DATA, to its last: 10 s in all, so that a byte a
    /// second does not renew it.
    pub block_timeout: Duration,
    /// From our PING to its answer: 10 s; a peer that lives answers in a round trip.
    pub ping_timeout: Duration,
    /// How long a body may wait for its window: 60 s, as long as a client in HTTP/1 may take.
    pub stall_timeout: Duration,
    /// Bytes of a body that the peer must allow in that time: 16 KiB, slower than a modem of 1990. Less is a
    /// window that is opened a byte at a time (CVE-2019-9517, "http2 bomb" of 2026).
    pub stall_bytes: u32,
    /// From the first GOAWAY of a shutdown to the second if our PING is not answered: 1 s, Envoy's figure.
    pub farewell: Duration,
}

/// A DATA frame below so many bytes is tiny: the frame's head is a tenth of it.
pub const TINY: usize = 90;

impl Default for Limits {
    fn default() -> Self {
        Self {
            streams: 100,
            list: 64 << 10,
            fields: 100,
            cookie_crumbs: 180,
            list_work: 1 << 20,
            block: 128 << 10,
            continuations: 8,
            resets: Rate { burst: 200, per_second: 100 },
            early_resets: 500,
            own_resets: Rate { burst: 200, per_second: 100 },
            refused: Rate { burst: 1000, per_second: 100 },
            settings: Rate { burst: 50, per_second: 5 },
            settings_entries: 32,
            pings: Rate { burst: 100, per_second: 50 },
            priorities: Rate { burst: 200, per_second: 100 },
            window_updates: Rate { burst: 200, per_second: 100 },
            empty_frames: Rate { burst: 100, per_second: 50 },
            unknown_frames: Rate { burst: 100, per_second: 50 },
            tiny_windows: Rate { burst: 500, per_second: 100 },
            settings_timeout: Duration::from_secs(10),
            block_timeout: Duration::from_secs(10),
            ping_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(60),
            stall_bytes: 16 << 10,
            farewell: Duration::from_secs(1),
        }
    }
}

impl Limits {
    /// The same with another measure for heads: bytes decoded, and fields without cookie crumbs.
    #[must_use]
    pub fn with_heads(self, list: u32, fields: u16) -> Self {
        let block = list.saturating_mul(2);
        Self {
            list,
            fields: fields.into(),
            list_work: list.saturating_mul(16),
            block,
            // Frames of 16 KiB: every peer takes and sends as much.
            continuations: self.continuations.max(block / (16 << 10)),
            ..self
        }
    }
}

/// Rates in force: for each limit the moment from which on one more is within its rate (the "generic cell rate
/// algorithm" of ITU-T I.371, which needs one number for each).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gates([Moment; Limit::ALL.len()]);

impl Gates {
    pub(crate) const fn new() -> Self {
        Self([Moment::ORIGIN; Limit::ALL.len()])
    }

    /// Counts one.
    ///
    /// # Errors
    /// It is one too many.
    pub(crate) fn pass(&mut self, limit: Limit, rate: Rate, now: Moment) -> Result<(), crate::Why> {
        let next = &mut self.0[limit as usize];
        let interval = Duration::from_secs(1) / rate.per_second.max(1);
        let ahead = next.since(now);
        if ahead >= interval * rate.burst {
            return Err(crate::Why::limit(limit));
        }
        *next = now + ahead + interval;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_allows_its_burst_and_then_its_pace() {
        let rate = Rate { burst: 5, per_second: 10 };
        let mut gates = Gates::new();
        let start = Moment::from_nanos(1_000_000_000);
        let taken = (0..20).filter(|_| gates.pass(Limit::Pings, rate, start).is_ok()).count();
        assert_eq!(taken, 5);
        let later = start + Duration::from_secs(10);
        let paced = (0..1000u32).filter(|turn| {
            gates.pass(Limit::Pings, rate, start + Duration::from_millis(10 * u64::from(*turn))).is_ok()
        });
        assert!((99..=101).contains(&paced.count()), "ten a second over ten seconds");
        assert!(gates.pass(Limit::Settings, rate, later).is_ok(), "each limit has its own");
    }
}
