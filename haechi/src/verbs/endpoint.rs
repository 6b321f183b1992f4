//! `haechi endpoint drain|enable|disable`: what an operator wants of one endpoint, and the wait until it is so.

use std::process::ExitCode;
use std::time::Duration;

use haechi_admin::api::{EndpointChanged, EndpointStatus, Status};
use haechi_admin::{Client, words};
use haechi_model::AdminState;
use serde_json::json;

use super::{Outcome, wait_for};
use crate::cli::{EndpointArgs, EndpointPath, EndpointVerb};
use crate::failure::Failure;
use crate::output::{self, Format, Tone};

/// How often the state is looked at while waiting: below what people notice.
const LOOK: Duration = Duration::from_millis(200);

pub(super) fn set(verb: EndpointVerb, format: Format) -> Outcome {
    let (state, args) = match verb {
        EndpointVerb::Drain(args) => (AdminState::Draining, args),
        EndpointVerb::Enable(args) => (AdminState::Enabled, args),
        EndpointVerb::Disable(args) => (AdminState::Disabled, args),
    };
    wait_for(async {
        let client = args.admin.client();
        let EndpointPath { pool, endpoint } = &args.endpoint;
        let changed = client.set_admin_state(pool, endpoint, state).await?;
        if format == Format::Text {
            let (from, to) = (words::admin(changed.from), words::admin(changed.to));
            let what = if from == to { format!("{to} already") } else { format!("{from} -> {to}") };
            let running = match state {
                AdminState::Enabled => String::new(),
                _ => format!(", {}", running(changed.in_flight)),
            };
            output::print(&format!("{pool}/{endpoint}: {what}{running}\n"));
        }
        let waited = match args.wait {
            Some(wait) => Some(wait_until(&client, &args, &changed, wait, format).await?),
            None => None,
        };
        if format == Format::Json {
            let in_flight = waited.unwrap_or(changed.in_flight);
            output::json(&json!({ "from": changed.from, "to": changed.to, "inFlight": in_flight }));
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// Waits until the state is reached in fact; gives what still runs.
///
/// # Errors
/// The time is over.
async fn wait_until(
    client: &Client,
    args: &EndpointArgs,
    changed: &EndpointChanged,
    wait: Duration,
    format: Format,
) -> Result<u32, Failure> {
    let EndpointPath { pool, endpoint } = &args.endpoint;
    let until = haechi_sys::clock::now() + wait;
    let state = changed.to;
    // Said with the change.
    let mut told = running(changed.in_flight);
    loop {
        let status = client.status().await?;
        let Some(found) = find(&status, &args.endpoint) else {
            return Err(Failure::new(format!("{pool}/{endpoint} was removed from the config while waiting")));
        };
        let (done, what) = progress(found, state);
        if format == Format::Text && told != what {
            let tone = if done { Tone::Good } else { Tone::Plain };
            output::print(&format!("{pool}/{endpoint}: {}\n", output::paint().text(tone, &what)));
        }
        if done {
            return Ok(found.in_flight);
        }
        if haechi_sys::clock::now() >= until {
            return Err(Failure::new(format!(
                "{pool}/{endpoint}: {what} after {wait:?}; {}",
                way_out(state)
            )));
        }
        told = what;
        tokio::time::sleep(LOOK.min(until.since(haechi_sys::clock::now()))).await;
    }
}

fn find<'s>(status: &'s Status, path: &EndpointPath) -> Option<&'s EndpointStatus> {
    let pool = status.pools.iter().find(|pool| pool.name == path.pool)?;
    pool.endpoints.iter().find(|endpoint| endpoint.name == path.endpoint)
}

/// Whether the state is reached in fact, and how it stands in words.
fn progress(endpoint: &EndpointStatus, state: AdminState) -> (bool, String) {
    if endpoint.admin != state {
        return (false, format!("someone else made it {}", words::admin(endpoint.admin)));
    }
    match state {
        AdminState::Enabled if endpoint.serving && !endpoint.ejected => (true, "takes work".to_owned()),
        AdminState::Enabled => (false, format!("takes no work yet: {}", output::clean(&endpoint.reason))),
        AdminState::Draining | AdminState::Disabled => (endpoint.in_flight == 0, running(endpoint.in_flight)),
    }
}

fn running(in_flight: u32) -> String {
    match in_flight {
        0 => "nothing runs there".to_owned(),
        1 => "1 request or connection still runs there".to_owned(),
        more => format!("{more} requests or connections still run there"),
    }
}

const fn way_out(state: AdminState) -> &'static str {
    match state {
        AdminState::Enabled => "it is enabled and takes work as soon as it is healthy",
        AdminState::Draining => {
            "it keeps draining; wait longer with --wait, or end it with `haechi endpoint disable`"
        }
        AdminState::Disabled => "it stays disabled; wait longer with --wait",
    }
}
