//! What clients say of codings and what endpoints say of their answers, in any bytes: what is written is whole lines, and
//! nobody gets a coding that nobody named.

#![no_main]

use haechi_coding::{Answer, Rules};
use haechi_model::{Coding, Compression};
use libfuzzer_sys::fuzz_target;

type Lines<'d> = Vec<(&'d [u8], &'d [u8])>;

/// A line each, `name: value`, as the parser of heads lets them through.
fn lines(data: &[u8]) -> Lines<'_> {
    let lines = data.split(|byte| *byte < b' ' || *byte == 127).filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':').filter(|at| *at > 0)?;
        Some((&line[..colon], line[colon + 1..].trim_ascii()))
    });
    lines.collect()
}

fuzz_target!(|data: &[u8]| {
    // The request, the answer and what a filter adds, with a zero between them.
    let mut parts = data.splitn(3, |byte| *byte == 0);
    let mut part = || lines(parts.next().unwrap_or_default());
    let (request, answer, filtered) = (part(), part(), part());
    let rules = Rules::new(&Compression { types: vec!["*/*".into()], ..Compression::default() });
    let wish = rules.wish(request.iter().copied(), true);
    for status in [200, 206, 304] {
        let mut out = Vec::new();
        let (fields, added) = (answer.iter().copied(), filtered.iter().copied());
        let verdict = rules.decide(&wish, &Answer { status }, fields, added, &mut out);
        assert!(out.is_empty() || out.ends_with(b"\r\n"));
        for line in out.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let line = line.strip_suffix(b"\r").expect("a line ends with both");
            assert!(!line.contains(&b'\r') && line.contains(&b':'), "{}", line.escape_ascii());
        }
        let says =
            |lines: &Lines<'_>, name: &[u8]| lines.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
        if let Ok(coding) = verdict.coding {
            assert_eq!(status, 200);
            assert!(!says(&answer, b"content-encoding") && !says(&filtered, b"content-encoding"));
            let named = request.iter().any(|(name, value)| {
                let text = String::from_utf8_lossy(value).to_ascii_lowercase();
                name.eq_ignore_ascii_case(b"accept-encoding")
                    && (text.contains(coding.name()) || text.contains('*'))
            });
            assert!(named, "{coding:?} for one who did not name it");
            assert!(Coding::ALL.contains(&coding));
        }
        assert!(verdict.changes_nothing() == out.is_empty());
        assert!(!verdict.removes(b"content-length") && !verdict.removes(b"transfer-encoding"));
    }
});
