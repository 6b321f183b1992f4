//! `haechi ha rehearse`: a hand-over as practice. Moves, measures what a client would have noticed, moves back.
//!
//! It moves by the path of every hand-over and claims nothing itself: whoever ends it in the middle, and whichever
//! node dies meanwhile, the election leaves one active.

mod peer;
mod prober;

use std::process::ExitCode;
use std::time::Duration;

use haechi_admin::Client;
use haechi_admin::api::{HandOver, Rehearsal, Status, VirtualRouterStatus};
use haechi_sys::clock::now;
use tokio::sync::watch;

use super::ha::{the_only_one, wait_until};
use super::status::now_ms;
use super::{Outcome, wait_for};
use crate::cli::RehearseArgs;
use crate::control::{Source, sentence};
use crate::failure::Failure;
use crate::output::{self, Format};
use prober::{Prober, Vantage};

/// After each move: the successor waits a second at most for its way to open flows, and then tells the neighbours.
const SETTLE: Duration = Duration::from_millis(1500);

/// How often the state is looked at while waiting: a fifth of what a move with default settings takes.
const LOOK: Duration = Duration::from_millis(20);

pub(super) fn rehearse(args: &RehearseArgs, format: Format) -> Outcome {
    wait_for(async {
        let client = args.admin.client();
        let name = match &args.router {
            Some(router) => router.clone(),
            None => the_only_one(&client).await?,
        };
        let before = find(&client, &name).await?;
        if before.state != "active" {
            return Err(Failure::new(format!(
                "this node is {} for {name}: rehearse on the active one",
                before.state
            )));
        }
        let status = client.status().await?;
        check_peer(args, &status, &before).await?;
        let rehearsal = play(args, &client, &status, before).await?;
        let kept = client.keep_rehearsal(&rehearsal).await;
        match format {
            Format::Json => output::json(&rehearsal),
            Format::Text => output::print(&format!("{name}: {}\n", sentence(&rehearsal))),
        }
        kept?;
        let wanted = if stays(args) { STAYS } else { BACK };
        let fine = rehearsal.failed == 0 && rehearsal.outcome == wanted;
        Ok(if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}

/// Said aloud, because what was compared looks like all there is.
const NOT_KNOWN: &str = "not known of the other node: whether its config is the same beyond the names of listeners and \
                         pools and the number of routes, and how much load its machine can take";

const BACK: &str = "there and back";
const STAYS: &str = "there, and it stays there";

/// `--back` is what is done anyway, said aloud.
const fn stays(args: &RehearseArgs) -> bool {
    args.stay && !args.back
}

async fn find(client: &Client, name: &str) -> Result<VirtualRouterStatus, Failure> {
    let found = client.ha().await?.virtual_routers.into_iter().find(|router| router.name == *name);
    found.ok_or_else(|| Failure::new(format!("no virtual router {name}")))
}

/// # Errors
/// The other node could not carry the load, or nobody knows.
async fn check_peer(args: &RehearseArgs, ours: &Status, router: &VirtualRouterStatus) -> Result<(), Failure> {
    let objections = match &args.ask {
        None => vec![
            "what the other node could carry is not known: backups are silent. Let it be asked, as by \
             --ask 'ssh lb2 haechi'"
                .to_owned(),
        ],
        Some(command) => match peer::ask(command).await {
            Ok((theirs, routers)) => peer::objections(router, ours, &theirs, &routers),
            Err(text) => vec![format!("the other node does not tell: {text}")],
        },
    };
    if args.force || objections.is_empty() {
        objections.iter().for_each(|objection| output::note(&format!("forced, although {objection}")));
        if args.ask.is_some() {
            output::note(NOT_KNOWN);
        }
        return Ok(());
    }
    Err(Failure::new(format!("{}; --force moves all the same", objections.join("; "))))
}

async fn play(
    args: &RehearseArgs,
    client: &Client,
    status: &Status,
    before: VirtualRouterStatus,
) -> Result<Rehearsal, Failure> {
    let at_ms = now_ms();
    let mut interrupted = interrupts();
    let (prober, vantage) = match start(status, &before.name) {
        Ok((prober, words)) => (Some(prober), words),
        Err(reason) => (None, format!("not measured: {reason}")),
    };
    // What it is like before the move is part of the figure.
    settle(&mut interrupted, SETTLE / 3).await;
    let wish = HandOver { to: args.to.clone() };
    let asked = client.hand_over(&before.name, &wish).await?;
    let (to, outcome) = match wait_until(client, &asked, args.wait).await {
        Err(failure) => (None, format!("nobody took over: {}", failure.text())),
        Ok(moved) => {
            settle(&mut interrupted, SETTLE).await;
            let outcome = if stays(args) { STAYS.to_owned() } else { back(args, client, &before.name).await };
            settle(&mut interrupted, SETTLE).await;
            (moved.active, outcome)
        }
    };
    let measured = match prober {
        Some(prober) => Some(prober.finish().await),
        None => None,
    };
    let outcome = if *interrupted.borrow() { format!("interrupted: {outcome}") } else { outcome };
    Ok(Rehearsal {
        at_ms,
        router: before.name,
        to,
        outcome,
        gap_ms: measured.map(|it| it.gap.as_secs_f64() * 1000.0),
        attempts: measured.map_or(0, |it| it.attempts),
        failed: measured.map_or(0, |it| it.failed),
        vantage,
    })
}

/// # Errors
/// Why nothing can be measured.
fn start(status: &Status, name: &str) -> Result<(Prober, String), String> {
    let source = Source::File(status.config.source.clone().into());
    let compiled = source.load(false).map_err(|problem| Failure::from(problem).text().to_owned())?;
    let routers = &compiled.snapshot.virtual_routers;
    let router = routers.iter().find(|router| router.name.as_str() == name);
    let router = router.ok_or("the config file has no such virtual router any more")?;
    let vantage = Vantage::of(&compiled.snapshot, router)?;
    let words = vantage.words();
    Ok((Prober::start(vantage.open()?), words))
}

/// Takes it back, and says what came of it.
async fn back(args: &RehearseArgs, client: &Client, name: &str) -> String {
    let until = now() + args.wait;
    let mut asked = false;
    loop {
        let state = match find(client, name).await {
            Ok(state) => state,
            Err(failure) => return format!("there, and not back: {}", failure.text()),
        };
        match (state.state.as_str(), asked) {
            ("active", false) => return format!("there, and back before its time: {}", state.reason),
            ("active", true) if state.holds_addresses => return BACK.to_owned(),
            (_, false) => match client.take_back(name).await {
                Ok(_) => asked = true,
                Err(error) => return format!("there, and not back: {error}"),
            },
            _ if now() >= until => {
                let active = state.active.map_or_else(|| "nobody".to_owned(), |active| active.to_string());
                return format!("there, and not back: {active} is active; hand over there");
            }
            _ => tokio::time::sleep(LOOK).await,
        }
    }
}

/// Becomes true with the first Ctrl-C: what is left to do is done at once. The second ends the process.
fn interrupts() -> watch::Receiver<bool> {
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            output::note("moving back; once more ends this at once, and leaves things as they are");
            let _ = sender.send(true);
            if tokio::signal::ctrl_c().await.is_ok() {
                std::process::exit(130);
            }
        }
    });
    receiver
}

async fn settle(interrupted: &mut watch::Receiver<bool>, longest: Duration) {
    // The time is over, or nobody listens for interrupts any more.
    let _ = tokio::time::timeout(longest, interrupted.wait_for(|it| *it)).await;
}
