//! The node: this program's `run`, on the lab's config, as a child.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use haechi_admin::api::Status;
use haechi_admin::client::Client;
use haechi_model::Health;
use tokio::time::{sleep, timeout};

use crate::child::Leashed;
use crate::error::LabError;
use crate::folder::Folder;

/// A node stands in well under a second; a busy machine may take longer.
const START: Duration = Duration::from_secs(20);

/// The node spreads its first probes over a fast interval; the first page waits for them, because six times
/// `unknown` is no welcome.
const FIRST_PROBES: Duration = Duration::from_secs(1);

/// Between two looks at whether it stands.
const LOOK: Duration = Duration::from_millis(20);

/// For an answer of its admin API, which does little here.
const ANSWER: Duration = Duration::from_secs(5);

/// For running requests when the lab ends; the node gets a second less, to say that it cut some off.
const GRACE: Duration = Duration::from_secs(3);

/// Lines of its log that are shown when it fails.
const LAST_WORDS: usize = 20;

#[derive(Debug)]
pub(crate) struct Node {
    child: Leashed,
    client: Client,
}

impl Node {
    /// Starts it and waits until it serves.
    pub(crate) async fn start(program: &Path, folder: &Folder) -> Result<Self, LabError> {
        let log = File::create(folder.node_log()).map_err(LabError::doing("make the node's log"))?;
        let (config, socket) = (folder.config(), folder.admin_socket());
        let (config, admin) = (config.to_string_lossy(), socket.to_string_lossy());
        let grace = format!("{}s", GRACE.as_secs() - 1);
        let arguments =
            ["lab", "node", "--config", &config, "--admin-socket", &admin, "--watch", "--grace", &grace];
        let mut child = Leashed::spawn(program, &arguments, Stdio::null(), Stdio::from(log))
            .map_err(LabError::doing("start the node"))?;
        let client = Client::new(&socket);
        let standing = async {
            while client.status().await.is_err() {
                if child.ended() {
                    let said = last_words(&folder.node_log());
                    return Err(LabError::new(format!("the node did not start; it said:\n{said}")));
                }
                sleep(LOOK).await;
            }
            Ok(())
        };
        match timeout(START, standing).await {
            Ok(stands) => stands?,
            Err(_) => {
                return Err(LabError::new(format!("the node did not answer within {} s", START.as_secs())));
            }
        }
        // Whether or not it comes to that: the page says what is known.
        let _ = timeout(FIRST_PROBES, probed(&client)).await;
        Ok(Self { child, client })
    }

    /// For asking it from elsewhere.
    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }

    pub(crate) async fn status(&self) -> Result<Status, LabError> {
        answered(self.client.status()).await
    }

    /// Lets it read its config again.
    pub(crate) async fn reload(&self) -> Result<(), LabError> {
        answered(self.client.reload(false)).await.map(drop)
    }

    /// Waits for its end, which is not expected; says its last words.
    pub(crate) async fn ended(&mut self, log: &Path) -> LabError {
        // Whether it could be waited for or not: it is gone.
        let status = self.child.wait().await;
        let how = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        LabError::new(format!("the node ended ({how}); it said:\n{}", last_words(log)))
    }

    /// Lets it finish and ends it; `now` ends it at once.
    pub(crate) async fn end(self, now: bool) {
        // One that can't be ended dies with the lab.
        let _ = if now { self.child.kill().await } else { self.child.end(GRACE).await };
    }
}

async fn answered<T>(
    asking: impl Future<Output = Result<T, haechi_admin::client::ClientError>>,
) -> Result<T, LabError> {
    match timeout(ANSWER, asking).await {
        Ok(answer) => answer.map_err(|error| LabError::new(error.to_string())),
        Err(_) => Err(LabError::new(format!("the node does not answer within {} s", ANSWER.as_secs()))),
    }
}

/// Waits until every endpoint was probed once.
async fn probed(client: &Client) {
    let unknown = |status: &Status| {
        status
            .pools
            .iter()
            .flat_map(|pool| &pool.endpoints)
            .any(|endpoint| endpoint.health == Health::Unknown)
    };
    while client.status().await.as_ref().is_ok_and(unknown) {
        sleep(LOOK).await;
    }
}

fn last_words(log: &Path) -> String {
    let text =
        std::fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    if lines.is_empty() {
        return "  (nothing)".to_owned();
    }
    let from = lines.len().saturating_sub(LAST_WORDS);
    lines[from..].iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}
