//! The one binary: it takes the command line apart, and each verb does one thing. What needs thought stands
//! in the rooms below; what joins them at run time stands in `control`.

mod cli;
mod control;
mod doctor;
mod failure;
mod output;
mod state;
mod verbs;

use std::process::ExitCode;

use clap::Parser;

/// Measured faster than the system's for connections that come and go; the steady state allocates nothing.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    verbs::dispatch(cli).unwrap_or_else(|(format, failure)| failure.tell(format))
}
