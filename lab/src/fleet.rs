//! The endpoints' processes: start, kill, pause, resume, by name or by zone.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::process::Signal;

use crate::block::{Block, is_free};
use crate::child::Leashed;
use crate::error::LabError;
use crate::hints::unknown;
use crate::plan::Member;
use crate::status::{Endpoint, Process};

#[derive(Debug)]
pub(crate) struct Fleet {
    program: PathBuf,
    posts: Vec<Post>,
    _block: Block,
}

#[derive(Debug)]
struct Post {
    member: Member,
    address: SocketAddr,
    child: Option<Leashed>,
    process: Process,
}

/// What is to happen to an endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Action {
    Kill,
    Pause,
    Resume,
    Start,
}

impl Fleet {
    /// Starts one endpoint for each member, at the first free ports of a block of its own.
    pub(crate) async fn start(program: &Path, members: Vec<Member>) -> Result<Self, LabError> {
        let none = || LabError::new("no ports are free on 127.0.0.1 from 9000 to 19000; end other labs");
        let block = Block::claim().ok_or_else(none)?;
        let mut posts: Vec<Post> = Vec::with_capacity(members.len());
        for member in members {
            let mut last = posts.last().map(|post| post.address.port());
            let (child, address) = loop {
                let address = block.free_above(last).ok_or_else(none)?;
                last = Some(address.port());
                match launch(program, &member, address).await {
                    Ok(child) => break (child, address),
                    Err(error) if is_free(&address) => {
                        return Err(LabError::doing(format!("start {}", member.name))(error));
                    }
                    // Another program was faster: on to the next port.
                    Err(_) => {}
                }
            };
            posts.push(Post { member, address, child: Some(child), process: Process::Running });
        }
        Ok(Self { program: program.to_owned(), posts, _block: block })
    }

    /// Members and where they listen.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = (&Member, SocketAddr)> {
        self.posts.iter().map(|post| (&post.member, post.address))
    }

    /// As the status shows it.
    pub(crate) fn endpoints(&self) -> impl Iterator<Item = Endpoint> {
        self.posts.iter().map(|post| Endpoint {
            name: post.member.name.clone(),
            zone: post.member.zone.to_owned(),
            address: post.address,
            process: post.process,
            pid: post.child.as_ref().and_then(Leashed::pid),
            requests_per_second: None,
        })
    }

    /// Names of endpoints whose process ended by itself since the last look.
    pub(crate) fn fallen(&mut self) -> Vec<String> {
        let mut names = Vec::new();
        for post in &mut self.posts {
            if post.child.as_mut().is_some_and(Leashed::ended) {
                post.child = None;
                post.process = Process::Gone;
                names.push(post.member.name.clone());
            }
        }
        names
    }

    /// Does it to the endpoint `name`, or to all of the zone `name`, and says what was done.
    pub(crate) async fn act(&mut self, action: Action, name: &str) -> Result<String, LabError> {
        // What fell in the meantime must not be taken for running.
        self.fallen();
        let chosen: Vec<usize> = (0..self.posts.len()).filter(|at| self.posts[*at].is(name)).collect();
        if chosen.is_empty() {
            return Err(self.unknown(name));
        }
        let mut done = Vec::with_capacity(chosen.len());
        for at in chosen {
            done.push(self.posts[at].act(action, &self.program).await?);
        }
        Ok(done.join("\n"))
    }

    fn unknown(&self, name: &str) -> LabError {
        let mut known: Vec<&str> = self.posts.iter().map(|post| post.member.zone).collect();
        known.sort_unstable();
        known.dedup();
        known.splice(0..0, self.posts.iter().map(|post| post.member.name.as_str()));
        LabError::new(unknown("endpoint or zone", name, &known))
    }

    /// Ends all of them at once.
    pub(crate) async fn end(self) {
        for child in self.posts.into_iter().filter_map(|post| post.child) {
            // One that can't be killed dies with the lab.
            let _ = child.kill().await;
        }
    }
}

impl Post {
    fn is(&self, name: &str) -> bool {
        self.member.name == name || self.member.zone == name
    }

    async fn act(&mut self, action: Action, program: &Path) -> Result<String, LabError> {
        let name = self.member.name.clone();
        let doing = |what: &str| LabError::doing(format!("{what} {name}"));
        match (action, self.child.take()) {
            (Action::Kill, Some(child)) => {
                child.kill().await.map_err(doing("kill"))?;
                self.process = Process::Killed;
                Ok(format!("{name} is killed: its port refuses connections now"))
            }
            (Action::Kill, None) => Ok(format!("{name} does not run; nothing to kill")),
            (Action::Pause, Some(child)) => {
                let sent = child.signal(Signal::STOP);
                self.child = Some(child);
                sent.map_err(doing("pause"))?;
                self.process = Process::Paused;
                Ok(format!("{name} is paused: its port takes connections, but nothing answers"))
            }
            (Action::Pause, None) => Err(LabError::new(format!("{name} does not run; start it first"))),
            (Action::Resume, None) => Err(LabError::new(format!(
                "{name} is not paused but gone; `lab start {name}` brings it back"
            ))),
            (Action::Resume | Action::Start, Some(child)) => {
                let sent = child.signal(Signal::CONT);
                self.child = Some(child);
                sent.map_err(doing("resume"))?;
                let was = std::mem::replace(&mut self.process, Process::Running);
                Ok(match was {
                    Process::Paused => format!("{name} goes on"),
                    _ => format!("{name} runs already"),
                })
            }
            (Action::Start, None) => {
                let child = launch(program, &self.member, self.address).await.map_err(doing("start"))?;
                self.child = Some(child);
                self.process = Process::Running;
                Ok(format!("{name} runs again at {}", self.address))
            }
        }
    }
}

async fn launch(program: &Path, member: &Member, address: SocketAddr) -> io::Result<Leashed> {
    let address = address.to_string();
    let arguments = ["lab", "endpoint", "--name", &member.name, "--zone", member.zone, "--listen", &address];
    let mut child = Leashed::spawn(program, &arguments, Stdio::piped(), Stdio::null())?;
    child.listening().await?;
    Ok(child)
}
