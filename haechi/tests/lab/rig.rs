//! What the tests of the lab stand on: a lab to start, to ask and to end.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::{Instant, sleep, timeout};

/// Longest time any request may take, whatever breaks: the lab's read timeout of a second, and room for a
/// busy machine.
const REQUEST: Duration = Duration::from_millis(2500);

/// A state directory of one test, removed at its end.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("haechi-lab-{}-{name}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    /// The lab's folder.
    pub(crate) fn lab(&self) -> PathBuf {
        self.0.join("lab")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A failed test may leave it to be looked at.
        if !std::thread::panicking() {
            std::fs::remove_dir_all(&self.0).unwrap();
        }
    }
}

fn command(scratch: &Scratch, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_haechi"));
    command
        .args(arguments)
        .env("HAECHI_STATE_DIR", &scratch.0)
        .env_remove("HAECHI_ADMIN_SOCKET")
        .stdin(Stdio::null());
    command.kill_on_drop(true);
    command
}

pub(crate) async fn haechi(scratch: &Scratch, arguments: &[&str]) -> Output {
    let running = command(scratch, arguments).output();
    timeout(Duration::from_secs(40), running).await.unwrap().unwrap()
}

/// Looks again and again until it is so.
pub(crate) async fn until(what: &str, seconds: u64, is: impl AsyncFn() -> bool) {
    let end = Instant::now() + Duration::from_secs(seconds);
    while !is().await {
        assert!(Instant::now() < end, "not within {seconds} s: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

fn state(pid: u32) -> Option<char> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    text.rsplit_once(") ")?.1.chars().next()
}

/// A zombie waits for whoever adopted it, which is not ours to see to.
pub(crate) fn gone(pid: u32) -> bool {
    matches!(state(pid), None | Some('Z' | 'X'))
}

pub(crate) fn alive(pid: u32) -> bool {
    !gone(pid)
}

pub(crate) fn send(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.try_into().unwrap()).unwrap(), signal).unwrap();
}

pub(crate) struct Answer {
    pub(crate) pod: String,
}

pub(crate) struct Lab<'a> {
    scratch: &'a Scratch,
    child: Child,
    out: BufReader<ChildStdout>,
    pub(crate) address: SocketAddr,
}

impl<'a> Lab<'a> {
    /// Starts it and waits for its address.
    pub(crate) async fn start(scratch: &'a Scratch, arguments: &[&str]) -> Self {
        let arguments = [&["lab", "--no-screen", "--listen", "127.0.0.1:0"], arguments].concat();
        let mut child =
            command(scratch, &arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        timeout(Duration::from_secs(30), out.read_line(&mut line)).await.unwrap().unwrap();
        let address =
            line.split_whitespace().find_map(|word| word.strip_prefix("http://")?.strip_suffix('/'));
        let Some(address) = address else {
            let mut errors = String::new();
            child.stderr.take().unwrap().read_to_string(&mut errors).await.unwrap();
            panic!("no address in `{line}`; it said: {errors}");
        };
        Self { scratch, child, out, address: address.parse().unwrap() }
    }

    /// A verb that must succeed.
    pub(crate) async fn verb(&self, arguments: &[&str]) -> String {
        let output = haechi(self.scratch, &[&["lab"], arguments].concat()).await;
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) async fn status(&self) -> Value {
        serde_json::from_str(&self.verb(&["status", "-o", "json"]).await).unwrap()
    }

    async fn of_endpoints(&self, key: &str) -> BTreeMap<String, String> {
        let status = self.status().await;
        let endpoints = status["node"]["pools"][0]["endpoints"].as_array().unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        endpoints.iter().map(|endpoint| (text(&endpoint["name"]), text(&endpoint[key]))).collect()
    }

    pub(crate) async fn health(&self) -> BTreeMap<String, String> {
        self.of_endpoints("health").await
    }

    pub(crate) async fn reason(&self, name: &str) -> String {
        self.of_endpoints("reason").await[name].clone()
    }

    /// Where the endpoints and the node listen.
    pub(crate) async fn addresses(&self) -> Vec<SocketAddr> {
        let status = self.status().await;
        let endpoints = status["endpoints"].as_array().unwrap();
        let addresses =
            endpoints.iter().map(|endpoint| endpoint["address"].as_str().unwrap().parse().unwrap());
        addresses.chain([self.address]).collect()
    }

    /// Process ids.
    pub(crate) fn children(&self) -> Vec<u32> {
        let pid = self.child.id().unwrap();
        let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        text.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
    }

    /// One request on a connection of its own, which must be answered, and in time.
    pub(crate) async fn get(&self) -> Answer {
        timeout(REQUEST, self.request()).await.expect("a request hung")
    }

    async fn request(&self) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        assert!(text.starts_with("HTTP/1.1 200 "), "{text}");
        let body: Value = serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap();
        Answer { pod: body["pod"].as_str().unwrap().to_owned() }
    }

    /// Sends requests until it is so; none may fail or hang.
    pub(crate) async fn serves_until(&self, what: &str, seconds: u64, is: impl AsyncFn() -> bool) {
        let asking = async {
            loop {
                self.get().await;
            }
        };
        tokio::select! {
            () = asking => {}
            () = until(what, seconds, is) => {}
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        send(self.child.id().unwrap(), signal);
    }

    /// Ctrl-C; it must end well.
    pub(crate) async fn interrupt(self) {
        self.signal(Signal::INT);
        let (code, errors) = self.ended().await;
        assert_eq!(code, Some(0), "{errors}");
    }

    /// Waits for its end: exit code and what it said on stderr.
    pub(crate) async fn ended(mut self) -> (Option<i32>, String) {
        let (mut rest, mut errors) = (String::new(), String::new());
        let mut stderr = self.child.stderr.take().unwrap();
        let ending = async {
            self.out.read_to_string(&mut rest).await.unwrap();
            stderr.read_to_string(&mut errors).await.unwrap();
            self.child.wait().await.unwrap()
        };
        let status = timeout(Duration::from_secs(15), ending).await.expect("it did not end");
        (status.code(), errors)
    }
}
