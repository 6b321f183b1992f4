//! `haechi lab`: the lab itself, the verbs that a second terminal uses, and the processes that it starts.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use haechi_lab::endpoint::{Identity, serve};
use haechi_lab::{Command, Environment, LabError, Look, Options, Output, Reply, ask, candidates, leash};
use rustix::termios::tcgetwinsize;

use super::{Outcome, start, wait_for};
use crate::cli::lab::{EndpointProcess, LabArgs, LabVerb, Targets};
use crate::failure::Failure;
use crate::output::{self, Format};

impl From<LabError> for Failure {
    fn from(error: LabError) -> Self {
        Self::new(error.to_string())
    }
}

pub(super) fn lab(args: LabArgs, format: Format) -> Outcome {
    let Some(verb) = args.verb else { return run(&args, format) };
    match verb {
        LabVerb::Kill(targets) => each(targets, |name| Command::Kill { name }, format),
        LabVerb::Pause(targets) => each(targets, |name| Command::Pause { name }, format),
        LabVerb::Resume(targets) => each(targets, |name| Command::Resume { name }, format),
        LabVerb::Start(targets) => each(targets, |name| Command::Start { name }, format),
        LabVerb::Algorithm { name } => one(&Command::Algorithm { name }, format),
        LabVerb::Load { rate } => one(&Command::Load { rate }, format),
        LabVerb::Status => status(format),
        LabVerb::Stop => one(&Command::Stop, format),
        LabVerb::Endpoint(process) => endpoint(process),
        LabVerb::Node(args) => {
            hold()?;
            start::start(*args)
        }
    }
}

fn run(args: &LabArgs, format: Format) -> Outcome {
    if format == Format::Json {
        return Err(Failure::new(
            "the lab itself speaks with people; ask it with `haechi lab status -o json`",
        ));
    }
    let environment = Environment::read();
    let on_screen = !args.no_screen && std::io::stdout().is_terminal();
    let options = Options {
        program: std::env::current_exe()
            .map_err(|error| Failure::new(format!("can't find this program's own file: {error}")))?,
        called: std::env::args().next(),
        folders: candidates(&environment),
        setting: environment.setting(),
        listen: args.listen,
        endpoints: args.endpoints,
        load: args.load,
        lasts: args.lasts,
        output: match on_screen {
            true => Output::Screen { colour: output::colour_on_stdout() },
            false => Output::Lines,
        },
    };
    // On this thread, because the children are tied to it.
    wait_for(async { haechi_lab::run(options, &mut std::io::stdout()).await.map_err(Failure::from) })?;
    Ok(ExitCode::SUCCESS)
}

fn endpoint(process: EndpointProcess) -> Outcome {
    hold()?;
    haechi_sys::limits::raise_open_files();
    let EndpointProcess { name, zone, listen } = process;
    let identity = Identity { name, zone };
    wait_for(async {
        serve(identity, listen, &mut std::io::stdout()).await.map_err(|error| Failure::new(error.to_string()))
    })?;
    Ok(ExitCode::SUCCESS)
}

fn hold() -> Result<(), Failure> {
    leash::hold().map_err(|error| Failure::new(format!("can't be tied to the lab: {error}")))
}

fn each(targets: Targets, command: fn(String) -> Command, format: Format) -> Outcome {
    for name in targets.names {
        one(&command(name), format)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn one(command: &Command, format: Format) -> Outcome {
    let reply = told(command)?;
    match format {
        Format::Json => output::json(&reply),
        Format::Text => output::print(&format!("{}\n", reply.text)),
    }
    Ok(ExitCode::SUCCESS)
}

fn status(format: Format) -> Outcome {
    let status =
        told(&Command::Status)?.status.ok_or_else(|| Failure::new("the lab says nothing of itself"))?;
    match format {
        Format::Json => output::json(&status),
        Format::Text => {
            let look = Look { width: width(), height: None, colour: output::colour_on_stdout() };
            output::print(&haechi_lab::page(&status, look));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The lab's reply, if it did what it was asked.
fn told(command: &Command) -> Result<Reply, Failure> {
    let folders: Vec<PathBuf> = candidates(&Environment::read());
    let reply = ask(&folders, command)?;
    if reply.ok { Ok(reply) } else { Err(Failure::new(reply.text)) }
}

/// Columns of the terminal. A file has room for everything.
fn width() -> usize {
    tcgetwinsize(std::io::stdout())
        .ok()
        .map(|size| usize::from(size.ws_col))
        .filter(|width| *width > 0)
        .unwrap_or(usize::MAX)
}
