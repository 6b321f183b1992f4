//! Hosts on a switch, as network namespaces of this machine: for tests of nodes that move addresses between them.
//!
//! All of it is gone when its owner is dropped, also by a panic; what a killed test left behind, the next one
//! removes. Traffic never leaves the namespaces. Refuses to pretend: without root nothing of this can be tested, so
//! in CI that is a failure, and elsewhere it is said.

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{self, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use std::{panic, thread};

use rustix::process::{Pid, Signal, getpid, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::eventually;

/// How long anything may take that should happen at once: the cores are shared with other tests.
const SOON: Duration = Duration::from_secs(10);

/// Whether namespaces can be made here: it takes root.
pub fn can_make_namespaces() -> bool {
    rustix::process::geteuid().is_root()
}

/// A network namespace with its loopback up, and without duplicate address detection, which takes a second for each
/// address. Dropped, it takes along whatever still runs inside.
#[derive(Debug)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// A new one. `label` tells people who it is; the name is this process's own.
    ///
    /// # Panics
    /// Without root, so that no test passes by not running; when the system refuses.
    pub fn new(label: &str) -> Self {
        assert!(can_make_namespaces(), "network namespaces take root: sudo -E cargo test");
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        remove_leftovers();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let namespace = Self { name: format!("haechi-{}-{label}{number}", process::id()) };
        ip(&["netns", "add", &namespace.name]);
        namespace.ip("link set lo up");
        for which in ["all", "default"] {
            namespace.set(&format!("ipv6/conf/{which}/accept_dad"), "0");
        }
        namespace
    }

    /// As `ip netns` knows it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A program that will run inside. It keeps its process id: nothing stands between.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program.as_ref());
        command
    }

    /// Runs `body` in a thread inside. Sockets that it opens stay inside, wherever they are used.
    ///
    /// # Panics
    /// When `body` does.
    pub fn run<T: Send>(&self, body: impl FnOnce() -> T + Send) -> T {
        let inside = self.file();
        let outcome = thread::scope(|scope| {
            let thread = scope.spawn(|| {
                enter(&inside);
                body()
            });
            thread.join()
        });
        outcome.unwrap_or_else(|panic| panic::resume_unwind(panic))
    }

    /// Starts a thread inside that lives on its own.
    ///
    /// # Panics
    /// When there is no such namespace any more.
    pub fn spawn<T: Send + 'static>(
        &self,
        body: impl FnOnce() -> T + Send + 'static,
    ) -> thread::JoinHandle<T> {
        let inside = self.file();
        thread::spawn(move || {
            enter(&inside);
            body()
        })
    }

    /// Runs `ip` inside, with words separated by spaces, and gives what it prints.
    ///
    /// # Panics
    /// When `ip` fails.
    pub fn ip(&self, words: &str) -> String {
        let mut all = vec!["-n", self.name.as_str()];
        all.extend(words.split_whitespace());
        ip(&all)
    }

    /// Has `nft` inside read this ruleset.
    ///
    /// # Panics
    /// When `nft` fails.
    pub fn nft(&self, ruleset: &str) {
        let mut child = (self.command("nft").args(["-f", "-"]).stdin(Stdio::piped()).stderr(Stdio::piped()))
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(ruleset.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "nft (Debian: nftables) refuses {ruleset}: {said}");
    }

    /// Sends a signal (`KILL`) to all that runs inside, the youngest first: a child that watches its parent does its
    /// duty as soon as that is gone.
    ///
    /// # Panics
    /// When nothing runs inside.
    pub fn signal_all(&self, signal: &str) {
        let mut inside = pids(&self.name);
        inside.sort_unstable_by_key(|pid| std::cmp::Reverse(pid.as_raw_nonzero()));
        let mut kill = Command::new("kill");
        kill.arg(format!("-{signal}")).args(inside.iter().map(|pid| pid.as_raw_nonzero().to_string()));
        assert!(kill.status().unwrap().success(), "{signal} to all of {}: {inside:?}", self.name);
    }

    /// Sets a file below `/proc/sys/net`.
    ///
    /// # Panics
    /// When the kernel refuses.
    pub fn set(&self, key: &str, value: &str) {
        self.run(|| fs::write(Path::new("/proc/sys/net").join(key), value).unwrap());
    }

    /// Reads a file below `/proc/sys/net`.
    ///
    /// # Panics
    /// When there is none.
    pub fn get(&self, key: &str) -> String {
        self.run(|| fs::read_to_string(Path::new("/proc/sys/net").join(key)).unwrap()).trim().to_owned()
    }

    /// The MAC of an interface, as `ip` tells it.
    ///
    /// # Panics
    /// When there is none.
    pub fn mac(&self, interface: &str) -> String {
        let told = self.ip(&format!("-o link show {interface}"));
        told.split_once("link/ether ").unwrap().1.split(' ').next().unwrap().to_owned()
    }

    /// Gives an interface an address (`10.0.0.1/24`), and waits until it can be used.
    pub fn give(&self, interface: &str, address: &str) {
        self.ip(&format!("addr add {address} dev {interface}"));
        eventually(SOON, "no tentative address", || self.ip("-6 addr show tentative").is_empty());
    }

    /// Whether one of its interfaces has this address (without a prefix).
    pub fn has(&self, address: &str) -> bool {
        self.ip("-o addr show").split_whitespace().any(|word| word.split('/').next() == Some(address))
    }

    /// Whether an interface on the network has this address: one that is kept on the loopback, for open flows, does
    /// not count.
    pub fn has_on_network(&self, address: &str) -> bool {
        self.ip("-o addr show dev eth0")
            .split_whitespace()
            .any(|word| word.split('/').next() == Some(address))
    }

    fn file(&self) -> File {
        File::open(Path::new("/run/netns").join(&self.name)).unwrap()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        remove(&self.name);
    }
}

/// Hosts on one switch, each with an `eth0`.
#[derive(Debug)]
pub struct Network {
    switch: Namespace,
    hosts: Vec<(String, Namespace)>,
}

impl Network {
    /// Hosts by name with their addresses (`10.0.0.1/24`). The switch forwards at once and every multicast
    /// to everybody.
    ///
    /// # Panics
    /// When the system refuses.
    pub fn new(hosts: &[(&str, &[&str])]) -> Self {
        let switch = Namespace::new("switch");
        switch.ip("link add br0 type bridge mcast_snooping 0 forward_delay 0");
        switch.ip("link set br0 up");
        let hosts = hosts.iter().map(|(name, addresses)| {
            let host = Namespace::new(name);
            let port = format!("to-{name}");
            host.ip(&format!("link add eth0 type veth peer name {port} netns {}", switch.name));
            switch.ip(&format!("link set {port} master br0 up"));
            host.ip("link set eth0 up");
            addresses.iter().for_each(|address| host.give("eth0", address));
            ((*name).to_owned(), host)
        });
        let network = Self { hosts: hosts.collect(), switch };
        network.hosts.iter().for_each(|(name, _)| network.wait_for_port(name));
        network
    }

    /// A host by its name.
    ///
    /// # Panics
    /// When there is none.
    pub fn host(&self, name: &str) -> &Namespace {
        &self.hosts.iter().find(|(own, _)| own == name).expect(name).1
    }

    /// Where the cables end: `to-NAME` is the port of a host.
    pub const fn switch(&self) -> &Namespace {
        &self.switch
    }

    /// Pulls a host's cable: it loses its carrier.
    pub fn unplug(&self, host: &str) {
        self.switch.ip(&format!("link set to-{host} down"));
    }

    /// Puts it back, and waits until frames pass.
    pub fn plug(&self, host: &str) {
        self.switch.ip(&format!("link set to-{host} up"));
        self.wait_for_port(host);
    }

    /// Drops every frame from one host to the other, and none in the other direction. Both keep their carrier.
    pub fn cut(&self, from: &str, to: &str) {
        self.drop_frames(&format!("iifname to-{from} oifname to-{to}"));
    }

    /// Drops every frame that a host sends, and none that it gets. It keeps its carrier.
    pub fn mute(&self, host: &str) {
        self.drop_frames(&format!("iifname to-{host}"));
    }

    /// Drops every frame that a host gets, and none that it sends. It keeps its carrier.
    pub fn deafen(&self, host: &str) {
        self.drop_frames(&format!("oifname to-{host}"));
    }

    fn drop_frames(&self, which: &str) {
        self.switch.nft(&format!(
            "add table bridge cuts\n\
             add chain bridge cuts pass {{ type filter hook forward priority 0; }}\n\
             add rule bridge cuts pass {which} drop\n"
        ));
    }

    /// Takes all cuts back.
    pub fn heal(&self) {
        self.switch.nft("add table bridge cuts\ndelete table bridge cuts\n");
    }

    /// Makes a hub of the switch: everybody sees every frame, an observer too.
    pub fn forget_where_hosts_are(&self) {
        for (name, _) in &self.hosts {
            self.switch.ip(&format!("link set to-{name} type bridge_slave learning off"));
        }
        self.switch.ip("link set br0 type bridge fdb_flush");
    }

    fn wait_for_port(&self, host: &str) {
        eventually(SOON, "the switch forwards", || {
            self.switch.ip(&format!("-d link show to-{host}")).contains("state forwarding")
        });
        eventually(SOON, "carrier", || self.host(host).ip("link show eth0").contains("LOWER_UP"));
    }
}

fn enter(namespace: &File) {
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
}

fn ip(words: &[&str]) -> String {
    let output =
        Command::new("ip").args(words).output().expect("these tests need iproute2 (Debian: iproute2)");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "ip {}: {err}", words.join(" "));
    out.into_owned()
}

/// What runs inside, but for this process.
fn pids(name: &str) -> Vec<Pid> {
    let inside = Command::new("ip").args(["netns", "pids", name]).output();
    let inside =
        inside.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let all = inside.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?));
    all.filter(|pid| *pid != getpid()).collect()
}

/// Ends what still runs inside, by its own id, and removes the namespace.
fn remove(name: &str) {
    for pid in pids(name) {
        let _ = kill_process(pid, Signal::KILL);
    }
    let _ = Command::new("ip").args(["netns", "del", name]).output();
}

/// Removes namespaces of test programs that are no more.
fn remove_leftovers() {
    let Ok(all) = fs::read_dir("/run/netns") else { return };
    for name in all.filter_map(|entry| entry.ok()?.file_name().into_string().ok()) {
        let owner = name.strip_prefix("haechi-").and_then(|rest| rest.split('-').next()?.parse::<u32>().ok());
        if owner.is_some_and(|owner| !Path::new("/proc").join(owner.to_string()).exists()) {
            remove(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, UdpSocket};

    use super::*;

    /// Whether a datagram arrives.
    fn arrives(network: &Network, from: &str, to: &str, port: u16) -> bool {
        let at: SocketAddr = format!("{}:{port}", address(to)).parse().unwrap();
        let ear = network.host(to).run(|| UdpSocket::bind(at).unwrap());
        ear.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        network.host(from).run(|| UdpSocket::bind("0.0.0.0:0").unwrap().send_to(b"x", at).ok());
        ear.recv(&mut [0; 9]).is_ok()
    }

    fn address(host: &str) -> String {
        format!("10.88.0.{}", if host == "one" { 1 } else { 2 })
    }

    #[test]
    fn cables_can_be_pulled_and_ways_cut_in_one_direction() {
        let network = Network::new(&[("one", &["10.88.0.1/24"]), ("two", &["10.88.0.2/24"])]);
        assert!(network.host("one").has("10.88.0.1") && !network.host("one").has("10.88.0.2"));
        assert!(arrives(&network, "one", "two", 1000) && arrives(&network, "two", "one", 1000));
        network.cut("one", "two");
        // ARP's answers know no direction: what a cut drops must be known before.
        assert!(!arrives(&network, "one", "two", 1001) && arrives(&network, "two", "one", 1001));
        network.heal();
        assert!(arrives(&network, "one", "two", 1002));
        network.unplug("two");
        assert!(network.host("two").ip("link show eth0").contains("NO-CARRIER"));
        assert!(!arrives(&network, "one", "two", 1003));
        network.plug("two");
        assert!(arrives(&network, "one", "two", 1004));
    }

    #[test]
    fn what_runs_inside_goes_along() {
        let namespace = Namespace::new("short");
        let mut child = namespace.command("sleep").arg("60").spawn().unwrap();
        let name = namespace.name().to_owned();
        eventually(SOON, "it runs inside", || {
            ip(&["netns", "pids", &name]).split_whitespace().any(|pid| pid == child.id().to_string())
        });
        drop(namespace);
        assert!(!child.wait().unwrap().success());
        assert!(!Path::new("/run/netns").join(name).exists());
    }
}
