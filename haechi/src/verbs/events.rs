//! `haechi events`: what happened, and what happens.

use std::process::ExitCode;
use std::time::Duration;

use haechi_admin::api::Event;
use haechi_admin::{Client, ClientError};
use haechi_telemetry::event as kinds;

use super::{Outcome, screen, wait_for};
use crate::cli::EventsArgs;
use crate::output::{self, Format, Tone};

/// One long poll: below what proxies and the server take for too long.
const WAIT: Duration = Duration::from_secs(30);

/// Pause between looks for a haechi that went away.
const AGAIN: Duration = Duration::from_millis(500);

/// Most events that one answer brings while following.
const CATCH_UP: usize = 1000;

pub(super) fn events(args: &EventsArgs, format: Format) -> Outcome {
    wait_for(async {
        let client = args.admin.client();
        let found = client.events(args.after, usize::from(args.count), None).await?;
        found.events.iter().for_each(|event| show(event, format));
        if args.follow {
            return follow(&client, found.newest, format).await;
        }
        if format == Format::Text {
            output::print(&screen::sources(
                client.socket(),
                "/v1/events",
                "haechi events -o json",
                output::paint(),
            ));
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// Shows what comes. A restart is no end: who follows wants to see it.
async fn follow(client: &Client, mut newest: u64, format: Format) -> Outcome {
    let mut gone = false;
    loop {
        match client.events(newest, CATCH_UP, Some(WAIT)).await {
            Ok(found) => {
                // Numbers start anew with the process.
                let anew = found.newest < newest;
                found.events.iter().for_each(|event| show(event, format));
                newest = if anew { 0 } else { found.newest };
                gone = false;
            }
            Err(error @ (ClientError::Absent { .. } | ClientError::Broken { .. })) => {
                if !gone {
                    output::note(&format!("haechi went away; waiting until it is back ({error})"));
                }
                (newest, gone) = (0, true);
                tokio::time::sleep(AGAIN).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn show(event: &Event, format: Format) {
    match format {
        Format::Json => output::json_line(event),
        Format::Text => output::print(&line(event, output::paint())),
    }
}

fn line(event: &Event, paint: output::Paint) -> String {
    let width = kinds::ALL.iter().map(|kind| kind.len()).max().unwrap_or(0);
    let Event { sequence, at_ms, kind, subject, text } = event;
    let tone = match kind.as_str() {
        kinds::CONFIG_REFUSED | kinds::VIRTUAL_ROUTER_ALARM => Tone::Bad,
        kinds::HEALTH_CHANGED
        | kinds::EJECTION_CHANGED
        | kinds::POOL_CHANGED
        | kinds::VIRTUAL_ROUTER_CHANGED => Tone::Doubtful,
        _ => Tone::Plain,
    };
    let kind = paint.text(tone, &format!("{:width$}", output::clean(kind)));
    let at = paint.text(Tone::Faint, &output::timestamp(*at_ms));
    format!("{sequence:>5}  {at}  {kind}  {}: {}\n", output::clean(subject), output::clean(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Paint;

    #[test]
    fn one_line_each_whatever_stands_in_it() {
        let event = Event {
            sequence: 12,
            at_ms: 1_767_225_600_000,
            kind: kinds::HEALTH_CHANGED.into(),
            subject: "endpoint web/web-1".into(),
            text: "unhealthy: body was \x1b[2J\nevil".into(),
        };
        assert_eq!(
            line(&event, Paint::new(false)),
            "   12  2026-01-01T00:00:00.000Z  healthChanged         endpoint web/web-1: unhealthy: body was \u{fffd}[2J evil\n"
        );
        assert!(line(&event, Paint::new(true)).contains("\x1b[33mhealthChanged       \x1b[0m"));
    }
}
