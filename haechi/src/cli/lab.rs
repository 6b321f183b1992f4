//! The command line of the lab.

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::RunArgs;
use crate::verbs::parse;

/// Try haechi here and now: demo endpoints in three zones, a node in front of them, a live table
#[derive(Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  haechi lab                             in one terminal; then, in a second one:
  curl http://127.0.0.1:8080/
  haechi lab load 50                     requests from the lab itself
  haechi lab kill web-2                  a crash: no request fails
  haechi lab start web-2
  haechi lab kill kr1-a                  a whole zone
  haechi lab algorithm leastConnections

Needs no root and no cluster, stands on loopback, leaves nothing behind.
Its folder: $HAECHI_STATE_DIR/lab, else $XDG_RUNTIME_DIR/haechi-lab,
else /tmp/haechi-lab-UID."
)]
pub(crate) struct LabArgs {
    #[command(subcommand)]
    pub(crate) verb: Option<LabVerb>,

    /// Where the node serves; port 0 takes any [default: the first free port of 127.0.0.1 from 8080 on]
    #[arg(long, value_name = "ADDR", value_parser = parse::one_listen)]
    pub(crate) listen: Option<SocketAddr>,

    /// How many endpoints
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u8).range(1..=i64::from(haechi_lab::MAX_ENDPOINTS)))]
    pub(crate) endpoints: u8,

    /// Requests per second that the lab itself sends
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=i64::from(haechi_lab::MAX_RATE)))]
    pub(crate) load: u32,

    /// End after this time
    #[arg(long = "for", value_name = "TIME", value_parser = parse::time)]
    pub(crate) lasts: Option<Duration>,

    /// Write events line by line, as if to a file
    #[arg(long)]
    pub(crate) no_screen: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LabVerb {
    /// End an endpoint's process at once, as a crash does
    Kill(Targets),
    /// Stop an endpoint's process: its port takes connections, but nothing answers
    Pause(Targets),
    /// Let a paused endpoint go on
    Resume(Targets),
    /// Start a killed endpoint again; resumes a paused one
    Start(Targets),
    /// Change who gets the next request
    Algorithm {
        /// roundRobin, weightedRoundRobin, leastConnections, ipHash, leastResponseTime or random
        name: String,
    },
    /// Let the lab send requests
    Load {
        /// Requests per second; 0 ends it
        #[arg(value_name = "N", value_parser = clap::value_parser!(u32).range(0..=i64::from(haechi_lab::MAX_RATE)))]
        rate: u32,
    },
    /// Show the lab's table once
    Status,
    /// End the lab
    Stop,
    // What follows the lab calls itself; it dies with its parent.
    /// One demo endpoint
    #[command(hide = true)]
    Endpoint(EndpointProcess),
    /// The node: as `haechi run`
    #[command(hide = true)]
    Node(Box<RunArgs>),
}

#[derive(Args, Debug)]
pub(crate) struct Targets {
    /// Endpoints, or zones for all endpoints in them
    #[arg(required = true, value_name = "NAME")]
    pub(crate) names: Vec<String>,
}

#[derive(Args, Debug)]
pub(crate) struct EndpointProcess {
    #[arg(long)]
    pub(crate) name: String,

    #[arg(long)]
    pub(crate) zone: String,

    #[arg(long)]
    pub(crate) listen: SocketAddr,
}
