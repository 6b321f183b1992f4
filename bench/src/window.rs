//! One contender under one kind of load for one window of time.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::case::{Case, Traffic};
use crate::contender::Places;
use crate::count::Count;
use crate::h2load;
use crate::load::Load;
use crate::ports::{Door, Doors};
use crate::problem::{Outcome, While};
use crate::process::{Program, Running};

/// What one window gave.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Sample {
    /// CPU µs per unit.
    pub(crate) cost: f64,
    /// Units per second.
    pub(crate) rate: f64,
    /// Share of its core that the contender used; far below 1 means that the generator was the limit.
    pub(crate) busy: f64,
    /// Half of the answers took at most this, µs.
    pub(crate) p50: f64,
    /// 99 % of the answers took at most this, µs.
    pub(crate) p99: f64,
    /// Resident memory at the end, MiB.
    pub(crate) resident: f64,
}

/// How to load, besides what the case says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Generator<'a> {
    /// Where scripts go.
    pub(crate) places: &'a Places,
    /// Its core.
    pub(crate) core: u16,
    /// Length of a window; wrk knows whole seconds only.
    pub(crate) seconds: u16,
    /// What wrk does besides counting.
    pub(crate) script: &'a str,
}

const fn scheme(door: Door) -> &'static str {
    if matches!(door, Door::Secure) { "https" } else { "http" }
}

impl Generator<'_> {
    /// Loads a contender and reads what that cost it.
    pub(crate) async fn window(&self, case: &Case, doors: Doors, contender: &mut Running) -> Outcome<Sample> {
        let before = contender.cpu_nanos()?;
        let count = self.load(case, doors).await?;
        let nanos = contender.cpu_nanos()?.saturating_sub(before);
        contender.still_runs()?;
        let micros = nanos as f64 / 1e3;
        Ok(Sample {
            cost: micros / count.units as f64,
            rate: count.rate(),
            busy: micros / count.micros.max(1) as f64,
            p50: count.p50_micros as f64,
            p99: count.p99_micros as f64,
            resident: contender.resident_kib()? as f64 / 1024.0,
        })
    }

    async fn load(&self, case: &Case, doors: Doors) -> Outcome<Count> {
        let port = doors.port(case.door);
        let url = |path| format!("{}://127.0.0.1:{port}{path}", scheme(case.door));
        let log = self.places.work.join("h2load.log");
        let program = match case.traffic {
            Traffic::Wrk(path, fields) => self.wrk(case, &url(path), fields)?,
            Traffic::H2load(path, streams) => self.h2load(&url(path), case.connections, streams, &log),
            Traffic::Own(load) => self.own(case, port, load)?,
        };
        // Twice its length and a little: a generator that hangs ends the run.
        let patience = Duration::from_secs(u64::from(self.seconds) * 2 + 10);
        let printed = program.output(patience).await?;
        let count = match case.traffic {
            Traffic::H2load(..) => h2load::count(&printed, &log, self.seconds),
            Traffic::Wrk(..) | Traffic::Own(_) => Count::find(&printed),
        };
        count?.checked(case.least)
    }

    fn wrk(&self, case: &Case, url: &str, fields: &[&str]) -> Outcome<Program> {
        let script = self.places.work.join("wrk.lua");
        fs::write(&script, format!("{}{}", include_str!("../configs/wrk.lua"), self.script))
            .while_doing(|| script.display().to_string())?;
        let mut args: Vec<OsString> = ["-t1", "--timeout", "5s", "-s"].map(OsString::from).into();
        args.extend([
            script.into(),
            format!("-c{}", case.connections).into(),
            format!("-d{}s", self.seconds).into(),
        ]);
        args.extend(fields.iter().flat_map(|field| ["-H".into(), field.into()]));
        args.push(url.into());
        Ok(Program { name: "wrk".into(), core: self.core, path: "wrk".into(), args, env: Vec::new() })
    }

    fn h2load(&self, url: &str, connections: u16, streams: u16, log: &Path) -> Program {
        let args = h2load::arguments(url, connections, streams, self.seconds, log);
        Program { name: "h2load".into(), core: self.core, path: "h2load".into(), args, env: Vec::new() }
    }

    fn own(&self, case: &Case, port: u16, load: Load) -> Outcome<Program> {
        let kind = match load {
            Load::PingPong => "ping-pong",
            Load::Drain => "drain",
        };
        let numbers = [port, case.connections, self.seconds].map(|number| OsString::from(number.to_string()));
        let args = [vec!["load".into(), kind.into()], numbers.into()].concat();
        let path = std::env::current_exe()?;
        Ok(Program { name: "load".into(), core: self.core, path, args, env: Vec::new() })
    }
}
