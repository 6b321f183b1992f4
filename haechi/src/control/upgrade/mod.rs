//! An upgrade: the program that stands in this one's place by now takes over, on the same host and without loss.
//!
//! ```text
//!  the process that serves                          the heir, started by it
//!    Offer + listening sockets, doors of the API ─►   compiles the config, binds what is new
//!                                                ◄─ Ready, or Refused
//!    Estate: states, counters, virtual routers   ─►   advertises, accepts from the same sockets
//!                                                ◄─ Serving
//!    accepts no more, lets what is open end           serves alone
//! ```
//!
//! Both have the very same sockets (`SCM_RIGHTS`), so a connection that waits in one waits for both. Whatever fails
//! before `Serving` ends the heir, and the old process serves on as if nothing had happened. Where the old one dies
//! on the way, the heir serves with what it has. All that passes is plain data with a number of its format in front.

mod estate;
mod heir;
mod pass_on;
mod starter;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use haechi_sys::handoff::{self, Handoff, Limits};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use self::estate::Estate;
pub(super) use self::estate::Known;
pub(crate) use self::heir::Heir;
pub(super) use self::starter::Starter;

/// Of what passes. It grows when an older reader would take something wrongly; what is only added needs no other.
/// 2: UDP flows, whose sockets come behind what else has descriptors.
const FORMAT: u32 = 2;

/// Tells a process whose heir it is, and from when on the moments of that one count: `PID:NANOS`.
const HEIR_OF: &str = "HAECHI_HEIR_OF";

/// For what the other side has ready: it is only moved.
const AT_ONCE: Duration = Duration::from_secs(10);

/// Descriptors of eight UDP listeners as full of flows as the default allows; 64 MiB hold these, and the states and
/// counters of 40,000 endpoints.
const LIMITS: Limits = Limits { descriptors: 1 << 17, blob: 64 << 20 };

/// Most UDP flows that pass on: what is left of the limit is for everything else. More begin anew.
const FLOWS: usize = LIMITS.descriptors - 4096;

/// The first that an heir hears. Its descriptors: the Unix socket of the API, its TCP socket if there is one, and then
/// the listening sockets.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Offer {
    format: u32,
    version: String,
    api: Option<SocketAddr>,
    /// How many sockets stand on each address.
    sockets: Vec<(SocketAddr, usize)>,
    /// The same of UDP. Their descriptors are the last.
    #[serde(default)]
    datagrams: Vec<(SocketAddr, usize)>,
    /// Addresses that no kernel moves, and that are this node's.
    #[serde(default)]
    claimed: Vec<IpAddr>,
}

/// What an heir says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Word {
    /// It could serve at once.
    Ready { version: String },
    /// It can't, and ends.
    Refused { text: String },
    /// It serves.
    Serving,
}

/// The line between both.
#[derive(Clone, Debug)]
struct Line(Arc<UnixStream>);

impl Line {
    fn send(&self, descriptors: &[BorrowedFd<'_>], what: &impl Serialize) -> io::Result<()> {
        handoff::send(&self.0, descriptors, &serde_json::to_vec(what)?, AT_ONCE)
    }

    fn receive<T: DeserializeOwned>(&self, within: Duration) -> io::Result<(T, Vec<OwnedFd>)> {
        let Handoff { descriptors, blob } = handoff::receive(&self.0, LIMITS, within)?;
        Ok((serde_json::from_slice(&blob)?, descriptors))
    }

    /// The same for tasks, which must not wait.
    async fn hear<T: DeserializeOwned + Send + 'static>(
        &self,
        within: Duration,
    ) -> io::Result<(T, Vec<OwnedFd>)> {
        let line = self.clone();
        tokio::task::spawn_blocking(move || line.receive(within)).await?
    }
}

fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
    )
}
