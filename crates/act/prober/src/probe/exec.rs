//! A program as a probe: exit code 0 is a success, its first line is the text.
//!
//! It runs without a shell, with an environment of its own (no secret of haechi's is handed on), in a
//! process group of its own: when its time is over, or haechi no longer wants to know, all that it started
//! dies with it.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use haechi_health::FailureKind;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

use super::text::{LONGEST, first_line, ours, plain};
use super::{Deadline, Failed};

/// A program that says more than this is broken, and reading on would only burn time.
const MOST_OUTPUT: usize = 64 * 1024;

/// What is kept for the text: its characters at four bytes each, and some white space before them.
const KEPT: usize = 1024;

/// How long output may still come after the program ended: what it left in the pipe is there at once, and
/// only a process that fled its group can hold the pipe open.
const LINGER: Duration = Duration::from_millis(100);

/// Where programs are looked for when haechi itself has no `PATH`.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Runs the program to its end.
pub(crate) async fn run(
    command: &[Box<str>],
    environment: &[(&str, String)],
    deadline: Deadline,
) -> Result<String, Failed> {
    let (mut child, mut group) = spawn(command, environment)?;
    let (status, line) = deadline.limit("exit", finish(&mut child, &mut group)).await?;
    judge(status, &line)
}

fn spawn(command: &[Box<str>], environment: &[(&str, String)]) -> Result<(Child, Group), Failed> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(Failed::new(FailureKind::Exec, "the check names no program"));
    };
    let mut command = Command::new(&**program);
    command
        .args(arguments.iter().map(|argument| &**argument))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_else(|| DEFAULT_PATH.into()))
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    let child = command.spawn().map_err(|error| {
        let text = format!("can't run {program}: {}", plain(&error));
        ours(&error).unwrap_or_else(|| Failed::new(FailureKind::Exec, text))
    })?;
    let group = Group(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw));
    Ok((child, group))
}

/// Waits for the exit and reads meanwhile, so that a full pipe can't block the program.
async fn finish(child: &mut Child, group: &mut Group) -> Result<(ExitStatus, String), Failed> {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let status = {
        let mut reading = pin!(async { tokio::try_join!(drain(stdout, &mut out), drain(stderr, &mut err)) });
        tokio::select! {
            status = child.wait() => {
                group.kill();
                if let Ok(read) = tokio::time::timeout(LINGER, &mut reading).await {
                    read?;
                }
                status
            }
            read = &mut reading => {
                read?;
                child.wait().await
            }
        }
    };
    let status = status.map_err(|error| Failed::new(FailureKind::Local, plain(&error)))?;
    // A program that is silent on stdout may have complained.
    let line = first_line(&out, LONGEST);
    Ok((status, if line.is_empty() { first_line(&err, LONGEST) } else { line }))
}

async fn drain(pipe: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) -> Result<(), Failed> {
    let Some(mut pipe) = pipe else { return Ok(()) };
    let mut piece = [0; 4096];
    let mut total = 0_usize;
    loop {
        let count = pipe
            .read(&mut piece)
            .await
            .map_err(|error: io::Error| Failed::new(FailureKind::Local, plain(&error)))?;
        if count == 0 {
            return Ok(());
        }
        total += count;
        if total > MOST_OUTPUT {
            return Err(Failed::new(FailureKind::Exec, "the program printed more than 64 KiB"));
        }
        let room = KEPT - kept.len();
        kept.extend_from_slice(&piece[..count.min(room)]);
    }
}

fn judge(status: ExitStatus, line: &str) -> Result<String, Failed> {
    let end = match (status.code(), status.signal()) {
        (Some(0), _) if line.is_empty() => return Ok("exit code 0".into()),
        (Some(0), _) => return Ok(line.into()),
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("killed by signal {signal}"),
        (None, None) => "ended without an exit code".into(),
    };
    let text = if line.is_empty() { end } else { format!("{end}: {line}") };
    Err(Failed::new(FailureKind::Exec, text))
}

/// The process group of a program; whoever drops it kills what is left of it.
#[derive(Debug)]
struct Group(Option<Pid>);

impl Group {
    /// Once, and also right after its leader ended: as long as one process of the group lives the kernel
    /// gives its number to nobody, and if none does, nobody had the time to take it.
    fn kill(&mut self) {
        if let Some(leader) = self.0.take() {
            // Nothing left to kill is what is hoped for.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}
