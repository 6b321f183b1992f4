//! The lab from start to end: everything happens in one task, one thing after the other, so that no verb
//! meets a half-done one.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use haechi_admin::api::{Event, Status};
use haechi_admin::client::Client;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};

use crate::algorithm;
use crate::block::{is_free, loopback};
use crate::client::ask;
use crate::command::{Command, Reply};
use crate::error::LabError;
use crate::fleet::{Action, Fleet};
use crate::folder::{Folder, Refusal};
use crate::load::{Generator, MAX_RATE};
use crate::node::Node;
use crate::plan::{self, NODE_PORT};
use crate::rates::Rates;
use crate::screen::{Display, Hints};
use crate::server::{self, Wish};
use crate::status::LabStatus;
use crate::story::Story;

/// The screen's beat.
const BEAT: Duration = Duration::from_secs(1);

/// How long the node may hold the lab's question for news.
const NEWS: Duration = Duration::from_secs(20);

/// Most news at a time; a node has a handful.
const MAX_NEWS: usize = 100;

/// Pause after the node did not answer a question for news.
const BREATH: Duration = Duration::from_millis(500);

/// What is wanted of a lab.
#[derive(Clone, PartialEq, Debug)]
pub struct Options {
    /// This program, which the lab starts as its children.
    pub program: PathBuf,
    /// How the user called it, for the hints: `target/release/haechi`. None if that is not known.
    pub called: Option<String>,
    /// Where the lab's folder may be; the first is taken. See [`candidates`](crate::candidates).
    pub folders: Vec<PathBuf>,
    /// What a second terminal must set to find the folder, such as `HAECHI_STATE_DIR=/x`.
    pub setting: Option<String>,
    /// Where the node serves; port 0 means any. The first free port from 8080 on if not set.
    pub listen: Option<SocketAddr>,
    /// How many, from 1 to [`MAX_ENDPOINTS`](crate::MAX_ENDPOINTS).
    pub endpoints: u8,
    /// Requests per second that the lab itself sends, at most [`MAX_RATE`].
    pub load: u32,
    /// Ends by itself after this time.
    pub lasts: Option<Duration>,
    /// Where its words go.
    pub output: Output,
}

/// What is written, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Output {
    /// A table on a terminal, drawn anew every second.
    Screen {
        /// Whether it may be coloured.
        colour: bool,
    },
    /// An introduction, then a line for each event.
    Lines,
}

/// Runs a lab until it is told to stop: by SIGINT, SIGTERM, SIGHUP, `haechi lab stop` or its time.
///
/// Must be called on the main thread, from a runtime of that thread: the children are tied to it.
///
/// # Errors
/// It did not start, or its node ended: why, and what to do.
pub async fn run(options: Options, out: &mut dyn Write) -> Result<(), LabError> {
    let mut stop = Stop::new().map_err(LabError::doing("listen for signals"))?;
    let end = options.lasts.map(|lasts| Instant::now() + lasts);
    let mut lab = tokio::select! {
        started = Lab::start(&options) => started?,
        () = stop.wanted() => return Ok(()),
    };
    let outcome = lab.live(&mut stop, end, out).await;
    lab.end(&mut stop, out).await;
    outcome
}

/// Ways to end a process from outside.
struct Stop([Signal; 3]);

impl Stop {
    fn new() -> io::Result<Self> {
        Ok(Self([
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        ]))
    }

    async fn wanted(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

/// Whether the lab goes on.
#[derive(PartialEq, Eq)]
enum Next {
    On,
    End,
}

struct Lab {
    // Children are dropped, and so killed, before the folder that they use.
    fleet: Fleet,
    node: Node,
    load: Generator,
    tasks: JoinSet<()>,
    wishes: mpsc::Receiver<Wish>,
    news: mpsc::Receiver<Vec<Event>>,
    address: SocketAddr,
    started_at_ms: u64,
    story: Story,
    rates: Rates,
    display: Display,
    folder: Folder,
}

impl Lab {
    async fn start(options: &Options) -> Result<Self, LabError> {
        let folder = claim(&options.folders)?;
        let mut story = Story::default();
        let address = listen(options.listen, &mut story)?;
        let fleet = Fleet::start(&options.program, plan::members(options.endpoints)).await?;
        let config = plan::config(address, fleet.addresses());
        fs::write(folder.config(), config).map_err(LabError::doing("write the node's config"))?;
        let node = Node::start(&options.program, &folder).await?;
        let (wish, wishes) = mpsc::channel(1);
        let (tell, news) = mpsc::channel(1);
        let mut tasks = JoinSet::new();
        tasks.spawn(server::serve(server::listen(&folder.socket())?, wish));
        tasks.spawn(follow(node.client(), tell));
        let hints = Hints::new(options.called.as_deref(), options.setting.as_deref());
        Ok(Self {
            load: Generator::start(address, options.load),
            fleet,
            node,
            tasks,
            wishes,
            news,
            address,
            started_at_ms: now_ms(),
            story,
            rates: Rates::default(),
            display: Display::new(options.output, hints),
            folder,
        })
    }

    async fn live(
        &mut self,
        stop: &mut Stop,
        end: Option<Instant>,
        out: &mut dyn Write,
    ) -> Result<(), LabError> {
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let log = self.folder.node_log();
        loop {
            let next = tokio::select! {
                () = stop.wanted() => Next::End,
                () = at(end) => Next::End,
                Some(wish) = self.wishes.recv() => self.grant(wish).await,
                Some(news) = self.news.recv() => self.hear(news),
                why = self.node.ended(&log) => return Err(why),
                _ = beat.tick() => Next::On,
            };
            if next == Next::End {
                return Ok(());
            }
            let status = self.status().await;
            // Without a reader there is no use in going on.
            self.display.show(&status, &self.story, out).map_err(LabError::doing("write to the terminal"))?;
        }
    }

    fn hear(&mut self, news: Vec<Event>) -> Next {
        for event in news {
            self.story.hear(event);
        }
        Next::On
    }

    async fn grant(&mut self, wish: Wish) -> Next {
        let (reply, next) = match &wish.command {
            Command::Status => (Reply::status(self.status().await), Next::On),
            Command::Stop => (Reply::done("the lab ends"), Next::End),
            command => {
                let done = self.change(command).await;
                if let Ok(text) = &done {
                    for line in text.lines() {
                        self.story.tell(now_ms(), "lab", line);
                    }
                }
                (done.map_or_else(|error| Reply::refused(error.to_string()), Reply::done), Next::On)
            }
        };
        // Whoever asked may be gone.
        let _ = wish.reply.send(reply);
        next
    }

    async fn change(&mut self, command: &Command) -> Result<String, LabError> {
        match command {
            Command::Kill { name } => self.fleet.act(Action::Kill, name).await,
            Command::Pause { name } => self.fleet.act(Action::Pause, name).await,
            Command::Resume { name } => self.fleet.act(Action::Resume, name).await,
            Command::Start { name } => self.fleet.act(Action::Start, name).await,
            Command::Algorithm { name } => self.algorithm(name).await,
            Command::Load { rate } => self.send(*rate),
            Command::Status | Command::Stop => Ok(String::new()),
        }
    }

    fn send(&self, rate: u32) -> Result<String, LabError> {
        if rate > MAX_RATE {
            return Err(LabError::new(format!(
                "the lab sends at most {MAX_RATE} requests per second; to measure, see bench/README.md"
            )));
        }
        self.load.set_rate(rate);
        Ok(match rate {
            0 => "the lab sends no requests any more".to_owned(),
            rate => format!("the lab sends {rate} requests per second"),
        })
    }

    async fn algorithm(&self, name: &str) -> Result<String, LabError> {
        let algorithm = algorithm::named(name)?;
        let path = self.folder.config();
        let old = fs::read_to_string(&path).map_err(LabError::doing("read the node's config"))?;
        let new = algorithm::rewrite(&old, algorithm)?;
        replace(&path, &new).map_err(LabError::doing("write the node's config"))?;
        if let Err(error) = self.node.reload().await {
            // What does not work must not stay in the file for the next change to trip over.
            replace(&path, &old).map_err(LabError::doing("restore the node's config"))?;
            return Err(LabError::new(format!("{error}; the config is as it was")));
        }
        Ok(format!("the pool's algorithm is {algorithm} now"))
    }

    async fn status(&mut self) -> LabStatus {
        for name in self.fleet.fallen() {
            self.story.tell(
                now_ms(),
                "lab",
                &format!("{name} ended by itself; `lab start {name}` brings it back"),
            );
        }
        let (node, trouble) = match self.node.status().await {
            Ok(status) => (Some(Box::new(status)), None),
            Err(error) => (None, Some(error.to_string())),
        };
        if let Some(status) = &node {
            self.rates.sample(haechi_sys::clock::now(), counters(status));
        }
        let endpoints = self.fleet.endpoints().map(|mut endpoint| {
            endpoint.requests_per_second = self.rates.of(&endpoint.address.to_string());
            endpoint
        });
        LabStatus {
            pid: haechi_sys::limits::process_id(),
            started_at_ms: self.started_at_ms,
            at_ms: now_ms(),
            address: self.address,
            config: self.folder.config(),
            admin_socket: self.folder.admin_socket(),
            endpoints: endpoints.collect(),
            load: self.load.figures(),
            node,
            trouble,
            events: self.story.all(),
        }
    }

    /// Ends everything; a second signal makes it short.
    async fn end(self, stop: &mut Stop, out: &mut dyn Write) {
        let Self { fleet, node, load, mut tasks, display, folder, .. } = self;
        drop(load);
        tasks.abort_all();
        tokio::select! {
            () = node.end(false) => {}
            // Dropping a child kills it.
            () = stop.wanted() => {}
        }
        fleet.end().await;
        drop(folder);
        // The terminal may be what went away.
        let _ = display.farewell(out);
    }
}

/// Requests of each endpoint by its address, which is what lab and node both know, whatever names and pools
/// the user gave it in the config.
fn counters(status: &Status) -> HashMap<String, u64> {
    let endpoints = status.pools.iter().flat_map(|pool| &pool.endpoints);
    let mut counters = HashMap::new();
    for endpoint in endpoints {
        *counters.entry(endpoint.address.to_string()).or_default() += endpoint.requests;
    }
    counters
}

fn claim(folders: &[PathBuf]) -> Result<Folder, LabError> {
    let path = folders.first().map_or(Path::new("haechi-lab"), PathBuf::as_path);
    Folder::claim(path).map_err(|refusal| match refusal {
        Refusal::Other(error) => error,
        Refusal::Taken => taken(path),
    })
}

/// Who has the folder, as far as it says.
fn taken(path: &Path) -> LabError {
    let known = ask(&[path.to_owned()], &Command::Status).ok().and_then(|reply| reply.status);
    let who =
        known.map(|lab| format!(" at http://{}/ (process {})", lab.address, lab.pid)).unwrap_or_default();
    LabError::new(format!(
        "a lab runs already{who}, in {}: end it with Ctrl-C in its terminal or with `haechi lab stop`, or start \
         another one beside it with HAECHI_STATE_DIR set to another folder",
        path.display()
    ))
}

fn listen(wanted: Option<SocketAddr>, story: &mut Story) -> Result<SocketAddr, LabError> {
    match wanted {
        Some(wanted) => {
            let taken = |error| {
                LabError::doing(format_args!(
                    "listen on {wanted}; leave --listen out to get the first free port from {NODE_PORT} on"
                ))(error)
            };
            std::net::TcpListener::bind(wanted).and_then(|listener| listener.local_addr()).map_err(taken)
        }
        None => {
            let address = (NODE_PORT..=u16::MAX)
                .map(loopback)
                .find(is_free)
                .ok_or_else(|| LabError::new("no port is free on 127.0.0.1"))?;
            if address.port() != NODE_PORT {
                let text = format!(
                    "port {NODE_PORT} is taken by another program, so the node listens on {}",
                    address.port()
                );
                story.tell(now_ms(), "lab", &text);
            }
            Ok(address)
        }
    }
}

/// Replaces a file in one step, so that a node that watches it never reads half of it.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let new = path.with_extension("yaml.new");
    fs::write(&new, text)?;
    fs::rename(&new, path)
}

async fn follow(client: Client, tell: mpsc::Sender<Vec<Event>>) {
    let mut after = 0;
    loop {
        match client.events(after, MAX_NEWS, Some(NEWS)).await {
            Ok(news) => {
                after = news.newest;
                if !news.events.is_empty() && tell.send(news.events).await.is_err() {
                    return;
                }
            }
            Err(_) => sleep(BREATH).await,
        }
    }
}

async fn at(end: Option<Instant>) {
    match end {
        Some(end) => sleep_until(end).await,
        None => std::future::pending().await,
    }
}

fn now_ms() -> u64 {
    let since = haechi_sys::clock::wall().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
