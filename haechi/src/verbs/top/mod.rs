//! `haechi top`: the status screen with rates, renewed every second. On a terminal it stays in place; elsewhere
//! one screen follows the other.

mod rates;
mod terminal;

use std::process::ExitCode;
use std::time::Duration;

use haechi_admin::Client;
use haechi_admin::api::Status;
use haechi_model::Moment;
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval};

use super::screen::{Screen, sources};
use super::status::now_ms;
use super::{Outcome, wait_for};
use crate::cli::TopArgs;
use crate::failure::Failure;
use crate::output::{self, Format, Tone};

pub(super) use rates::Rates;
use terminal::Terminal;

const EVERY: Duration = Duration::from_secs(1);

pub(super) fn top(args: &TopArgs, format: Format) -> Outcome {
    wait_for(async {
        // Whoever wants so many screens wants to have them afterwards.
        let terminal = if format == Format::Text && args.count.is_none() { Terminal::take() } else { None };
        let client = args.admin.client();
        let mut before = look(&client).await?;
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first tick is at once, and there is no rate yet.
        ticks.tick().await;
        let mut left = args.count.map(u32::from);
        while left != Some(0) {
            tokio::select! {
                _ = ticks.tick() => {}
                () = ended(terminal.as_ref()) => break,
            }
            match (look(&client).await, &terminal) {
                (Ok(now), _) => {
                    show(&client, &before, &now, terminal.as_ref(), format);
                    before = now;
                }
                // Someone watches: it may come back.
                (Err(failure), Some(terminal)) => {
                    terminal.draw(&format!(
                        "{}\n",
                        output::paint().text(Tone::Bad, &output::clean(failure.text()))
                    ));
                }
                (Err(failure), None) => return Err(failure),
            }
            left = left.map(|left| left - 1);
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// A status and when it was so.
struct Look {
    at: Moment,
    status: Status,
}

async fn look(client: &Client) -> Result<Look, Failure> {
    let status = client.status().await?;
    Ok(Look { at: haechi_sys::clock::now(), status })
}

/// The person in front of the terminal wants to go.
async fn ended(terminal: Option<&Terminal>) {
    match terminal {
        Some(terminal) => terminal.ended().await,
        // Without one, SIGINT ends the process as usual.
        None => std::future::pending().await,
    }
}

fn show(client: &Client, before: &Look, now: &Look, terminal: Option<&Terminal>, format: Format) {
    let rates = Rates::between(&before.status, &now.status, now.at.since(before.at));
    if format == Format::Json {
        output::json_line(&json!({ "atMs": now_ms(), "generation": now.status.generation, "rates": rates }));
        return;
    }
    let paint = output::paint();
    let screen = Screen { status: &now.status, rates: Some(&rates), now_ms: now_ms(), paint }.render();
    let sources = sources(client.socket(), "/v1/status", "haechi top -o json", paint);
    match terminal {
        Some(terminal) => terminal.draw(&format!("{screen}{sources}")),
        None => output::print(&format!("{screen}{sources}\n")),
    }
}
