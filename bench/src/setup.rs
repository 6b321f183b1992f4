//! Gets the machine ready: peers, a work directory, file limits, awake cores, the origin.

use std::fs::{self, File};
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use haechi_tests::Authority;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::time::sleep;

use crate::contender::Places;
use crate::fetch::get;
use crate::ports::{Doors, Origin};
use crate::problem::{Outcome, Problem, While};
use crate::process::{Program, Running};

/// Which core does what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cores {
    /// The contender that is measured.
    pub(crate) proxy: u16,
    /// Generator and origin.
    pub(crate) load: u16,
}

/// The bench room in the checkout.
pub(crate) fn room() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// An empty work directory beside this binary. It is kept after the run: its logs tell what went wrong.
pub(crate) fn places(haechi: Option<PathBuf>) -> Outcome<Places> {
    let own = std::env::current_exe()?;
    let beside = own.parent().ok_or_else(|| Problem::new("this binary has no directory"))?;
    let work = beside.join("bench-run");
    match fs::remove_dir_all(&work) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
    .while_doing(|| work.display().to_string())?;
    fs::create_dir_all(&work).while_doing(|| work.display().to_string())?;
    let (peers, haechi) = (room().join(".peers"), haechi.unwrap_or_else(|| beside.join("haechi")));
    let authority = Arc::new(Authority::new("bench"));
    let certificate = authority.leaf(&["bench.test"]);
    Ok(Places { peers, haechi, work, authority, certificate })
}

/// Fetches wrk and the peers if they are not there.
pub(crate) fn peers() -> Outcome<()> {
    let script = room().join("peers.sh");
    let status = Command::new(&script).status().while_doing(|| script.display().to_string())?;
    if status.success() { Ok(()) } else { Err(Problem::new("the peers could not be set up, see above")) }
}

/// Keeps cores out of deep sleep while the file is held: waking up costs more than a request. `None` where
/// that is not allowed.
pub(crate) fn awake() -> Option<File> {
    let mut file = File::options().write(true).open("/dev/cpu_dma_latency").ok()?;
    file.write_all(&0_i32.to_ne_bytes()).ok()?;
    Some(file)
}

/// As many files as the system lets us have, for everything that is started later too.
pub(crate) fn many_files() -> Outcome<()> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
        .while_doing(|| "raising the limit of open files".into())
}

/// Two different cores must be there, or the load is measured with the proxy.
pub(crate) fn check(cores: Cores) -> Outcome<()> {
    let there = std::thread::available_parallelism()?.get();
    let last = usize::from(cores.proxy.max(cores.load));
    if cores.proxy == cores.load || last >= there {
        return Err(Problem::new(format!(
            "needs two cores, one for the proxy ({}) and one for the load ({}); this machine has {there}",
            cores.proxy, cores.load
        )));
    }
    Ok(())
}

/// Refuses to start where something already listens: it would be measured in the place of ours.
pub(crate) fn free_ports() -> Outcome<()> {
    let origin = Origin::listeners().into_iter().map(|(port, _)| port);
    let doors = (0..Doors::ORDERS).flat_map(|order| Doors::new(order).all());
    for port in origin.chain(doors) {
        TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .while_doing(|| format!("port {port} (is another bench running?)"))?;
    }
    Ok(())
}

/// Starts the origin and waits until it answers.
pub(crate) async fn origin(places: &Places, core: u16) -> Outcome<Running> {
    let path = std::env::current_exe()?;
    let program = Program { name: "origin".into(), core, path, args: vec!["origin".into()], env: Vec::new() };
    let mut origin = program.start(&places.work)?;
    answers(&mut origin, Origin::HTTP[0], "origin", "/").await?;
    Ok(origin)
}

/// Waits until `path` is answered with 200, at most 20 s.
pub(crate) async fn answers(process: &mut Running, port: u16, host: &str, path: &str) -> Outcome<()> {
    let mut last = String::new();
    for _ in 0..10_000 {
        process.still_runs()?;
        match get(port, host, path) {
            Ok(response) if response.status == 200 => return Ok(()),
            Ok(response) => last = format!("status {}", response.status),
            Err(problem) => last = problem.to_string(),
        }
        sleep(Duration::from_millis(2)).await;
    }
    Err(Problem::new(format!("no 200 from port {port} within 20 s: {last}")))
}
