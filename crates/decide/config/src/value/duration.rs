//! Durations with units, as Go and Prometheus write them: `250ms`, `10s`, `1h30m`.

use std::fmt::Write as _;
use std::time::Duration;

use super::Complaint;
use crate::Code;

/// Units, largest first, in nanoseconds.
const UNITS: [(&str, u64); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// What people write for them.
const NICKNAMES: [(&str, &str); 20] = [
    ("day", "d"),
    ("days", "d"),
    ("hr", "h"),
    ("hrs", "h"),
    ("hour", "h"),
    ("hours", "h"),
    ("min", "m"),
    ("mins", "m"),
    ("minute", "m"),
    ("minutes", "m"),
    ("sec", "s"),
    ("secs", "s"),
    ("second", "s"),
    ("seconds", "s"),
    ("msec", "ms"),
    ("msecs", "ms"),
    ("millis", "ms"),
    ("usec", "us"),
    ("µs", "us"),
    ("", "s"),
];

/// Reads `1h30m`: whole numbers with units, each unit at most once, largest first.
pub(crate) fn parse(text: &str) -> Result<Duration, Complaint> {
    if text.starts_with('-') {
        return Err(Complaint::new(Code::Duration, "a duration can't be negative"));
    }
    strict(text).ok_or_else(|| complain(text))
}

/// The shortest way to write it in hours and smaller units.
pub(crate) fn format(duration: Duration) -> String {
    let mut left = duration.as_nanos();
    if left == 0 {
        return "0s".into();
    }
    let mut out = String::new();
    for (unit, nanos) in UNITS.into_iter().skip(1) {
        let nanos = u128::from(nanos);
        let count = left / nanos;
        left %= nanos;
        if count > 0 {
            // Writing to a String can't fail.
            let _ = write!(out, "{count}{unit}");
        }
    }
    out
}

fn strict(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = 0_u64;
    let mut units = UNITS.iter();
    while !rest.is_empty() {
        let digits = leading(rest, |c| c.is_ascii_digit());
        let unit = leading(&rest[digits.len()..], |c| c.is_ascii_alphabetic());
        rest = &rest[digits.len() + unit.len()..];
        // Going on from the last unit found makes a repeated or larger one fail.
        let nanos = units.find(|(name, _)| *name == unit)?.1;
        total = total.checked_add(digits.parse::<u64>().ok()?.checked_mul(nanos)?)?;
    }
    (!text.is_empty()).then(|| Duration::from_nanos(total))
}

fn complain(text: &str) -> Complaint {
    let label = if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        "a number without a unit"
    } else if text.contains(['.', ',']) {
        "fractions are not taken"
    } else {
        "not a duration such as `10s`, `250ms` or `1h30m`"
    };
    let complaint = Complaint::new(Code::Duration, label);
    match lenient(text) {
        Some(meant) => complaint.suggest(format(meant)),
        None => complaint.help("units are d, h, m, s, ms, us and ns, the largest first"),
    }
}

/// What was probably meant: one number, maybe with a fraction, and a unit in any spelling.
fn lenient(text: &str) -> Option<Duration> {
    let text: String = text.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect();
    let whole = leading(&text, |c| c.is_ascii_digit());
    let rest = &text[whole.len()..];
    let fraction = rest.strip_prefix('.').map_or("", |rest| leading(rest, |c| c.is_ascii_digit()));
    let unit = rest.strip_prefix('.').map_or(rest, |rest| &rest[fraction.len()..]);
    let unit = NICKNAMES.iter().find(|(name, _)| *name == unit).map_or(unit, |(_, unit)| unit);
    let (_, nanos) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let places = u32::try_from(fraction.len()).ok().filter(|places| *places <= 9)?;
    let part = if fraction.is_empty() {
        0
    } else {
        fraction.parse::<u64>().ok()?.checked_mul(*nanos)? / 10_u64.pow(places)
    };
    let total = whole.parse::<u64>().ok()?.checked_mul(*nanos)?.checked_add(part)?;
    Some(Duration::from_nanos(total))
}

pub(super) fn leading(text: &str, take: impl Fn(char) -> bool) -> &str {
    &text[..text.find(|c| !take(c)).unwrap_or(text.len())]
}
