//! Many routes, many endpoints: what they cost to check, to start with, to change, and per request.
//!
//! Three configs: 10 routes on 3 endpoints, 10,000 routes on the same 3 endpoints (so that only the lookup
//! differs), and 10,000 routes on 100 pools of 100 endpoints. The endpoints are addresses of 127.0.0.0/8,
//! all answered by the one origin; there are no health checks, because 10,000 of them would be the load.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::case::{Case, Traffic};
use crate::contender::{Places, haechi};
use crate::ports::{Door, Doors, Origin, fill};
use crate::problem::{Outcome, Problem, While};
use crate::process::Running;
use crate::setup::{Cores, answers};
use crate::stats::Spread;
use crate::window::Generator;

/// Routes of the large configs.
const ROUTES: u32 = 10_000;
/// Routes of the small one.
const FEW_ROUTES: u32 = 10;
/// Pools of the largest config, and endpoints in each.
const POOLS: u32 = 100;
/// How often the times that are single events are taken.
const TIMES: usize = 5;
/// `design.md` §8: a lookup that does not depend on the number of routes within this factor.
const LOOKUP_TARGET: f64 = 2.0;
/// `design.md` §8: a change is in force within this.
const APPLY_TARGET_MS: f64 = 200.0;
/// Longest that any verb may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What came out, as Markdown.
pub(crate) async fn measure(places: &Places, cores: Cores, rounds: u16, seconds: u16) -> Outcome<String> {
    let shapes = [
        Shape::new("few", FEW_ROUTES, 1, 3, 3),
        Shape::new("routes", ROUTES, 1, 3, 4),
        Shape::new("full", ROUTES, POOLS, POOLS, 5),
    ];
    for shape in &shapes {
        fs::write(shape.file(places), shape.config(1)).while_doing(|| shape.name.to_owned())?;
    }
    let full = &shapes[2];
    let check = times(async || full.check(places, cores).await).await?;
    let start = times(async || full.first_answer(places, cores).await).await?;
    let apply = full.apply(places, cores).await?;
    let costs = costs(places, cores, &shapes, rounds, seconds).await?;
    report(check, start, apply, &costs)
}

/// A config of this size.
struct Shape {
    name: &'static str,
    routes: u32,
    pools: u32,
    endpoints: u32,
    doors: Doors,
}

impl Shape {
    fn new(name: &'static str, routes: u32, pools: u32, endpoints: u32, order: u16) -> Self {
        Self { name, routes, pools, endpoints, doors: Doors::new(order) }
    }

    fn file(&self, places: &Places) -> PathBuf {
        places.work.join(format!("scale-{}.yaml", self.name))
    }

    /// `change` is what a change changes: the weight of the first endpoint, and the name of the last host.
    fn config(&self, change: u32) -> String {
        let mut text = format!(
            "node: {{ name: scale-{} }}\nworkers: 1\nlisteners:\n  web:\n    bind: [\"127.0.0.1:{}\"]\n    protocol: http\n    routes:\n",
            self.name,
            self.doors.port(Door::Web)
        );
        let mut line = |arguments: std::fmt::Arguments<'_>| {
            let _infallible = text.write_fmt(format_args!("{arguments}\n"));
        };
        for route in 0..self.routes {
            let (host, path, pool) = (route / 100, route % 100, route % self.pools);
            line(format_args!("      - {{ host: h{host}.bench.test, path: /r/{path}, pool: p{pool} }}"));
        }
        line(format_args!("      - {{ host: {}, pool: p0 }}", last_host(change)));
        line(format_args!("pools:"));
        for pool in 0..self.pools {
            line(format_args!("  p{pool}:\n    algorithm: weightedRoundRobin\n    endpoints:"));
            for endpoint in 0..self.endpoints {
                let weight = if (pool, endpoint) == (0, 0) { change } else { 1 };
                let address = format_args!("127.1.{pool}.{}:{}", endpoint + 1, Origin::HTTP[0]);
                line(format_args!("      e{endpoint}: {{ address: \"{address}\", weight: {weight} }}"));
            }
        }
        text
    }

    async fn check(&self, places: &Places, cores: Cores) -> Outcome<f64> {
        let began = now();
        self.verb(places, cores, &["check", "-c"]).await?;
        Ok(millis(began))
    }

    async fn first_answer(&self, places: &Places, cores: Cores) -> Outcome<f64> {
        let began = now();
        let running = self.start(places, cores).await?;
        let took = millis(began);
        running.stop().await?;
        Ok(took)
    }

    async fn start(&self, places: &Places, cores: Cores) -> Outcome<Running> {
        let args = vec!["run".into(), "-c".into(), self.file(places).into()];
        let mut running = haechi(self.name, places, cores.proxy, args).start(&places.work)?;
        answers(&mut running, self.doors.port(Door::Web), "h0.bench.test", "/r/1").await?;
        Ok(running)
    }

    /// How long `haechi reload` takes, and how long until the first request is served by the new generation.
    async fn apply(&self, places: &Places, cores: Cores) -> Outcome<(Spread, Spread)> {
        let mut running = self.start(places, cores).await?;
        let (mut verbs, mut applied) = (Vec::new(), Vec::new());
        for change in (2..).take(TIMES) {
            fs::write(self.file(places), self.config(change)).while_doing(|| self.name.to_owned())?;
            let began = now();
            let reload = async {
                self.verb(places, cores, &["reload"]).await?;
                Outcome::Ok(millis(began))
            };
            let served = async {
                answers(&mut running, self.doors.port(Door::Web), &last_host(change), "/").await?;
                Outcome::Ok(millis(began))
            };
            let (verb, served) = tokio::join!(reload, served);
            verbs.push(verb?);
            applied.push(served?);
        }
        running.stop().await?;
        Ok((spread(&verbs)?, spread(&applied)?))
    }

    /// A verb that ends; it asks from the load's core, as an operator's shell would be on another one.
    async fn verb(&self, places: &Places, cores: Cores, verb: &[&str]) -> Outcome<String> {
        let mut args: Vec<std::ffi::OsString> = verb.iter().map(Into::into).collect();
        if verb.contains(&"-c") {
            args.push(self.file(places).into());
        }
        haechi(self.name, places, cores.load, args).output(PATIENCE).await
    }
}

/// CPU µs per request of each shape, in rounds as the other cases.
async fn costs(
    places: &Places,
    cores: Cores,
    shapes: &[Shape],
    rounds: u16,
    seconds: u16,
) -> Outcome<Vec<Vec<f64>>> {
    let mut running = Vec::new();
    for shape in shapes {
        running.push(shape.start(places, cores).await?);
    }
    let scripts: Vec<_> = shapes.iter().map(|shape| script(shape.routes)).collect();
    let mut costs = vec![Vec::new(); shapes.len()];
    // One round more: the first warms up, and opens connections to the endpoints.
    for round in 0..=rounds {
        for turn in 0..shapes.len() {
            let index = if round.is_multiple_of(2) { turn } else { shapes.len() - 1 - turn };
            let generator = Generator { places, core: cores.load, seconds, script: &scripts[index] };
            let sample = generator.window(&LOOKUP, shapes[index].doors, &mut running[index]).await;
            let sample = sample.while_doing(|| format!("scale, {}", shapes[index].name))?;
            if round > 0 {
                costs[index].push(sample.cost);
            }
        }
    }
    for process in running {
        process.stop().await?;
    }
    Ok(costs)
}

/// Requests for random routes; wrk's script overrides the path.
const LOOKUP: Case = Case {
    name: "lookup",
    title: "random routes",
    traffic: Traffic::Wrk("/", &[]),
    connections: 64,
    door: Door::Web,
    unit: "request",
    least: crate::content::SMALL as u64,
    target: None,
};

fn script(routes: u32) -> String {
    fill(include_str!("../configs/routes.lua"), &[("count".into(), routes.to_string())])
}

async fn times(mut measure: impl AsyncFnMut() -> Outcome<f64>) -> Outcome<Spread> {
    let mut figures = Vec::new();
    for _ in 0..TIMES {
        figures.push(measure().await?);
    }
    spread(&figures)
}

fn spread(figures: &[f64]) -> Outcome<Spread> {
    Spread::of(figures).ok_or_else(|| Problem::new("nothing was measured"))
}

fn report(
    check: Spread,
    start: Spread,
    (verb, applied): (Spread, Spread),
    costs: &[Vec<f64>],
) -> Outcome<String> {
    let [few, routes, full] = costs else { return Err(Problem::new("not three configs")) };
    let ratio = |costs: &[f64]| Spread::of_ratios(costs, few).ok_or_else(|| Problem::new("no rounds"));
    let (lookup, all) = (ratio(routes)?, ratio(full)?);
    let met = |yes: bool| if yes { "met" } else { "**not met**" };
    let ms = |spread: Spread| format!("{:.0} ms ({:.0} – {:.0})", spread.median, spread.low, spread.high);
    let share = |spread: Spread| format!("{:.2} ({:.2} – {:.2})", spread.median, spread.low, spread.high);
    Ok(format!(
        "| | median (min – max) | target | |\n|---|---|---|---|\n\
         | `haechi check` | {} | – | – |\n\
         | start to first 200 | {} | – | – |\n\
         | `haechi reload` after one weight and one route changed, until the verb ends | {} | – | – |\n\
         | the same, until the new route serves its first request | {} | ≤ {APPLY_TARGET_MS:.0} ms | {} |\n\
         | CPU per request, 10,000 routes by 10 routes, 3 endpoints | {} | ≤ {LOOKUP_TARGET:.1} | {} |\n\
         | CPU per request, 10,000 routes × 10,000 endpoints by 10 routes × 3 endpoints | {} | ≤ {LOOKUP_TARGET:.1} | {} |\n",
        ms(check),
        ms(start),
        ms(verb),
        ms(applied),
        met(applied.median <= APPLY_TARGET_MS),
        share(lookup),
        met(lookup.median <= LOOKUP_TARGET),
        share(all),
        met(all.median <= LOOKUP_TARGET),
    ))
}

/// A host that only one generation knows.
fn last_host(change: u32) -> String {
    format!("change-{change}.bench.test")
}

fn millis(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

#[expect(
    clippy::disallowed_methods,
    reason = "a benchmark measures real time, and shares no code with what it measures"
)]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_full_config_has_all_routes_and_distinct_addresses() {
        let text = Shape::new("full", ROUTES, POOLS, POOLS, 5).config(1);
        assert_eq!(text.matches("host:").count(), 10_001, "and the one that a change changes");
        let mut addresses: Vec<_> =
            text.split("address: ").skip(1).filter_map(|rest| rest.split('"').nth(1)).collect();
        assert!(
            addresses.iter().all(|address| address
                .parse::<std::net::SocketAddrV4>()
                .unwrap()
                .ip()
                .is_loopback())
        );
        addresses.sort_unstable();
        addresses.dedup();
        assert_eq!(addresses.len(), 10_000);
        assert!(text.contains("host: h99.bench.test, path: /r/99, pool: p99 "));
    }

    #[test]
    fn a_change_changes_one_route_and_one_weight() {
        let shape = Shape::new("few", 10, 2, 3, 3);
        let (old, new) = (shape.config(1), shape.config(7));
        assert_eq!(old.lines().zip(new.lines()).filter(|(old, new)| old != new).count(), 2);
    }

    #[test]
    fn the_script_asks_for_routes_that_are_there() {
        assert!(script(10).contains("for i = 0, 10 - 1 do"));
        assert!(!script(10).contains("{count}"));
    }

    #[test]
    fn a_slow_change_is_not_met() {
        let at = |median| Spread { median, low: median, high: median };
        let costs = [vec![10.0], vec![11.0], vec![21.0]];
        let text = report(at(1.0), at(2.0), (at(3.0), at(201.0)), &costs).unwrap();
        assert_eq!(text.matches("**not met**").count(), 2, "{text}");
        assert_eq!(text.matches("| met |").count(), 1, "{text}");
    }
}
