//! The binary on a real terminal (a pseudo one): colours, keys, and the way out.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use haechi_admin::server::{Server, serve};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use tokio::process::{Child, Command};

use crate::fake::{Fake, Folder};
use crate::haechi;

/// Our end of a terminal, and the end that programs see.
struct Terminal {
    ours: File,
    theirs: File,
}

impl Terminal {
    fn new() -> Self {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let name = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
        let theirs = OpenOptions::new().read(true).write(true).open(name).unwrap();
        tcsetwinsize(&theirs, Winsize { ws_row: 10, ws_col: 60, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        Self { ours: File::from(ours), theirs }
    }

    fn start(&self, mut command: Command) -> Child {
        let end = || self.theirs.try_clone().unwrap();
        command.stdin(end()).stdout(end()).env("TERM", "xterm").spawn().unwrap()
    }

    /// What was written until `end` came, away from the runtime.
    async fn until(&self, end: &'static str) -> String {
        let mut ours = self.ours.try_clone().unwrap();
        let reading = tokio::task::spawn_blocking(move || {
            let mut text = String::new();
            let mut buffer = [0; 4096];
            while !text.contains(end) {
                let read = ours.read(&mut buffer).unwrap();
                text.push_str(&String::from_utf8_lossy(&buffer[..read]));
            }
            text
        });
        tokio::time::timeout(Duration::from_secs(20), reading).await.expect("it did not come").unwrap()
    }

    fn hears_single_keys(&self) -> bool {
        !tcgetattr(&self.theirs).unwrap().local_modes.contains(LocalModes::ICANON)
    }
}

fn serve_fake(test: &str) -> Folder {
    let folder = Folder::new(test);
    tokio::spawn(serve(Server::bind(&folder.socket(), None).unwrap(), Arc::clone(&Fake::new())));
    folder
}

fn ask(folder: &Folder, words: &[&str]) -> Command {
    let mut command = haechi(words);
    command.env("HAECHI_ADMIN_SOCKET", folder.socket());
    command
}

const ENTER: &str = "\x1b[?1049h";
const LEAVE: &str = "\x1b[?1049l";

#[tokio::test]
async fn colours_are_for_terminals_that_want_them() {
    let folder = serve_fake("terminal-colour");
    let cases = [("NO_COLOR", "", true), ("NO_COLOR", "1", false), ("TERM", "dumb", false)];
    for (name, value, coloured) in cases {
        let terminal = Terminal::new();
        let end = || terminal.theirs.try_clone().unwrap();
        let mut command = ask(&folder, &["status"]);
        let mut child =
            command.stdin(end()).stdout(end()).env("TERM", "xterm").env(name, value).spawn().unwrap();
        let text = terminal.until("/v1/status").await;
        assert_eq!(text.contains("\x1b["), coloured, "{name}={value}: {text:?}");
        assert!(child.wait().await.unwrap().success());
    }
}

#[tokio::test]
async fn top_stays_in_place_until_q() {
    let folder = serve_fake("terminal-top");
    let terminal = Terminal::new();
    let mut child = terminal.start(ask(&folder, &["top"]));
    let text = terminal.until("\x1b[J").await;
    assert!(text.starts_with(ENTER), "{text:?}");
    let (_, frame) = text.split_once("\x1b[H").unwrap();
    assert_eq!(frame.lines().count(), 10, "as many as fit: {frame:?}");
    assert!(terminal.hears_single_keys());
    (&terminal.ours).write_all(b"xq").unwrap();
    assert!(terminal.until(LEAVE).await.ends_with(LEAVE));
    assert!(child.wait().await.unwrap().success());
    assert!(!terminal.hears_single_keys(), "the terminal is as it was");
}

#[tokio::test]
async fn top_gives_the_terminal_back_when_it_is_ended() {
    let folder = serve_fake("terminal-end");
    for signal in [Signal::INT, Signal::TERM] {
        let terminal = Terminal::new();
        let mut child = terminal.start(ask(&folder, &["top"]));
        terminal.until("\x1b[J").await;
        let pid = Pid::from_raw(child.id().unwrap().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
        terminal.until(LEAVE).await;
        assert!(child.wait().await.unwrap().success(), "{signal:?}");
        assert!(!terminal.hears_single_keys(), "{signal:?}");
    }
}

#[tokio::test]
async fn top_with_a_count_leaves_its_screens() {
    let folder = serve_fake("terminal-count");
    let terminal = Terminal::new();
    let mut child = terminal.start(ask(&folder, &["top", "-n", "1"]));
    let text = terminal.until("/v1/status").await;
    assert!(!text.contains(ENTER) && text.contains("web-1"), "{text:?}");
    assert!(child.wait().await.unwrap().success());
}
