//! Whole numbers, sizes, percentages, flags and status codes.

use haechi_model::StatusRange;

use super::Complaint;
use super::duration::leading;
use crate::Code;

const SIZES: [(&str, u64); 4] = [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

/// A whole number in decimal digits from `least` to `most`.
pub(crate) fn int(text: &str, least: u64, most: u64) -> Result<u64, Complaint> {
    let range = format!("a whole number from {least} to {most}");
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        let complaint = Complaint::new(Code::Number, format!("not {range}"));
        let plain: String = text.chars().filter(|c| !matches!(c, '_' | ',' | ' ')).collect();
        let meant =
            plain.parse().ok().filter(|number| plain.len() < text.len() && (least..=most).contains(number));
        return Err(match meant {
            Some(number) => complaint.suggest(u64::to_string(&number)),
            None => complaint,
        });
    }
    text.parse()
        .ok()
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| Complaint::new(Code::Number, "out of range").help(format!("it takes {range}")))
}

/// `8KiB` in bytes, from `least` to `most`.
pub(crate) fn size(text: &str, least: u64, most: u64) -> Result<u64, Complaint> {
    let digits = leading(text, |c| c.is_ascii_digit());
    let unit = SIZES.iter().find(|(name, _)| *name == &text[digits.len()..]);
    let bytes = unit.and_then(|(_, factor)| digits.parse::<u64>().ok()?.checked_mul(*factor));
    match bytes {
        Some(bytes) if (least..=most).contains(&bytes) => Ok(bytes),
        Some(_) => Err(Complaint::new(Code::Size, "out of range").help(format!(
            "it takes from {} to {}",
            format_size(least),
            format_size(most)
        ))),
        None => Err(complain_size(text, digits)),
    }
}

fn complain_size(text: &str, digits: &str) -> Complaint {
    let unit = text[digits.len()..].trim().to_ascii_lowercase();
    let factor = match unit.as_str() {
        "" | "b" | "byte" | "bytes" => Some(1),
        "k" | "kb" | "kib" | "ki" => Some(1 << 10),
        "m" | "mb" | "mib" | "mi" => Some(1 << 20),
        "g" | "gb" | "gib" | "gi" => Some(1 << 30),
        _ => None,
    };
    let label = if unit.is_empty() && !digits.is_empty() {
        "a number without a unit"
    } else {
        "not a size such as `8KiB`"
    };
    let complaint = Complaint::new(Code::Size, label);
    match factor.and_then(|factor| digits.parse::<u64>().ok()?.checked_mul(factor)) {
        Some(meant) => complaint.suggest(format_size(meant)),
        None => complaint.help("units are B, KiB, MiB and GiB"),
    }
}

/// In the largest unit that divides it.
pub(crate) fn format_size(bytes: u64) -> String {
    let (unit, factor) = SIZES
        .into_iter()
        .rev()
        .find(|(_, factor)| bytes != 0 && bytes.is_multiple_of(*factor))
        .unwrap_or(SIZES[0]);
    format!("{}{unit}", bytes / factor)
}

/// `50` or `50%`.
pub(crate) fn percent(text: &str) -> Result<u8, Complaint> {
    let number = text.strip_suffix('%').unwrap_or(text);
    if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) {
        return number
            .parse()
            .ok()
            .filter(|percent| *percent <= 100)
            .ok_or_else(|| Complaint::new(Code::Percent, "more than 100 %"));
    }
    Err(Complaint::new(Code::Percent, "not a whole number from 0 to 100, with or without `%`"))
}

/// `true` or `false` (YAML 1.2 core schema).
pub(crate) fn flag(text: &str) -> Result<bool, Complaint> {
    match text {
        "true" | "True" | "TRUE" => return Ok(true),
        "false" | "False" | "FALSE" => return Ok(false),
        _ => {}
    }
    let complaint = Complaint::new(Code::Word, "not `true` or `false`");
    Err(match text.to_ascii_lowercase().as_str() {
        "yes" | "y" | "on" | "1" | "true" => complaint.suggest("true"),
        "no" | "n" | "off" | "0" | "false" => complaint.suggest("false"),
        _ => complaint,
    })
}

/// `200` or `200-299`.
pub(crate) fn status(text: &str) -> Result<StatusRange, Complaint> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let code =
        |text: &str| text.parse::<u16>().ok().filter(|code| text.len() == 3 && (100..=599).contains(code));
    match (code(first.trim()), code(last.trim())) {
        (Some(first), Some(last)) if first <= last => Ok(StatusRange { first, last }),
        (Some(first), Some(last)) => {
            Err(Complaint::new(Code::Status, "the range runs backwards").suggest(format!("{last}-{first}")))
        }
        _ => {
            let complaint =
                Complaint::new(Code::Status, "not a status code or range such as `200` or `200-299`");
            let class = text.strip_suffix("xx").and_then(|class| class.parse::<u16>().ok());
            Err(match class {
                Some(class @ 1..=5) => complaint.suggest(format!("{class}00-{class}99")),
                _ => complaint,
            })
        }
    }
}

/// As [`status`] reads it.
pub(crate) fn format_status(range: StatusRange) -> String {
    if range.first == range.last {
        range.first.to_string()
    } else {
        format!("{}-{}", range.first, range.last)
    }
}
