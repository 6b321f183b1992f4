//! `contrib/haechi.service` by a real systemd, the newest one: it starts, reloads, is upgraded, restarted by the watchdog
//! and stopped as the unit says, with the rights and in the sandbox that the unit gives.
//!
//! It runs in namespaces of its own (`begin.sh`); this machine's systemd, if it has one, hears nothing of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use haechi_tests::{Network, Output, TempDir, eventually, newest};

const BINARY: &str = env!("CARGO_BIN_EXE_haechi");

/// The address that it takes, by the right that the unit gives.
const VIRTUAL: &str = "10.0.0.100";

const SOON: Duration = Duration::from_secs(30);

/// With this many listeners.
fn config(listeners: u16) -> String {
    let listener = |number| {
        format!(
            "  web{number}: {{ bind: \"0.0.0.0:{}\", protocol: http, routes: [{{ pool: web }}] }}\n",
            80 + number
        )
    };
    let listeners: String = (0..listeners).map(listener).collect();
    format!(
        "node: {{ name: lb1 }}\nworkers: 1\nlisteners:\n{listeners}\
         pools: {{ web: {{ endpoints: {{ e: \"127.0.0.1:1\" }} }} }}\n\
         virtualRouters: {{ edge: {{ id: 51, interface: eth0, addresses: {VIRTUAL}/24, priority: 100 }} }}\n"
    )
}

/// A systemd that knows of haechi, with its network; all of it ends when dropped.
struct Systemd {
    network: Network,
    child: Child,
    folder: TempDir,
    group: String,
}

impl Systemd {
    fn start() -> Self {
        let network = Network::new(&[("lb1", &["10.0.0.1/24"])]);
        let folder = TempDir::new("systemd");
        let group = format!("haechi-{}", folder.path().file_name().unwrap().display());
        let own = |name: &str| folder.path().join(name);
        std::fs::create_dir(own("tree")).unwrap();
        std::fs::write(own("haechi.yaml"), config(1)).unwrap();
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut command = network.host("lb1").command("unshare");
        command.arg("--mount").arg(here.join("tests/service/begin.sh"));
        command.arg(newest()).arg(own("tree")).arg(&group).arg(BINARY);
        command.arg(here.join("../contrib/haechi.service")).arg(own("haechi.yaml"));
        let log = std::fs::File::create(own("log")).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let mut systemd = Self { child: command.spawn().unwrap(), network, folder, group };
        eventually(SOON, "systemd runs", || {
            let ended = systemd.child.try_wait().unwrap();
            let log = || std::fs::read_to_string(systemd.folder.path().join("log")).unwrap();
            assert!(ended.is_none(), "systemd does not run: {}", log());
            systemd.pid().is_some() && systemd.ctl(&["is-system-running"]).out.trim() == "running"
        });
        systemd
    }

    /// Its process id here; inside it is 1.
    fn pid(&self) -> Option<u32> {
        let unshare = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{unshare}/task/{unshare}/children"));
        let pid: u32 = children.ok()?.trim().parse().ok()?;
        // A shell prepares its root before.
        let is_systemd = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?.trim() == "systemd";
        is_systemd.then_some(pid)
    }

    /// Runs a program inside.
    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        let pid = self.pid().expect("systemd runs").to_string();
        let mut command = Command::new("nsenter");
        command.args(["--target", &pid, "--pid", "--mount", "--net", "--root", "--wd", program]);
        let output = command.args(arguments).stdin(Stdio::null()).output().unwrap();
        Output {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    fn ctl(&self, arguments: &[&str]) -> Output {
        self.run("/usr/bin/systemctl", arguments)
    }

    /// What systemd is asked for must work.
    #[track_caller]
    fn does(&self, verb: &str) {
        let output = self.ctl(&[verb, "haechi"]);
        assert_eq!(output.code, 0, "systemctl {verb}: {output:?}\n{}", self.journal());
    }

    fn journal(&self) -> String {
        self.run("/usr/bin/journalctl", &["--no-pager", "--output=cat"]).out
    }

    /// A property of the unit.
    fn property(&self, name: &str) -> String {
        self.ctl(&["show", "--value", "--property", name, "haechi"]).out.trim().to_owned()
    }

    #[track_caller]
    fn wait(&self, name: &str, wanted: &str) {
        eventually(SOON, &format!("{name}={wanted}"), || self.property(name) == wanted);
    }

    fn write(&self, config: &str) {
        let pid = self.pid().unwrap();
        let file: PathBuf = format!("/proc/{pid}/root/etc/haechi/haechi.yaml").into();
        std::fs::write(file, config).unwrap();
    }
}

impl Drop for Systemd {
    fn drop(&mut self) {
        if std::thread::panicking() && self.pid().is_some() {
            #[expect(clippy::print_stderr, reason = "a failed test shows what systemd says")]
            {
                eprintln!("the journal:\n{}", self.journal());
            }
        }
        // systemd dies with its parent, and all inside with systemd.
        let _ = self.child.kill();
        let _ = self.child.wait();
        // What is left are empty groups, as soon as the last process is gone.
        let script = "mount -t cgroup2 none \"$0\" && for i in 1 2 3 4 5 6 7 8 9; do \
                      find \"$0/$1\" -depth -type d -exec rmdir {} + 2>/dev/null && exit; sleep 0.2; done";
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", script]).arg(self.folder.path()).arg(&self.group);
        let _ = command.status();
    }
}

#[test]
fn the_unit_does_what_it_says() {
    let systemd = Systemd::start();
    systemd.does("start");
    assert_eq!(systemd.property("ActiveState"), "active");
    assert_eq!(systemd.property("StatusText"), "generation 1: 1 listener(s), 1 pool(s)");
    let first = systemd.property("MainPID");
    let host = systemd.network.host("lb1");
    eventually(SOON, "it moves addresses as another user than root", || host.has_on_network(VIRTUAL));

    systemd.write(&config(2));
    systemd.does("reload");
    assert_eq!(systemd.property("StatusText"), "generation 2: 2 listener(s), 1 pool(s)");
    systemd.write("listeners: {");
    systemd.does("reload");
    let status = systemd.property("StatusText");
    assert!(status.starts_with("generation 2: ") && status.contains("haechi.yaml"), "{status}");
    assert_eq!(systemd.property("MainPID"), first);
    systemd.write(&config(2));

    let upgraded = systemd.run("/usr/bin/haechi", &["upgrade", "--admin-socket", "/run/haechi/admin.sock"]);
    assert_eq!(upgraded.code, 0, "{upgraded:?}\n{}", systemd.journal());
    let heir = systemd.property("MainPID");
    assert_ne!(heir, first);
    assert_eq!(systemd.property("ActiveState"), "active");
    assert_eq!(systemd.property("NRestarts"), "0");

    let stopped = systemd.ctl(&["kill", "--signal=STOP", "--kill-whom=main", "haechi"]);
    assert_eq!(stopped.code, 0, "{stopped:?}");
    systemd.wait("NRestarts", "1");
    systemd.wait("ActiveState", "active");
    assert_ne!(systemd.property("MainPID"), heir);
    assert!(systemd.journal().contains("Watchdog timeout"), "{}", systemd.journal());
    eventually(SOON, "it is active again", || host.has_on_network(VIRTUAL));

    systemd.does("stop");
    assert_eq!(systemd.property("ActiveState"), "inactive");
    assert_eq!(systemd.property("Result"), "success");
    assert!(!host.has(VIRTUAL));
    let state = format!("/proc/{}/root/var/lib/haechi", systemd.pid().unwrap());
    assert!(Path::new(&state).is_dir(), "StateDirectory=");
}

/// systemd looks whether SIGHUP is handled as soon as it hears `READY=1`: every other start was refused.
#[test]
fn every_start_is_accepted() {
    let systemd = Systemd::start();
    systemd.write(
        &config(1).lines().filter(|line| !line.starts_with("virtualRouters")).collect::<Vec<_>>().join("\n"),
    );
    for _ in 0..8 {
        systemd.does("restart");
    }
    assert_eq!(systemd.property("NRestarts"), "0", "{}", systemd.journal());
    systemd.does("stop");
}
