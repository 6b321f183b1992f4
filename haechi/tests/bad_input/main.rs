//! Config files, sockets and addresses that are wrong in every way that people manage: each is refused with a
//! reason and a way out, and what serves goes on serving.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod files;
mod reload;
mod start;

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use haechi_tests::{Node, Output, TempDir};

const BINARY: &str = env!("CARGO_BIN_EXE_haechi");

/// What `timeout` gives when it had to end a program.
const HUNG: i32 = 124;

/// Runs a verb that must come to its end by itself, as the node's user would.
#[track_caller]
fn verb(node: &Node, words: &[&str]) -> Output {
    run(Command::new("timeout").args(["20", BINARY]), node.folder(), words)
}

/// The same as a user without any rights, on a copy of the binary that this user can reach.
#[track_caller]
fn verb_as_nobody(folder: &TempDir, words: &[&str]) -> Output {
    let binary = folder.path().join("haechi");
    if !binary.exists() {
        std::fs::copy(BINARY, &binary).unwrap();
        open_up(folder.path(), 0o777);
        open_up(&binary, 0o755);
    }
    let mut command = Command::new("timeout");
    command.arg("20");
    if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
        command.args(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]);
    }
    run(command.arg(binary), folder.path(), words)
}

fn open_up(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[track_caller]
fn run(command: &mut Command, folder: &Path, words: &[&str]) -> Output {
    command
        .args(words)
        .env("HAECHI_ADMIN_SOCKET", folder.join("admin.sock"))
        .env("NO_COLOR", "1")
        .current_dir(folder)
        .stdin(Stdio::null());
    let output = command.output().unwrap();
    let output = Output {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    };
    assert_ne!(output.code, HUNG, "{words:?} does not end: {output:?}");
    output
}

/// JSON on stdout and nothing on stderr.
#[track_caller]
fn json(output: &Output) -> serde_json::Value {
    assert_eq!(output.err, "", "{output:?}");
    serde_json::from_str(&output.out).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// Whatever stands there is gone.
fn clear(path: &PathBuf) {
    let _ = std::fs::remove_file(path);
    let _ = std::fs::remove_dir(path);
}
