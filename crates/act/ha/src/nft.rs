//! Runs `nft`, the program, and waits for it no longer than it says. A program and not its netlink messages:
//! a ruleset is a language, and its own parser is the one that the distribution tests with its kernel.

use std::io::{self, Read, Write};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::time::Duration;

use haechi_sys::clock::now;
use rustix::event::{PollFd, PollFlags};

use crate::waiting::wait;

/// Longest run: a hundred times what it takes, and a busy machine still gets through.
const LONGEST: Duration = Duration::from_secs(2);

/// By name, and where Debian has it: a user's path often lacks the folder.
const PROGRAMS: [&str; 2] = ["nft", "/usr/sbin/nft"];

/// What `nft` says when it is run with these arguments and this input.
///
/// # Errors
/// What is wrong and what to do about it: no such program, no right, or its own words.
pub(crate) fn nft(arguments: &[&str], input: &str) -> Result<String, String> {
    let mut child = spawn(arguments).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => "there is no program `nft`: install the package nftables".to_owned(),
        _ => format!("nft can't be run: {error}"),
    })?;
    let said = converse(&mut child, input);
    if said.is_err() {
        // It may have ended by itself meanwhile.
        let _ = child.kill();
    }
    let status = child.wait().map_err(|error| format!("nft: {error}"))?;
    let (out, err) = said.map_err(|error| format!("nft: {error}"))?;
    if status.success() { Ok(out) } else { Err(format!("nft refuses: {}", first_line(&err))) }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or("it does not say why")
}

fn spawn(arguments: &[&str]) -> io::Result<Child> {
    let run = |program: &str| {
        let mut command = Command::new(program);
        command.args(arguments).env("LC_ALL", "C");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
    };
    let [named, placed] = PROGRAMS;
    match run(named) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => run(placed),
        other => other,
    }
}

/// Writes all, and reads both outputs to their end.
fn converse(child: &mut Child, input: &str) -> io::Result<(String, String)> {
    if let Some(mut stdin) = child.stdin.take() {
        match stdin.write_all(input.as_bytes()) {
            // It ended early, and says why.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            written => written?,
        }
    }
    let (Some(mut stdout), Some(mut stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(io::ErrorKind::BrokenPipe.into());
    };
    read_both(&mut stdout, &mut stderr)
}

fn read_both(stdout: &mut ChildStdout, stderr: &mut ChildStderr) -> io::Result<(String, String)> {
    let until = now() + LONGEST;
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let (mut more_out, mut more_err) = (true, true);
    let mut block = [0; 4096];
    while more_out || more_err {
        let left = until.since(now());
        if left.is_zero() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {LONGEST:?}")));
        }
        let wanted = |more: bool| if more { PollFlags::IN } else { PollFlags::empty() };
        let mut waiting = [PollFd::new(stdout, wanted(more_out)), PollFd::new(stderr, wanted(more_err))];
        wait(&mut waiting, Some(left))?;
        let ready = waiting.map(|it| !it.revents().is_empty());
        if more_out && ready[0] {
            let count = stdout.read(&mut block)?;
            more_out = count > 0;
            out.extend_from_slice(&block[..count]);
        }
        if more_err && ready[1] {
            let count = stderr.read(&mut block)?;
            more_err = count > 0;
            err.extend_from_slice(&block[..count]);
        }
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok((text(&out), text(&err)))
}
