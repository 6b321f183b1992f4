//! The figures as Markdown: percentiles of what was seen, and a bar for each tenth of the rounds.

use std::fmt::Write as _;
use std::time::Duration;

use super::{Blow, Seen, Series};
use crate::machine::Machine;
use crate::stats::percentile;

/// How a run was made.
#[derive(Debug)]
pub(crate) struct Run {
    /// As it was typed.
    pub(crate) command: String,
    /// Name and version of everyone measured.
    pub(crate) versions: Vec<String>,
    /// Share of the machine that others took.
    pub(crate) others: f64,
}

/// All series as tables, one for each blow.
pub(crate) fn page(run: &Run, series: &[Series]) -> String {
    let machine = Machine::here();
    let mut text = format!(
        "`{}`\n\n{}; {}; Linux {}; {}. Others used {:.0} % of the machine meanwhile.\n\n",
        run.command,
        machine.date,
        machine.cpu,
        machine.kernel,
        run.versions.join(", "),
        run.others * 100.0
    );
    for blow in Blow::ALL {
        let of_blow: Vec<_> =
            series.iter().filter(|series| series.blow == blow && !series.seen.is_empty()).collect();
        if of_blow.is_empty() {
            continue;
        }
        let _infallible = writeln!(
            text,
            "### {}\n\n| | times | p50 ms | p90 ms | p99 ms | max ms | failed attempts, median | |\n|---|---|---|---|---|---|---|---|",
            blow.title()
        );
        of_blow.iter().for_each(|series| text.push_str(&row(series)));
        text.push('\n');
    }
    text
}

fn row(series: &Series) -> String {
    let mut gaps: Vec<u32> = series.seen.iter().map(|seen| millis(seen.gap)).collect();
    gaps.sort_unstable();
    let mut failed: Vec<u32> =
        series.seen.iter().map(|Seen { failed, .. }| u32::try_from(*failed).unwrap_or(u32::MAX)).collect();
    failed.sort_unstable();
    let at = |figures: &[u32], share| percentile(figures, share).map_or("–".into(), |it| it.to_string());
    format!(
        "| {} | {} | **{}** | {} | {} | {} | {} | `{}` |\n",
        series.make,
        gaps.len(),
        at(&gaps, 0.5),
        at(&gaps, 0.9),
        at(&gaps, 0.99),
        at(&gaps, 1.0),
        at(&failed, 0.5),
        histogram(&gaps),
    )
}

/// How many rounds fell into each tenth of the way from the shortest gap to the longest.
fn histogram(sorted: &[u32]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let (Some(low), Some(high)) = (sorted.first(), sorted.last()) else { return String::new() };
    let mut counts = [0_usize; 10];
    for gap in sorted {
        let place = u64::from(gap - low) * 10 / u64::from(high - low + 1);
        if let Some(count) = usize::try_from(place).ok().and_then(|place| counts.get_mut(place)) {
            *count += 1;
        }
    }
    let most = counts.iter().copied().max().unwrap_or(1).max(1);
    // An empty tenth has no bar, a single round the smallest one.
    let bars = counts.iter().map(|count| match count {
        0 => ' ',
        some => BARS[(some * 7).div_ceil(most)],
    });
    format!("{low} {} {high}", bars.collect::<String>())
}

fn millis(gap: Duration) -> u32 {
    u32::try_from(gap.as_millis()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_a_cell_for_every_column_and_the_figures_in_order() {
        let seen = |gap| Seen { gap: Duration::from_millis(gap), failed: 3 };
        let series = Series { blow: Blow::Kill, make: "x".into(), seen: (1..=100).rev().map(seen).collect() };
        let text = page(&Run { command: "c".into(), versions: Vec::new(), others: 0.0 }, &[series]);
        let lines: Vec<_> = text.lines().filter(|line| line.starts_with('|')).collect();
        assert!(lines.iter().all(|line| line.matches('|').count() == 9), "{text}");
        assert!(lines[2].contains("| x | 100 | **50** | 90 | 99 | 100 | 3 |"), "{text}");
    }

    #[test]
    fn bars_show_where_the_rounds_are() {
        assert_eq!(histogram(&[]), "");
        assert_eq!(histogram(&[5]), "5 █          5");
        assert_eq!(histogram(&[0, 1, 2, 3, 99]), "0 █        ▃ 99");
    }
}
