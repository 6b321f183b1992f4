//! How long to wait for what. All of it follows from the interval and the priority (RFC 9568 §6.1), so that
//! every node knows what the others will do.

use std::time::Duration;

use crate::packet::{CENTISECOND, MAX_INTERVAL};

/// Missed advertisements after which the active counts as dead (RFC 9568 §6.1).
const MISSED: u32 = 3;

/// What a new active may need to claim the addresses and to be heard, beside its waiting: a second is far
/// more than a kernel needs, and about what a cloud's API takes.
const CLAIMING: Duration = Duration::from_secs(1);

/// Longest interval that can be heard: a byte of seconds (RFC 3768 §5.3.7).
const MAX_HEARD: Duration = Duration::from_secs(255);

/// `Skew_Time`: how much later than others a router of this priority acts, so that the best one acts first.
pub fn skew(priority: u8, interval: Duration) -> Duration {
    interval * (256 - u32::from(priority)) / 256
}

/// `Active_Down_Interval`: silence after which a backup of this priority takes over.
pub fn active_down(priority: u8, interval: Duration) -> Duration {
    interval * MISSED + skew(priority, interval)
}

/// How long an active that is silent can be sure that nobody took over: the best backup's skew comes on top.
pub fn lease(interval: Duration) -> Duration {
    interval * MISSED
}

/// The interval in a farewell (priority 0) that says: nobody serves open flows there, the node is dead. The field
/// means nothing to others in that place (RFC 9568 §6.4.2 looks at the priority only). A virtual router that
/// advertises this often cannot tell; its successor lays a way for flows that are dead already, and is later by that.
pub const GONE: Duration = CENTISECOND;

/// How long an active that hands over waits for its successor to be heard.
pub fn successor_bound(interval: Duration) -> Duration {
    interval * MISSED + CLAIMING
}

/// What can be sent.
pub(crate) fn sendable(interval: Duration) -> Duration {
    interval.clamp(CENTISECOND, MAX_INTERVAL)
}

/// What can have been heard. A codec gives nothing else; a recording from elsewhere might.
pub(crate) fn hearable(interval: Duration) -> Duration {
    interval.clamp(CENTISECOND, MAX_HEARD)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9568 §6.1 with the intervals that people use: interval, priority, skew and active-down in µs.
    #[test]
    fn worked_examples() {
        let rows = [
            (1_000, 100, 609_375, 3_609_375),
            (1_000, 200, 218_750, 3_218_750),
            (1_000, 254, 7_812, 3_007_812),
            (1_000, 1, 996_093, 3_996_093),
            (1_000, 255, 3_906, 3_003_906),
            (100, 100, 60_937, 360_937),
            (50, 100, 30_468, 180_468),
            (10, 100, 6_093, 36_093),
            (40_950, 1, 40_790_039, 163_640_039),
        ];
        for (millis, priority, skewed, down) in rows {
            let interval = Duration::from_millis(millis);
            assert_eq!(skew(priority, interval).as_micros(), skewed);
            assert_eq!(active_down(priority, interval).as_micros(), down);
            assert!(lease(interval) < active_down(255, interval), "the lease ends before anybody takes over");
            assert!(successor_bound(interval) > skew(1, interval) + interval * 2, "two words may be lost");
        }
    }

    #[test]
    fn nothing_overflows() {
        let heard = hearable(Duration::MAX);
        assert_eq!(heard, Duration::from_secs(255));
        assert!(active_down(0, heard) > heard);
        assert_eq!(hearable(Duration::ZERO), CENTISECOND);
        assert_eq!(sendable(Duration::MAX), MAX_INTERVAL);
    }
}
