//! `haechi why`: the last failover as a story, from the flight record.

use std::process::ExitCode;

use haechi_admin::api::{Event, FlightRecord};
use haechi_model::Moment;
use haechi_vrrp::record::GroupRecord;
use haechi_vrrp::{Effect, Input, Output, Reason};

use super::ha::the_only_one;
use super::{Outcome, screen, wait_for};
use crate::cli::WhyArgs;
use crate::failure::Failure;
use crate::output::{self, Format};

/// How far around the change is told, in ns: causes and results of a failover stand within 5 s, the round of
/// announcements that is repeated by default among them.
const AROUND: i128 = 5_500_000_000;

/// Most lines of a story: what happens more often than that is read in the record.
const LINES: usize = 60;

pub(super) fn why(args: &WhyArgs, format: Format) -> Outcome {
    let client = args.admin.client();
    let (router, flight) = wait_for(async {
        let router = match &args.router {
            Some(router) => router.clone(),
            None => the_only_one(&client).await?,
        };
        let flight = client.record(&router).await?;
        Ok((router, flight))
    })?;
    match format {
        Format::Json => output::json(&flight),
        Format::Text => {
            output::print(&render(&router, &flight)?);
            let (path, line) = (format!("/v1/ha/{router}/record"), format!("haechi why {router} -o json"));
            output::print(&screen::sources(client.socket(), &path, &line, output::paint()));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn render(router: &str, flight: &FlightRecord) -> Result<String, Failure> {
    let broken = |what: &str| Failure::new(format!("the record of {router} can't be read: {what}"));
    let record: GroupRecord =
        serde_json::from_value(flight.record.clone()).map_err(|error| broken(&error.to_string()))?;
    let member = flight.routers.iter().position(|name| name == router);
    let member = member.ok_or_else(|| broken("it is of other virtual routers"))?;
    let Some(change) = last_change(&record, member) else {
        return Ok(format!("{router} on {}: nothing changed since the record began\n", flight.node));
    };
    let wall = flight.origin_ms + change.at.as_nanos() / 1_000_000;
    let mut out = format!("{router} on {}, {}: {}\n\n", flight.node, output::timestamp(wall), change.text);
    let results: Vec<_> = flight.results.iter().filter_map(|event| result(event, wall)).collect();
    let mut lines = story(&record, member, change.at);
    // What came of it is last, and what people ask for first.
    lines.truncate(LINES.saturating_sub(results.len()));
    lines.extend(results);
    lines.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    for (at, text) in lines {
        out.push_str(&format!("{:>+12.1} ms  {}\n", at, output::clean(&text)));
    }
    Ok(out)
}

struct Change {
    at: Moment,
    text: String,
}

/// The last time that the addresses came or went; any other change if they never did.
fn last_change(record: &GroupRecord, member: usize) -> Option<Change> {
    let changes = record.entries.iter().rev().flat_map(|entry| {
        entry.outputs.iter().rev().filter_map(move |(at, output)| match output {
            Output::StateChanged { from, to, reason } if *at == member && from != to => {
                Some((from.holds() != to.holds(), entry.at, changed(from.name(), to.name(), reason)))
            }
            _ => None,
        })
    });
    let mut any = None;
    for (moves, at, text) in changes {
        let change = Change { at, text };
        if moves {
            return Some(change);
        }
        any = any.or(Some(change));
    }
    any
}

fn changed(from: &str, to: &str, reason: &Reason) -> String {
    format!("{from} to {to}: {reason}")
}

/// What one virtual router saw, decided and did around a moment, in milliseconds from it.
fn story(record: &GroupRecord, member: usize, around: Moment) -> Vec<(f64, String)> {
    let offset = |at: Moment| i128::from(at.as_nanos()) - i128::from(around.as_nanos());
    let mut lines: Vec<(i128, String)> = Vec::new();
    let mut heard = Heard::default();
    for entry in &record.entries {
        let at = offset(entry.at);
        let (whose, input) = &entry.input;
        let mut told: Vec<(i128, String)> = Vec::new();
        if let Input::Advertisement { source, advertisement } = input {
            if *whose == member {
                told.extend(heard.hear(at, source.to_string(), advertisement.priority));
            }
        } else if *whose == member || is_for_all(input) {
            told.extend(seen(input).map(|text| (at, format!("seen     {text}"))));
        }
        for (_, output) in entry.outputs.iter().filter(|(whose, _)| *whose == member) {
            if matches!(output, Output::StateChanged { .. }) {
                told.splice(0..0, heard.last_word(at));
            }
            told.extend(done(output).map(|text| (at, text)));
        }
        lines.extend(told.into_iter().filter(|(at, _)| at.abs() <= AROUND));
    }
    lines.dedup_by(|later, first| later.1 == first.1);
    lines.into_iter().map(|(at, text)| (at as f64 / 1e6, text)).collect()
}

/// What clients saw, if it belongs to a change at this wall time in ms.
fn result(event: &Event, wall: u64) -> Option<(f64, String)> {
    let at = i128::from(event.at_ms) - i128::from(wall);
    let near = (0..=AROUND / 1_000_000).contains(&at);
    near.then(|| (at as f64, format!("result   {}", event.text)))
}

/// Who advertised last, and what; told when that is news.
#[derive(Default)]
struct Heard(Option<(i128, String, u8, bool)>);

impl Heard {
    fn hear(&mut self, at: i128, source: String, priority: u8) -> Option<(i128, String)> {
        let news = self.0.as_ref().is_none_or(|(_, known, said, _)| *known != source || *said != priority);
        let text = format!("heard    {source} advertises priority {priority}");
        self.0 = Some((at, source, priority, news));
        news.then_some((at, text))
    }

    /// The last advertisement before a change, unless it was told.
    fn last_word(&mut self, now: i128) -> Option<(i128, String)> {
        let (at, source, priority, told) = self.0.as_mut()?;
        if std::mem::replace(told, true) || *at == now {
            return None;
        }
        Some((*at, format!("heard    {source} advertises priority {priority}, for the last time")))
    }
}

fn is_for_all(input: &Input) -> bool {
    matches!(
        input,
        Input::Start
            | Input::Stop
            | Input::Track { .. }
            | Input::Yield { .. }
            | Input::TakeBack
            | Input::Resumed
            | Input::Paused { .. }
    )
}

fn seen(input: &Input) -> Option<String> {
    Some(match input {
        Input::Start => "it starts".to_owned(),
        Input::Stop => "it is to stop".to_owned(),
        Input::Track { name, effect: Effect::Clear, text } => format!("{name} is well: {text}"),
        Input::Track { name, effect: Effect::Lower(by), text } => {
            format!("{name}, priority {by} lower: {text}")
        }
        Input::Track { name, effect: Effect::Fault, text } => format!("{name}, a fault: {text}"),
        Input::Claimed => "the addresses are here".to_owned(),
        Input::ClaimFailed { text } => format!("the addresses could not be claimed: {text}"),
        Input::Released => "the addresses are away".to_owned(),
        Input::Configure(_) => "other settings are in force".to_owned(),
        Input::Yield { to: Some(to) } => format!("an operator wants {to} to be active"),
        Input::Yield { to: None } => "an operator wants another node to be active".to_owned(),
        Input::TakeBack => "an operator wants it back here".to_owned(),
        Input::Paused { lasted } => format!("it did not run for {lasted:?}"),
        Input::Resumed => "another process of this node goes on".to_owned(),
        Input::LinkUp => "its interface is up".to_owned(),
        Input::LinkDown => "its interface is down".to_owned(),
        Input::Timer | Input::Advertisement { .. } => return None,
    })
}

fn done(output: &Output) -> Option<String> {
    Some(match output {
        Output::StateChanged { from, to, reason } => {
            format!("decided  {}", changed(from.name(), to.name(), reason))
        }
        Output::Advertise { priority: 0 } => {
            "did      tells the others that it stops being active".to_owned()
        }
        Output::Advertise { priority } => format!("did      advertises priority {priority}"),
        Output::Chain { previous } => {
            format!("did      lets flows that it does not know go on to {previous}")
        }
        Output::Claim => "did      claims the addresses".to_owned(),
        Output::Announce => "did      tells the neighbours".to_owned(),
        Output::Demote { to } => format!("did      leaves new connections to {to}, open ones go on"),
        Output::Release => "did      lets go of the addresses".to_owned(),
        Output::Alarm { kind, text } => format!("alarm    {}: {text}", kind.name()),
        Output::AlarmOver { kind } => format!("alarm    {}: over", kind.name()),
    })
}
