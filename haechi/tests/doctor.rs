//! `haechi doctor` sees what is wrong on a link and on a host, and says what it could not see.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::process::Command;
use std::time::Duration;

use haechi_tests::{Namespace, Network, Node, Output, TempDir, eventually};
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_haechi");

const SOON: Duration = Duration::from_secs(20);

const V4: &str = "10.6.0.100";
const V6: &str = "fd00:6::100";

fn network() -> Network {
    Network::new(&[
        ("lb1", &["10.6.0.1/24", "fd00:6::1/64"]),
        ("lb2", &["10.6.0.2/24", "fd00:6::2/64"]),
        ("other", &["10.6.0.9/24", "fd00:6::9/64"]),
        ("third", &["10.6.0.8/24", "fd00:6::8/64"]),
    ])
}

fn config(id: u8, priority: u8, address: &str) -> String {
    let prefix = if address.contains(':') { 64 } else { 24 };
    format!(
        "workers: 1\nlisteners: {{ web: {{ bind: \"0.0.0.0:80\", protocol: http, routes: [{{ pool: web }}] }} }}\n\
         pools: {{ web: {{ endpoints: {{ e: \"127.0.0.1:1\" }} }} }}\n\
         virtualRouters: {{ edge: {{ id: {id}, interface: eth0, addresses: [\"{address}/{prefix}\"], priority: {priority} }} }}\n"
    )
}

/// A doctor on a host, for a config that does not run there.
fn ask(host: &Namespace, config: &str) -> Told {
    let node = Node::prepared_in(host, BINARY, config);
    Told::of(&node.verb(&["doctor", "-c", "haechi.yaml", "-o", "json"]))
}

struct Told {
    code: i32,
    findings: Vec<Value>,
}

impl Told {
    fn of(output: &Output) -> Self {
        let report: Value = serde_json::from_str(&output.out).unwrap_or_else(|_| panic!("{output:?}"));
        Self { code: output.code, findings: report["findings"].as_array().unwrap().clone() }
    }

    fn at(&self, level: &str) -> Vec<String> {
        let of_level = self.findings.iter().filter(|it| it["level"] == level);
        of_level
            .map(|it| format!("{}: {}", it["check"].as_str().unwrap(), it["found"].as_str().unwrap()))
            .collect()
    }

    /// The only error, or the first of several that begin with the same.
    #[track_caller]
    fn assert_error(&self, wanted: &str) {
        assert_eq!(self.code, 1);
        let errors = self.at("error");
        assert!(errors.iter().any(|error| error.contains(wanted)), "{wanted}: {errors:?}");
    }
}

#[test]
fn a_good_host_is_fine_before_and_while_haechi_runs() {
    let network = network();
    for address in [V4, V6] {
        let before = ask(network.host("lb1"), &config(51, 150, address));
        assert_eq!((before.code, before.at("error"), before.at("unknown")), (0, vec![], vec![]));
        let node = Node::start_in(network.host("lb1"), BINARY, &config(51, 150, address));
        eventually(SOON, "it is active", || network.host("lb1").has(address));
        let rules = network.host("lb1").command("nft").args(["list", "ruleset"]).output().unwrap();
        // Its config is that of the haechi that runs.
        let told = Told::of(&node.verb(&["doctor", "-o", "json"]));
        assert_eq!((told.code, told.at("error")), (0, vec![]));
        let fine = told.at("ok").join("\n");
        for part in [
            "port: 0.0.0.0:80: the running haechi listens".to_owned(),
            format!("owner: this host has {address}, and nobody else answers"),
            "hand-over: nftables takes what passes open flows on".to_owned(),
        ] {
            assert!(fine.contains(&part), "{part}: {fine}");
        }
        // Another node hears it, and knows whose the address is.
        let there = ask(network.host("lb2"), &config(51, 100, address));
        assert_eq!((there.code, there.at("error")), (0, vec![]));
        let mac = network.host("lb1").mac("eth0");
        let fine = there.at("ok").join("\n");
        assert!(fine.contains(&format!("owner: one other host answers for {address}: {mac}")), "{fine}");
        assert!(fine.contains("is active with priority 150; here it is 100"), "{fine}");
        // It changed nothing.
        let after = network.host("lb1").command("nft").args(["list", "ruleset"]).output().unwrap();
        assert_eq!(rules.stdout, after.stdout);
        let text = node.verb(&["doctor"]);
        assert!(text.out.contains("\n0 error(s), "), "{}", text.out);
    }
}

#[test]
fn another_virtual_router_and_another_node_of_the_same_priority_are_seen() {
    let network = network();
    let _other = Node::start_in(network.host("other"), BINARY, &config(51, 150, "10.6.0.200"));
    eventually(SOON, "it is active", || network.host("other").has("10.6.0.200"));
    let told = ask(network.host("lb1"), &config(51, 100, V4));
    told.assert_error("id: 10.6.0.9 advertises id 51 for 10.6.0.200: another virtual router");
    let told = ask(network.host("lb1"), &config(51, 150, "10.6.0.200"));
    told.assert_error("id: 10.6.0.9 has priority 150 too");
    assert_eq!(ask(network.host("lb1"), &config(52, 150, V4)).at("error"), Vec::<String>::new());
}

#[test]
fn who_answers_for_an_address_is_named_by_mac() {
    let network = network();
    for (address, prefix) in [(V4, 24), (V6, 64)] {
        let (one, two) = (network.host("other"), network.host("third"));
        one.give("eth0", &format!("{address}/{prefix}"));
        let told = ask(network.host("lb1"), &config(51, 150, address));
        told.assert_error(&format!(
            "owner: {} answers for {address}, and nobody advertises it",
            one.mac("eth0")
        ));
        two.give("eth0", &format!("{address}/{prefix}"));
        let told = ask(network.host("lb1"), &config(51, 150, address));
        let mut macs = [one.mac("eth0"), two.mac("eth0")];
        macs.sort();
        told.assert_error(&format!("owner: two answer for {address}: {} and {}", macs[0], macs[1]));
    }
}

#[test]
fn dropped_advertisements_and_a_port_that_is_taken_are_seen() {
    let network = network();
    let host = network.host("lb1");
    let base = "add table inet guard\n\
                add chain inet guard input { type filter hook input priority 0; policy accept; }\n";
    host.nft(&format!("{base}add rule inet guard input ip protocol 112 drop\n"));
    let told = ask(host, &config(51, 150, V4));
    told.assert_error("firewall: chain input: ip protocol vrrp drop");
    host.nft("delete table inet guard\n");
    let base = "add table inet guard\n\
                add chain inet guard inner\n\
                add set inet guard blocked { type ipv4_addr; elements = { 10.6.0.66 }; }\n\
                add chain inet guard input { type filter hook input priority 0; policy accept; }\n\
                add rule inet guard inner ip protocol 112 counter drop\n";
    host.nft(&format!(
        "{base}add rule inet guard input ip saddr @blocked drop\n\
         add rule inet guard input iifname eth0 jump inner\n"
    ));
    let told = ask(host, &config(51, 150, V4));
    told.assert_error("firewall: chain inner: ip protocol vrrp counter packets ");
    let warnings = told.at("warning");
    assert!(warnings.contains(&"firewall: chain input: ip saddr @blocked drop".to_owned()), "{warnings:?}");
    let _taken = host.run(|| std::net::TcpListener::bind("0.0.0.0:80").unwrap());
    ask(host, &config(51, 150, V4)).assert_error("port: 0.0.0.0:80: Address already in use");
    host.ip("link set eth0 down");
    ask(host, &config(51, 150, V4)).assert_error("interface: eth0 is down, or has no carrier");
}

#[test]
fn a_host_without_nft_is_warned() {
    let network = network();
    let node = Node::prepared(BINARY, &config(51, 150, V4));
    // `ip netns exec` has mounts of its own: nobody else misses the program.
    let script = format!(
        "mount -t tmpfs none /usr/sbin && PATH=/usr/bin exec {BINARY} doctor -c {} -o json",
        node.config().display()
    );
    let mut command = network.host("lb1").command("sh");
    command.args(["-c", &script]).env("HAECHI_ADMIN_SOCKET", node.folder().join("admin.sock"));
    let told = Told::of(&output(&mut command));
    assert_eq!(told.code, 0);
    let warnings = told.at("warning").join("\n");
    assert!(
        warnings.contains("hand-over: there is no program `nft`: install the package nftables"),
        "{warnings}"
    );
    assert!(told.at("unknown").join("\n").contains("firewall: not looked at: there is no program `nft`"));
}

#[test]
fn without_rights_it_says_what_it_could_not_look_at() {
    let network = network();
    let folder = TempDir::new("nobody");
    let config_file = folder.path().join("haechi.yaml");
    std::fs::write(&config_file, config(51, 150, V4)).unwrap();
    let mut command = network.host("lb1").command("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", BINARY, "doctor", "-o", "json", "-c"]);
    command.arg(&config_file).env("HAECHI_ADMIN_SOCKET", folder.path().join("none/admin.sock"));
    let told = Told::of(&output(&mut command));
    assert_eq!(told.code, 1);
    let unknown = told.at("unknown");
    for wanted in [
        "firewall: not looked at: it takes CAP_NET_ADMIN",
        "hand-over: not looked at: it takes CAP_NET_ADMIN",
        "socket: not looked at: it takes CAP_NET_RAW",
        "id: not looked at: it takes CAP_NET_RAW",
        "owner: not looked at: 10.6.0.100: it takes CAP_NET_RAW",
    ] {
        assert!(unknown.contains(&wanted.to_owned()), "{wanted}: {unknown:?}");
    }
    told.assert_error("rights: no CAP_NET_RAW");
    assert!(told.at("ok").contains(&"interface: eth0 is up".to_owned()), "what takes no right is looked at");
}

fn output(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    Output {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
