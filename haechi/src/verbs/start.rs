//! From the command line of `run` to what is served.

use std::process::ExitCode;
use std::sync::Arc;

use clap::CommandFactory;
use clap::error::ErrorKind;
use haechi_config::to_yaml;
use tracing::level_filters::LevelFilter;

use super::{Outcome, flags, run};
use crate::cli::{Cli, LogLevel, RunArgs};
use crate::control::Source;
use crate::failure::Failure;
use crate::output;

/// What to do if there is neither a file nor flags.
const NOTHING: &str = "nothing to serve: name a file with -c or HAECHI_CONFIG, or start without one:\n  \
                       haechi run --listen :8080 --to 127.0.0.1:9001 --to 127.0.0.1:9002";

/// Serves, or prints what would be served.
pub(super) fn start(args: RunArgs) -> Outcome {
    let source = source(&args)?;
    if args.print_config {
        let compiled = source.load(output::colour_on_stderr())?;
        output::error_text(&compiled.warnings);
        output::print(&to_yaml(&compiled.snapshot));
        return Ok(ExitCode::SUCCESS);
    }
    log(args.log);
    let RunArgs { admin, watch, grace, .. } = args;
    run::run(run::Options { source, admin_socket: admin.path(), watch, grace })
}

fn source(args: &RunArgs) -> Result<Source, Failure> {
    if !args.to.is_empty() {
        return Ok(Source::Flags(Arc::new(flags::snapshot(args)?)));
    }
    let from_environment =
        || std::env::var_os("HAECHI_CONFIG").filter(|path| !path.is_empty()).map(Into::into);
    let Some(path) = args.config.clone().or_else(from_environment) else {
        Cli::command().error(ErrorKind::MissingRequiredArgument, NOTHING).exit();
    };
    // Whole, so that status names it in a way that holds in any folder.
    std::path::absolute(&path)
        .map(Source::File)
        .map_err(|error| Failure::new(format!("can't find {}: {error}", path.display())))
}

fn log(level: LogLevel) {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_ansi(output::colour_on_stderr())
        .with_writer(std::io::stderr)
        .init();
}
