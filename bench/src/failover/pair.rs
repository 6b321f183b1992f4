//! Two nodes that share an address, of either make, started and killed the same way.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use haechi_tests::{Namespace, Network, now, pause};
use rustix::process::{Pid, Signal, kill_process};

use super::{ENDPOINT, VIRTUAL};
use crate::contender::Places;
use crate::problem::{Outcome, Problem, While};

/// Starting, stopping and taking over are done by then, also on a machine that others use.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Who is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Make {
    /// Ours, with the interval that it has by default: 0.1 s.
    Haechi,
    /// keepalived with HAProxy behind it, and seconds from one advertisement to the next.
    Keepalived(&'static str),
}

impl Make {
    /// keepalived as it comes (1 s), and as fast as ours.
    pub(crate) const ALL: [Self; 3] = [Self::Haechi, Self::Keepalived("0.1"), Self::Keepalived("1")];

    pub(crate) fn title(self) -> String {
        match self {
            Self::Haechi => "haechi, 0.1 s (its default)".into(),
            Self::Keepalived("1") => "keepalived + HAProxy, 1 s (its default)".into(),
            Self::Keepalived(interval) => format!("keepalived + HAProxy, {interval} s"),
        }
    }

    /// Time from one advertisement to the next.
    pub(crate) fn interval(self) -> Duration {
        if self == Self::Keepalived("1") { Duration::from_secs(1) } else { Duration::from_millis(100) }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Haechi => "haechi",
            Self::Keepalived("1") => "slow",
            Self::Keepalived(_) => "fast",
        }
    }
}

/// The node of a name (`lb1`, `lb2`).
#[derive(Debug)]
pub(crate) struct Node<'a> {
    pub(crate) name: &'static str,
    make: Make,
    namespace: &'a Namespace,
    priority: u8,
    folder: PathBuf,
    haechi: PathBuf,
    haproxy: PathBuf,
    running: Vec<Child>,
}

impl<'a> Node<'a> {
    pub(crate) fn new(
        name: &'static str,
        priority: u8,
        make: Make,
        network: &'a Network,
        places: &Places,
    ) -> Outcome<Self> {
        let folder = places.work.join(make.word()).join(name);
        fs::create_dir_all(&folder).while_doing(|| folder.display().to_string())?;
        let node = Self {
            name,
            make,
            namespace: network.host(name),
            priority,
            folder,
            haechi: places.haechi.clone(),
            haproxy: places.peers.join("haproxy"),
            running: Vec::new(),
        };
        match make {
            Make::Haechi => node.write("haechi.yaml", &node.haechi_config())?,
            Make::Keepalived(interval) => {
                node.write("keepalived.conf", &node.keepalived_config(interval))?;
                node.write("haproxy.cfg", &haproxy_config())?;
            }
        }
        Ok(node)
    }

    /// Starts it, and returns when it is a backup that could take over.
    pub(crate) fn start(&mut self) -> Outcome<()> {
        let own = |file: &str| OsString::from(self.folder.join(file));
        let programs: Vec<(PathBuf, Vec<OsString>)> = match self.make {
            Make::Haechi => {
                vec![(self.haechi.clone(), vec!["run".into(), "-c".into(), own("haechi.yaml")])]
            }
            Make::Keepalived(_) => vec![
                (self.haproxy.clone(), vec!["-db".into(), "-f".into(), own("haproxy.cfg")]),
                (
                    "keepalived".into(),
                    vec![
                        "-n".into(),
                        "-l".into(),
                        "-D".into(),
                        "-P".into(),
                        "-f".into(),
                        own("keepalived.conf"),
                        "-p".into(),
                        own("keepalived.pid"),
                        "-r".into(),
                        own("vrrp.pid"),
                    ],
                ),
            ],
        };
        // keepalived takes a killed child that nobody has reaped for one that runs.
        for file in ["keepalived.pid", "vrrp.pid"] {
            let _absent = fs::remove_file(self.folder.join(file));
        }
        let log = File::create(self.log()).while_doing(|| self.name.to_owned())?;
        for (program, arguments) in programs {
            let mut command = self.namespace.command("setpriv");
            command.args(["--pdeathsig", "KILL"]).arg(&program).args(arguments);
            command.env("HAECHI_ADMIN_SOCKET", self.folder.join("admin.sock"));
            command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log.try_clone()?);
            self.running.push(command.spawn().while_doing(|| program.display().to_string())?);
        }
        self.until("runs as a backup", Self::is_up)
    }

    /// Whether it has the address.
    pub(crate) fn has_address(&self) -> bool {
        self.namespace.has(VIRTUAL)
    }

    /// Sends a signal to everything that runs in its namespace, children first: as if the node did.
    pub(crate) fn signal(&self, signal: Signal) -> Outcome<()> {
        let mut inside = self.inside()?;
        inside.sort_unstable_by_key(|pid| std::cmp::Reverse(pid.as_raw_nonzero()));
        for pid in inside {
            // Gone in between is as good.
            let _gone = kill_process(pid, signal);
        }
        Ok(())
    }

    /// Asks it to end: the programs that were started, who end their children themselves.
    pub(crate) fn ask_to_end(&self) -> Outcome<()> {
        // keepalived first: an orderly node says that it leaves before it stops to serve.
        for child in self.running.iter().rev() {
            let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
            let pid = pid.ok_or_else(|| Problem::new("a process has no id"))?;
            kill_process(pid, Signal::TERM).while_doing(|| self.name.to_owned())?;
        }
        Ok(())
    }

    /// Kills the programs that were started, and nothing that they started.
    pub(crate) fn kill_programs(&mut self) -> Outcome<()> {
        self.running.iter_mut().try_for_each(|child| child.kill().while_doing(|| self.name.to_owned()))
    }

    /// Waits until nothing of it runs any more.
    pub(crate) fn wait_end(&mut self) -> Outcome<()> {
        for mut child in std::mem::take(&mut self.running) {
            let deadline = now() + PATIENCE;
            while child.try_wait()?.is_none() {
                if now() > deadline {
                    child.kill()?;
                }
                pause(Duration::from_millis(5));
            }
        }
        self.until("is gone", |node| node.inside().is_ok_and(|inside| inside.is_empty()))
    }

    /// Moves the address to the other node (haechi only: keepalived has no such verb).
    pub(crate) fn hand_over(&self) -> Outcome<()> {
        let said = self.verb(&["ha", "handover"]).output()?;
        if said.status.success() {
            return Ok(());
        }
        Err(Problem::new(format!("{}: {}", self.name, String::from_utf8_lossy(&said.stderr))))
    }

    fn is_up(&self) -> bool {
        match self.make {
            Make::Haechi => {
                let said = self.verb(&["ha", "status", "-o", "json"]).output();
                let said = said.map(|said| String::from_utf8_lossy(&said.stdout).into_owned());
                said.is_ok_and(|said| said.contains("\"backup\"") || said.contains("\"active\""))
            }
            Make::Keepalived(_) => {
                fs::read_to_string(self.log()).is_ok_and(|log| log.contains("Entering BACKUP STATE"))
            }
        }
    }

    fn verb(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.haechi);
        command.args(words).env("HAECHI_ADMIN_SOCKET", self.folder.join("admin.sock")).stdin(Stdio::null());
        command
    }

    fn inside(&self) -> Outcome<Vec<Pid>> {
        let said = Command::new("ip").args(["netns", "pids", self.namespace.name()]).output()?;
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        Ok(said.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect())
    }

    /// Waits until it is so.
    fn until(&self, what: &str, so: impl Fn(&Self) -> bool) -> Outcome<()> {
        let deadline = now() + PATIENCE;
        while !so(self) {
            if now() > deadline {
                let log = fs::read_to_string(self.log()).unwrap_or_default();
                let (name, make) = (self.name, self.make.title());
                return Err(Problem::new(format!("{make}: not within {PATIENCE:?}: {name} {what}\n{log}")));
            }
            pause(Duration::from_millis(10));
        }
        Ok(())
    }

    fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    fn write(&self, file: &str, text: &str) -> Outcome<()> {
        let path: &Path = &self.folder.join(file);
        fs::write(path, text).while_doing(|| path.display().to_string())
    }

    fn haechi_config(&self) -> String {
        format!(
            "node: {{ name: {} }}\n\
             listeners:\n  web: {{ bind: \":80\", protocol: http, routes: [{{ pool: web }}] }}\n\
             pools:\n  web: {{ endpoints: {{ one: \"{ENDPOINT}\" }} }}\n\
             virtualRouters:\n  web: {{ id: 51, interface: eth0, addresses: [{VIRTUAL}/24], priority: {}, preempt: false }}\n",
            self.name, self.priority
        )
    }

    fn keepalived_config(&self, interval: &str) -> String {
        format!(
            "global_defs {{\n  router_id {}\n  vrrp_version 3\n}}\n\
             vrrp_instance web {{\n  state BACKUP\n  nopreempt\n  interface eth0\n  virtual_router_id 51\n  \
             priority {}\n  advert_int {interval}\n  virtual_ipaddress {{\n    {VIRTUAL}/24\n  }}\n}}\n",
            self.name, self.priority
        )
    }
}

impl Drop for Node<'_> {
    fn drop(&mut self) {
        let _gone = self.signal(Signal::KILL);
        for child in &mut self.running {
            let _gone = child.wait();
        }
    }
}

fn haproxy_config() -> String {
    format!(
        "defaults\n  mode http\n  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\n\
         listen web\n  bind :80\n  server one {ENDPOINT}\n"
    )
}
