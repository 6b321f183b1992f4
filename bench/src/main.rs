//! What haechi costs beside HAProxy and nginx, measured in one run on one machine.
//!
//! The promises of the design stand or fall here, so the bench prefers no result to a doubtful one: it checks
//! the bytes that come through before it counts, stops at the first error, and writes the page only from a
//! full run of a release build.

mod case;
mod contender;
mod content;
mod count;
mod failover;
mod fetch;
mod h2load;
mod load;
mod machine;
mod origin;
mod ports;
mod problem;
mod process;
mod report;
mod rounds;
mod scale;
mod setup;
mod stats;
mod window;

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use case::CASES;
use contender::{Contender, Places};
use failover::{Blow, Times, Wanted};
use machine::{Machine, Ticks};
use problem::{Outcome, Problem};
use process::Running;
use report::Conditions;
use rounds::Extent;
use setup::Cores;

#[derive(Parser)]
#[command(name = "bench", about = "Measures haechi against HAProxy and nginx and writes docs/benchmarks.md")]
struct Arguments {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    options: Options,
}

#[derive(Subcommand)]
enum Verb {
    /// CPU per request of every contender (the default)
    Proxy,
    /// 10,000 routes and 10,000 endpoints, haechi alone
    Scale,
    /// How long clients wait when a node dies: haechi beside keepalived with HAProxy (root; docs/failover.md)
    Failover {
        /// How often everything on the active node is killed
        #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..=1000))]
        kills: u16,
        /// How often everything else happens to it
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
        others: u16,
        /// At most that often for keepalived at its default of 1 s, whose rounds are long
        #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1000))]
        slow: u16,
        /// How often a cable flaps ten times in a minute
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=100))]
        flaps: u16,
        /// Only this row, may be repeated: kill, unplug, freeze-2, part, handover …
        #[arg(long, value_name = "ROW")]
        only: Vec<Blow>,
        /// Not the peers
        #[arg(long)]
        alone: bool,
    },
    /// The server behind the contenders, until it is killed
    #[command(hide = true)]
    Origin,
    /// Load that wrk cannot make
    #[command(hide = true)]
    Load { kind: load::Load, port: u16, connections: u16, seconds: u16 },
}

#[derive(clap::Args)]
struct Options {
    /// Only this case, may be repeated: small, many, browser, body, tcp-small, tcp-bulk, connect
    #[arg(long = "case", value_name = "NAME", global = true)]
    cases: Vec<String>,
    /// Only this contender, may be repeated
    #[arg(long = "contender", value_enum, value_name = "NAME", global = true)]
    contenders: Vec<Contender>,
    /// How often everyone is measured [default: 7]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=100), global = true)]
    rounds: Option<u16>,
    /// How long each time [default: 2]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=60), global = true)]
    seconds: Option<u16>,
    /// 3 rounds of 1 s: whether it works, not what it costs; writes nothing
    #[arg(long, conflicts_with_all = ["rounds", "seconds"], global = true)]
    quick: bool,
    /// Print only, leave docs/benchmarks.md as it is
    #[arg(long, global = true)]
    no_write: bool,
    /// The binary to measure [default: the one beside this one]
    #[arg(long, value_name = "FILE", global = true)]
    haechi: Option<PathBuf>,
    /// Core of the contenders
    #[arg(long, default_value_t = 0, value_name = "CORE", global = true)]
    proxy_core: u16,
    /// Core of the generator and the origin
    #[arg(long, default_value_t = 1, value_name = "CORE", global = true)]
    load_core: u16,
}

/// Rounds and seconds when nothing else is asked for: the odd number has a middle, and a whole run stays
/// below ten minutes.
const ROUNDS: u16 = 7;
const SECONDS: u16 = 2;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    let outcome = match arguments.verb {
        Some(Verb::Origin) => origin::serve(),
        Some(Verb::Load { kind, port, connections, seconds }) => {
            let span = Duration::from_secs(seconds.into());
            load::run(kind, port, connections, span).map(|count| print(&count.to_string()))
        }
        Some(Verb::Failover { kills, others, slow, flaps, only, alone }) => {
            let times = Times { kills, others, slow, flaps, flap_span: Duration::from_secs(60) };
            runtime.block_on(failover(&arguments.options, times, &Wanted { only, alone }))
        }
        Some(Verb::Scale) => runtime.block_on(scale(&arguments.options)),
        Some(Verb::Proxy) | None => runtime.block_on(proxy(&arguments.options)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => failed(&problem),
    }
}

async fn proxy(options: &Options) -> Outcome<()> {
    let (places, cores) = ready(options)?;
    let extent = extent(options, cores, &places)?;
    let session = Session::begin(&places, cores).await?;
    let results = rounds::measure(&places, &extent, |result| print(&report::case(result))).await?;
    let text = session.end(&places, &extent.contenders, options).await?;
    print(&text);
    let cases: Vec<_> = results.iter().map(report::case).collect();
    let whole = extent.cases.len() == CASES.len() && extent.contenders.len() == Contender::ALL.len();
    write(options, whole, "benchmarks", "proxy", &format!("{text}\n{}", cases.join("\n")))
}

async fn scale(options: &Options) -> Outcome<()> {
    let (places, cores) = ready(options)?;
    if !places.haechi.exists() {
        return Err(no_haechi(&places));
    }
    let session = Session::begin(&places, cores).await?;
    let (rounds, seconds) = measure_for(options);
    let table = scale::measure(&places, cores, rounds, seconds).await?;
    let text = session.end(&places, &[Contender::Haechi], options).await?;
    let text = format!("{text}\n{table}");
    print(&text);
    write(options, true, "benchmarks", "scale", &text)
}

async fn failover(options: &Options, times: Times, wanted: &Wanted) -> Outcome<()> {
    setup::many_files()?;
    setup::peers()?;
    let places = setup::places(options.haechi.clone())?;
    if !places.haechi.exists() {
        return Err(no_haechi(&places));
    }
    let quick = Times { kills: 4, others: 2, slow: 1, flaps: 1, flap_span: Duration::from_secs(20) };
    let before = Ticks::now()?;
    let series = failover::measure(&places, if options.quick { quick } else { times }, wanted)?;
    let others = Ticks::now()?.others_since(before);
    let mut versions = Vec::new();
    for contender in [Contender::Haechi, Contender::HaProxy] {
        let version = contender.version(&places, options.load_core).await?;
        versions.push(format!("{} {version}", contender.title()));
    }
    versions.push(failover::keepalived_version()?);
    let text = failover::page(&failover::Run { command: command(), versions, others }, &series);
    print(&text);
    write(options, wanted.is_all(), "failover", "failover", &text)
}

/// From the start of the origin to its end: what has to hold while anything is measured.
struct Session {
    origin: Running,
    awake: Option<File>,
    before: Ticks,
    cores: Cores,
}

impl Session {
    async fn begin(places: &Places, cores: Cores) -> Outcome<Self> {
        let before = Ticks::now()?;
        Ok(Self { origin: setup::origin(places, cores.load).await?, awake: setup::awake(), before, cores })
    }

    /// How it was, in words.
    async fn end(self, places: &Places, contenders: &[Contender], options: &Options) -> Outcome<String> {
        self.origin.stop().await?;
        let others = Ticks::now()?.others_since(self.before);
        let mut versions = Vec::new();
        for contender in contenders {
            versions.push(format!(
                "{} {}",
                contender.title(),
                contender.version(places, self.cores.load).await?
            ));
        }
        let (rounds, seconds) = measure_for(options);
        let awake = self.awake.is_some();
        Ok(Conditions {
            command: command(),
            machine: Machine::here(),
            versions,
            rounds,
            seconds,
            awake,
            others,
        }
        .text())
    }
}

fn ready(options: &Options) -> Outcome<(Places, Cores)> {
    let cores = Cores { proxy: options.proxy_core, load: options.load_core };
    setup::check(cores)?;
    setup::free_ports()?;
    setup::many_files()?;
    setup::peers()?;
    Ok((setup::places(options.haechi.clone())?, cores))
}

fn extent(options: &Options, cores: Cores, places: &Places) -> Outcome<Extent> {
    let unknown = |name: &str| {
        let names: Vec<_> = CASES.iter().map(|case| case.name).collect();
        Problem::new(format!("there is no case {name}; there are {}", names.join(", ")))
    };
    let mut cases = Vec::new();
    for name in &options.cases {
        cases.push(case::named(name).ok_or_else(|| unknown(name))?);
    }
    if cases.is_empty() {
        cases = CASES.iter().collect();
    }
    let mut contenders = options.contenders.clone();
    contenders.sort_unstable();
    contenders.dedup();
    if contenders.contains(&Contender::Haechi) && !places.haechi.exists() {
        return Err(no_haechi(places));
    }
    if contenders.is_empty() {
        contenders = Contender::ALL.into();
        if !places.haechi.exists() {
            note(&format!("{}; measuring the peers alone", no_haechi(places)));
            contenders.retain(|contender| *contender != Contender::Haechi);
        }
    }
    let (rounds, seconds) = measure_for(options);
    Ok(Extent { cases, contenders, rounds, seconds, cores })
}

fn measure_for(options: &Options) -> (u16, u16) {
    if options.quick {
        (3, 1)
    } else {
        (options.rounds.unwrap_or(ROUNDS), options.seconds.unwrap_or(SECONDS))
    }
}

fn no_haechi(places: &Places) -> Problem {
    Problem::new(format!("{} is not there: cargo build --release -p haechi", places.haechi.display()))
}

/// Writes the page, unless the run was not one to publish; then says why.
fn write(options: &Options, whole: bool, page: &str, section: &str, text: &str) -> Outcome<()> {
    let why = if options.no_write {
        return Ok(());
    } else if cfg!(debug_assertions) {
        "this is no release build"
    } else if options.quick {
        "a quick run shows whether it works, not what it costs"
    } else if !whole {
        "not everything was measured"
    } else {
        report::publish(&setup::room().join("../docs").join(format!("{page}.md")), section, text)?;
        note(&format!("written to docs/{page}.md"));
        return Ok(());
    };
    note(&format!("docs/{page}.md stays as it is: {why}"));
    Ok(())
}

/// What to type in any checkout to do the same, wherever this one lies.
fn command() -> String {
    let built = "target/release/bench".to_owned();
    std::iter::once(built).chain(std::env::args().skip(1)).collect::<Vec<_>>().join(" ")
}

fn failed(problem: &Problem) -> ExitCode {
    note(&problem.to_string());
    ExitCode::FAILURE
}

/// A closed pipe is the reader's choice, here and below.
fn print(text: &str) {
    let _closed = writeln!(std::io::stdout(), "{text}");
}

fn note(text: &str) {
    let _closed = writeln!(std::io::stderr(), "bench: {text}");
}
