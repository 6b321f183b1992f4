//! Everything about the lab at one moment: the screen shows it, and `haechi lab status -o json` prints it.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The lab.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LabStatus {
    /// Process id of the lab itself.
    pub pid: u32,
    /// Milliseconds since 1970.
    pub started_at_ms: u64,
    /// When this was put together, milliseconds since 1970.
    pub at_ms: u64,
    /// Where the node serves.
    pub address: SocketAddr,
    /// Its config.
    pub config: PathBuf,
    /// Its admin API.
    pub admin_socket: PathBuf,
    /// In the order of the config.
    pub endpoints: Vec<Endpoint>,
    /// Requests that the lab itself sends.
    pub load: Load,
    /// What the node says of itself; none while it does not answer.
    pub node: Option<Box<haechi_admin::api::Status>>,
    /// Why there is none.
    pub trouble: Option<String>,
    /// The newest events of lab and node, ascending.
    pub events: Vec<Told>,
}

/// An endpoint as the lab sees it; what the node thinks of it stands in its status.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    /// As in the pool.
    pub name: String,
    /// Its failure domain.
    pub zone: String,
    /// Where it listens, or did.
    pub address: SocketAddr,
    /// What became of its process.
    pub process: Process,
    /// Its process id, while there is one.
    pub pid: Option<u32>,
    /// Requests that the node sent it, per second over the last two.
    pub requests_per_second: Option<f64>,
}

/// What became of a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Process {
    /// It runs.
    Running,
    /// Stopped by `haechi lab pause`.
    Paused,
    /// Ended by `haechi lab kill`.
    Killed,
    /// Ended otherwise.
    Gone,
}

impl Process {
    /// As the screen says it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Killed => "killed",
            Self::Gone => "gone",
        }
    }
}

/// Requests that the lab itself sends.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Load {
    /// Wished, per second.
    pub rate: u32,
    /// Answered with a status below 500.
    pub answered: u64,
    /// Answered with 500 and above, or not at all.
    pub failed: u64,
    /// Why the last one failed.
    pub last_failure: Option<String>,
    /// Not sent because too many were still waiting for their answer.
    pub held_back: u64,
}

/// One thing that happened.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    /// Milliseconds since 1970.
    pub at_ms: u64,
    /// To whom: `lab`, `web-2`, `endpoint web/web-2`.
    pub subject: String,
    /// What, in words.
    pub text: String,
}
