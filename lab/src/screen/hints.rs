//! What to try next, as commands that can be copied.

use crate::hints::{called, shell};
use crate::status::{Endpoint, LabStatus, Process};

/// How a second terminal calls this program.
#[derive(Clone, Debug)]
pub(crate) struct Hints {
    program: String,
}

impl Hints {
    pub(crate) fn new(argument: Option<&str>, setting: Option<&str>) -> Self {
        let program = called(argument);
        Self { program: setting.map_or_else(|| program.clone(), |setting| format!("{setting} {program}")) }
    }

    /// Commands and what they are for, the most telling first.
    pub(super) fn all(&self, status: &LabStatus) -> Vec<(String, &'static str)> {
        let (program, url) = (&self.program, format!("http://{}/", status.address));
        let socket = shell(&status.admin_socket);
        let runs = |endpoint: &&Endpoint| endpoint.process == Process::Running;
        let running: Vec<&str> =
            status.endpoints.iter().filter(runs).map(|endpoint| &*endpoint.name).collect();
        let pick = |at: usize| running.get(at).or(running.last()).copied().unwrap_or("web-1");
        let mut hints = vec![(format!("while sleep 0.2; do curl -s {url}; echo; done"), "who answers?")];
        hints.push(match status.endpoints.iter().find(|endpoint| !runs(endpoint)) {
            Some(down) => (format!("{program} lab start {}", down.name), "bring it back"),
            None => (format!("{program} lab kill {}", pick(1)), "a crash; no request fails"),
        });
        hints.extend([
            (format!("{program} lab pause {}", pick(2)), "a hang, which is worse"),
            (format!("{program} lab algorithm leastConnections"), "who gets the next request"),
            (format!("{program} lab load 50"), "requests from the lab itself"),
            (format!("{program} test {url}"), "how requests are spread"),
            (format!("${{EDITOR:-vi}} {}", shell(&status.config)), "its config: what you save is in force"),
            (format!("{program} status --admin-socket {socket}"), "what operators see"),
        ]);
        hints
    }
}
