//! Pages as a stranger sees them.

use haechi_admin::api::{ConfigStatus, EndpointStatus, PoolStatus, RefusedConfig, Status};
use haechi_model::{AdminOrigin, AdminState, Health};

use super::page::full;
use super::*;
use crate::status::{Endpoint, LabStatus, Load, Process, Told};

fn known(number: u16) -> EndpointStatus {
    EndpointStatus {
        name: format!("web-{number}"),
        address: ([127, 0, 0, 1], 9000 + number).into(),
        zone: Some("kr1-a".into()),
        weight: 1,
        tier: 0,
        admin: AdminState::Enabled,
        admin_origin: AdminOrigin::Config,
        health: Health::Healthy,
        serving: true,
        ejected: false,
        warmth: 100,
        reason: "2 probes in a row succeeded: status 200".into(),
        since_ms: 88_000,
        last_probe: None,
        distrust: String::new(),
        in_flight: 0,
        requests: 1234,
        statuses: [0; 5],
        failures: 0,
        retries: 0,
        connects: 1,
        bytes_in: 0,
        bytes_out: 0,
        p50_ms: Some(0.42),
        p99_ms: Some(12.34),
        latency: Vec::new(),
        latency_sum_seconds: 0.0,
    }
}

fn status() -> LabStatus {
    let mut sick = known(2);
    sick.health = Health::Unhealthy;
    sick.reason = "3 probes in a row failed: connection refused".into();
    sick.since_ms = 97_000;
    let mut drained = known(3);
    drained.admin = AdminState::Draining;
    drained.admin_origin = AdminOrigin::Operator;
    let pool = PoolStatus {
        name: "web".into(),
        algorithm: "roundRobin".into(),
        panicking: false,
        empty: None,
        waiting: 0,
        endpoints: vec![known(1), sick, drained],
    };
    let node = Status {
        version: "0.1.0".into(),
        pid: 7,
        node: "lab".into(),
        zone: None,
        started_at_ms: 0,
        workers: 2,
        generation: 1,
        rights: haechi_admin::api::RightsStatus::default(),
        memory: haechi_admin::api::MemoryStatus::default(),
        config: ConfigStatus { source: "haechi.yaml".into(), applied_at_ms: 0, refused: None },
        listeners: Vec::new(),
        pools: vec![pool],
        ordered: Vec::new(),
        orders: Vec::new(),
    };
    let endpoint = |number: u16, zone: &str, process| Endpoint {
        name: format!("web-{number}"),
        zone: zone.into(),
        address: ([127, 0, 0, 1], 9000 + number).into(),
        process,
        pid: Some(100),
        requests_per_second: Some(8.4),
    };
    LabStatus {
        pid: 1,
        started_at_ms: 26_000,
        at_ms: 100_000,
        address: ([127, 0, 0, 1], 8080).into(),
        config: "/run/lab/haechi.yaml".into(),
        admin_socket: "/run/lab/admin.sock".into(),
        endpoints: vec![
            endpoint(1, "kr1-a", Process::Running),
            endpoint(2, "kr1-b", Process::Killed),
            endpoint(3, "kr1-c", Process::Running),
            endpoint(4, "kr1-a", Process::Running),
        ],
        load: Load::default(),
        node: Some(Box::new(node)),
        trouble: None,
        events: vec![
            Told { at_ms: 95_000, subject: "lab".into(), text: "web-2 is killed".into() },
            Told { at_ms: 97_000, subject: "endpoint web/web-2".into(), text: "unhealthy: refused".into() },
        ],
    }
}

fn look(width: usize) -> Look {
    Look { width, height: None, colour: false }
}

#[test]
fn a_wide_page_tells_everything_in_one_table() {
    assert_eq!(
        page(&status(), look(150)),
        "\
haechi lab   http://127.0.0.1:8080/   roundRobin   up 1m14s

endpoint  zone   process  health     for  admin      requests  req/s  in flight    p50     p99  why
web-1     kr1-a  running  healthy    12s  enabled        1234      8          0  420us  12.3ms  2 probes in a row succeeded: status 200
web-2     kr1-b  killed   unhealthy   3s  enabled        1234      8          0  420us  12.3ms  3 probes in a row failed: connection refused
web-3     kr1-c  running  healthy    12s  draining*      1234      8          0  420us  12.3ms  2 probes in a row succeeded: status 200
web-4     kr1-a  running  -            -  -                 -      -          -      -       -  not in the config

what happened
     5s ago  lab: web-2 is killed
     3s ago  endpoint web/web-2: unhealthy: refused
"
    );
}

#[test]
fn a_narrow_page_says_the_reasons_below() {
    let page = page(&status(), look(80));
    for wanted in [
        "\nendpoint  zone   health     for  admin      requests  in flight    p50     p99\n",
        "\nweb-2 (killed): 3 probes in a row failed: connection refused\n",
        "\nweb-4: not in the config\n",
    ] {
        assert!(page.contains(wanted), "{page}");
    }
    assert!(page.lines().all(|line| line.chars().count() <= 80), "{page}");
}

#[test]
fn troubles_stand_on_the_page() {
    let mut status = status();
    let node = status.node.as_mut().unwrap();
    node.config.refused =
        Some(RefusedConfig { at_ms: 0, message: "haechi.yaml has 1 error".into(), rendered: String::new() });
    node.pools[0].empty = Some("every endpoint is unhealthy".into());
    status.load =
        Load { rate: 50, answered: 90, failed: 2, last_failure: Some("status 503".into()), held_back: 1 };
    let page_of = |status: &LabStatus| page(status, look(120));
    let text = page_of(&status);
    for wanted in [
        "config refused: haechi.yaml has 1 error; generation 1 stays in force",
        "pool web answers 503: every endpoint is unhealthy",
        "load from the lab: 50/s, 90 answered, 2 failed (last: status 503), 1 held back",
    ] {
        assert!(text.contains(wanted), "{text}");
    }
    status.node = None;
    status.trouble = Some("the node does not answer within 5 s".into());
    let text = page_of(&status);
    assert!(text.contains("the node does not answer within 5 s"), "{text}");
}

#[test]
fn hints_are_whole_commands_for_this_lab() {
    let hints = Hints::new(Some("target/release/haechi"), Some("HAECHI_STATE_DIR=/x"));
    let text = full(&status(), &hints, look(100)).join("\n");
    for wanted in [
        "while sleep 0.2; do curl -s http://127.0.0.1:8080/; echo; done",
        "HAECHI_STATE_DIR=/x target/release/haechi lab start web-2 ",
        "HAECHI_STATE_DIR=/x target/release/haechi lab pause web-4 ",
        "HAECHI_STATE_DIR=/x target/release/haechi test http://127.0.0.1:8080/",
    ] {
        assert!(text.contains(wanted), "{text}");
    }
    assert!(!text.contains("lab kill"), "web-2 is killed already:\n{text}");
}

#[test]
fn a_low_terminal_keeps_the_table_and_the_newest_event() {
    let hints = Hints::new(None, None);
    for height in [4, 10, 14, 18, 24, 60] {
        let look = Look { height: Some(height), ..look(80) };
        let lines = full(&status(), &hints, look);
        assert!(lines.len() < height, "{height}");
        let text = lines.join("\n");
        assert_eq!(text.contains("web-4"), height > 8, "{height}\n{text}");
        assert_eq!(text.contains("unhealthy: refused"), height > 11, "{height}\n{text}");
    }
}

#[test]
fn colour_only_repeats_words() {
    let coloured = page(&status(), Look { colour: true, ..look(150) });
    assert!(coloured.contains("\u{1b}[31munhealthy\u{1b}[0m"));
    let mut plain = coloured;
    for code in ["32", "31", "33", "2", "0"] {
        plain = plain.replace(&format!("\u{1b}[{code}m"), "");
    }
    assert_eq!(plain, page(&status(), look(150)));
}

#[test]
fn what_an_endpoint_says_can_not_move_the_cursor() {
    let mut status = status();
    status.node.as_mut().unwrap().pools[0].endpoints[1].reason = "status \u{1b}[2J\r\n".into();
    status.events[1].text = "a\u{1b}[1Ab".into();
    for width in [60, 150] {
        assert!(!page(&status, look(width)).contains(['\u{1b}', '\r']));
    }
}
