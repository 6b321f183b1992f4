//! How long a client is without answers when the node that has the address dies, in numbers.
//!
//! haechi and keepalived + HAProxy do the same on the same switch of network namespaces, in the same run. Nobody
//! preempts, so both nodes of a pair are struck in turn. A round that does not end well is told, not hidden.

mod blow;
mod client;
mod flows;
mod pair;
mod round;
mod table;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use haechi_tests::{Network, can_make_namespaces, now};

use crate::contender::Places;
use crate::problem::{Outcome, Problem, While};

pub(crate) use blow::{Blow, Times};
use pair::{Make, ONE, TWO};
use round::Rig;
pub(crate) use table::{Run, page};

/// The address that moves.
const VIRTUAL: &str = "10.99.0.100";

/// The one endpoint behind both makes.
const ENDPOINT: &str = "10.99.0.4:8080";

/// What it answers.
const BODY: &str = "ok";

/// Courses that run at the same time. They wait most of the time; more of them would wait for the machine.
const BESIDE: usize = 5;

/// A row ends with so many rounds that end badly: what more of them cost, they don't tell.
const MOST_LOST: usize = 3;

/// What one client saw of one blow.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Seen {
    /// The longest time without an answer.
    pub(crate) gap: Duration,
    /// Attempts without an answer.
    pub(crate) failed: usize,
    /// Those of them that were reset.
    pub(crate) reset: usize,
    /// For how long two nodes answered for the address after they could hear each other again.
    pub(crate) rivals: Option<Duration>,
    /// How many of the flows that were open broke, of how many.
    pub(crate) broken: Option<(usize, usize)>,
}

/// All that was seen of one make and one blow.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) blow: Blow,
    pub(crate) make: Make,
    pub(crate) seen: Vec<Seen>,
    /// Rounds that did not end well, and why.
    pub(crate) lost: Vec<String>,
}

/// Which rows are measured.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// These; none: all.
    pub(crate) only: Vec<Blow>,
    /// Of haechi, and not of the peers.
    pub(crate) alone: bool,
}

impl Wanted {
    /// Whether nothing is left out.
    pub(crate) fn is_all(&self) -> bool {
        self.only.is_empty() && !self.alone
    }

    fn has(&self, blow: Blow, make: Make) -> bool {
        let (row, peer) =
            (self.only.is_empty() || self.only.contains(&blow), matches!(make, Make::Keepalived(_)));
        row && !(self.alone && peer) && blow.why_not(make).is_none()
    }
}

/// What one make goes through in one network.
struct Course {
    make: Make,
    blows: Vec<Blow>,
}

/// Deals blows to every make: courses beside each other, each on a switch of its own.
pub(crate) fn measure(places: &Places, times: Times, wanted: &Wanted) -> Outcome<Vec<Series>> {
    if !can_make_namespaces() {
        return Err(Problem::new("network namespaces take root: sudo target/release/bench failover"));
    }
    let mut all = beside_each_other(courses(wanted), BESIDE, places, times)?;
    // What is told in milliseconds has the machine to itself: others start and stop whole hosts.
    all.extend(beside_each_other(fastest(wanted), 1, places, times)?);
    let makes = [Make::ALL.as_slice(), &[Make::FASTEST]].concat();
    let place = |series: &Series| {
        let blow = Blow::ALL.iter().position(|blow| *blow == series.blow);
        (blow, makes.iter().position(|make| *make == series.make))
    };
    all.sort_by_key(place);
    Ok(all)
}

/// Runs so many courses at a time.
fn beside_each_other(
    courses: Vec<Course>,
    beside: usize,
    places: &Places,
    times: Times,
) -> Outcome<Vec<Series>> {
    let waiting = Mutex::new(courses);
    let (found, stopped) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    let next = || waiting.lock().map_or(None, |mut waiting| waiting.pop());
    let work = || {
        while !stopped.load(Ordering::Relaxed)
            && let Some(course) = next()
        {
            let outcome = run(&course, places, times);
            stopped.fetch_or(outcome.is_err(), Ordering::Relaxed);
            if let Ok(mut found) = found.lock() {
                found.push(outcome);
            }
        }
    };
    let ended = thread::scope(|scope| {
        let threads: Vec<_> = (0..beside).map(|_| scope.spawn(work)).collect();
        threads.into_iter().all(|thread| thread.join().is_ok())
    });
    let found = found.into_inner().ok().filter(|_| ended);
    let found = found.ok_or_else(|| Problem::new("the rig failed, see above"))?;
    let mut all = Vec::new();
    for series in found {
        all.extend(series?);
    }
    Ok(all)
}

/// All courses, those that take longest last, which are taken first.
fn courses(wanted: &Wanted) -> Vec<Course> {
    let mut all = Vec::new();
    for make in Make::ALL {
        let blows =
            |course: &&[Blow]| course.iter().copied().filter(|blow| wanted.has(*blow, make)).collect();
        all.extend(Blow::COURSES.iter().map(|course| Course { make, blows: blows(course) }));
    }
    all.retain(|course| !course.blows.is_empty());
    all.sort_by_key(|course| course.make != Make::SLOW);
    all
}

/// The shortest interval, for kills.
fn fastest(wanted: &Wanted) -> Vec<Course> {
    let make = Make::FASTEST;
    let kill = wanted.has(Blow::Kill, make).then(|| Course { make, blows: vec![Blow::Kill] });
    kill.into_iter().collect()
}

fn run(course: &Course, places: &Places, times: Times) -> Outcome<Vec<Series>> {
    let make = course.make;
    let network = Network::new(&[
        ("client", &["10.99.0.3/24"]),
        (ONE.0, &[&format!("{}/24", ONE.1)]),
        (TWO.0, &[&format!("{}/24", TWO.1)]),
        ("endpoint", &["10.99.0.4/24"]),
        ("observer", &["10.99.0.5/24"]),
    ]);
    let mut rig = Rig::new(&network, make, places)?;
    let mut all = Vec::new();
    for &blow in &course.blows {
        let since = now();
        let mut series = Series { blow, make, seen: Vec::new(), lost: Vec::new() };
        for number in 0..times.of(blow, make) {
            match rig.round(blow, number, times.flap_span) {
                Ok(seen) => series.seen.push(seen),
                Err(problem) => {
                    let problem = format!("{}: {blow}, round {number}: {problem}", make.title());
                    crate::note(&problem);
                    series.lost.push(problem);
                    rig.renew()?;
                    if series.lost.len() == MOST_LOST {
                        break;
                    }
                }
            }
        }
        crate::note(&format!("{} ({:.0} s)", series.line(), since.elapsed().as_secs_f64()));
        all.push(series);
    }
    Ok(all)
}

/// As it says itself, of the system's: Debian has no newer one.
pub(crate) fn keepalived_version() -> Outcome<String> {
    let output = std::process::Command::new("keepalived").arg("--version").output();
    let said = output.while_doing(|| "keepalived (Debian: keepalived)".into())?;
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    let version = said.split_whitespace().nth(1).unwrap_or("of unknown version");
    Ok(format!("keepalived {}", version.trim_start_matches('v')))
}
