//! Spans as people read them, in the same forms as `haechi status` has.

/// How long something is the case: its two largest units.
pub(super) fn age(millis: u64) -> String {
    let seconds = millis / 1000;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m{seconds:02}s"),
        (hours, minutes, _) => format!("{hours}h{minutes:02}m"),
    }
}

/// A response time in milliseconds, in three digits.
pub(super) fn latency(millis: Option<f64>) -> String {
    match millis {
        None => "-".to_owned(),
        Some(millis) if millis < 0.9995 => format!("{:.0}us", millis * 1e3),
        Some(millis) if millis < 9.995 => format!("{millis:.2}ms"),
        Some(millis) if millis < 99.95 => format!("{millis:.1}ms"),
        Some(millis) if millis < 999.5 => format!("{millis:.0}ms"),
        Some(millis) => format!("{:.2}s", millis / 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_lose_what_does_not_matter() {
        let hour = 3_600_000;
        for (millis, text) in [
            (0, "0s"),
            (59_999, "59s"),
            (60_000, "1m00s"),
            (hour - 1, "59m59s"),
            (hour, "1h00m"),
            (25 * hour, "25h00m"),
        ] {
            assert_eq!(age(millis), text);
        }
    }

    #[test]
    fn latencies_have_three_digits() {
        for (millis, text) in [
            (0.123, "123us"),
            (0.9996, "1.00ms"),
            (9.99, "9.99ms"),
            (12.34, "12.3ms"),
            (250.0, "250ms"),
            (1000.0, "1.00s"),
        ] {
            assert_eq!(latency(Some(millis)), text);
        }
        assert_eq!(latency(None), "-");
    }
}
