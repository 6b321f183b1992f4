//! Whole screens, as people see them.

use std::collections::BTreeMap;
use std::time::Duration;

use haechi_admin::api::{ConfigStatus, RefusedConfig};

use super::*;

const START_MS: u64 = 1_767_225_600_000;

pub(in crate::verbs) fn endpoint(name: &str) -> EndpointStatus {
    EndpointStatus {
        name: name.into(),
        address: ([10, 0, 1, 11], 80).into(),
        zone: None,
        weight: 1,
        tier: 0,
        admin: AdminState::Enabled,
        admin_origin: AdminOrigin::Config,
        health: Health::Healthy,
        serving: true,
        ejected: false,
        warmth: 100,
        reason: "2 probes succeeded".into(),
        since_ms: START_MS,
        last_probe: None,
        distrust: String::new(),
        in_flight: 2,
        requests: 123_456,
        statuses: [0; 5],
        failures: 0,
        retries: 0,
        connects: 1,
        bytes_in: 0,
        bytes_out: 0,
        p50_ms: Some(0.8),
        p99_ms: Some(12.0),
        latency: vec![],
        latency_sum_seconds: 0.0,
    }
}

pub(in crate::verbs) fn status() -> Status {
    let mut broken = endpoint("web-2");
    (broken.health, broken.serving) = (Health::Unhealthy, false);
    broken.reason = "3 probes failed: connection refused".into();
    (broken.p50_ms, broken.p99_ms) = (None, None);
    Status {
        version: "0.1.0".into(),
        pid: 4242,
        node: "lb1".into(),
        zone: Some("kr1-a".into()),
        started_at_ms: START_MS,
        workers: 2,
        generation: 7,
        rights: RightsStatus::default(),
        memory: haechi_admin::api::MemoryStatus::default(),
        config: ConfigStatus {
            source: "/etc/haechi/haechi.yaml".into(),
            applied_at_ms: START_MS + 60_000,
            refused: None,
        },
        listeners: vec![ListenerStatus {
            name: "web".into(),
            protocol: "http".into(),
            bind: vec![([0, 0, 0, 0], 80).into()],
            routes: 2,
            open: 12,
            accepted: 40,
            requests: 1234,
            faults: BTreeMap::from([("noRoute".into(), 3)]),
            limits: BTreeMap::new(),
            certificates: Vec::new(),
            handshakes: Vec::new(),
            auths: Vec::new(),
            splits: Vec::new(),
            datagrams: None,
            coded: None,
        }],
        pools: vec![PoolStatus {
            name: "web".into(),
            algorithm: "roundRobin".into(),
            panicking: false,
            empty: None,
            waiting: 0,
            endpoints: vec![endpoint("web-1"), broken],
        }],
        ordered: Vec::new(),
        orders: Vec::new(),
    }
}

fn render(status: &Status, colour: bool) -> String {
    let now_ms = START_MS + 3_600_000;
    Screen { status, rates: None, now_ms, paint: Paint::new(colour) }.render()
}

#[test]
fn one_screen() {
    assert_eq!(
        render(&status(), false),
        "\
lb1 in zone kr1-a: haechi 0.1.0, pid 4242, 2 workers, up 1h00m
generation 7 from /etc/haechi/haechi.yaml, applied 59m00s ago

LISTENER  PROTOCOL  BIND        ROUTES  OPEN  CONNECTIONS  REQUESTS  FAULTS
web       http      0.0.0.0:80       2    12           40      1234  noRoute 3

pool web: roundRobin, 1 of 2 endpoints take work
ENDPOINT  ADDRESS       HEALTH     SINCE  ADMIN    IN FLIGHT  REQUESTS  FAILURES    P50   P99  REASON
web-1     10.0.1.11:80  healthy    1h00m  enabled          2      123k         0  800us  12ms  2 probes succeeded
web-2     10.0.1.11:80  unhealthy  1h00m  enabled          2      123k         0      -     -  3 probes failed: \
         connection refused
"
    );
}

#[test]
fn what_is_refused_stands_first_and_in_red() {
    let mut status = status();
    status.config.refused = Some(RefusedConfig {
        at_ms: START_MS + 3_590_000,
        message: "1 error in haechi.yaml".into(),
        rendered: "error[HCH0201]: unknown key\n --> haechi.yaml:3:5\n".into(),
    });
    let plain = "config refused 10s ago: 1 error in haechi.yaml (generation 7 stays in force)";
    assert!(
        render(&status, false)
            .starts_with(&format!("{plain}\n  error[HCH0201]: unknown key\n   --> haechi.yaml:3:5\n\nlb1"))
    );
    assert!(render(&status, true).starts_with(&format!("\x1b[1;31m{plain}\x1b[0m\n")));
}

#[test]
fn each_condition_of_an_endpoint_shows() {
    type Change = fn(&mut EndpointStatus);
    let rows: &[(Change, &str)] = &[
        (|one| one.ejected = true, "healthy, ejected"),
        (|one| one.warmth = 40, "healthy, warming 40 %"),
        (|one| one.health = Health::Unknown, "unknown"),
        (|one| one.admin = AdminState::Draining, "draining "),
        (
            |one| (one.admin, one.admin_origin) = (AdminState::Disabled, AdminOrigin::Operator),
            "disabled (operator)",
        ),
        (|one| one.zone = Some("kr1-b".into()), "kr1-b"),
        (|one| one.weight = 77, "WEIGHT"),
        (|one| one.tier = 9, "TIER"),
    ];
    let untouched = render(&status(), false);
    for (change, shown) in rows {
        let mut status = status();
        change(&mut status.pools[0].endpoints[0]);
        assert!(!untouched.contains(shown), "{shown}");
        assert!(render(&status, false).contains(shown), "{shown}");
    }
}

#[test]
fn each_condition_of_a_pool_shows() {
    let mut status = status();
    let pool = &mut status.pools[0];
    (pool.waiting, pool.panicking) = (5, true);
    pool.empty = Some("every endpoint is draining or disabled".into());
    let text = render(&status, false);
    let shown = "pool web: roundRobin, 1 of 2 endpoints take work, 5 waiting, too few can serve, so all are used, \
                 answers 503: every endpoint is draining or disabled\n";
    assert!(text.contains(shown), "{text}");
}

#[test]
fn rates_take_the_place_of_totals() {
    let (before, mut now) = (status(), status());
    now.pools[0].endpoints[0].requests += 4321;
    now.pools[0].endpoints.push(endpoint("web-3"));
    let rates = Rates::between(&before, &now, Duration::from_secs(1));
    let screen =
        Screen { status: &now, rates: Some(&rates), now_ms: START_MS, paint: Paint::new(false) }.render();
    assert!(screen.contains("REQ/S  FAIL/S") && !screen.contains("REQUESTS"), "{screen}");
    assert!(screen.contains("   4321       0  "), "{screen}");
    assert!(
        screen.lines().any(|line| line.starts_with("web-3") && line.contains("      -       -  ")),
        "{screen}"
    );
}

#[test]
fn what_endpoints_say_does_not_reach_the_terminal_raw() {
    let mut status = status();
    status.pools[0].endpoints[0].reason = "body was \x1b]0;evil\x07\r\n\x1b[2J".into();
    let text = render(&status, false);
    assert!(!text.contains(['\x1b', '\x07', '\r']), "{text:?}");
    assert_eq!(text.lines().count(), render(&self::status(), false).lines().count());
}

#[test]
fn sources_are_named() {
    let text = sources(
        Path::new("/run/haechi/admin.sock"),
        "/v1/status",
        "haechi status -o json",
        Paint::new(false),
    );
    assert_eq!(
        text,
        "\ndata: `haechi status -o json`, or curl --unix-socket /run/haechi/admin.sock http://haechi/v1/status\n"
    );
}
