//! Processes on a core of their own, and what they used.
//!
//! Everything that is started dies with this process however it ends, Ctrl-C and SIGKILL included: the
//! kernel is asked to (`setpriv --pdeathsig`). Nothing else is ever killed.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::problem::{Outcome, Problem, While};

/// What to start.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// For messages and the name of its log.
    pub(crate) name: String,
    /// The core that it is pinned to.
    pub(crate) core: u16,
    /// Executable.
    pub(crate) path: PathBuf,
    /// Arguments.
    pub(crate) args: Vec<OsString>,
    /// Added to the environment.
    pub(crate) env: Vec<(String, OsString)>,
}

impl Program {
    fn command(&self) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "taskset", "-c", &self.core.to_string()]);
        command.arg(&self.path).args(&self.args).envs(self.env.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Starts it; what it prints goes to `NAME.log` in `dir`.
    pub(crate) fn start(&self, dir: &Path) -> Outcome<Running> {
        let log = dir.join(format!("{}.log", self.name));
        let file = fs::File::create(&log).while_doing(|| log.display().to_string())?;
        let child = self
            .command()
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .while_doing(|| format!("starting {} (setpriv and taskset are in util-linux)", self.name))?;
        let pid = child.id().ok_or_else(|| Problem::new(format!("{} ended at once", self.name)))?;
        Ok(Running { name: self.name.clone(), pid, child, log })
    }

    /// Runs it to its end and returns what it printed on stdout.
    pub(crate) async fn output(&self, patience: Duration) -> Outcome<String> {
        let name = &self.name;
        let output = timeout(patience, self.command().output())
            .await
            .while_doing(|| format!("{name} did not end within {patience:?}"))?
            .while_doing(|| format!("starting {name}"))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(text);
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(Problem::new(format!("{name} failed ({}): {}", output.status, said.trim())))
    }
}

/// A process that runs until this is dropped.
pub(crate) struct Running {
    name: String,
    pid: u32,
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Nanoseconds on a CPU so far, all threads of all its processes.
    pub(crate) fn cpu_nanos(&self) -> Outcome<u64> {
        let mut sum = 0;
        for task in self.tasks()? {
            let path = task.join("schedstat");
            let text = fs::read_to_string(&path)
                .while_doing(|| format!("{} (does the kernel have it?)", path.display()))?;
            let nanos = text.split(' ').next().and_then(|word| word.parse::<u64>().ok());
            sum += nanos.ok_or_else(|| Problem::new(format!("{}: not a number: {text}", path.display())))?;
        }
        Ok(sum)
    }

    /// KiB of memory that are resident, all its processes.
    pub(crate) fn resident_kib(&self) -> Outcome<u64> {
        let mut sum = 0;
        for pid in self.pids() {
            let text = fs::read_to_string(format!("/proc/{pid}/status")).while_doing(|| self.name.clone())?;
            sum += resident(&text).ok_or_else(|| Problem::new(format!("{}: no VmRSS", self.name)))?;
        }
        Ok(sum)
    }

    /// A contender that fell over must not be measured by what it did before.
    pub(crate) fn still_runs(&mut self) -> Outcome<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => {
                let log = fs::read_to_string(&self.log).unwrap_or_default();
                Err(Problem::new(format!("{} ended ({status}):\n{}", self.name, tail(&log))))
            }
        }
    }

    /// Kills it and waits until it is gone, so that its ports are free.
    pub(crate) async fn stop(mut self) -> Outcome<()> {
        self.child.kill().await.while_doing(|| format!("stopping {}", self.name))
    }

    fn pids(&self) -> Vec<u32> {
        let mut pids = vec![self.pid];
        let mut next = 0;
        while let Some(pid) = pids.get(next).copied() {
            pids.extend(children(pid));
            next += 1;
        }
        pids
    }

    fn tasks(&self) -> Outcome<Vec<PathBuf>> {
        let mut tasks = Vec::new();
        for pid in self.pids() {
            for entry in
                fs::read_dir(format!("/proc/{pid}/task")).while_doing(|| format!("{} is gone", self.name))?
            {
                tasks.push(entry?.path());
            }
        }
        Ok(tasks)
    }
}

fn children(pid: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_whitespace().filter_map(|word| word.parse().ok()).collect::<Vec<_>>())
        .collect()
}

fn resident(status: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.split_whitespace().next()?.parse().ok()
}

/// The last lines of a log: enough to see why something ended.
fn tail(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Program {
        Program {
            name: "shell".into(),
            core: 0,
            path: "/bin/sh".into(),
            args: vec!["-c".into(), script.into()],
            env: Vec::new(),
        }
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    }

    #[test]
    fn cpu_of_children_counts() {
        runtime().block_on(async {
            let dir = std::env::temp_dir();
            // The child burns, its parent only waits.
            let running = shell("sh -c 'while :; do :; done'; true").start(&dir).unwrap();
            let mut nanos = 0;
            for _ in 0..200 {
                tokio::time::sleep(Duration::from_millis(20)).await;
                nanos = running.cpu_nanos().unwrap();
                if nanos > 50_000_000 {
                    break;
                }
            }
            assert!(nanos > 50_000_000, "{nanos}");
            assert!(running.resident_kib().unwrap() > 100);
            // The loop must not outlive the test: its parent's death does not end it.
            for pid in running.pids().into_iter().skip(1) {
                let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
                rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
            }
            running.stop().await.unwrap();
        });
    }

    #[test]
    fn an_end_is_noticed_with_its_last_words() {
        runtime().block_on(async {
            let mut running = shell("echo no such option; exit 3").start(&std::env::temp_dir()).unwrap();
            running.child.wait().await.unwrap();
            let said = running.still_runs().unwrap_err().to_string();
            assert!(said.contains("no such option") && said.contains('3'), "{said}");
        });
    }

    #[test]
    fn a_program_that_hangs_or_fails_is_an_error() {
        runtime().block_on(async {
            assert!(shell("sleep 60").output(Duration::from_millis(50)).await.is_err());
            assert!(
                shell("echo bad >&2; exit 1")
                    .output(Duration::from_secs(5))
                    .await
                    .unwrap_err()
                    .to_string()
                    .contains("bad")
            );
            assert_eq!(shell("echo fine").output(Duration::from_secs(5)).await.unwrap(), "fine\n");
        });
    }

    #[test]
    fn resident_memory_is_read_from_its_line() {
        assert_eq!(resident("VmPeak:\t 9 kB\nVmRSS:\t    5120 kB\n"), Some(5120));
        assert_eq!(resident("VmPeak:\t 9 kB\n"), None);
    }
}
