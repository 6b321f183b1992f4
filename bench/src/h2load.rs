//! Load in HTTP/2, by nghttp2's generator: how it is called, and what it says.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use crate::count::Count;
use crate::problem::{Outcome, Problem, While};
use crate::stats::percentile;

/// Arguments for a window of so many seconds. What each request took goes into `log`: it prints no percentiles.
pub(crate) fn arguments(
    url: &str,
    connections: u16,
    streams: u16,
    seconds: u16,
    log: &Path,
) -> Vec<OsString> {
    let mut log_file = OsString::from("--log-file=");
    log_file.push(log);
    let numbers = [format!("-c{connections}"), format!("-m{streams}"), format!("-D{seconds}"), "-t1".into()];
    numbers.into_iter().map(OsString::from).chain([log_file, url.into()]).collect()
}

/// What it printed and logged in a window of so many seconds.
pub(crate) fn count(printed: &str, log: &Path, seconds: u16) -> Outcome<Count> {
    let log = fs::read_to_string(log).while_doing(|| log.display().to_string())?;
    read(printed, &log, seconds)
        .ok_or_else(|| Problem::new(format!("h2load printed something unknown:\n{printed}")))
}

fn read(printed: &str, log: &str, seconds: u16) -> Option<Count> {
    let line = |start: &str| printed.lines().find_map(|line| line.strip_prefix(start));
    let (requests, statuses) = (line("requests: ")?, line("status codes: ")?);
    // `621.58KB (636502) total, 171.98KB (176110) headers (space savings 90.22%), 97.66KB (100000) data`
    let bytes = line("traffic: ")?.rsplit_once('(')?.1.split(')').next()?.parse().ok()?;
    let done = before(requests, " done")?;
    let mut times: Vec<u32> = log.lines().filter_map(|line| line.rsplit('\t').next()?.parse().ok()).collect();
    times.sort_unstable();
    Some(Count {
        units: before(requests, " succeeded")?,
        bytes,
        micros: u64::from(seconds) * 1_000_000,
        p50_micros: percentile(&times, 0.5).unwrap_or(0).into(),
        p99_micros: percentile(&times, 0.99).unwrap_or(0).into(),
        errors: [
            0,
            before(requests, " errored")?,
            before(requests, " failed")?,
            done.saturating_sub(before(statuses, " 2xx")?),
            before(requests, " timeout")?,
        ],
    })
}

/// The number in front of a word, in a list with commas.
fn before(list: &str, word: &str) -> Option<u64> {
    list.split(", ").find_map(|part| part.strip_suffix(word)?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "finished in 2.00s, 10000.00 req/s, 1.31MB/s\n\
        requests: 20000 total, 20010 started, 20000 done, 19997 succeeded, 3 failed, 2 errored, 1 timeout\n\
        status codes: 19996 2xx, 0 3xx, 3 4xx, 1 5xx\n\
        traffic: 2.62MB (2746502) total, 171.98KB (176110) headers (space savings 90.22%), 1.91MB (2000000) data\n";

    #[test]
    fn what_it_says_is_read() {
        let log: String = (1..=100).map(|took| format!("1700000000000000\t200\t{took}\n")).collect();
        let count = read(PRINTED, &log, 2).unwrap();
        assert_eq!((count.units, count.bytes, count.micros), (19_997, 2_000_000, 2_000_000));
        assert_eq!(count.errors, [0, 2, 3, 4, 1]);
        assert!((49..=51).contains(&count.p50_micros) && (98..=100).contains(&count.p99_micros));
    }

    #[test]
    fn anything_else_is_refused() {
        for gone in ["requests", "status codes", "traffic", " done", " 2xx"] {
            assert_eq!(read(&PRINTED.replace(gone, "x"), "", 2), None, "{gone}");
        }
        assert_eq!(read("", "", 2), None);
    }
}
