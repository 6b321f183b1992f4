//! Two nodes without any right share an address: advertisements in sealed UDP, and listeners that follow the address.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use haechi_admin::api::FlightRecord;
use haechi_tests::{Node, TempDir, address, eventually, now, pause};
use haechi_vrrp::Output;
use haechi_vrrp::envelope::{Keys, Stamp, seal};
use haechi_vrrp::packet::{Advertisement, Cover, Version};
use haechi_vrrp::record::{GroupRecord, replay};
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_haechi");

const KEYS: &str = "sign: 1\nkeys: { 1: 3c1f0e5d7a9b2468ace013579bdf2468 }\n";

/// A second is the bound for a dead node; a default pair needs 360 ms.
const BOUND: Duration = Duration::from_secs(1);

const PATIENCE: Duration = Duration::from_secs(20);

/// haechi without capabilities, also where the tests run as root.
fn without_rights(folder: &Path) -> String {
    if !rustix::process::geteuid().is_root() {
        return BINARY.to_owned();
    }
    let wrapper = folder.join("haechi");
    let script = format!(
        "#!/bin/sh\nexec setpriv --no-new-privs --bounding-set=-all --inh-caps=-all {BINARY} \"$@\"\n"
    );
    std::fs::write(&wrapper, script).unwrap();
    std::fs::set_permissions(&wrapper, std::fs::Permissions::from_mode(0o755)).unwrap();
    wrapper.display().to_string()
}

/// Tells its name, and then gives back each line.
fn endpoint(name: &'static str) -> SocketAddr {
    let listener = TcpListener::bind(SocketAddr::new(address(), 0)).unwrap();
    let at = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let _ = stream.write_all(format!("{name}\n").as_bytes());
                let _ = std::io::copy(&mut stream.try_clone().unwrap(), &mut stream);
            });
        }
    });
    at
}

/// A pair, its shared address, and where the flags are that make a node a good one.
struct Pair {
    nodes: [Node; 2],
    shared: SocketAddr,
    sources: [SocketAddr; 2],
    flags: TempDir,
}

impl Pair {
    fn start() -> Self {
        let flags = TempDir::new("flags");
        let binary = without_rights(flags.path());
        let shared = SocketAddr::new(address(), 8080);
        let sources = [0, 1].map(|_| SocketAddr::new(address(), 7112));
        let nodes = [0, 1].map(|number: usize| {
            let config = config(number, shared, sources, flags.path());
            std::fs::write(flags.path().join(format!("good{number}")), "").unwrap();
            let mut node = Node::prepared(&binary, &config);
            std::fs::write(node.folder().join("keys.yaml"), KEYS).unwrap();
            node.environment.push(("STATE_DIRECTORY".into(), node.folder().display().to_string()));
            node.resume();
            node
        });
        Self { nodes, shared, sources, flags }
    }

    /// Who takes a new connection now.
    fn serves(&self) -> Option<String> {
        Some(connect(self.shared)?.1)
    }

    fn wait_for(&self, name: &str) {
        eventually(PATIENCE, &format!("{name} serves"), || self.serves().as_deref() == Some(name));
    }

    fn set_good(&self, number: usize, good: bool) {
        let flag = self.flags.path().join(format!("good{number}"));
        if good { std::fs::write(flag, "").unwrap() } else { std::fs::remove_file(flag).unwrap() }
    }

    fn router(&self, number: usize) -> Value {
        self.nodes[number].router("edge")
    }

    fn wait_priority(&self, number: usize, priority: u8) {
        eventually(PATIENCE, &format!("priority {priority}"), || self.router(number)["priority"] == priority);
    }
}

fn config(number: usize, shared: SocketAddr, sources: [SocketAddr; 2], flags: &Path) -> String {
    let (own, peer, priority) = (sources[number], sources[1 - number], [150, 100][number]);
    let endpoint = endpoint(["lb1", "lb2"][number]);
    let flag = flags.join(format!("good{number}"));
    format!(
        "node: {{ name: lb{name} }}
listeners:
  db: {{ bind: \"{shared}\", protocol: tcp, pool: db }}
pools:
  db: {{ endpoints: {{ e1: \"{endpoint}\" }} }}
virtualRouters:
  edge:
    id: 51
    interface: lo
    addresses: [\"{virtual_address}/32\"]
    priority: {priority}
    transport: udp
    source: \"{own}\"
    peers: {{ other: \"{peer}\" }}
    keys: keys.yaml
    mover: bind
    track:
      programs: {{ good: {{ command: [test, -e, {flag}], interval: 300ms, timeout: 300ms, lower: 100 }} }}
",
        name = number + 1,
        virtual_address = shared.ip(),
        flag = flag.display(),
    )
}

fn connect(to: SocketAddr) -> Option<(BufReader<TcpStream>, String)> {
    let stream = TcpStream::connect_timeout(&to, Duration::from_millis(200)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    let mut stream = BufReader::new(stream);
    let mut name = String::new();
    stream.read_line(&mut name).ok()?;
    Some((stream, name.trim().to_owned())).filter(|(_, name)| !name.is_empty())
}

#[test]
fn a_dead_node_is_followed_in_less_than_a_second() {
    let mut pair = Pair::start();
    pair.wait_for("lb1");
    eventually(PATIENCE, "lb2 is backup and hears lb1", || {
        let router = pair.router(1);
        router["state"] == "backup" && router["heard"].as_u64() > Some(3)
    });

    pair.nodes[0].signal("KILL");
    let since = now();
    eventually(PATIENCE, "lb2 serves", || pair.serves().as_deref() == Some("lb2"));
    let gap = since.elapsed();
    assert!(gap < BOUND, "nobody served for {gap:?}");
    let told = format!("{} died or stands still, and its keeper said so", pair.sources[0].ip());
    assert_eq!(pair.router(1)["reason"], told, "a farewell that its node had sealed");

    // The survivor tells it, and what it tells can be played again.
    eventually(PATIENCE, "it knows what came of it", || {
        pair.nodes[1].verb(&["events"]).out.contains(" reset here in the 5s after it took over")
    });
    let story = pair.nodes[1].verb(&["why"]).out;
    let order = [
        "backup to active: 127.",
        "advertises priority 150",
        "did      advertises priority 100",
        "did      claims the addresses",
        "decided  backup to active",
        "seen     the addresses are here",
        "result   the first request was answered here ",
    ];
    let places: Vec<_> =
        order.iter().map(|part| story.find(part).unwrap_or_else(|| panic!("{part}: {story}"))).collect();
    assert!(places.is_sorted(), "{story}");
    let record = pair.nodes[1].verb(&["why", "edge", "-o", "json"]).out;
    let flight: FlightRecord = serde_json::from_str(&record).unwrap();
    let record: GroupRecord = serde_json::from_value(flight.record).unwrap();
    let mut asked = record.entries.iter().flat_map(|entry| &entry.outputs);
    assert!(asked.any(|(_, output)| *output == Output::Claim));
    replay(&record).unwrap();

    // The better one comes back and takes over, and nobody but it takes connections then.
    pair.nodes[0].resume();
    pair.wait_for("lb1");
    pair.nodes[1].wait_state("edge", "backup");
    for _ in 0..50 {
        assert_eq!(pair.serves().as_deref(), Some("lb1"));
    }
    let status = pair.router(0);
    assert_eq!(status["holdsAddresses"], true);
    assert_eq!(status["sendFailures"], 0);
}

#[test]
fn a_process_that_stood_still_is_heard_again_though_its_keeper_said_farewell() {
    let pair = Pair::start();
    pair.wait_for("lb1");
    pair.nodes[0].signal("STOP");
    pair.nodes[1].wait_state("edge", "active");
    // Told by the keeper, or by silence where the keeper had to wait for a core: it has 60 ms.
    let reason = pair.router(1)["reason"].clone();
    let words = ["its keeper said so", "is silent"];
    assert!(words.iter().any(|it| reason.as_str().unwrap().ends_with(it)), "{reason}");
    pair.nodes[0].signal("CONT");
    pair.nodes[1].wait_state("edge", "backup");
    pair.wait_for("lb1");
}

/// Which life of it a node wrote down last.
fn epoch(node: &Node, name: &str) -> u64 {
    let text = std::fs::read(node.folder().join(format!("envelopes-{name}.json"))).unwrap();
    serde_json::from_slice::<Value>(&text).unwrap()["epoch"].as_u64().unwrap()
}

/// An advertisement of lb1, as somebody may have recorded it.
fn recording(epoch: u64, shared: IpAddr) -> Vec<u8> {
    let keys =
        Keys::new([(1, *b"\x3c\x1f\x0e\x5d\x7a\x9b\x24\x68\xac\xe0\x13\x57\x9b\xdf\x24\x68")], 1).unwrap();
    let advertisement = Advertisement {
        version: Version::V3,
        id: 51,
        priority: 150,
        interval: Duration::from_millis(100),
        addresses: vec![shared],
    };
    let (mut message, mut sealed) = (Vec::new(), Vec::new());
    advertisement.encode(Cover::Message, &mut message).unwrap();
    let stamp = Stamp { sender: "lb1", epoch, sequence: 1_000_000 };
    seal(&keys, stamp, &message, &mut sealed).unwrap();
    sealed
}

/// Its clock was a year ahead once: peers know that life of it, and drop what seems to be older.
#[test]
fn a_restart_after_the_clock_went_back_is_heard_and_old_words_are_not() {
    let mut pair = Pair::start();
    pair.wait_for("lb1");
    let ahead = epoch(&pair.nodes[0], "lb1") + 31_557_600_000_000_000;
    let memory = pair.nodes[0].folder().join("envelopes-lb1.json");
    for life in 1..=2 {
        pair.nodes[0].signal("KILL");
        pair.nodes[1].wait_state("edge", "active");
        if life == 1 {
            std::fs::write(&memory, format!("{{\"epoch\": {ahead}, \"heard\": []}}")).unwrap();
        }
        pair.nodes[0].resume();
        pair.nodes[1].wait_state("edge", "backup");
        assert_eq!(epoch(&pair.nodes[0], "lb1"), ahead + life);
    }

    // The other one starts anew while lb1 is dead, and somebody plays to it what lb1 said.
    pair.nodes[0].signal("KILL");
    pair.nodes[1].wait_state("edge", "active");
    pair.nodes[1].signal("TERM");
    assert_eq!(pair.nodes[1].wait_end(PATIENCE), 0);
    pair.nodes[1].resume();
    pair.nodes[1].wait_state("edge", "active");
    let mouth = UdpSocket::bind(SocketAddr::new(pair.sources[0].ip(), 0)).unwrap();
    let say = |epoch| mouth.send_to(&recording(epoch, pair.shared.ip()), pair.sources[1]).unwrap();
    let replayed = || pair.router(1)["dropped"]["replayed"].as_u64();
    assert_eq!(replayed(), Some(0));
    say(ahead + 1);
    eventually(PATIENCE, "an old word", || replayed() == Some(1));
    assert_eq!(pair.router(1)["heard"], 0);
    say(ahead + 3);
    eventually(PATIENCE, "a new word", || pair.router(1)["heard"] == 1);
}

#[test]
fn a_hand_over_keeps_what_is_open() {
    let pair = Pair::start();
    pair.wait_for("lb1");
    let (mut open, _) = connect(pair.shared).unwrap();
    let output = pair.nodes[0].verb(&["ha", "handover", "--wait", "10s"]);
    assert_eq!(output.code, 0, "{output:?}");
    pair.wait_for("lb2");
    open.get_mut().write_all(b"still there?\n").unwrap();
    let mut answer = [0; 13];
    open.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"still there?\n");
}

#[test]
fn a_node_that_could_not_serve_better_leaves_it() {
    let pair = Pair::start();
    pair.wait_for("lb1");
    pair.set_good(1, false);
    pair.wait_priority(1, 1);
    pair.set_good(0, false);
    pair.wait_priority(0, 50);
    // Five times the time in which a silent active is followed.
    for _ in 0..90 {
        assert_eq!(pair.router(1)["state"], "backup", "it is worse still");
        pause(Duration::from_millis(20));
    }
    let shown = pair.nodes[0].verb(&["ha", "status"]).out;
    assert!(shown.contains("edge: priority 150 is lowered by 100: program good: exit code 1"), "{shown}");

    pair.set_good(1, true);
    pair.wait_for("lb2");
    pair.set_good(0, true);
    pair.wait_for("lb1");
}

#[test]
fn strangers_are_counted_and_not_heard() {
    let pair = Pair::start();
    pair.wait_for("lb1");
    let stranger = UdpSocket::bind(SocketAddr::new(IpAddr::from([127, 0, 0, 1]), 0)).unwrap();
    let dropped = |reason: &str| pair.router(0)["dropped"][reason].as_u64().unwrap();
    stranger.send_to(b"hello", pair.sources[0]).unwrap();
    eventually(PATIENCE, "too short", || dropped("envelopeShort") == 1);
    stranger.send_to(&[b'x'; 200], pair.sources[0]).unwrap();
    eventually(PATIENCE, "no envelope", || dropped("envelopeMagic") == 1);
    let mut forged = [0; 200];
    forged[..4].copy_from_slice(&[b'H', b'V', 1, 1]);
    stranger.send_to(&forged, pair.sources[0]).unwrap();
    eventually(PATIENCE, "forged", || dropped("envelopeForged") == 1);
    assert_eq!(pair.router(0)["state"], "active");

    // Keys are read again at a reload, though the config is the same.
    std::fs::write(pair.nodes[0].folder().join("keys.yaml"), "sign: 1\nkeys: {}\n").unwrap();
    let refused = pair.nodes[0].verb(&["reload"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    let both =
        "sign: 2\nkeys: { 1: 3c1f0e5d7a9b2468ace013579bdf2468, 2: 77d1c0ffee15600d5eedfacef00dcafe }\n";
    std::fs::write(pair.nodes[0].folder().join("keys.yaml"), both).unwrap();
    let output = pair.nodes[0].verb(&["reload"]);
    assert_eq!(output.code, 0, "{output:?}");
    eventually(PATIENCE, "lb2 does not know key 2", || {
        pair.router(1)["dropped"]["envelopeKey"].as_u64().unwrap() > 0
    });
}
