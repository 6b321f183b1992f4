//! What haechi may do: it keeps few rights, works with those alone, and says what a missing one costs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use haechi_tests::{Network, Node, TempDir, eventually};

const BINARY: &str = env!("CARGO_BIN_EXE_haechi");

const VIRTUAL: &str = "10.7.0.100";

/// The cores are shared with other tests.
const SOON: Duration = Duration::from_secs(20);

/// Debian's `nobody`.
const NOBODY: u32 = 65534;

// Bits of capabilities(7).
const NET_BIND_SERVICE: u64 = 1 << 10;
const NET_ADMIN: u64 = 1 << 12;
const NET_RAW: u64 = 1 << 13;

fn network() -> Network {
    Network::new(&[("lb1", &["10.7.0.1/24"]), ("lb2", &["10.7.0.2/24"])])
}

fn config(name: &str, priority: u8, port: u16, more: &str) -> String {
    format!(
        "node: {{ name: {name} }}\nworkers: 1\nlisteners: {{ web: {{ bind: \"0.0.0.0:{port}\", protocol: http, routes: [{{ pool: web }}] }} }}\n\
         pools: {{ web: {{ endpoints: {{ e: \"127.0.0.1:1\" }} }} }}\n\
         virtualRouters:\n  edge:\n    id: 51\n    interface: eth0\n    addresses: [{VIRTUAL}/24]\n    priority: {priority}\n{more}"
    )
}

/// The sets that the kernel tells of one thread: permitted, effective, inheritable, ambient, bounding, and whether
/// it gains nothing by programs that it runs.
fn sets(status: &Path) -> [u64; 6] {
    let text = fs::read_to_string(status).unwrap();
    ["CapPrm:", "CapEff:", "CapInh:", "CapAmb:", "CapBnd:", "NoNewPrivs:"].map(|key| {
        let told = text.lines().find_map(|line| line.strip_prefix(key)).expect(key);
        u64::from_str_radix(told.trim(), 16).unwrap()
    })
}

fn children(pid: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let of = |task: PathBuf| fs::read_to_string(task.join("children")).unwrap_or_default();
    let all: String = tasks.map(|task| of(task.unwrap().path())).collect();
    all.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

fn command_line(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default()
}

/// haechi as somebody who has these rights and no others.
fn wrapper(folder: &TempDir, name: &str, rights: &str) -> String {
    let path = folder.path().join(name);
    let script = format!(
        "#!/bin/sh\nexec setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups --bounding-set=-all{rights} \
         --inh-caps=-all{rights} --ambient-caps=-all{rights} {BINARY} \"$@\"\n"
    );
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

fn start_as_nobody(network: &Network, host: &str, binary: &str, config: &str) -> Node {
    let mut node = Node::prepared_in(network.host(host), binary, config);
    std::os::unix::fs::chown(node.folder(), Some(NOBODY), Some(NOBODY)).unwrap();
    node.resume();
    node
}

fn state(node: &Node) -> String {
    let told = node.verb(&["ha", "status", "-o", "json"]);
    let told: serde_json::Value = serde_json::from_str(&told.out).expect(&told.err);
    told["virtualRouters"][0]["state"].as_str().unwrap().to_owned()
}

fn has_event(node: &Node, kind: &str, text: &str) -> bool {
    let told = node.verb(&["events", "-n", "1000", "-o", "json"]).out;
    let events = told.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let texts: Vec<String> =
        events.filter(|it| it["kind"] == kind).map(|it| it["text"].as_str().unwrap().to_owned()).collect();
    texts.iter().any(|it| it.contains(text))
}

#[test]
fn root_keeps_three_rights_and_its_programs_none() {
    let network = network();
    let folder = TempDir::new("told");
    let told = folder.path().join("status");
    let program = format!(
        "    track: {{ programs: {{ told: {{ command: [cp, /proc/self/status, {}], interval: 300ms, timeout: 300ms, lower: 1 }} }} }}\n",
        told.display()
    );
    let node = Node::start_in(network.host("lb1"), BINARY, &config("lb1", 150, 80, &program));
    eventually(SOON, "it is active", || network.host("lb1").has(VIRTUAL));

    let kept = NET_ADMIN | NET_RAW | NET_BIND_SERVICE;
    let tasks = fs::read_dir(format!("/proc/{}/task", node.pid())).unwrap();
    let tasks: BTreeSet<[u64; 6]> = tasks.map(|task| sets(&task.unwrap().path().join("status"))).collect();
    let passes = |on: u64| [kept, kept, on, on, kept, 1];
    // The last one starts heirs, which have what this process has.
    let passing = [0, NET_ADMIN, NET_ADMIN | NET_RAW, kept];
    assert_eq!(tasks, BTreeSet::from(passing.map(passes)));
    let keeper = || children(node.pid()).into_iter().find(|pid| command_line(*pid).contains("keeper"));
    eventually(SOON, "it has a keeper", || keeper().is_some());
    let status = PathBuf::from(format!("/proc/{}/status", keeper().unwrap()));
    let keepers = NET_ADMIN | NET_RAW;
    eventually(SOON, "the keeper keeps two", || sets(&status) == [keepers, keepers, 0, 0, kept, 1]);
    let scheduling: serde_json::Value =
        serde_json::from_str(&node.verb(&["ha", "status", "-o", "json"]).out).unwrap();
    assert_eq!(
        scheduling["scheduling"], "real-time priority 20",
        "root may have it before it gives that right away"
    );
    eventually(SOON, "the program ran", || told.exists());
    eventually(SOON, "it told all", || fs::read_to_string(&told).unwrap().contains("NoNewPrivs"));
    assert_eq!(sets(&told)[..4], [0; 4], "a tracked program");
    assert!(has_event(&node, "rightsKept", "keeps CAP_NET_ADMIN, CAP_NET_RAW, CAP_NET_BIND_SERVICE; gave "));

    // A reload does what a start does: another low port, and a virtual router more.
    let more = "  more: { id: 52, interface: eth0, addresses: [10.7.0.101/24], priority: 9 }\n";
    node.change(&config("lb1", 150, 81, more));
    eventually(SOON, "the second address", || network.host("lb1").has("10.7.0.101"));
    assert_eq!(node.status()["listeners"][0]["bind"][0], "0.0.0.0:81");
}

#[test]
fn a_pair_of_nobodys_with_two_rights_fails_over_and_hands_over() {
    let network = network();
    let folder = TempDir::new("nobody");
    let binary = wrapper(&folder, "haechi", ",+net_admin,+net_raw");
    let start =
        |host: &str, priority| start_as_nobody(&network, host, &binary, &config(host, priority, 8080, ""));
    let mut first = start("lb1", 150);
    eventually(SOON, "lb1 is active", || network.host("lb1").has(VIRTUAL));
    let second = start("lb2", 100);
    eventually(SOON, "lb2 is backup", || state(&second) == "backup");
    let status = fs::read_to_string(format!("/proc/{}/status", first.pid())).unwrap();
    assert!(status.contains(&format!("Uid:\t{NOBODY}\t{NOBODY}")), "{status}");
    let two = NET_ADMIN | NET_RAW;
    assert_eq!(sets(Path::new(&format!("/proc/{}/status", first.pid())))[..4], [two, two, 0, 0]);

    // There and back, with nftables as a program of its own.
    for (from, to, host) in [(&first, &second, "lb2"), (&second, &first, "lb1")] {
        let told = from.verb(&["ha", "handover", "--wait", "10s"]);
        assert_eq!(told.code, 0, "{told:?}");
        eventually(SOON, "the other one has it", || network.host(host).has_on_network(VIRTUAL));
        assert!(!has_event(to, "virtualRouterChanged", "are reset"), "{}", to.log());
        eventually(SOON, "open flows go on", || {
            has_event(to, "virtualRouterChanged", "packets of open flows go on")
        });
    }
    // The keeper has its rights too.
    first.signal("KILL");
    eventually(SOON, "its address is gone", || !network.host("lb1").has(VIRTUAL));
    eventually(SOON, "lb2 has it", || network.host("lb2").has_on_network(VIRTUAL));
    first.wait_end(SOON);
}

#[test]
fn what_a_missing_right_costs_is_said_and_breaks_nothing_else() {
    let network = network();
    let folder = TempDir::new("nobody");
    let binary = wrapper(&folder, "haechi", ",+net_admin");
    let node = start_as_nobody(&network, "lb1", &binary, &config("lb1", 150, 8080, ""));
    let costs =
        "`transport: vrrp` is impossible: IP protocol 112 takes raw sockets; start it with CAP_NET_RAW";
    assert!(has_event(&node, "rightMissing", costs), "{}", node.log());
    for verb in [["status"].as_slice(), &["ha", "status"]] {
        let shown = node.verb(verb).out;
        assert!(shown.contains(&format!("virtual router edge: no CAP_NET_RAW: {costs}")), "{shown}");
    }
    assert_eq!(node.status()["rights"]["kept"], serde_json::json!(["CAP_NET_ADMIN"]));
    assert_eq!(node.status()["rights"]["missing"][0]["right"], "CAP_NET_RAW");

    // What can't be had is refused, and what runs goes on.
    node.write(&config("lb1", 150, 80, ""));
    let refused = node.verb(&["reload"]);
    assert!(refused.code == 1 && refused.err.contains("0.0.0.0:80"), "{refused:?}");
    assert_eq!(node.status()["listeners"][0]["bind"][0], "0.0.0.0:8080");
}
