//! Clients and endpoints that speak UDP.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use haechi_tests::{Node, address, eventually};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_haechi");

/// How long an answer may take: the cores are shared with other tests.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// Sends back what it gets, with its own letter in front. Gone when dropped.
pub(crate) struct Echo {
    pub(crate) at: SocketAddr,
    pub(crate) got: Arc<AtomicU32>,
    mute: Arc<AtomicBool>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Echo {
    pub(crate) fn new(letter: u8) -> Self {
        Self::at(SocketAddr::new(address(), 5300), letter)
    }

    pub(crate) fn at(at: SocketAddr, letter: u8) -> Self {
        let socket = UdpSocket::bind(at).unwrap();
        // Short waits, so that it ends soon.
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let [mute, ends] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
        let got = Arc::new(AtomicU32::new(0));
        let (quiet, over, count) = (Arc::clone(&mute), Arc::clone(&ends), Arc::clone(&got));
        let thread = thread::spawn(move || {
            let mut bytes = vec![0; 64 << 10];
            while !over.load(Ordering::Relaxed) {
                let Ok((size, from)) = socket.recv_from(&mut bytes[1..]) else { continue };
                count.fetch_add(1, Ordering::Relaxed);
                bytes[0] = letter;
                // The largest datagrams have no room for a letter.
                let answer = if size < 65_507 { &bytes[..=size] } else { &bytes[1..=size] };
                if !quiet.load(Ordering::Relaxed) {
                    let _ = socket.send_to(answer, from);
                }
            }
        });
        Self { at, got, mute, ends, thread: Some(thread) }
    }

    pub(crate) fn be_mute(&self) {
        self.mute.store(true, Ordering::Relaxed);
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        let _ = self.thread.take().unwrap().join();
    }
}

/// One flow's client: it hears the address only that it asks.
pub(crate) struct Client(UdpSocket);

impl Client {
    pub(crate) fn new(to: SocketAddr) -> Self {
        Self::from(
            to,
            match to {
                SocketAddr::V4(_) => "0.0.0.0:0".parse().unwrap(),
                SocketAddr::V6(_) => "[::]:0".parse().unwrap(),
            },
        )
    }

    pub(crate) fn from(to: SocketAddr, from: SocketAddr) -> Self {
        let mut socket = UdpSocket::bind(from);
        // A program that another test starts in this moment has the last one's socket until it runs.
        eventually(SOON, "the address is free", || {
            if socket.is_err() {
                socket = UdpSocket::bind(from);
            }
            socket.is_ok()
        });
        let socket = socket.unwrap();
        socket.connect(to).unwrap();
        socket.set_read_timeout(Some(SOON)).unwrap();
        Self(socket)
    }

    pub(crate) fn say(&self, bytes: &[u8]) {
        self.0.send(bytes).unwrap();
    }

    pub(crate) fn hear(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; 64 << 10];
        let size = self.0.recv(&mut bytes)?;
        bytes.truncate(size);
        Ok(bytes)
    }

    /// The letter of who answers.
    #[track_caller]
    pub(crate) fn ask(&self, bytes: &[u8]) -> u8 {
        self.say(bytes);
        let answer = self.hear().unwrap();
        assert_eq!(&answer[1..], bytes);
        answer[0]
    }

    /// The same where a datagram may be lost.
    pub(crate) fn ask_until_answered(&self, bytes: &[u8]) -> u8 {
        self.0.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        for _ in 0..50 {
            self.say(bytes);
            if let Ok(answer) = self.hear() {
                return answer[0];
            }
        }
        panic!("no answer to 50 datagrams");
    }

    pub(crate) fn wait_no_longer_than(&self, time: Duration) {
        self.0.set_read_timeout(Some(time)).unwrap();
    }
}

/// Where a listener stands, and what stands behind it.
pub(crate) struct Front {
    pub(crate) listen: SocketAddr,
    pub(crate) node: Node,
}

impl Front {
    pub(crate) fn start(endpoints: &[&Echo], listener: &str, pool: &str) -> Self {
        let listen = SocketAddr::new(address(), 5300);
        let node = Node::start(BINARY, &config(listen, endpoints, listener, pool));
        Self { listen, node }
    }

    pub(crate) fn listener(&self) -> serde_json::Value {
        self.node.status()["listeners"][0].clone()
    }

    pub(crate) fn dropped(&self, why: &str) -> u64 {
        self.listener()["datagrams"]["dropped"][why].as_u64().unwrap_or(0)
    }
}

/// `listener` and `pool` are more keys, each with a comma in front.
pub(crate) fn config(listen: SocketAddr, endpoints: &[&Echo], listener: &str, pool: &str) -> String {
    let all: Vec<String> =
        endpoints.iter().enumerate().map(|(number, it)| format!("e{number}: \"{}\"", it.at)).collect();
    format!(
        "workers: 2\nlisteners:\n  udp: {{ bind: \"{listen}\", protocol: udp, pool: udp{listener} }}\n\
         pools:\n  udp: {{ endpoints: {{ {} }}{pool} }}\n",
        all.join(", ")
    )
}

/// Any port of this address that nobody has.
pub(crate) fn free(ip: IpAddr) -> SocketAddr {
    SocketAddr::new(ip, 5300)
}
