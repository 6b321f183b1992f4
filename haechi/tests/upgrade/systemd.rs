//! What systemd hears, from a test that plays its socket.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use haechi_tests::{Node, eventually};

use super::{BINARY, Plan, SOON};

/// The socket of a service manager.
struct Systemd(UnixDatagram);

impl Systemd {
    /// With a node that knows of it.
    fn with(plan: &Plan, watchdog: Option<Duration>) -> (Self, Node) {
        let mut node = Node::copied(BINARY, &plan.config(1));
        let path = node.folder().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(SOON)).unwrap();
        node.environment = vec![("NOTIFY_SOCKET".into(), path.display().to_string())];
        let interval = watchdog.map(|it| ("WATCHDOG_USEC".to_owned(), it.as_micros().to_string()));
        node.environment.extend(interval);
        node.resume();
        (Self(socket), node)
    }

    /// The next message.
    #[track_caller]
    fn hears(&self) -> String {
        let mut bytes = [0; 4096];
        let length = self.0.recv(&mut bytes).expect("a message");
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }

    #[track_caller]
    fn expect(&self, wanted: &[&str]) {
        for wanted in wanted {
            let heard = self.hears();
            assert!(heard.starts_with(wanted), "{heard}, and not {wanted}");
        }
    }
}

#[test]
fn a_reload_begins_and_ends_also_when_the_config_is_refused() {
    let plan = Plan::new();
    let (systemd, mut node) = Systemd::with(&plan, None);
    systemd.expect(&["STATUS=generation 1: 2 listener(s), 1 pool(s)", "READY=1"]);
    node.signal("HUP");
    let reloading = systemd.hears();
    let micros = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").expect("the time of the kernel");
    let up = std::fs::read_to_string("/proc/uptime").unwrap();
    let up: f64 = up.split(' ').next().unwrap().parse().unwrap();
    assert!((up - micros.parse::<f64>().unwrap() / 1e6).abs() < 60.0, "{micros} µs of {up} s");
    systemd.expect(&["STATUS=generation 1", "READY=1"]);
    node.write("listeners: {");
    node.signal("HUP");
    systemd.expect(&["RELOADING=1"]);
    let status = systemd.hears();
    assert!(status.starts_with("STATUS=generation 1: ") && status.contains("haechi.yaml"), "{status}");
    systemd.expect(&["READY=1"]);
    node.signal("TERM");
    systemd.expect(&["STOPPING=1"]);
    assert_eq!(node.wait_end(SOON), 0);
}

#[test]
fn an_heir_is_the_service_and_the_old_process_says_no_more() {
    let plan = Plan::new();
    let (systemd, mut node) = Systemd::with(&plan, None);
    systemd.expect(&["STATUS=", "READY=1"]);
    let old = node.pid();
    node.upgrade();
    let main = format!("MAINPID={}", node.pid());
    let heard: Vec<String> = (0..4).map(|_| systemd.hears()).collect();
    assert_eq!(heard.iter().filter(|it| **it == main).count(), 2, "of both: {heard:?}");
    assert!(heard.iter().any(|it| it == "READY=1"), "{heard:?}");
    eventually(SOON, "the old one ends", || !node.is_alive(old));
    node.signal("TERM");
    assert_eq!(systemd.hears(), "STOPPING=1", "of the heir, and of nobody before");
}

#[test]
fn the_watchdog_hears_of_whoever_serves() {
    let plan = Plan::new();
    let (systemd, mut node) = Systemd::with(&plan, Some(Duration::from_millis(200)));
    let signs = |count: usize| (0..).filter(|_| systemd.hears() == "WATCHDOG=1").take(count).count();
    assert_eq!(signs(3), 3);
    let old = node.pid();
    node.upgrade();
    eventually(SOON, "the old one ends", || !node.is_alive(old));
    while systemd.hears() != "WATCHDOG=1" {}
    assert_eq!(signs(3), 3, "of the heir");
    // One that stands still says nothing, and systemd would end it.
    node.signal("STOP");
    systemd.0.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let mut bytes = [0; 64];
    eventually(SOON, "silence", || systemd.0.recv(&mut bytes).is_err());
    node.signal("CONT");
}
