//! Says what came out: as Markdown, on the screen and in docs/benchmarks.md alike, so that nobody has to
//! trust a copy. A target that is not met is written down as such.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::contender::Contender;
use crate::machine::Machine;
use crate::problem::{Outcome, Problem, While};
use crate::rounds::{Result as CaseResult, Row};
use crate::stats::Spread;

/// One case as a table.
pub(crate) fn case(result: &CaseResult) -> String {
    let unit = result.case.unit;
    let rate = if unit == "MiB" { "MiB/s".into() } else { format!("{unit}s/s") };
    let mut text = format!(
        "### {}: {}\n\n| | CPU µs per {unit} | share of HAProxy (min – max) | target | | {rate} | core busy | p50 µs | p99 µs | resident MiB |\n|---|---|---|---|---|---|---|---|---|---|\n",
        result.case.name, result.case.title
    );
    for row in &result.rows {
        let target = if row.contender == Contender::Haechi { result.case.target } else { None };
        let _infallible = writeln!(
            text,
            "| {} | {:.1} | {} | {} | {} | {:.0} | {:.0} % | {} | {} | {:.1} |",
            row.contender.title(),
            row.median(|sample| sample.cost),
            row.ratio.map_or("–".into(), spread),
            target.map_or("–".into(), |target| format!("≤ {target:.2}")),
            verdict(row.ratio, target),
            row.median(|sample| sample.rate),
            row.median(|sample| sample.busy) * 100.0,
            latency(row, |sample| sample.p50),
            latency(row, |sample| sample.p99),
            row.median(|sample| sample.resident),
        );
    }
    text
}

/// How a run was made.
#[derive(Debug)]
pub(crate) struct Conditions {
    /// As it was typed.
    pub(crate) command: String,
    /// On what.
    pub(crate) machine: Machine,
    /// Name and version of everyone measured.
    pub(crate) versions: Vec<String>,
    /// How often.
    pub(crate) rounds: u16,
    /// How long each time.
    pub(crate) seconds: u16,
    /// Whether the cores were kept out of deep sleep.
    pub(crate) awake: bool,
    /// Share of the machine that others took.
    pub(crate) others: f64,
}

impl Conditions {
    /// As a paragraph.
    pub(crate) fn text(&self) -> String {
        format!(
            "`{}`\n\n{}; {}; Linux {}; {}. {} rounds of {} s, forwards and backwards in turn, after a warm-up; one worker each on a core \
             of its own, generator and origin on another; medians. Deep sleep of the cores {}. Others used {:.0} % of the machine \
             meanwhile{}.\n",
            self.command,
            self.machine.date,
            self.machine.cpu,
            self.machine.kernel,
            self.versions.join(", "),
            self.rounds,
            self.seconds,
            if self.awake { "off" } else { "not controllable here" },
            self.others * 100.0,
            if self.others > DISTURBED { ": **do not trust the absolute figures**" } else { "" },
        )
    }
}

/// Puts `text` between the markers of `section`, and leaves the rest of the page as it is.
pub(crate) fn publish(page: &Path, section: &str, text: &str) -> Outcome<()> {
    let old = match fs::read_to_string(page) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => PAGE.to_owned(),
        other => other.while_doing(|| page.display().to_string())?,
    };
    fs::write(page, between(&old, section, text)?).while_doing(|| page.display().to_string())
}

/// One part in twenty: more moves a ratio by as much as the differences that are of interest.
const DISTURBED: f64 = 0.05;

/// A page that has nothing measured yet.
const PAGE: &str = include_str!("../page.md");

fn spread(ratio: Spread) -> String {
    format!("**{:.2}** ({:.2} – {:.2})", ratio.median, ratio.low, ratio.high)
}

/// By the median; a spread that crosses the target is said, not hidden.
fn verdict(ratio: Option<Spread>, target: Option<f64>) -> &'static str {
    match (ratio, target) {
        (Some(ratio), Some(target)) if ratio.high <= target => "met",
        (Some(ratio), Some(target)) if ratio.median <= target => "met, not in every round",
        (Some(_), Some(_)) => "**not met**",
        _ => "–",
    }
}

/// Bulk TCP has no answers whose time could be taken.
fn latency(row: &Row, figure: impl Fn(&crate::window::Sample) -> f64) -> String {
    match row.median(figure) {
        micros if micros > 0.0 => format!("{micros:.0}"),
        _ => "–".into(),
    }
}

fn between(page: &str, section: &str, text: &str) -> Outcome<String> {
    let (start, end) = (format!("<!-- bench:{section}:start -->"), format!("<!-- bench:{section}:end -->"));
    let missing = || Problem::new(format!("the page has no {start} … {end}"));
    let (before, rest) = page.split_once(&start).ok_or_else(missing)?;
    let (_, after) = rest.split_once(&end).ok_or_else(missing)?;
    Ok(format!("{before}{start}\n{}\n{end}{after}", text.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::Sample;

    const AT: fn(f64, f64, f64) -> Option<Spread> = |low, median, high| Some(Spread { median, low, high });

    #[test]
    fn verdicts_are_honest() {
        for (ratio, target, said) in [
            (AT(0.7, 0.75, 0.8), Some(0.8), "met"),
            (AT(0.7, 0.8, 0.81), Some(0.8), "met, not in every round"),
            (AT(0.7, 0.81, 0.9), Some(0.8), "**not met**"),
            (AT(0.7, 0.8, 0.9), None, "–"),
            (None, Some(0.8), "–"),
            (AT(f64::NAN, f64::NAN, f64::NAN), Some(0.8), "**not met**"),
        ] {
            assert_eq!(verdict(ratio, target), said, "{ratio:?} {target:?}");
        }
    }

    #[test]
    fn only_the_section_changes_and_twice_is_once() {
        let page = "a\n<!-- bench:x:start -->\nold\n<!-- bench:x:end -->\nb <!-- bench:y:start -->k<!-- bench:y:end -->";
        let once = between(page, "x", "new\n\n").unwrap();
        assert_eq!(
            once,
            "a\n<!-- bench:x:start -->\nnew\n<!-- bench:x:end -->\nb <!-- bench:y:start -->k<!-- bench:y:end -->"
        );
        assert_eq!(between(&once, "x", "new").unwrap(), once);
        assert!(between(page, "z", "new").is_err());
    }

    #[test]
    fn the_empty_page_has_every_section() {
        for section in ["proxy", "scale"] {
            assert!(between(PAGE, section, "t").unwrap().contains("-->\nt\n<!--"));
        }
    }

    #[test]
    fn a_row_has_a_cell_for_every_column() {
        let sample = Sample { cost: 17.0, rate: 50_000.0, busy: 0.9, p50: 900.0, p99: 1500.0, resident: 8.0 };
        let rows = [Contender::HaProxy, Contender::Haechi].map(|contender| Row {
            contender,
            samples: vec![sample],
            ratio: if contender == Contender::Haechi { AT(0.7, 0.75, 0.8) } else { None },
        });
        let text = case(&CaseResult { case: &crate::case::CASES[0], rows: rows.into() });
        let lines: Vec<_> = text.lines().filter(|line| line.starts_with('|')).collect();
        assert_eq!(lines.len(), 4);
        assert!(
            lines.iter().all(|line| line.matches('|').count() == lines[0].matches('|').count()),
            "{text}"
        );
        assert!(lines[3].contains("| ≤ 0.80 | met |"), "{text}");
    }

    #[test]
    fn a_disturbed_run_is_said() {
        let machine = || Machine { cpu: "c".into(), kernel: "k".into(), date: "d".into() };
        let text = |others| {
            Conditions {
                command: "x".into(),
                machine: machine(),
                versions: vec![],
                rounds: 1,
                seconds: 1,
                awake: true,
                others,
            }
            .text()
        };
        assert!(text(0.3).contains("30 % of the machine meanwhile: **do not trust"));
        assert!(text(0.01).contains("1 % of the machine meanwhile.\n"));
    }
}
