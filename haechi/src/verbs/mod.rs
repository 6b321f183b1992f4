//! One file for each verb. A verb asks, shows, and gives an exit code: 0 fine, 1 error. Usage (2) is clap's.

mod check;
mod diff;
mod doctor;
mod endpoint;
mod events;
mod explain;
mod flags;
mod ha;
mod lab;
pub(crate) mod parse;
mod rehearse;
mod reload;
mod run;
mod schema;
mod screen;
mod socket;
mod start;
mod status;
mod test;
mod top;
mod upgrade;
mod why;

use std::future::Future;
use std::process::ExitCode;

use clap::CommandFactory;

use crate::cli::{Cli, Verb};
use crate::failure::Failure;
use crate::output::Format;

/// What a verb gives.
type Outcome = Result<ExitCode, Failure>;

/// Does what was asked.
///
/// # Errors
/// Why not, with the format to say it in.
pub(crate) fn dispatch(cli: Cli) -> Result<ExitCode, (Format, Failure)> {
    let Cli { verb, output: format } = cli;
    let outcome = match verb {
        Verb::Run(args) => start::start(args),
        Verb::Check(args) => check::check(&args, format),
        Verb::Diff(args) => diff::diff(&args, format),
        Verb::Reload(args) => reload::reload(&args, format),
        Verb::Upgrade(args) => upgrade::upgrade(&args, format),
        Verb::Status(args) => status::status(&args, format),
        Verb::Top(args) => top::top(&args, format),
        Verb::Events(args) => events::events(&args, format),
        Verb::Endpoint(verb) => endpoint::set(verb, format),
        Verb::Ha(verb) => ha::ha(verb, format),
        Verb::Doctor(args) => doctor::doctor(&args, format),
        Verb::Why(args) => why::why(&args, format),
        Verb::Test(args) => test::test(args, format),
        Verb::Lab(args) => lab::lab(args, format),
        Verb::Explain(args) => explain::explain(&args, format),
        Verb::Schema => schema::schema(),
        Verb::Completions { shell } => completions(shell),
    };
    outcome.map_err(|failure| (format, failure))
}

fn completions(shell: clap_complete::Shell) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "haechi", &mut script);
    crate::output::print(&String::from_utf8_lossy(&script));
    Ok(ExitCode::SUCCESS)
}

/// Runs what waits for sockets, on this thread.
fn wait_for<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime
        .map_err(|error| Failure::new(format!("the system refuses an event loop: {error}")))?
        .block_on(work)
}
