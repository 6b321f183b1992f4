//! A real haechi, run as users run it.

use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::{Namespace, eventually};

/// A folder that is gone with its owner.
#[derive(Debug)]
pub struct TempDir(PathBuf);

impl TempDir {
    /// A new, empty one.
    ///
    /// # Panics
    /// When the system refuses.
    pub fn new(name: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("haechi-test-{}-{number}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What a verb said.
#[derive(Debug, Clone)]
pub struct Output {
    /// Its exit code; -1 if a signal ended it.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// A running node, killed when dropped.
#[derive(Debug)]
pub struct Node {
    binary: PathBuf,
    folder: TempDir,
    child: Option<Child>,
    /// What took over from it, by process id; the newest last.
    heirs: Vec<u32>,
    /// Of `run`, besides the config.
    pub arguments: Vec<String>,
    /// Variables that it has besides.
    pub environment: Vec<(String, String)>,
    /// The namespace that it runs in, when not in that of the test.
    inside: Option<String>,
}

impl Node {
    /// Starts `haechi run -c` with this config and waits until its admin API answers.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(binary: &str, config: &str) -> Self {
        let mut node = Self::prepared(binary, config);
        node.resume();
        node
    }

    /// A node that is not started: for verbs that need none, and for starts that fail.
    ///
    /// # Panics
    /// When the config can't be written.
    pub fn prepared(binary: &str, config: &str) -> Self {
        let folder = TempDir::new("node");
        let node = Self {
            binary: binary.into(),
            folder,
            child: None,
            heirs: Vec::new(),
            arguments: Vec::new(),
            environment: Vec::new(),
            inside: None,
        };
        node.write(config);
        node
    }

    /// Starts it in a network namespace, where its verbs run too.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_in(namespace: &Namespace, binary: &str, config: &str) -> Self {
        let mut node = Self::prepared_in(namespace, binary, config);
        node.resume();
        node
    }

    /// A node of a network namespace that is not started.
    ///
    /// # Panics
    /// When the config can't be written.
    pub fn prepared_in(namespace: &Namespace, binary: &str, config: &str) -> Self {
        let mut node = Self::prepared(binary, config);
        node.inside = Some(namespace.name().to_owned());
        node
    }

    /// From its next start on it runs in a network namespace, and its verbs too.
    pub fn enter(&mut self, namespace: &Namespace) {
        self.inside = Some(namespace.name().to_owned());
    }

    /// Starts it (again).
    ///
    /// # Panics
    /// When it does not answer in time.
    pub fn resume(&mut self) {
        let log = std::fs::File::create(self.folder.path().join("log")).unwrap();
        let mut command = self.command(&["run", "-c"]);
        command.arg(self.config()).args(&self.arguments).envs(self.environment.clone());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.child = Some(command.spawn().unwrap());
        eventually(Duration::from_secs(20), "haechi answers", || {
            if let Some(status) = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten()) {
                panic!("haechi ended with {status}: {}", self.log());
            }
            self.verb(&["status", "-o", "json"]).code == 0
        });
    }

    /// Its config file.
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("haechi.yaml")
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What it wrote to standard error.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Process id of the one that serves.
    ///
    /// # Panics
    /// Memory of its own in KiB: without the pages of its program, which come as it first runs them.
    ///
    /// # Panics
    /// When it is gone.
    pub fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// CPU time that its threads took so far.
    ///
    /// # Panics
    /// When it is gone.
    pub fn cpu(&self) -> Duration {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap();
        // In nanoseconds; `stat` has hundredths of a second. A thread may end while we look.
        let taken =
            threads.filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok());
        Duration::from_nanos(taken.map(|line| line.split(' ').next().unwrap().parse::<u64>().unwrap()).sum())
    }

    /// When it does not run.
    pub fn pid(&self) -> u32 {
        self.heirs.last().copied().unwrap_or_else(|| self.child.as_ref().unwrap().id())
    }

    /// Runs it from a file of its own, which [`replace`](Self::replace) replaces.
    ///
    /// # Panics
    /// When the file can't be copied.
    pub fn copied(binary: &str, config: &str) -> Self {
        let mut node = Self::prepared(binary, config);
        node.binary = node.folder.path().join("bin-haechi");
        node.replace(Path::new(binary));
        node
    }

    /// Puts another program in its place, in one step.
    ///
    /// # Panics
    /// When the file can't be copied.
    pub fn replace(&self, program: &Path) {
        let new = self.folder.path().join("bin-new");
        // By a program of its own: a file that this process has open for writing, even for a moment, is open in all
        // that other threads start meanwhile, and can't be run.
        let copied = Command::new("cp").arg(program).arg(&new).status();
        assert!(copied.unwrap().success());
        std::fs::rename(new, &self.binary).unwrap();
    }

    /// Upgrades; gives what the verb says. From then on the new process is the one that is told things.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn upgrade(&mut self) -> Output {
        let output = self.verb(&["upgrade", "-o", "json"]);
        assert_eq!(output.code, 0, "{output:?}");
        // As it says itself: the old process may still answer a question that came just before.
        let told: Value = serde_json::from_str(&output.out).unwrap();
        self.heirs.push(told["pid"].as_u64().and_then(|pid| pid.try_into().ok()).expect("a process"));
        output
    }

    /// Whoever answers at the admin socket is the one that is told things from now on.
    ///
    /// # Panics
    /// When nobody answers.
    #[track_caller]
    pub fn follow(&mut self) {
        let pid = self.status()["pid"].as_u64().and_then(|pid| pid.try_into().ok()).unwrap();
        if pid != self.pid() {
            self.heirs.push(pid);
        }
    }

    /// Whether a process of it is left.
    pub fn is_alive(&self, pid: u32) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // One that nobody waited for is dead all the same.
        stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
    }

    /// The process that was started first.
    ///
    /// # Panics
    /// When it was waited for.
    pub fn first_pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// Replaces the config file in one step and changes nothing else.
    ///
    /// # Panics
    /// When it can't be written.
    pub fn write(&self, config: &str) {
        let new = self.folder.path().join("new.yaml");
        std::fs::write(&new, config).unwrap();
        std::fs::rename(new, self.config()).unwrap();
    }

    /// Replaces the config and reloads.
    ///
    /// # Panics
    /// When the config is refused.
    #[track_caller]
    pub fn change(&self, config: &str) -> Output {
        self.write(config);
        let output = self.verb(&["reload"]);
        assert_eq!(output.code, 0, "{output:?}");
        output
    }

    fn command(&self, arguments: &[&str]) -> Command {
        self.command_of(&self.binary, arguments)
    }

    fn command_of(&self, binary: &Path, arguments: &[&str]) -> Command {
        let mut command = match &self.inside {
            // It keeps its process id: `ip` becomes the program.
            Some(namespace) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", namespace]).arg(binary);
                command
            }
            None => Command::new(binary),
        };
        command
            .args(arguments)
            .env("HAECHI_ADMIN_SOCKET", self.folder.path().join("admin.sock"))
            .env("STATE_DIRECTORY", self.folder.path().join("state"))
            .env("NO_COLOR", "1")
            .current_dir(self.folder.path());
        command
    }

    /// Runs a verb against this node.
    ///
    /// # Panics
    /// When the binary can't be run.
    pub fn verb(&self, arguments: &[&str]) -> Output {
        said(self.command(arguments))
    }

    /// The same with another program, when this node's own was replaced.
    ///
    /// # Panics
    /// When the binary can't be run.
    pub fn verb_of(&self, binary: &str, arguments: &[&str]) -> Output {
        said(self.command_of(Path::new(binary), arguments))
    }

    /// `haechi status -o json`
    ///
    /// # Panics
    /// When it does not answer.
    #[track_caller]
    pub fn status(&self) -> Value {
        let output = self.verb(&["status", "-o", "json"]);
        assert_eq!(output.code, 0, "{output:?}");
        serde_json::from_str(&output.out).unwrap()
    }

    /// An endpoint of the status.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn endpoint(&self, pool: &str, endpoint: &str) -> Value {
        let status = self.status();
        let named = |list: &Value, name: &str| {
            list.as_array().unwrap().iter().find(|item| item["name"] == name).cloned().expect(name)
        };
        named(&named(&status["pools"], pool)["endpoints"], endpoint)
    }

    /// A virtual router of `haechi ha status`.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn router(&self, name: &str) -> Value {
        let output = self.verb(&["ha", "status", "-o", "json"]);
        assert_eq!(output.code, 0, "{output:?}");
        let status: Value = serde_json::from_str(&output.out).unwrap();
        let routers = status["virtualRouters"].as_array().unwrap();
        routers.iter().find(|router| router["name"] == name).cloned().expect(name)
    }

    /// Waits until a virtual router is in this state.
    #[track_caller]
    pub fn wait_state(&self, router: &str, state: &str) {
        eventually(Duration::from_secs(20), &format!("{router} is {state}"), || {
            self.router(router)["state"] == state
        });
    }

    /// What a scraper reads.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn metrics(&self) -> String {
        let mut command = Command::new("curl");
        command.args(["-sS", "--unix-socket"]).arg(self.folder.path().join("admin.sock"));
        let output = command.arg("http://haechi/metrics").output().expect("this test needs curl");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Waits until an endpoint has this health.
    #[track_caller]
    pub fn wait_health(&self, pool: &str, endpoint: &str, health: &str, patience: Duration) {
        eventually(patience, &format!("{pool}/{endpoint} is {health}"), || {
            self.endpoint(pool, endpoint)["health"] == health
        });
    }

    /// Sends a signal by name, such as `TERM`.
    ///
    /// # Panics
    /// When there is no `kill`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status();
        assert!(status.unwrap().success());
    }

    /// Waits for its end; gives its exit code.
    ///
    /// # Panics
    /// When it does not end in time.
    pub fn wait_end(&mut self, patience: Duration) -> i32 {
        let mut code = None;
        eventually(patience, "haechi ends", || {
            code = self.child.as_mut().unwrap().try_wait().unwrap();
            code.is_some()
        });
        self.child = None;
        code.and_then(|status| status.code()).unwrap_or(-1)
    }

    /// Waits until an address can be connected to.
    #[track_caller]
    pub fn wait_open(&self, address: SocketAddr) {
        eventually(Duration::from_secs(10), "it listens", || TcpStream::connect(address).is_ok());
    }
}

fn said(mut command: Command) -> Output {
    let output = command.stdin(Stdio::null()).output().unwrap();
    Output {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        for pid in &self.heirs {
            if let Some(pid) = i32::try_from(*pid).ok().and_then(rustix::process::Pid::from_raw) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            #[expect(clippy::print_stderr, reason = "a failed test shows the node's log")]
            {
                eprintln!("haechi's log:\n{}", self.log());
            }
        }
    }
}
