//! All cases, all contenders, in rounds: forwards, then backwards, so that a machine that slows down during
//! a run slows down everyone alike.

use crate::case::Case;
use crate::contender::{Contender, Places};
use crate::fetch::verify;
use crate::ports::Door;
use crate::problem::{Outcome, While};
use crate::process::Running;
use crate::setup::{Cores, answers};
use crate::stats::Spread;
use crate::window::{Generator, Sample};

/// How much to measure.
#[derive(Clone, Debug)]
pub(crate) struct Extent {
    /// Which cases.
    pub(crate) cases: Vec<&'static Case>,
    /// Who.
    pub(crate) contenders: Vec<Contender>,
    /// How often.
    pub(crate) rounds: u16,
    /// How long each time.
    pub(crate) seconds: u16,
    /// On which cores.
    pub(crate) cores: Cores,
}

/// What a case gave.
pub(crate) struct Result {
    /// Which.
    pub(crate) case: &'static Case,
    /// One row per contender.
    pub(crate) rows: Vec<Row>,
}

/// What a contender gave in a case.
pub(crate) struct Row {
    /// Who.
    pub(crate) contender: Contender,
    /// In the order of the rounds.
    pub(crate) samples: Vec<Sample>,
    /// Cost by HAProxy's of the same round; `None` for HAProxy, and in runs without it.
    pub(crate) ratio: Option<Spread>,
}

impl Row {
    /// The middle of one figure over the rounds.
    pub(crate) fn median(&self, figure: impl Fn(&Sample) -> f64) -> f64 {
        Spread::of(&self.samples.iter().map(figure).collect::<Vec<_>>())
            .map_or(f64::NAN, |spread| spread.median)
    }
}

/// Starts everyone, checks what comes through, measures. `tell` gets each case as soon as it is done.
pub(crate) async fn measure(
    places: &Places,
    extent: &Extent,
    mut tell: impl FnMut(&Result),
) -> Outcome<Vec<Result>> {
    let mut running = Vec::new();
    for contender in &extent.contenders {
        let mut process = contender.program(places, extent.cores.proxy)?.start(&places.work)?;
        answers(&mut process, contender.doors().port(Door::Web), "bench.test", "/").await?;
        verify(contender.doors(), &places.authority)
            .while_doing(|| format!("{} serves something else than the origin", contender.title()))?;
        running.push((*contender, process));
    }
    let mut results = Vec::new();
    for case in &extent.cases {
        let result =
            rounds(places, extent, case, &mut running).await.while_doing(|| format!("case {}", case.name))?;
        tell(&result);
        results.push(result);
    }
    for (_, process) in running {
        process.stop().await?;
    }
    Ok(results)
}

async fn rounds(
    places: &Places,
    extent: &Extent,
    case: &'static Case,
    running: &mut [(Contender, Running)],
) -> Outcome<Result> {
    let window = |seconds| Generator { places, core: extent.cores.load, seconds, script: "" };
    for (contender, process) in running.iter_mut() {
        let _warm = window(1)
            .window(case, contender.doors(), process)
            .await
            .while_doing(|| contender.title().into())?;
    }
    let mut samples = vec![Vec::new(); running.len()];
    for round in 0..extent.rounds {
        for index in order(running.len(), round) {
            let (contender, process) = &mut running[index];
            let sample = window(extent.seconds).window(case, contender.doors(), process).await;
            samples[index].push(sample.while_doing(|| contender.title().into())?);
        }
    }
    let contenders = running.iter().map(|(contender, _)| *contender);
    Ok(Result { case, rows: rows(contenders.zip(samples).collect()) })
}

/// Indices of `count` contenders in an even or odd round.
fn order(count: usize, round: u16) -> Vec<usize> {
    if round.is_multiple_of(2) { (0..count).collect() } else { (0..count).rev().collect() }
}

fn rows(measured: Vec<(Contender, Vec<Sample>)>) -> Vec<Row> {
    let costs = |samples: &[Sample]| samples.iter().map(|sample| sample.cost).collect::<Vec<_>>();
    let base = measured.iter().find(|(who, _)| *who == Contender::HaProxy).map(|(_, samples)| costs(samples));
    let ratio = |who, samples: &[Sample]| match &base {
        Some(base) if who != Contender::HaProxy => Spread::of_ratios(&costs(samples), base),
        _ => None,
    };
    measured
        .into_iter()
        .map(|(contender, samples)| Row { contender, ratio: ratio(contender, &samples), samples })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(cost: f64) -> Sample {
        Sample { cost, rate: 1.0, busy: 1.0, p50: 1.0, p99: 1.0, resident: 1.0 }
    }

    #[test]
    fn everyone_is_first_and_last_in_turn() {
        assert_eq!(order(3, 0), [0, 1, 2]);
        assert_eq!(order(3, 1), [2, 1, 0]);
        assert_eq!(order(0, 1), [] as [usize; 0]);
    }

    #[test]
    fn ratios_are_to_haproxy_wherever_it_stands() {
        let rows = rows(vec![
            (Contender::Haechi, vec![sample(7.0), sample(8.0), sample(9.0)]),
            (Contender::HaProxy, vec![sample(10.0), sample(10.0), sample(10.0)]),
        ]);
        assert_eq!(rows[0].ratio, Some(Spread { median: 0.8, low: 0.7, high: 0.9 }));
        assert_eq!(rows[1].ratio, None);
        assert!((rows[0].median(|sample| sample.cost) - 8.0).abs() < 1e-9);
    }

    #[test]
    fn without_haproxy_there_is_no_ratio() {
        assert_eq!(rows(vec![(Contender::Nginx, vec![sample(1.0)])])[0].ratio, None);
    }
}
