//! The lab's door: a Unix socket in its folder, which only this user can enter. One line in, one line out.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{sleep, timeout};

use crate::command::{Command, MAX_LINE, Reply};
use crate::error::LabError;

/// Verbs at a time: one person types one at a time; a script may run a few.
const MAX_CALLERS: usize = 16;

/// For a command to arrive, and for its reply to be taken.
const PATIENCE: Duration = Duration::from_secs(5);

/// Pause after the system refused a connection.
const BREATH: Duration = Duration::from_millis(50);

/// A command that waits for its reply.
#[derive(Debug)]
pub(crate) struct Wish {
    pub(crate) command: Command,
    pub(crate) reply: oneshot::Sender<Reply>,
}

pub(crate) fn listen(path: &Path) -> Result<UnixListener, LabError> {
    UnixListener::bind(path).map_err(LabError::doing(format_args!("listen on {}", path.display())))
}

/// Hands commands on until nobody takes them.
pub(crate) async fn serve(listener: UnixListener, wishes: mpsc::Sender<Wish>) {
    let seats = Arc::new(Semaphore::new(MAX_CALLERS));
    while let Ok(seat) = Arc::clone(&seats).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                let wishes = wishes.clone();
                tokio::spawn(async move {
                    // Whoever broke off does not wait for a reply.
                    let _ = converse(stream, &wishes).await;
                    drop(seat);
                });
            }
            Err(_) => sleep(BREATH).await,
        }
    }
}

async fn converse(mut stream: UnixStream, wishes: &mpsc::Sender<Wish>) -> std::io::Result<()> {
    let mut line = String::new();
    let mut reader = BufReader::new((&mut stream).take(MAX_LINE));
    timeout(PATIENCE, reader.read_line(&mut line)).await??;
    let reply = match serde_json::from_str(&line) {
        Ok(command) => grant(command, wishes).await,
        Err(error) => Reply::refused(format!("the lab does not understand this: {error}")),
    };
    let mut text = serde_json::to_vec(&reply)?;
    text.push(b'\n');
    timeout(PATIENCE, stream.write_all(&text)).await?
}

async fn grant(command: Command, wishes: &mpsc::Sender<Wish>) -> Reply {
    let (reply, answer) = oneshot::channel();
    let sent = wishes.send(Wish { command, reply }).await;
    match (sent, answer.await) {
        (Ok(()), Ok(reply)) => reply,
        _ => Reply::refused("the lab is ending"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says `text` at the door of a lab that grants everything, and gives the reply.
    async fn knock(text: &[u8]) -> String {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let (wish, mut wishes) = mpsc::channel::<Wish>(1);
        tokio::spawn(async move {
            while let Some(Wish { command, reply }) = wishes.recv().await {
                reply.send(Reply::done(format!("{command:?}"))).unwrap();
            }
        });
        let served = tokio::spawn(async move {
            let _ = converse(ours, &wish).await;
        });
        // The door may close before all of a long line is said.
        let _ = theirs.write_all(text).await;
        let mut reply = String::new();
        let _ = theirs.read_to_string(&mut reply).await;
        served.await.unwrap();
        reply
    }

    #[tokio::test]
    async fn a_line_gets_a_line() {
        let reply = knock(b"{\"verb\":\"kill\",\"name\":\"web-2\"}\n").await;
        assert!(
            reply.contains(r#""ok":true"#) && reply.contains("web-2") && reply.ends_with('\n'),
            "{reply}"
        );
    }

    #[tokio::test]
    async fn nonsense_is_refused() {
        let nested = "[".repeat(4000) + "\n";
        for text in ["\n", "kill web-2\n", "{\"verb\":\"dance\"}\n", "{\"verb\":\"kill\"}\n", &nested] {
            let reply = knock(text.as_bytes()).await;
            assert!(reply.contains(r#""ok":false"#), "{text}: {reply}");
        }
    }

    #[tokio::test]
    async fn what_is_no_line_of_text_gets_no_reply_or_a_refusal() {
        let endless = vec![b'x'; 1 << 20];
        for bytes in [&endless[..], b"\xff\xfe\n"] {
            let reply = knock(bytes).await;
            assert!(!reply.contains(r#""ok":true"#), "{reply}");
        }
    }
}
