//! The verbs' end of the lab's door.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use crate::command::{Command, Reply};
use crate::error::LabError;
use crate::folder::socket;

/// Longest wait for the reply: killing all of 26 endpoints on a stuck machine takes the lab longest.
const PATIENCE: Duration = Duration::from_secs(30);

/// Largest reply in bytes: the status of 26 endpoints has about 60 KiB, most of it histograms.
const MAX_REPLY: u64 = 16 << 20;

/// Asks the lab that runs in one of these folders (see [`candidates`](crate::candidates)).
///
/// # Errors
/// No lab runs there, or it does not answer.
pub fn ask(folders: &[PathBuf], command: &Command) -> Result<Reply, LabError> {
    let mut closed = None;
    for folder in folders {
        match UnixStream::connect(socket(folder)) {
            Ok(stream) => return exchange(stream, command).map_err(LabError::doing("talk to the lab")),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => closed = Some(folder),
            Err(_) => {}
        }
    }
    let looked = folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", ");
    Err(LabError::new(match closed {
        Some(folder) => format!("the lab in {} belongs to another user", folder.display()),
        None => format!("no lab runs here: start one with `make run` or `haechi lab` (looked in {looked})"),
    }))
}

fn exchange(mut stream: UnixStream, command: &Command) -> io::Result<Reply> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_vec(command)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = String::new();
    BufReader::new(stream.take(MAX_REPLY)).read_line(&mut answer)?;
    if answer.is_empty() {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it ended without an answer"));
    }
    Ok(serde_json::from_str(&answer)?)
}
