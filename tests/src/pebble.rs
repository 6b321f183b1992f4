//! Pebble, Let's Encrypt's own ACME server for tests, and the DNS that it asks.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};

use crate::{Authority, TempDir, eventually};

/// Where it is asked, besides its address.
const PORT: u16 = 14_000;

/// A running Pebble, killed when dropped. It asks names on ports 80 and 443.
#[derive(Debug)]
pub struct Pebble {
    address: IpAddr,
    folder: TempDir,
    child: Option<Child>,
    environment: Vec<(String, String)>,
    dns: Dns,
    /// Who signed the certificate of its own listener.
    pub authority: Authority,
}

impl Pebble {
    /// Starts it; every name is at `names`. Certificates live for `life`.
    ///
    /// # Panics
    /// When it is not installed, or does not start.
    pub fn start(names: IpAddr, life: Duration) -> Self {
        Self::start_with(names, life, |_| {}, &[])
    }

    /// The same with changes to its config, and with variables.
    ///
    /// # Panics
    /// When it is not installed, or does not start.
    pub fn start_with(
        names: IpAddr,
        life: Duration,
        change: impl FnOnce(&mut Value),
        environment: &[(&str, &str)],
    ) -> Self {
        let address = crate::address();
        let folder = TempDir::new("pebble");
        let authority = Authority::new("Pebble's listener");
        authority.leaf(&["localhost", &address.to_string()]).write(folder.path(), "pebble");
        let own = |ending: &str| folder.path().join(format!("pebble.{ending}")).display().to_string();
        let mut config = json!({ "pebble": {
            "listenAddress": SocketAddr::new(address, PORT).to_string(),
            "managementListenAddress": SocketAddr::new(address, PORT + 1).to_string(),
            "certificate": own("pem"),
            "privateKey": own("key"),
            "httpPort": 80,
            "tlsPort": 443,
            "retryAfter": { "authz": 1, "order": 1 },
            "domainBlocklist": ["blocked.example.com"],
            "profiles": { "default": { "description": "the only one", "validityPeriod": life.as_secs() } },
        } });
        change(&mut config["pebble"]);
        std::fs::write(folder.path().join("pebble.json"), config.to_string()).unwrap();
        let environment = environment.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let environment =
            std::iter::once(("PEBBLE_VA_NOSLEEP".to_owned(), "1".to_owned())).chain(environment);
        let (environment, dns) = (environment.collect(), Dns::start(address, names));
        let mut pebble = Self { address, folder, child: None, environment, dns, authority };
        pebble.resume();
        pebble
    }

    /// Starts it (again), knowing nothing, and waits until it listens.
    ///
    /// # Panics
    /// When it is not installed, or does not start.
    pub fn resume(&mut self) {
        let log = std::fs::File::create(self.folder.path().join("log")).unwrap();
        let child = Command::new(program())
            .arg("-config")
            .arg(self.folder.path().join("pebble.json"))
            .args(["-dnsserver", &self.dns.address.to_string()])
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        self.child = Some(child.expect("Pebble must be installed: `scripts/setup test`"));
        let address = SocketAddr::new(self.address, PORT);
        eventually(Duration::from_secs(10), "Pebble listens", || TcpStream::connect(address).is_ok());
    }

    /// Stops it at once.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// The URL of its directory.
    pub fn directory(&self) -> String {
        format!("https://{}/dir", SocketAddr::new(self.address, PORT))
    }

    /// The root of what it signs, as PEM; another one after each start.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn root(&self) -> String {
        let ca = self.folder.path().join("listener-ca.pem");
        std::fs::write(&ca, self.authority.pem()).unwrap();
        let url = format!("https://{}/roots/0", SocketAddr::new(self.address, PORT + 1));
        let output = Command::new("curl").args(["-sS", "--cacert"]).arg(ca).arg(url).output();
        String::from_utf8(output.expect("this test needs curl").stdout).unwrap()
    }

    /// What it said so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            #[expect(clippy::print_stderr, reason = "a failed test shows what Pebble said")]
            {
                eprintln!("Pebble's log:\n{}", self.log());
            }
        }
    }
}

fn program() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(".peers/go/pebble")
}

/// A DNS server for which every name has one address. Pebble asks over TCP.
#[derive(Debug)]
struct Dns {
    address: SocketAddr,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Dns {
    fn start(at: IpAddr, names: IpAddr) -> Self {
        let listener = TcpListener::bind((at, 0)).unwrap();
        let (address, ended) = (listener.local_addr().unwrap(), Arc::new(AtomicBool::new(false)));
        let over = Arc::clone(&ended);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                std::thread::spawn(move || serve(stream, names));
            }
        });
        Self { address, ended, thread: Some(thread) }
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        // It waits for somebody.
        drop(TcpStream::connect(self.address));
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Answers all questions of a connection, each behind its length (RFC 1035 section 4.2.2).
fn serve(mut stream: TcpStream, names: IpAddr) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(20)));
    let mut length = [0; 2];
    while stream.read_exact(&mut length).is_ok() {
        let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
        let Some(answer) = stream.read_exact(&mut question).ok().and_then(|()| answer(&question, names))
        else {
            return;
        };
        let length = u16::try_from(answer.len()).unwrap_or_default().to_be_bytes();
        if stream.write_all(&[&length[..], &answer].concat()).is_err() {
            return;
        }
    }
}

/// The question with its address behind it, or with nothing where it asks for something else (RFC 1035 section 4).
fn answer(question: &[u8], address: IpAddr) -> Option<Vec<u8>> {
    let name = question.get(12..)?.iter().position(|byte| *byte == 0)? + 13;
    let whole = question.get(..name + 4)?;
    let IpAddr::V4(address) = address else { return None };
    let asks_for_it = whole[name..name + 2] == [0, 1];
    let mut out = whole.to_vec();
    // An answer, recursion available, no error; one question, an answer or none.
    out[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, u8::from(asks_for_it), 0, 0, 0, 0]);
    if asks_for_it {
        out.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4]);
        out.extend_from_slice(&address.octets());
    }
    Some(out)
}
