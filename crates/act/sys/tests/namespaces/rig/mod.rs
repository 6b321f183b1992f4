//! Network namespaces of a test's own, cables and bridges between them, and a reader of frames that knows nothing
//! of what it tests. All of it is gone when the test ends, also by a panic; what a killed test left behind, the
//! next one removes.
//!
//! Refuses to pretend: without root nothing can be tested, and that is a failure.

pub(crate) mod capture;

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use std::{env, panic, process, thread};

use haechi_sys::{Mac, clock};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// How long anything may take that should happen at once: two busy cores are shared with other tests.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// A network namespace with its loopback up and without address detection, which takes a second for each address.
#[derive(Debug)]
pub(crate) struct Namespace {
    name: String,
}

impl Namespace {
    pub(crate) fn new(label: &str) -> Self {
        let root = rustix::process::geteuid().is_root();
        assert!(root, "network namespaces take root: sudo -E cargo test -p haechi-sys");
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

    /// Runs `body` in a thread inside. Sockets that it opens stay inside, wherever they are used.
    pub(crate) fn run<T: Send>(&self, body: impl FnOnce() -> T + Send) -> T {
        let inside = File::open(Path::new("/run/netns").join(&self.name)).unwrap();
        let outcome = thread::scope(|scope| {
            let thread = scope.spawn(|| {
                use std::os::fd::AsFd;
                move_into_link_name_space(inside.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
                body()
            });
            thread.join()
        });
        outcome.unwrap_or_else(|panic| panic::resume_unwind(panic))
    }

    /// Runs `ip` inside, with words separated by spaces, and gives what it prints.
    pub(crate) fn ip(&self, words: &str) -> String {
        let mut all = vec!["-n", self.name.as_str()];
        all.extend(words.split_whitespace());
        ip(&all)
    }

    /// Runs many lines of `ip` inside at once.
    pub(crate) fn ip_batch(&self, lines: &[String]) {
        let path = env::temp_dir().join(&self.name);
        fs::write(&path, lines.join("\n")).unwrap();
        let file = path.to_str().unwrap().to_owned();
        ip(&["-n", &self.name, "-batch", &file]);
        fs::remove_file(path).unwrap();
    }

    /// Sets a file below `/proc/sys/net`.
    pub(crate) fn set(&self, key: &str, value: &str) {
        self.run(|| fs::write(Path::new("/proc/sys/net").join(key), value).unwrap());
    }

    /// Reads a file below `/proc/sys/net`.
    pub(crate) fn get(&self, key: &str) -> String {
        self.run(|| fs::read_to_string(Path::new("/proc/sys/net").join(key)).unwrap()).trim().to_owned()
    }

    /// The MAC of an interface, as `ip` tells it.
    pub(crate) fn mac(&self, interface: &str) -> Mac {
        let told = self.ip(&format!("-o link show {interface}"));
        told.split_once("link/ether ").unwrap().1.split(' ').next().unwrap().parse().unwrap()
    }

    /// The number of an interface, as `ip` tells it.
    pub(crate) fn index(&self, interface: &str) -> u32 {
        self.ip(&format!("-o link show {interface}")).split_once(':').unwrap().0.parse().unwrap()
    }

    /// Gives an interface an address, and waits until it can be used.
    pub(crate) fn give(&self, interface: &str, address: &str) {
        self.ip(&format!("addr add {address} dev {interface}"));
        self.wait_until("no tentative address", || self.ip("-6 addr show tentative").is_empty());
    }

    /// The link-local address of an interface, as `ip` tells it, when it can be used.
    pub(crate) fn link_local(&self, interface: &str) -> std::net::Ipv6Addr {
        self.wait_until("no tentative address", || self.ip("-6 addr show tentative").is_empty());
        let told = self.ip(&format!("-o -6 addr show dev {interface} scope link"));
        told.split_once("inet6 ").unwrap().1.split('/').next().unwrap().parse().unwrap()
    }

    /// Waits until `true_at_last` is, asking again and again: for what only the kernel's own timers do.
    pub(crate) fn wait_until(&self, what: &str, mut true_at_last: impl FnMut() -> bool) {
        let deadline = clock::now() + SOON;
        while !true_at_last() {
            assert!(clock::now() < deadline, "{}: not within {SOON:?}: {what}", self.name);
            thread::yield_now();
        }
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.name]).output();
    }
}

/// A cable: an interface in each of two namespaces, both up.
pub(crate) fn cable(one: &Namespace, its: &str, other: &Namespace, others: &str) {
    one.ip(&format!("link add {its} type veth peer name {others} netns {}", other.name));
    other.ip(&format!("link set {others} up"));
    one.ip(&format!("link set {its} up"));
    for (namespace, interface) in [(one, its), (other, others)] {
        namespace
            .wait_until("carrier", || namespace.ip(&format!("link show {interface}")).contains("LOWER_UP"));
    }
}

/// A switch in a namespace of its own; each host gets an `eth0` on it.
pub(crate) fn switch(hosts: &[&Namespace]) -> Namespace {
    let switch = Namespace::new("switch");
    switch.ip("link add br0 type bridge mcast_snooping 0 forward_delay 0");
    switch.ip("link set br0 up");
    for (number, host) in hosts.iter().enumerate() {
        let port = format!("port{number}");
        cable(host, "eth0", &switch, &port);
        switch.ip(&format!("link set {port} master br0"));
        switch.wait_until("forwarding", || {
            switch.ip(&format!("-d link show {port}")).contains("state forwarding")
        });
    }
    switch
}

fn ip(words: &[&str]) -> String {
    let output =
        Command::new("ip").args(words).output().expect("these tests need iproute2 (Debian: iproute2)");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "ip {}: {err}", words.join(" "));
    out.into_owned()
}

/// Removes namespaces of test programs that are no more.
fn remove_leftovers() {
    let Ok(all) = fs::read_dir("/run/netns") else { return };
    for name in all.filter_map(|entry| entry.ok()?.file_name().into_string().ok()) {
        let owner = name.strip_prefix("haechi-").and_then(|rest| rest.split('-').next()?.parse::<u32>().ok());
        if owner.is_some_and(|owner| !Path::new("/proc").join(owner.to_string()).exists()) {
            let _ = Command::new("ip").args(["netns", "del", &name]).output();
        }
    }
}
