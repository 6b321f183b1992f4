//! The figures as Markdown: percentiles of what was seen, and a bar for each tenth of the rounds.

use std::fmt::Write as _;
use std::time::Duration;

use super::pair::Make;
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

/// Upper edges of the buckets, in milliseconds. The design wants 450 for default advertisements and 60 for the
/// fastest; three intervals and a skew are 361.
const EDGES: [u32; 14] = [20, 40, 60, 100, 200, 300, 330, 361, 450, 1000, 2000, 3000, 4000, u32::MAX];

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
            series.iter().filter(|series| series.blow == blow && series.was_tried()).collect();
        if !of_blow.is_empty() {
            text.push_str(&section(blow, &of_blow));
        }
    }
    text
}

fn section(blow: Blow, series: &[&Series]) -> String {
    let (mut head, mut line) = (String::new(), String::new());
    if blow.makes_rivals() {
        head.push_str(" both answer after contact, max ms |");
    }
    if blow.is_planned() {
        head.push_str(" open flows that broke |");
    }
    (0..head.matches('|').count()).for_each(|_| line.push_str("---|"));
    let mut text = format!(
        "### {}\n\n| | times | p50 ms | p90 ms | p99 ms | max ms | failed, median | resets |{head} |\n\
         |---|---|---|---|---|---|---|---|{line}---|\n",
        blow.title()
    );
    series.iter().for_each(|series| text.push_str(&row(series)));
    let absent = Make::ALL.into_iter().filter_map(|make| Some((make, blow.why_not(make)?)));
    let mut notes = Vec::new();
    for (make, why) in absent {
        let _infallible =
            writeln!(text, "| {} |{}", make.title(), " – |".repeat(8 + head.matches('|').count()));
        notes.push(why);
    }
    notes.dedup();
    notes.iter().for_each(|why| text.push_str(&format!("\n–: {why}.\n")));
    let lost = series.iter().flat_map(|series| &series.lost);
    lost.for_each(|lost| text.push_str(&format!("\nDid not end: {lost}.\n")));
    text.push_str(&buckets(series));
    text
}

/// How many rounds ended within each edge, for all makes side by side.
fn buckets(series: &[&Series]) -> String {
    let edge = |edge: u32| if edge == u32::MAX { "more".into() } else { format!("≤{edge}") };
    let used = |number: usize| series.iter().any(|series| counts(series)[number] > 0);
    let columns: Vec<usize> = (0..EDGES.len()).filter(|number| used(*number)).collect();
    let width = series.iter().map(|series| series.make.title().chars().count()).max().unwrap_or(0);
    let mut text = format!("\n```text\n{:width$}", "ms");
    columns.iter().for_each(|number| text.push_str(&format!(" {:>6}", edge(EDGES[*number]))));
    for series in series {
        let counts = counts(series);
        text.push_str(&format!("\n{:width$}", series.make.title()));
        columns.iter().for_each(|number| text.push_str(&format!(" {:>6}", counts[*number])));
    }
    text.push_str("\n```\n\n");
    text
}

fn counts(series: &Series) -> [usize; EDGES.len()] {
    let mut counts = [0; EDGES.len()];
    for gap in series.seen.iter().map(|seen| millis(seen.gap)) {
        let place = EDGES.iter().position(|edge| gap <= *edge);
        if let Some(count) = place.and_then(|place| counts.get_mut(place)) {
            *count += 1;
        }
    }
    counts
}

impl Series {
    fn sorted(&self, figure: impl Fn(&Seen) -> u32) -> Vec<u32> {
        let mut figures: Vec<u32> = self.seen.iter().map(figure).collect();
        figures.sort_unstable();
        figures
    }

    fn was_tried(&self) -> bool {
        !self.seen.is_empty() || !self.lost.is_empty()
    }

    /// For whoever waits for the whole run.
    pub(super) fn line(&self) -> String {
        let gaps = self.sorted(|seen| millis(seen.gap));
        let at = |share| percentile(&gaps, share).unwrap_or_default();
        let (blow, make) = (self.blow, self.make.title());
        format!("{blow} × {}, {make}: p50 {} ms, max {} ms", gaps.len(), at(0.5), at(1.0))
    }
}

fn row(series: &Series) -> String {
    let gaps = series.sorted(|seen| millis(seen.gap));
    let failed = series.sorted(|seen| u32::try_from(seen.failed).unwrap_or(u32::MAX));
    let resets: usize = series.seen.iter().map(|seen| seen.reset).sum();
    let at = |figures: &[u32], share| percentile(figures, share).map_or("–".into(), |it| it.to_string());
    let mut more = String::new();
    if series.blow.makes_rivals() {
        let longest = series.seen.iter().filter_map(|seen| seen.rivals).max();
        more.push_str(&format!(" {} |", longest.map_or("–".into(), |longest| millis(longest).to_string())));
    }
    if series.blow.is_planned() {
        let flows = series.seen.iter().filter_map(|seen| seen.broken);
        let (broken, all) = flows.fold((0, 0), |sum, next| (sum.0 + next.0, sum.1 + next.1));
        more.push_str(&format!(" {broken} of {all} |"));
    }
    format!(
        "| {} | {} | **{}** | {} | {} | {} | {} | {resets} |{more} `{}` |\n",
        series.make.title(),
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

    fn series(blow: Blow, gaps: impl Iterator<Item = u64>) -> Series {
        let seen = |gap| Seen {
            gap: Duration::from_millis(gap),
            failed: 3,
            rivals: blow.makes_rivals().then_some(Duration::from_millis(7)),
            broken: blow.is_planned().then_some((1, 15)),
            ..Seen::default()
        };
        Series { blow, make: Make::ALL[0], seen: gaps.map(seen).collect(), lost: Vec::new() }
    }

    #[test]
    fn a_row_has_a_cell_for_every_column_and_the_figures_in_order() {
        for (blow, cells) in [(Blow::Kill, 10), (Blow::Part, 11), (Blow::HandOver, 11)] {
            let text = page(
                &Run { command: "c".into(), versions: Vec::new(), others: 0.0 },
                &[series(blow, (1..=100).rev())],
            );
            let lines: Vec<_> = text.lines().filter(|line| line.starts_with('|')).collect();
            assert!(lines.iter().all(|line| line.matches('|').count() == cells), "{text}");
            assert!(lines[2].contains("| 100 | **50** | 90 | 99 | 100 | 3 | 0 |"), "{text}");
        }
    }

    #[test]
    fn flows_and_rivals_are_told_where_there_are_any_and_who_is_absent() {
        let text = section(Blow::HandOver, &[&series(Blow::HandOver, 1..=2)]);
        assert!(text.contains("| 2 of 30 |") && text.contains("–: keepalived has no such verb"), "{text}");
        assert_eq!(text.matches("| keepalived").count(), 2, "{text}");
        let text = section(Blow::Part, &[&series(Blow::Part, 1..=2)]);
        assert!(text.contains("| 7 |") && !text.contains('–'), "{text}");
    }

    #[test]
    fn a_row_without_a_round_that_ended_says_so() {
        let mut series = series(Blow::Part, 0..0);
        series.lost.push("it refuses".into());
        let run = Run { command: "c".into(), versions: Vec::new(), others: 0.0 };
        let text = page(&run, &[series]);
        assert!(text.contains("Did not end: it refuses.") && text.contains("| 0 | **–** |"), "{text}");
        let lines = text.lines().filter(|line| line.starts_with('|'));
        assert!(
            lines.clone().count() == 3 && lines.clone().all(|line| line.matches('|').count() == 11),
            "{text}"
        );
    }

    #[test]
    fn buckets_hold_every_round_and_empty_ones_are_left_out() {
        let text = buckets(&[&series(Blow::Kill, [1, 20, 21, 361, 5000].into_iter())]);
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[2].ends_with("≤20    ≤40   ≤361   more"), "{text}");
        assert!(lines[3].ends_with("  2      1      1      1"), "{text}");
    }

    #[test]
    fn bars_show_where_the_rounds_are() {
        assert_eq!(histogram(&[]), "");
        assert_eq!(histogram(&[5]), "5 █          5");
        assert_eq!(histogram(&[0, 1, 2, 3, 99]), "0 █        ▃ 99");
    }
}
