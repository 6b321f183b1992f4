//! The real binary as people and scripts use it: what it writes where, and its exit codes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../../../crates/act/admin/tests/common/mod.rs"]
mod fake;

mod asked;
mod files;
mod requests;
mod terminal;
mod usage;

use std::ffi::OsStr;
use std::path::Path;
use std::process::Output;

use fake::Folder;
use tokio::process::Command;

/// What a verb did.
#[derive(Debug)]
struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Ran {
    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self {
            code: output.status.code().expect("it was not killed"),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }
}

/// The binary in an environment that says nothing to it.
fn haechi(words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_haechi"));
    command.args(words).kill_on_drop(true).stdin(std::process::Stdio::null());
    for name in ["HAECHI_CONFIG", "HAECHI_ADMIN_SOCKET", "NO_COLOR", "XDG_RUNTIME_DIR"] {
        command.env_remove(name);
    }
    command
}

async fn run(words: &[&str]) -> Ran {
    haechi(words).output().await.unwrap().into()
}

async fn run_in(folder: &Path, words: &[&str]) -> Ran {
    haechi(words).current_dir(folder).output().await.unwrap().into()
}

fn write(folder: &Folder, name: &str, text: impl AsRef<[u8]>) {
    std::fs::write(folder.path().join(name), text).unwrap();
}
