//! `haechi test`: real requests through the data path, and what came of them. Each of the connections asks one
//! request after the other, as a browser's would.

mod connection;
mod identify;
mod report;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::task::JoinSet;

use super::{Outcome, wait_for};
use crate::cli::{TestArgs, Url};
use crate::failure::Failure;
use crate::output::{self, Format};
use connection::{Connection, Plan};
use report::{Report, Try};

pub(super) fn test(args: TestArgs, format: Format) -> Outcome {
    let report = wait_for(run(args))?;
    match format {
        Format::Json => output::json(&report),
        Format::Text => output::print(&report.render(output::paint())),
    }
    Ok(if report.failed() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn run(args: TestArgs) -> Result<Report, Failure> {
    let address = resolve(&args.url).await?;
    let url = args.url.text.clone();
    let concurrency = u32::from(args.concurrency).min(args.count);
    let left = Arc::new(AtomicU32::new(args.count));
    let plan = Arc::new(Plan::new(address, args)?);
    let began = haechi_sys::clock::now();
    let mut connections = JoinSet::new();
    for _ in 0..concurrency {
        connections.spawn(ask_in_turn(Arc::clone(&plan), Arc::clone(&left)));
    }
    let mut tries = Vec::new();
    while let Some(ended) = connections.join_next().await {
        tries.extend(ended.map_err(|error| Failure::new(format!("a connection's task failed: {error}")))?);
    }
    let took = haechi_sys::clock::now().since(began);
    Ok(Report::new(url, address, concurrency, took, tries))
}

/// The first address of a name: all requests go to one place, or the counts would mean nothing.
async fn resolve(url: &Url) -> Result<SocketAddr, Failure> {
    let found = tokio::net::lookup_host((url.name.as_str(), url.port)).await;
    let found: BTreeSet<SocketAddr> =
        found.map_err(|error| Failure::new(format!("can't resolve {}: {error}", url.name)))?.collect();
    found.into_iter().next().ok_or_else(|| Failure::new(format!("{} has no address", url.name)))
}

/// One connection's share: takes requests until none is left.
async fn ask_in_turn(plan: Arc<Plan>, left: Arc<AtomicU32>) -> Vec<Try> {
    let mut connection = Connection::default();
    let mut tries = Vec::new();
    while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
        tries.push(connection.ask(&plan).await);
    }
    tries
}
