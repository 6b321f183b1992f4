//! What came of all requests together.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;

use crate::output::{self, Align, Cell, Paint, Table, Tone};

/// Most names shown; more than that are no endpoints but something that each answer has for its own.
const NAMES: usize = 30;

/// One request and its end.
#[derive(Clone, Debug)]
pub(super) struct Try {
    pub(super) took: Duration,
    /// Why no whole answer came, if none did.
    pub(super) end: Result<Answered, String>,
}

/// A whole answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) who: String,
    /// Why haechi answered in an endpoint's place, if it did.
    pub(super) fault: Option<String>,
}

/// Counts over all tries.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    url: String,
    address: SocketAddr,
    concurrency: u32,
    seconds: f64,
    requests: usize,
    failed: usize,
    answered_by: BTreeMap<String, usize>,
    statuses: BTreeMap<u16, usize>,
    failures: BTreeMap<String, usize>,
    /// Of whole answers, in milliseconds.
    latency: Option<Latency>,
}

#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Latency {
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
}

impl Report {
    pub(super) fn new(
        url: String,
        address: SocketAddr,
        concurrency: u32,
        took: Duration,
        tries: Vec<Try>,
    ) -> Self {
        let mut report = Self {
            url,
            address,
            concurrency,
            seconds: took.as_secs_f64(),
            requests: tries.len(),
            failed: 0,
            answered_by: BTreeMap::new(),
            statuses: BTreeMap::new(),
            failures: BTreeMap::new(),
            latency: None,
        };
        let mut times = Vec::with_capacity(tries.len());
        for one in tries {
            let failure = match one.end {
                Ok(answered) => {
                    times.push(one.took);
                    report.answered(answered)
                }
                Err(reason) => Some(reason),
            };
            if let Some(reason) = failure {
                report.failed += 1;
                *report.failures.entry(reason).or_default() += 1;
            }
        }
        report.latency = Latency::of(times);
        report
    }

    /// Counts an answer; gives why it is a failure, if it is one.
    fn answered(&mut self, answered: Answered) -> Option<String> {
        let Answered { status, who, fault } = answered;
        *self.answered_by.entry(who).or_default() += 1;
        *self.statuses.entry(status).or_default() += 1;
        match fault {
            Some(fault) => Some(format!("status {status} from haechi: {}", output::clean(&fault))),
            None => (status >= 400).then(|| format!("status {status}")),
        }
    }

    pub(super) const fn failed(&self) -> usize {
        self.failed
    }

    pub(super) fn render(&self, paint: Paint) -> String {
        let Self { url, address, concurrency, seconds, requests, failed, .. } = self;
        let per_second = *requests as f64 / seconds.max(f64::MIN_POSITIVE);
        let tone = if *failed == 0 { Tone::Good } else { Tone::Bad };
        let mut out = format!(
            "{requests} requests to {} ({address}), {concurrency} at a time, in {} ({}/s): {}\n",
            output::clean(url),
            output::latency(seconds * 1000.0),
            output::rate(per_second),
            paint.text(tone, &format!("{} ok, {failed} failed", requests - failed)),
        );
        if let Some(Latency { p50_ms, p99_ms, max_ms }) = self.latency {
            let [p50, p99, max] = [p50_ms, p99_ms, max_ms].map(output::latency);
            out.push_str(&format!("latency of answers: p50 {p50}, p99 {p99}, max {max}\n"));
        }
        out.push_str(&shares("ANSWERED BY", &self.answered_by, Tone::Plain, paint));
        let statuses = self.statuses.iter().map(|(status, count)| (status.to_string(), *count)).collect();
        out.push_str(&shares("STATUS", &statuses, Tone::Plain, paint));
        out.push_str(&shares("FAILED BECAUSE", &self.failures, Tone::Bad, paint));
        out
    }
}

/// A table of counts, the largest first; nothing for none.
fn shares(title: &'static str, counts: &BTreeMap<String, usize>, tone: Tone, paint: Paint) -> String {
    if counts.is_empty() {
        return String::new();
    }
    let total: usize = counts.values().sum();
    let mut rows: Vec<_> = counts.iter().collect();
    rows.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let mut table = Table::new(&[(title, Align::Left), ("REQUESTS", Align::Right), ("SHARE", Align::Right)]);
    for (name, count) in rows.iter().take(NAMES) {
        let share = format!("{:.1} %", **count as f64 * 100.0 / total as f64);
        table.row(vec![Cell::new(tone, name), count.to_string().into(), share.into()]);
    }
    let more = rows.len().saturating_sub(NAMES);
    let more = if more > 0 {
        format!("… and {more} more; --by says what tells endpoints apart\n")
    } else {
        String::new()
    };
    format!("\n{}{more}", table.render(paint))
}

impl Latency {
    fn of(mut times: Vec<Duration>) -> Option<Self> {
        times.sort_unstable();
        let max = times.last()?.as_secs_f64() * 1e3;
        // The nearest rank: so many of all took at most so long.
        let rank = |percent: usize| times.get((times.len() * percent).div_ceil(100).saturating_sub(1));
        let at = |percent| rank(percent).map_or(max, |time| time.as_secs_f64() * 1e3);
        Some(Self { p50_ms: at(50), p99_ms: at(99), max_ms: max })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(took_ms: u64, status: u16, who: &str, fault: Option<&str>) -> Try {
        let answered = Answered { status, who: who.into(), fault: fault.map(str::to_owned) };
        Try { took: Duration::from_millis(took_ms), end: Ok(answered) }
    }

    fn report(tries: Vec<Try>) -> Report {
        Report::new("http://lb/".into(), ([127, 0, 0, 1], 80).into(), 2, Duration::from_millis(500), tries)
    }

    #[test]
    fn all_is_counted_once() {
        let mut tries: Vec<_> = (0u8..6)
            .map(|n| answered(u64::from(n) + 1, 200, ["web-1", "web-2", "web-2"][usize::from(n) % 3], None))
            .collect();
        tries.push(answered(7, 404, "web-1", None));
        tries.push(answered(8, 503, "haechi itself", Some("noEndpoint")));
        tries.push(Try { took: Duration::from_secs(10), end: Err("connection refused".into()) });
        let report = report(tries);
        assert_eq!((report.requests, report.failed()), (9, 3));
        assert_eq!(
            report.render(Paint::new(false)),
            "\
9 requests to http://lb/ (127.0.0.1:80), 2 at a time, in 500ms (18/s): 6 ok, 3 failed
latency of answers: p50 4ms, p99 8ms, max 8ms

ANSWERED BY    REQUESTS   SHARE
web-2                 4  50.0 %
web-1                 3  37.5 %
haechi itself         1  12.5 %

STATUS  REQUESTS   SHARE
200            6  75.0 %
404            1  12.5 %
503            1  12.5 %

FAILED BECAUSE                      REQUESTS   SHARE
connection refused                         1  33.3 %
status 404                                 1  33.3 %
status 503 from haechi: noEndpoint         1  33.3 %
"
        );
    }

    #[test]
    fn percentiles_are_times_that_were_seen() {
        let of = |times: &[u64]| Latency::of(times.iter().map(|ms| Duration::from_millis(*ms)).collect());
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[5]), Some(Latency { p50_ms: 5.0, p99_ms: 5.0, max_ms: 5.0 }));
        let hundred: Vec<u64> = (1..=100).rev().collect();
        assert_eq!(of(&hundred), Some(Latency { p50_ms: 50.0, p99_ms: 99.0, max_ms: 100.0 }));
    }

    #[test]
    fn answers_with_a_name_each_do_not_flood_the_screen() {
        let report = report((0..1000).map(|n| answered(1, 200, &format!("{n}"), None)).collect());
        let text = report.render(Paint::new(false));
        assert!(text.lines().count() < NAMES + 12 && text.contains("… and 970 more; --by "), "{text}");
    }

    #[test]
    fn programs_get_the_same() {
        let json = serde_json::to_value(report(vec![answered(1, 200, "web-1", None)])).unwrap();
        assert_eq!(json["answeredBy"]["web-1"], 1);
        assert_eq!(json["statuses"]["200"], 1);
        assert_eq!(json["latency"]["p99Ms"], 1.0);
        assert_eq!(json["failed"], 0);
    }
}
