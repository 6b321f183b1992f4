//! On what a run was made, and whether it had the machine for itself: a figure without that says nothing.

use std::fs;

use crate::problem::{Outcome, Problem, While};

/// What a reader needs to judge the figures.
#[derive(Debug)]
pub(crate) struct Machine {
    /// Model and number of cores.
    pub(crate) cpu: String,
    /// Kernel release.
    pub(crate) kernel: String,
    /// Of the run, UTC.
    pub(crate) date: String,
}

impl Machine {
    pub(crate) fn here() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let cores = std::thread::available_parallelism().map_or(0, std::num::NonZeroUsize::get);
        Self {
            cpu: format!("{}, {cores} cores", model(&cpuinfo).unwrap_or("unknown CPU")),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
            date: jiff::Timestamp::now().strftime("%Y-%m-%d").to_string(),
        }
    }
}

/// Ticks of all cores, and how many of them went where, since the machine started.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ticks {
    all: u64,
    busy: u64,
    own: u64,
}

impl Ticks {
    /// Now. `own` counts this process and those of its children that have ended: ask when all have.
    pub(crate) fn now() -> Outcome<Self> {
        let read = |path: &str| fs::read_to_string(path).while_doing(|| path.to_owned());
        let strange = || Problem::new("/proc/stat or /proc/self/stat does not look as proc(5) says");
        let (all, busy) = machine_ticks(&read("/proc/stat")?).ok_or_else(strange)?;
        let own = own_ticks(&read("/proc/self/stat")?).ok_or_else(strange)?;
        Ok(Self { all, busy, own })
    }

    /// Share of the machine that others took since `before`, hypervisor included. It is what spoils a run:
    /// a build that starts in the middle moves every absolute figure.
    pub(crate) fn others_since(self, before: Self) -> f64 {
        let busy = self.busy.saturating_sub(before.busy);
        let own = self.own.saturating_sub(before.own);
        busy.saturating_sub(own) as f64 / self.all.saturating_sub(before.all).max(1) as f64
    }
}

/// All ticks, and those that were neither idle nor waiting for a disk.
fn machine_ticks(stat: &str) -> Option<(u64, u64)> {
    let words = stat.lines().next()?.strip_prefix("cpu ")?.split_whitespace();
    // user nice system idle iowait irq softirq steal; guest time is in user already.
    let ticks: Vec<u64> = words.take(8).map_while(|word| word.parse().ok()).collect();
    let [.., idle, waiting, _irq, _softirq, _steal] = ticks[..] else { return None };
    let all = ticks.iter().sum::<u64>();
    Some((all, all - idle - waiting))
}

/// utime, stime, cutime and cstime: fields 14 to 17, counted after the name, which may hold spaces.
fn own_ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks: Vec<u64> =
        fields.split_whitespace().skip(11).take(4).map_while(|word| word.parse().ok()).collect();
    (ticks.len() == 4).then(|| ticks.iter().sum())
}

fn model(cpuinfo: &str) -> Option<&str> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    line.split_once(':').map(|(_, name)| name.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_read_from_its_line() {
        assert_eq!(
            model("processor\t: 0\nmodel name\t: AMD EPYC 9B14\nflags\t: fpu\n"),
            Some("AMD EPYC 9B14")
        );
        assert_eq!(model(""), None);
    }

    #[test]
    fn the_date_is_one() {
        let machine = Machine::here();
        assert_eq!(machine.date.len(), 10);
        assert!(machine.date.starts_with("20"));
    }

    #[test]
    fn ticks_are_read_as_proc_says() {
        assert_eq!(machine_ticks("cpu  10 1 20 100 5 2 3 4 9 9\ncpu0 1"), Some((145, 40)));
        assert_eq!(machine_ticks("cpu0 1 2 3 4 5 6 7 8"), None);
        assert_eq!(machine_ticks("cpu  1 2 x"), None);
        let stat = "7 (a b) c) S 1 2 3 4 5 6 7 8 9 10 100 20 3 4 20 0";
        assert_eq!(own_ticks(stat), Some(127));
        assert_eq!(own_ticks("7 (a) S 1"), None);
    }

    #[test]
    fn what_is_not_ours_is_the_others() {
        let before = Ticks { all: 1000, busy: 100, own: 50 };
        let after = Ticks { all: 2000, busy: 800, own: 650 };
        assert!((after.others_since(before) - 0.1).abs() < 1e-9);
        assert!(before.others_since(before).abs() < 1e-9);
        assert!(Ticks::now().unwrap().all > 0);
    }
}
