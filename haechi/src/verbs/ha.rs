//! `haechi ha status|handover` (and `rehearse`, which has a room of its own): who is active and why, and letting another node be it.

use std::process::ExitCode;
use std::time::Duration;

use haechi_admin::Client;
use haechi_admin::api::{HaStatus, HandOver, TrackedStatus, VirtualRouterStatus};

use tokio::signal::unix::{SignalKind, signal};

use super::status::now_ms;
use super::{Outcome, screen, wait_for};
use crate::cli::{HaStatusArgs, HaVerb, HandoverArgs};
use crate::control::sentence;
use crate::failure::Failure;
use crate::output::{self, Align, Cell, Format, Table, Tone};

/// How often the state is looked at while waiting: a fifth of what a hand-over with default settings takes.
const LOOK: Duration = Duration::from_millis(20);

pub(super) fn ha(verb: HaVerb, format: Format) -> Outcome {
    match verb {
        HaVerb::Status(args) => status(&args, format),
        HaVerb::Handover(args) => handover(&args, format),
        HaVerb::Rehearse(args) => super::rehearse::rehearse(&args, format),
        HaVerb::Keeper => keeper(),
    }
}

/// A stop is for the parent, which ends this process by ending itself: a signal to the whole group must not take the
/// addresses away before it has handed them over.
fn keeper() -> Outcome {
    let ended = |error| Failure::new(format!("the keeper of virtual addresses ends: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ended)?;
    // Only heard, and never looked at: that is what ignoring them takes.
    let stops = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()];
    let heard: Result<Vec<_>, _> = runtime.block_on(async { stops.into_iter().map(signal).collect() });
    let heard = heard.map_err(ended)?;
    haechi_ha::keep(std::io::stdin()).map_err(ended)?;
    drop(heard);
    Ok(ExitCode::SUCCESS)
}

fn status(args: &HaStatusArgs, format: Format) -> Outcome {
    let client = args.admin.client();
    let status = wait_for(async { client.ha().await.map_err(Failure::from) })?;
    match format {
        Format::Json => output::json(&status),
        Format::Text => {
            output::print(&render(&status));
            let line = "haechi ha status -o json";
            output::print(&screen::sources(client.socket(), "/v1/ha", line, output::paint()));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn render(status: &HaStatus) -> String {
    if status.virtual_routers.is_empty() {
        return "no virtual router: nothing in `virtualRouters` of the config\n".to_owned();
    }
    let paint = output::paint();
    let mut out = screen::missing_rights(&status.rights, paint);
    for alarm in status.virtual_routers.iter().flat_map(|router| {
        router.alarms.iter().map(move |alarm| format!("{}: {}", router.name, output::clean(&alarm.text)))
    }) {
        out.push_str(&format!("{}\n", paint.text(Tone::Bad, &alarm)));
    }
    let mut table = Table::new(&[
        ("VIRTUAL ROUTER", Align::Left),
        ("ID", Align::Right),
        ("STATE", Align::Left),
        ("SINCE", Align::Right),
        ("PRIORITY", Align::Right),
        ("ACTIVE", Align::Left),
        ("ADDRESSES", Align::Left),
        ("WHY", Align::Left),
    ]);
    status.virtual_routers.iter().for_each(|router| table.row(row(router)));
    out.push_str(&table.render(paint));
    let troubles = status.virtual_routers.iter().flat_map(|router| {
        router.tracked.iter().filter_map(move |tracked| Some((router, trouble(router, tracked)?)))
    });
    for (router, trouble) in troubles {
        let line = format!("{}: {}", router.name, output::clean(&trouble));
        out.push_str(&format!("{}\n", paint.text(Tone::Doubtful, &line)));
    }
    for rehearsal in status.virtual_routers.iter().filter_map(|router| router.last_rehearsal.as_ref()) {
        let ago = output::age(now_ms().saturating_sub(rehearsal.at_ms));
        let line = format!("{}: {ago} ago, {}", rehearsal.router, sentence(rehearsal));
        out.push_str(&format!("{}\n", output::clean(&line)));
    }
    out.push_str(&format!("\nadvertisements: {}\n", output::clean(&status.scheduling)));
    out
}

/// What makes this node a worse one, in words.
fn trouble(router: &VirtualRouterStatus, tracked: &TrackedStatus) -> Option<String> {
    let TrackedStatus { name, text, lowered_by, .. } = tracked;
    match tracked.effect.as_str() {
        "lower" => Some(format!(
            "priority {} is lowered by {lowered_by}: {name}: {text}",
            router.configured_priority
        )),
        "fault" => Some(format!("out, at fault: {name}: {text}")),
        _ => None,
    }
}

fn row(router: &VirtualRouterStatus) -> Vec<Cell> {
    let tone = match router.state.as_str() {
        "active" => Tone::Good,
        "backup" => Tone::Plain,
        _ => Tone::Doubtful,
    };
    let priority = if router.priority == router.configured_priority {
        router.priority.to_string()
    } else {
        format!("{} of {}", router.priority, router.configured_priority)
    };
    let active = match router.active {
        Some(active) if active == router.source => "this node".to_owned(),
        Some(active) => active.to_string(),
        None => "nobody heard".to_owned(),
    };
    let addresses: Vec<String> = router.addresses.iter().map(ToString::to_string).collect();
    vec![
        router.name.as_str().into(),
        router.id.to_string().into(),
        Cell::new(tone, router.state.clone()),
        output::age(now_ms().saturating_sub(router.since_ms)).into(),
        priority.into(),
        active.into(),
        addresses.join(", ").into(),
        router.reason.as_str().into(),
    ]
}

fn handover(args: &HandoverArgs, format: Format) -> Outcome {
    wait_for(async {
        let client = args.admin.client();
        let router = match &args.router {
            Some(router) => router.clone(),
            None => the_only_one(&client).await?,
        };
        let before = client.hand_over(&router, &HandOver { to: args.to.clone() }).await?;
        if format == Format::Text {
            let to = args.to.as_deref().map(|to| format!(", if possible to {to}")).unwrap_or_default();
            output::print(&format!("{router}: hands over{to}\n"));
        }
        let after = match args.wait {
            Some(wait) => wait_until(&client, &before, wait).await?,
            None => before,
        };
        match format {
            Format::Json => output::json(&after),
            Format::Text if args.wait.is_some() => {
                output::print(&format!("{router}: {} ({})\n", after.state, after.reason));
            }
            Format::Text => {}
        }
        Ok(ExitCode::SUCCESS)
    })
}

pub(super) async fn the_only_one(client: &Client) -> Result<String, Failure> {
    let status = client.ha().await?;
    match status.virtual_routers.as_slice() {
        [only] => Ok(only.name.clone()),
        [] => Err(Failure::new("the config has no virtual router")),
        several => {
            let names: Vec<&str> = several.iter().map(|router| router.name.as_str()).collect();
            Err(Failure::new(format!("say which virtual router: {}", names.join(", "))))
        }
    }
}

/// Waits until another node is active.
///
/// # Errors
/// The time is over, or nobody came.
pub(super) async fn wait_until(
    client: &Client,
    before: &VirtualRouterStatus,
    wait: Duration,
) -> Result<VirtualRouterStatus, Failure> {
    let until = haechi_sys::clock::now() + wait;
    let name = &before.name;
    loop {
        let status = client.ha().await?;
        let Some(now) = status.virtual_routers.into_iter().find(|router| router.name == *name) else {
            return Err(Failure::new(format!("{name} was removed from the config while waiting")));
        };
        match now.state.as_str() {
            "backup" => return Ok(now),
            "active" if now.since_ms > before.since_ms => {
                return Err(Failure::new(format!(
                    "{name}: {}; this node serves on. `haechi ha status` on the other node tells why it did not \
                     take over",
                    now.reason
                )));
            }
            _ if haechi_sys::clock::now() >= until => {
                return Err(Failure::new(format!("{name}: still {} after {wait:?}", now.state)));
            }
            _ => tokio::time::sleep(LOOK).await,
        }
    }
}
