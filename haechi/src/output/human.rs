//! Numbers and times as people read them at a glance. JSON has them exact.

/// A count: exact up to five digits, then three digits and k, M, G or T.
pub(crate) fn count(value: u64) -> String {
    if value < 100_000 {
        return value.to_string();
    }
    let mut scaled = value as f64;
    let mut unit = "";
    for next in ["k", "M", "G", "T", "P", "E"] {
        if scaled < 999.5 {
            break;
        }
        scaled /= 1000.0;
        unit = next;
    }
    format!("{}{unit}", three_digits(scaled))
}

/// Something per second.
pub(crate) fn rate(per_second: f64) -> String {
    match per_second {
        _ if per_second < 0.05 => "0".to_owned(),
        _ if per_second < 1000.0 => three_digits(per_second),
        _ => format!("{:.0}", per_second.min(1e12)),
    }
}

/// A response time given in milliseconds.
pub(crate) fn latency(milliseconds: f64) -> String {
    match milliseconds {
        _ if milliseconds < 0.9995 => format!("{:.0}us", milliseconds * 1000.0),
        _ if milliseconds < 999.5 => format!("{}ms", three_digits(milliseconds)),
        _ => format!("{}s", three_digits(milliseconds / 1000.0)),
    }
}

/// How long something is the case: its two largest units.
pub(crate) fn age(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{minutes}m{:02}s", seconds % 60),
        3600..86_400 => format!("{hours}h{:02}m", minutes % 60),
        _ => format!("{days}d{:02}h", hours % 24),
    }
}

/// A point in time, in UTC as in logs.
pub(crate) fn timestamp(milliseconds: u64) -> String {
    let time = i64::try_from(milliseconds).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    time.map_or_else(|| "?".to_owned(), |time| format!("{time:.3}"))
}

/// `1.23`, `12.3`, `123`, without zeros that say nothing.
fn three_digits(value: f64) -> String {
    let decimals = match value {
        _ if value < 9.995 => 2,
        _ if value < 99.95 => 1,
        _ => 0,
    };
    let text = format!("{value:.decimals$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts() {
        let rows = [
            (0, "0"),
            (99_999, "99999"),
            (100_000, "100k"),
            (123_456, "123k"),
            (999_499, "999k"),
            (999_500, "1M"),
            (1_234_567, "1.23M"),
            (45_600_000_000, "45.6G"),
            (u64::MAX, "18.4E"),
        ];
        for (value, text) in rows {
            assert_eq!(count(value), text, "{value}");
        }
    }

    #[test]
    fn rates() {
        let rows =
            [(0.0, "0"), (0.04, "0"), (0.5, "0.5"), (12.34, "12.3"), (999.4, "999"), (123_456.7, "123457")];
        for (value, text) in rows {
            assert_eq!(rate(value), text, "{value}");
        }
    }

    #[test]
    fn latencies() {
        let rows = [
            (0.0, "0us"),
            (0.25, "250us"),
            (0.9999, "1ms"),
            (1.0, "1ms"),
            (8.19, "8.19ms"),
            (131.07, "131ms"),
            (999.6, "1s"),
            (67_108.0, "67.1s"),
        ];
        for (value, text) in rows {
            assert_eq!(latency(value), text, "{value}");
        }
    }

    #[test]
    fn ages() {
        let rows = [
            (0, "0s"),
            (59_999, "59s"),
            (60_000, "1m00s"),
            (3_599_000, "59m59s"),
            (3_600_000, "1h00m"),
            (86_399_000, "23h59m"),
            (86_400_000, "1d00h"),
            (100 * 86_400_000 + 7_200_000, "100d02h"),
        ];
        for (value, text) in rows {
            assert_eq!(age(value), text, "{value}");
        }
    }

    #[test]
    fn times() {
        assert_eq!(timestamp(1_767_225_600_123), "2026-01-01T00:00:00.123Z");
        assert_eq!(timestamp(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(timestamp(u64::MAX), "?");
    }
}
