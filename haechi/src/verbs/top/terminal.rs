//! The terminal while a screen stays in place on it: another page, no cursor, keys as they are pressed. All of
//! it is undone on the way out.

use std::io::{IsTerminal, Read, stdin, stdout};
use std::sync::Arc;
use std::thread;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::signal::ctrl_c;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

use crate::output;

/// To the other page, cursor off.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
/// And back.
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

/// A terminal in use.
pub(super) struct Terminal {
    before: Option<Termios>,
    quit: Arc<Notify>,
}

impl Terminal {
    /// Takes the terminal, if stdout is one.
    pub(super) fn take() -> Option<Self> {
        if !stdout().is_terminal() {
            return None;
        }
        let quit = Arc::new(Notify::new());
        let before = read_keys(&quit);
        output::print(ENTER);
        Some(Self { before, quit })
    }

    /// Shows a screen, cut to what fits.
    pub(super) fn draw(&self, screen: &str) {
        let (rows, columns) = size();
        output::print(&frame(screen, rows, columns));
    }

    /// `q`, Ctrl-C, or whoever wants the process to end: the terminal is given back either way.
    pub(super) async fn ended(&self) {
        let terminated = async {
            match signal(SignalKind::terminate()) {
                Ok(mut terminate) => drop(terminate.recv().await),
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.quit.notified() => {}
            () = terminated => {}
            // Without the signal, q is left.
            Ok(()) = ctrl_c() => {}
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        output::print(LEAVE);
        if let Some(before) = &self.before {
            // A terminal that is gone needs no settings.
            let _ = tcsetattr(stdin(), OptionalActions::Now, before);
        }
    }
}

/// Hears keys without the Enter after them; gives the settings to return to. Without a terminal at stdin
/// there is only Ctrl-C.
fn read_keys(quit: &Arc<Notify>) -> Option<Termios> {
    if !stdin().is_terminal() {
        return None;
    }
    let before = tcgetattr(stdin()).ok()?;
    let mut now = before.clone();
    now.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
    tcsetattr(stdin(), OptionalActions::Now, &now).ok()?;
    let quit = Arc::clone(quit);
    // A read of a terminal can't be given up, so the thread ends with the process.
    thread::spawn(move || {
        let asked = stdin().lock().bytes().map_while(Result::ok).any(|key| matches!(key, b'q' | b'Q'));
        if asked {
            quit.notify_one();
        }
    });
    Some(before)
}

/// A screen over the last one: each line clears its rest, so that nothing flickers.
fn frame(screen: &str, rows: usize, columns: usize) -> String {
    let lines: Vec<String> =
        screen.lines().take(rows).map(|line| format!("{}\x1b[K", output::fit(line, columns))).collect();
    format!("\x1b[H{}\x1b[J", lines.join("\n"))
}

fn size() -> (usize, usize) {
    match tcgetwinsize(stdout()) {
        Ok(size) if size.ws_row > 0 && size.ws_col > 0 => (size.ws_row.into(), size.ws_col.into()),
        // The terminal that all others descend from.
        _ => (24, 80),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_fits_and_leaves_nothing_of_the_last_one() {
        assert_eq!(frame("abcd\nef\ngh\n", 2, 3), "\x1b[Habc\x1b[K\nef\x1b[K\x1b[J");
        assert_eq!(frame("", 2, 3), "\x1b[H\x1b[J");
    }
}
