//! The command line: what can be typed, and what each verb says of itself to a stranger.

pub(crate) mod lab;

use std::net::SocketAddr;
use std::num::{NonZeroU16, NonZeroU32};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::output::Format;
use crate::verbs::parse;

/// A load balancer that keeps a service reachable: one binary, one file.
#[derive(Debug, Parser)]
#[command(
    name = "haechi",
    version,
    max_term_width = 110,
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_help = "Start with:\n  haechi run --listen :8080 --to 127.0.0.1:9001 --to 127.0.0.1:9002\n  haechi status\n\n\
                  Exit codes: 0 fine, 1 error, 2 usage. Colour goes to terminals only, and NO_COLOR turns it off."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) verb: Verb,

    /// Write text for people or json for programs
    #[arg(short, long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) output: Format,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Run(RunArgs),
    Check(CheckArgs),
    Diff(DiffArgs),
    Reload(ReloadArgs),
    Upgrade(UpgradeArgs),
    Status(StatusArgs),
    Top(TopArgs),
    Events(EventsArgs),
    #[command(subcommand)]
    Endpoint(EndpointVerb),
    #[command(subcommand)]
    Ha(HaVerb),
    Why(WhyArgs),
    Doctor(DoctorArgs),
    Test(TestArgs),
    Lab(lab::LabArgs),
    Explain(ExplainArgs),
    /// Print the JSON Schema of the config file, for editors
    #[command(after_help = "Examples:\n  haechi schema > haechi.schema.json\n  \
                            # then, as the first line of haechi.yaml:\n  \
                            # yaml-language-server: $schema=./haechi.schema.json")]
    Schema,
    /// Print the completions of a shell
    #[command(after_help = "Examples:\n  haechi completions bash > /etc/bash_completion.d/haechi\n  \
                            haechi completions fish > ~/.config/fish/completions/haechi.fish")]
    Completions {
        /// Which shell
        shell: Shell,
    },
}

// A doc comment on a flattened part would become the text of the verb that takes it in.
// Where the running haechi is asked.
#[derive(Args, Debug)]
pub(crate) struct AdminSocket {
    /// Socket of the admin API [default: /run/haechi/admin.sock for root, else
    /// $XDG_RUNTIME_DIR/haechi/admin.sock, else /tmp/haechi-UID/admin.sock]
    #[arg(long, value_name = "PATH", env = "HAECHI_ADMIN_SOCKET")]
    pub(crate) admin_socket: Option<PathBuf>,
}

/// Serve until stopped: by a file, or by flags alone
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  haechi run -c /etc/haechi/haechi.yaml
  haechi run --listen :8080 --to 127.0.0.1:9001 --to 127.0.0.1:9002
  haechi run --listen :8080 --to 127.0.0.1:9001 --print-config > haechi.yaml

SIGHUP reloads; SIGUSR2 upgrades; SIGTERM and SIGINT let running work finish.")]
pub(crate) struct RunArgs {
    // Not bound to the environment by clap: `HAECHI_CONFIG` gives way to --listen, the flag clashes with it.
    /// The config file [env: HAECHI_CONFIG]
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["listen", "to"])]
    pub(crate) config: Option<PathBuf>,

    /// Address to accept HTTP on, such as 127.0.0.1:8080, or :8080 for every address; repeatable
    #[arg(long, value_name = "ADDR", requires = "to", value_parser = parse::listen)]
    pub(crate) listen: Vec<Listen>,

    /// Endpoint to send requests to, as IP:PORT or localhost:PORT; repeatable
    #[arg(long, value_name = "HOST:PORT", requires = "listen", value_parser = parse::to)]
    pub(crate) to: Vec<SocketAddr>,

    /// Who gets the next request
    #[arg(long, value_enum, requires = "to", conflicts_with = "config")]
    pub(crate) algorithm: Option<AlgorithmName>,

    /// Threads that serve [default: one per core]; a file says `workers: N` instead
    #[arg(long, value_name = "N", requires = "to", conflicts_with = "config")]
    pub(crate) workers: Option<NonZeroU16>,

    /// Print the config that these flags or this file mean, and exit
    #[arg(long)]
    pub(crate) print_config: bool,

    /// Reload when the config file changes
    #[arg(long, conflicts_with = "to")]
    pub(crate) watch: bool,

    /// How long running work may take after a stop
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse::time)]
    pub(crate) grace: Duration,

    /// How much to log to stderr
    #[arg(long, value_name = "LEVEL", value_enum, default_value_t = LogLevel::Info)]
    pub(crate) log: LogLevel,

    #[command(flatten)]
    pub(crate) admin: AdminSocket,
}

/// One `--listen`: `:80` stands for both families.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Listen(pub(crate) Vec<SocketAddr>);

/// As in the config.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
#[value(rename_all = "camelCase")]
pub(crate) enum AlgorithmName {
    /// Each in turn
    RoundRobin,
    /// In turn by weight
    WeightedRoundRobin,
    /// Fewest requests in flight
    LeastConnections,
    /// By the client's address
    IpHash,
    /// Quickest answers
    LeastResponseTime,
    /// The better of two picked at random
    Random,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// Check a config file and say all that is wrong with it
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  haechi check -c haechi.yaml\n  haechi check -c haechi.yaml --deny-warnings -o json\n\n\
                        Each diagnostic has a code; `haechi explain CODE` tells more."
)]
pub(crate) struct CheckArgs {
    /// The config file; `-` is standard input
    #[arg(short, long, value_name = "FILE", env = "HAECHI_CONFIG")]
    pub(crate) config: PathBuf,

    /// Exit with 1 on warnings too
    #[arg(long)]
    pub(crate) deny_warnings: bool,
}

/// Check that this machine can do what the config asks; changes nothing
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  haechi doctor -c haechi.yaml              # before the first start
  haechi doctor                             # the config of the haechi that runs
  haechi doctor -o json | jq '.findings[] | select(.level == \"error\")'

It listens for other nodes and asks who has the addresses, which takes about a second, and more with long
advertisement intervals. Run it as root: what it may not look at, it says. Exit code 1 if there is an error.")]
pub(crate) struct DoctorArgs {
    /// The config file [default: that of the haechi that runs]
    #[arg(short, long, value_name = "FILE", env = "HAECHI_CONFIG")]
    pub(crate) config: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) admin: AdminSocket,
}

/// Show what a config change would do and whom it would disturb
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  haechi diff old.yaml new.yaml    two files; nothing needs to run
  haechi diff                      what runs against its file
  haechi diff -c haechi.yaml       the same, and makes sure that it is this file

With --exit-code, as with diff(1): 0 no changes, 1 changes, 2 it could not be found out.")]
pub(crate) struct DiffArgs {
    /// The config as it is
    #[arg(requires = "new")]
    pub(crate) old: Option<PathBuf>,

    /// The config as it would be
    pub(crate) new: Option<PathBuf>,

    /// Compare what runs with this file, which must be the one that it was started with
    #[arg(short, long, value_name = "FILE", conflicts_with = "old")]
    pub(crate) config: Option<PathBuf>,

    /// Exit with 1 if there are changes, and with 2 on errors
    #[arg(long)]
    pub(crate) exit_code: bool,

    #[command(flatten)]
    pub(crate) admin: AdminSocket,
}

/// Let the running haechi read its config again and apply what changed
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  haechi reload --dry-run\n  haechi reload\n\n\
                        A config that is refused changes nothing: what is in force stays in force.")]
pub(crate) struct ReloadArgs {
    /// Only say what would change
    #[arg(long)]
    pub(crate) dry_run: bool,

    #[command(flatten)]
    pub(crate) admin: AdminSocket,
}

/// Let the program that now stands in the running one's place take over, without losing a connection
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  install -m 755 haechi-new /usr/bin/haechi\n  haechi upgrade\n\n\
                        The running process starts its own file anew with the same arguments and passes on its sockets, \
                        states and counters. One that does not get ready changes nothing. What is open ends where it \
                        began, within --grace. SIGUSR2 does the same.")]
pub(crate) struct UpgradeArgs {
    /// How long the new process may take to get ready, at most 60s
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse::time)]
    pub(crate) wait: Duration,

    #[command(flatten)]
    pub(crate) admin: AdminSocket,
}

/// Show on one screen what runs, and why each endpoint is what it is
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  haechi status\n  \
                        haechi status -o json | jq '.pools[].endpoints[] | select(.serving | not)'")]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) admin: AdminSocket,
}

/// Watch traffic and health, renewed every second
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  haechi top\n  haechi top -n 5 > five-seconds.txt\n\nq or Ctrl-C ends it."
)]
pub(crate) struct TopArgs {
    /// Write so many screens one below the other, then end
    #[arg(short = 'n', long, value_name = "N")]
    pub(crate) count: Option<NonZeroU32>,

    #[command(flatten)]
    pub(crate) admin: AdminSocket,
}

/// Show what happened: health, config, operators
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  haechi events\n  haechi events --follow\n  haechi events --after 120 -o json\n\n\
                        With -o json, one event per line."
)]
pub(crate) struct EventsArgs {
    /// Wait for what comes and show it, until Ctrl-C
    #[arg(short, long)]
    pub(crate) follow: bool,

    /// Only events with a number above N
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) after: u64,

    /// At most N events, the newest
    #[arg(short = 'n', long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) count: u16,

    #[command(flatten)]
    pub(crate) admin: AdminSocket,
}

/// Enable, drain or disable one endpoint
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  haechi endpoint drain web/web-1 --wait 60s\n  haechi endpoint enable web/web-1\n\n\
                        What is set here holds over reloads, until it is set anew."
)]
pub(crate) enum EndpointVerb {
    /// Let it finish what it has and give it nothing new
    Drain(EndpointArgs),
    /// Let it take work again; with --wait, wait until it does
    Enable(EndpointArgs),
    /// Give it nothing at all and close its connections
    Disable(EndpointArgs),
}

#[derive(Args, Debug)]
pub(crate) struct EndpointArgs {
    /// Which one, as `haechi status` names them
    #[arg(value_name = "POOL/ENDPOINT", value_parser = parse::endpoint)]
    pub(crate) endpoint: EndpointPath,

    /// Wait until nothing runs there any more, at most so long (60s if no time is given)
    #[arg(long, value_name = "TIME", num_args = 0..=1, default_missing_value = "60s", value_parser = parse::time)]
    pub(crate) wait: Option<Duration>,

    #[command(flatten)]
    pub(crate) admin: AdminSocket,
}

/// `pool/endpoint`
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct EndpointPath {
    pub(crate) pool: String,
    pub(crate) endpoint: String,
}

/// Look at virtual routers, or hand one over to another node
#[derive(Debug, Subcommand)]
#[command(
    arg_required_else_help = true,
    after_help = "Examples:\n  haechi ha status\n  haechi ha handover edge --to lb2 --wait"
)]
pub(crate) enum HaVerb {
    /// Show who is active, why, and what is wrong
    Status(HaStatusArgs),
    /// Let another node take over; open connections stay
    Handover(HandoverArgs),
    /// Practise a hand-over: move, measure what a client notices, move back
    Rehearse(RehearseArgs),
    /// Lets go of addresses when the process that holds them dies; started by `haechi run`
    #[command(hide = true)]
    Keeper,
}

#[derive(Args, Debug)]
pub(crate) struct HaStatusArgs {
    #[command(flatten)]
    pub(crate) admin: AdminSocket,
}

/// Tell the last failover as a story: what this node saw, decided and did, with milliseconds
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  haechi why
  haechi why edge -o json > record.json    # all of it: it can be played again")]
pub(crate) struct WhyArgs {
    /// Which virtual router, as `haechi ha status` names them; not needed if there is one
    #[arg(value_name = "VIRTUAL ROUTER")]
    pub(crate) router: Option<String>,

    #[command(flatten)]
    pub(crate) admin: AdminSocket,
}

#[derive(Args, Debug)]
pub(crate) struct HandoverArgs {
    /// Which virtual router, as `haechi ha status` names them; not needed if there is one
    #[arg(value_name = "VIRTUAL ROUTER")]
    pub(crate) router: Option<String>,

    /// Who should follow: the name of a peer, or its address. VRRP elects the best backup that listens, so with
    /// several of them this is a wish
    #[arg(long, value_name = "PEER")]
    pub(crate) to: Option<String>,

    /// Wait until another node is active, at most so long (10s if no time is given)
    #[arg(long, value_name = "TIME", num_args = 0..=1, default_missing_value = "10s", value_parser = parse::time)]
    pub(crate) wait: Option<Duration>,

    #[command(flatten)]
    pub(crate) admin: AdminSocket,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  haechi ha rehearse edge --to lb2 --ask 'ssh lb2 haechi'
  haechi ha rehearse --force --stay

It opens a connection to the address every 10 ms, from this node, as a client on the link would that knew the address
before: here until the other node announces it, and by the interface from then on. IPv4 only. The result is kept in the state folder and stands in `haechi ha
status`. Exit code 1 if a connection failed, or if it did not go there and back.")]
pub(crate) struct RehearseArgs {
    /// Which virtual router, as `haechi ha status` names them; not needed if there is one
    #[arg(value_name = "VIRTUAL ROUTER")]
    pub(crate) router: Option<String>,

    /// Who should follow: the name of a peer, or its address
    #[arg(long, value_name = "PEER")]
    pub(crate) to: Option<String>,

    /// What runs haechi on the other node, such as 'ssh lb2 haechi': it is asked whether it could carry the load
    #[arg(long, value_name = "COMMAND")]
    pub(crate) ask: Option<String>,

    /// Move even if the other node could not carry the load, or nobody knows
    #[arg(long)]
    pub(crate) force: bool,

    /// Take it back after the move; what is done if nothing is said
    #[arg(long, conflicts_with = "stay")]
    pub(crate) back: bool,

    /// Leave it with the other node
    #[arg(long)]
    pub(crate) stay: bool,

    /// How long each move may take
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse::time)]
    pub(crate) wait: Duration,

    #[command(flatten)]
    pub(crate) admin: AdminSocket,
}

/// Send real requests and say who answered, how quickly, and what failed
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  haechi test http://127.0.0.1:8080/
  haechi test http://10.0.0.100/ --host shop.example.com -n 1000 -c 8 --by header:x-served-by

Who answered is told by a field of the answer; where it is missing, the start of the body stands for it.
A request failed if no whole answer came, or its status is 400 or above. Exit code 1 if any failed.")]
pub(crate) struct TestArgs {
    /// Where to, as http://HOST[:PORT]/PATH
    #[arg(value_parser = parse::url)]
    pub(crate) url: Url,

    /// How many requests
    #[arg(short = 'n', long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) count: u32,

    /// How many at a time, each on a connection of its own
    #[arg(short, long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) concurrency: u16,

    /// `Host` to ask for instead of the URL's
    #[arg(long, value_parser = parse::host)]
    pub(crate) host: Option<String>,

    /// Who answered, as header:NAME, or json:FIELD of the body
    #[arg(long, value_name = "WHAT", default_value = "json:pod", value_parser = parse::by)]
    pub(crate) by: By,

    /// For one request, its connection included
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse::time)]
    pub(crate) timeout: Duration,
}

/// What `test` asks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Url {
    /// As typed.
    pub(crate) text: String,
    /// Name or address, IPv6 without brackets.
    pub(crate) name: String,
    pub(crate) port: u16,
    /// For the `Host` field.
    pub(crate) authority: String,
    /// Path and query.
    pub(crate) target: String,
}

/// How `test` knows who answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum By {
    Header(hyper::header::HeaderName),
    Json(String),
}

/// Tell what a diagnostic code means and what to do
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  haechi explain HCH0201\n  haechi explain           lists all codes")]
pub(crate) struct ExplainArgs {
    /// The code, such as HCH0201; without it, all of them
    pub(crate) code: Option<String>,
}
