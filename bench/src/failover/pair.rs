//! Two nodes that share an address, of either make, started and killed the same way.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use haechi_tests::{Namespace, Network, Stall, now, pause};
use rustix::process::{Pid, Signal, kill_process};

use super::{ENDPOINT, VIRTUAL};
use crate::contender::Places;
use crate::problem::{Outcome, Problem, While};

/// Starting, stopping and taking over are done by then, also on a machine that others use.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Who is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Make {
    /// Ours, with milliseconds from one advertisement to the next.
    Haechi(u16),
    /// keepalived with HAProxy behind it, and the same.
    Keepalived(u16),
}

/// What else nodes are set up for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Setting {
    /// Nothing.
    Plain,
    /// To leave the address when they can't serve.
    Tracking,
    /// The better one takes the address back.
    Preempting,
}

impl Make {
    /// keepalived as it comes.
    pub(crate) const SLOW: Self = Self::Keepalived(1000);

    /// As fast as advertisements can be.
    pub(crate) const FASTEST: Self = Self::Haechi(10);

    /// keepalived as it comes, and as fast as ours.
    pub(crate) const ALL: [Self; 3] = [Self::Haechi(100), Self::Keepalived(100), Self::SLOW];

    pub(crate) fn title(self) -> String {
        let seconds = self.interval().as_secs_f64();
        match self {
            Self::Haechi(100) => "haechi, 0.1 s (its default)".into(),
            Self::Haechi(_) => format!("haechi, {seconds} s"),
            Self::SLOW => "keepalived + HAProxy, 1 s (its default)".into(),
            Self::Keepalived(_) => format!("keepalived + HAProxy, {seconds} s"),
        }
    }

    /// Time from one advertisement to the next.
    pub(crate) fn interval(self) -> Duration {
        let (Self::Haechi(millis) | Self::Keepalived(millis)) = self;
        Duration::from_millis(millis.into())
    }

    /// After how long a silent active counts as dead: three intervals and the skew of the worse node
    /// (RFC 9568 section 6.1).
    pub(crate) fn down(self) -> Duration {
        self.interval() * 3 + self.interval() * (256 - u32::from(WORSE)) / 256
    }
}

/// Priorities of both nodes.
pub(crate) const BETTER: u8 = 150;
/// Of the other one.
pub(crate) const WORSE: u8 = 140;

/// Both nodes by name, with their own addresses.
pub(crate) const ONE: (&str, &str) = ("lb1", "10.99.0.1");
/// The other one.
pub(crate) const TWO: (&str, &str) = ("lb2", "10.99.0.2");

/// The node of a name.
#[derive(Debug)]
pub(crate) struct Node<'a> {
    pub(crate) name: &'static str,
    make: Make,
    namespace: &'a Namespace,
    priority: u8,
    setting: Setting,
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
        let namespace = network.host(name);
        // One for each network: courses of a make run beside each other.
        let folder = places.work.join(namespace.name());
        fs::create_dir_all(&folder).while_doing(|| folder.display().to_string())?;
        Ok(Self {
            name,
            make,
            namespace,
            priority,
            setting: Setting::Plain,
            folder,
            haechi: places.haechi.clone(),
            haproxy: places.peers.join("haproxy"),
            running: Vec::new(),
        })
    }

    /// How it is set up the next time that it starts.
    pub(crate) fn set(&mut self, setting: Setting) {
        self.setting = setting;
    }

    /// Its config, in one of two forms that differ where nobody sees it: a reload must have something to do.
    fn write_config(&self, other: bool) -> Outcome<()> {
        match self.make {
            Make::Haechi(_) => self.write("haechi.yaml", &self.haechi_config(other)),
            Make::Keepalived(_) => {
                self.write("haproxy.cfg", &haproxy_config())?;
                self.write("keepalived.conf", &self.keepalived_config(other))
            }
        }
    }

    /// Starts it, and returns when it is a backup that could take over.
    pub(crate) fn start(&mut self) -> Outcome<()> {
        self.write_config(false)?;
        let own = |file: &str| OsString::from(self.folder.join(file));
        let programs: Vec<(PathBuf, Vec<OsString>)> = match self.make {
            Make::Haechi(_) => {
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

    /// Its own, from which it advertises.
    pub(crate) fn own_address(&self) -> &'static str {
        if self.name == ONE.0 { ONE.1 } else { TWO.1 }
    }

    /// Whether it has the address.
    pub(crate) fn has_address(&self) -> bool {
        self.namespace.has_on_network(VIRTUAL)
    }

    /// Sends a signal to everything that runs in its namespace, children first: as if the node did. Tells when the first
    /// was sent: to find them all takes longer than nodes need to agree.
    pub(crate) fn signal(&self, signal: Signal) -> Outcome<Instant> {
        let mut inside = self.inside()?;
        inside.sort_unstable_by_key(|pid| std::cmp::Reverse(pid.as_raw_nonzero()));
        let at = now();
        for pid in inside {
            // Gone in between is as good.
            let _gone = kill_process(pid, signal);
        }
        Ok(at)
    }

    /// Asks it to end: the programs that were started, who end their children themselves.
    pub(crate) fn ask_to_end(&self) -> Outcome<()> {
        // keepalived first: an orderly node says that it leaves before it stops to serve.
        for child in self.running.iter().rev() {
            kill_process(pid(child)?, Signal::TERM).while_doing(|| self.name.to_owned())?;
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

    /// Runs a verb of haechi, which must succeed (keepalived has none).
    pub(crate) fn ask(&self, words: &[&str]) -> Outcome<()> {
        let said = self.verb(words).output()?;
        if said.status.success() {
            return Ok(());
        }
        Err(Problem::new(format!("{}: {}", self.name, String::from_utf8_lossy(&said.stderr))))
    }

    /// Has it read a changed config.
    pub(crate) fn reload(&self, turn: u32) -> Outcome<()> {
        self.write_config(turn % 2 == 1)?;
        let speaker = self.running.last().ok_or_else(|| Problem::new("it does not run"))?;
        kill_process(pid(speaker)?, Signal::HUP).while_doing(|| self.name.to_owned())
    }

    /// Has its proxy hang, and nothing else, until the result is dropped.
    pub(crate) fn hang(&self) -> Outcome<Hung> {
        let proxy = self.running.first().ok_or_else(|| Problem::new("it does not run"))?;
        match self.make {
            Make::Haechi(_) => Ok(Hung::Threads { _stall: Stall::of(proxy.id(), "worker-") }),
            Make::Keepalived(_) => {
                let proxy = pid(proxy)?;
                kill_process(proxy, Signal::STOP).while_doing(|| self.name.to_owned())?;
                Ok(Hung::Process(proxy))
            }
        }
    }

    fn is_up(&self) -> bool {
        match self.make {
            Make::Haechi(_) => {
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

    fn haechi_config(&self, other: bool) -> String {
        let (check, track) = match self.setting {
            Setting::Tracking => (
                ", healthCheck: { path: /, interval: 1s, timeout: 900ms, unhealthyThreshold: 2 }",
                ", track: { pools: { web: { healthyShare: 50%, fault: true } } }",
            ),
            Setting::Plain | Setting::Preempting => ("", ""),
        };
        format!(
            "node: {{ name: {} }}\n\
             listeners:\n  web: {{ bind: \":80\", protocol: http, routes: [{{ pool: web }}] }}\n  \
             echo: {{ bind: \":7\", protocol: tcp, pool: web }}\n\
             pools:\n  web: {{ endpoints: {{ one: \"{ENDPOINT}\" }}, connectionLimit: {}{check} }}\n\
             virtualRouters:\n  web: {{ id: 51, interface: eth0, addresses: [{VIRTUAL}/24], priority: {}, \
             advertisementInterval: {}ms, preempt: {}{track} }}\n",
            self.name,
            if other { 1001 } else { 1000 },
            self.priority,
            self.make.interval().as_millis(),
            self.setting == Setting::Preempting,
        )
    }

    /// Its check is the usual one: a request through the proxy, each second, and two that fail.
    fn keepalived_config(&self, other: bool) -> String {
        let (script, track) = match self.setting {
            Setting::Tracking => (
                "vrrp_script serves {\n  script \"/usr/bin/curl -sf -m 0.9 -o /dev/null http://127.0.0.1/\"\n  \
                 interval 1\n  timeout 2\n  fall 2\n  rise 2\n  user root\n}\n",
                "  track_script {\n    serves\n  }\n",
            ),
            Setting::Plain | Setting::Preempting => ("", ""),
        };
        format!(
            "global_defs {{\n  router_id {}\n  vrrp_version 3\n}}\n{script}\
             vrrp_instance web {{\n  state BACKUP\n{}  interface eth0\n  virtual_router_id 51\n  \
             priority {}\n  advert_int {}\n  garp_master_refresh {}\n{track}  virtual_ipaddress {{\n    \
             {VIRTUAL}/24\n  }}\n}}\n",
            self.name,
            if self.setting == Setting::Preempting { "" } else { "  nopreempt\n" },
            self.priority,
            self.make.interval().as_secs_f64(),
            if other { 61 } else { 60 },
        )
    }
}

/// A proxy that hangs until this is dropped.
#[derive(Debug)]
pub(crate) enum Hung {
    /// The threads that serve: one process does everything.
    Threads {
        /// Lets go by itself.
        _stall: Stall,
    },
    /// All of it.
    Process(Pid),
}

impl Drop for Hung {
    fn drop(&mut self) {
        if let Self::Process(proxy) = self {
            let _gone = kill_process(*proxy, Signal::CONT);
        }
    }
}

fn pid(child: &Child) -> Outcome<Pid> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    pid.ok_or_else(|| Problem::new("a process has no id"))
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
        "defaults\n  mode http\n  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\n  timeout tunnel 1h\n\
         listen web\n  bind :80\n  server one {ENDPOINT}\n\
         listen echo\n  mode tcp\n  bind :7\n  server one {ENDPOINT}\n"
    )
}
