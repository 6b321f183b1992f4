//! Words for people, out of what a stranger sent.

use std::io;

use haechi_health::FailureKind;
use rustix::io::Errno;

use super::Failed;

/// Longest piece of foreign text that is shown: two lines of a terminal.
pub(super) const LONGEST: usize = 200;

/// The first line of foreign bytes, safe to print: at most `longest` characters, and nothing in it that
/// moves a cursor, rings a bell or turns the reading direction.
pub(super) fn first_line(bytes: &[u8], longest: usize) -> String {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let text = String::from_utf8_lossy(line);
    let text = text.trim();
    let safe = |letter: char| if is_unsafe(letter) { char::REPLACEMENT_CHARACTER } else { letter };
    let mut cut: String = text.chars().take(longest).map(safe).collect();
    if text.chars().nth(longest).is_some() {
        cut.push('…');
    }
    cut
}

fn is_unsafe(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// An I/O error without Rust's `(os error 111)`.
pub(super) fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

/// haechi itself is short of something: descriptors, memory, local ports, processes.
pub(super) fn ours(error: &io::Error) -> Option<Failed> {
    let scarce = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM, Errno::ADDRNOTAVAIL, Errno::AGAIN];
    let errno = Errno::from_io_error(error)?;
    scarce
        .contains(&errno)
        .then(|| Failed::new(FailureKind::Local, format!("haechi can't probe: {}", plain(error))))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn shows_the_first_line_only() {
        let table: [(&[u8], &str); 7] = [
            (b"CRITICAL: nginx process not running\nmore", "CRITICAL: nginx process not running"),
            (b"one\r\ntwo", "one"),
            (b"  padded\t\n", "padded"),
            (b"", ""),
            (b"\n second", ""),
            (b"red \x1b[31malert\x07", "red \u{fffd}[31malert\u{fffd}"),
            ("\u{202e}txt".as_bytes(), "\u{fffd}txt"),
        ];
        for (bytes, expected) in table {
            assert_eq!(first_line(bytes, LONGEST), expected);
        }
        assert_eq!(first_line(&[b'x'; 300], 5), "xxxxx…");
        assert_eq!(first_line(b"xxxxx", 5), "xxxxx");
    }

    #[test]
    fn our_own_shortage_is_told_apart() {
        let error = |errno: Errno| io::Error::from_raw_os_error(errno.raw_os_error());
        assert_eq!(ours(&error(Errno::CONNREFUSED)), None);
        let failed = ours(&error(Errno::MFILE)).unwrap();
        assert_eq!(
            (failed.kind, failed.text.as_str()),
            (FailureKind::Local, "haechi can't probe: too many open files")
        );
    }

    proptest! {
        #[test]
        fn any_bytes_become_a_short_safe_line(bytes: Vec<u8>, longest in 0_usize..50) {
            let line = first_line(&bytes, longest);
            prop_assert!(line.chars().count() <= longest + 1);
            prop_assert!(!line.chars().any(is_unsafe));
        }
    }
}
