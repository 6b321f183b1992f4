//! A haechi that is nothing but its answers, and a raw peer that need not behave. Used by the tests of the
//! API here and of the verbs in `haechi/tests`.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use haechi_admin::api::{
    AlarmStatus, Applied, AuthStatus, CertificateStatus, CodedBytes, ConfigStatus, DatagramStatus,
    EndpointChanged, EndpointStatus, Event, Events, FlightRecord, HaStatus, HandshakeCount, ListenerStatus,
    MemoryStatus, OrderedStatus, PoolStatus, RefusedConfig, Rehearsal, RightsStatus, ShareStatus,
    SplitStatus, Status, TrackedStatus, Upgraded, VirtualRouterStatus,
};
use haechi_admin::{Control, Problem};
use haechi_model::{AdminOrigin, AdminState, EndpointId, Health, Pressure};
use tokio::sync::{Notify, oneshot};

/// 2026-01-01T00:00:00Z
pub(crate) const START_MS: u64 = 1_767_225_600_000;

/// Two pools of two and one endpoint; `web/web-1` has requests in flight, one fewer at each look.
pub(crate) struct Fake {
    pub(crate) status: Mutex<Status>,
    pub(crate) in_flight: AtomicU32,
    pub(crate) events: Mutex<Vec<Event>>,
    pub(crate) happened: Notify,
    pub(crate) reloads: AtomicU64,
    /// Reloads end when this says so.
    pub(crate) reload_gate: Mutex<Option<oneshot::Receiver<()>>>,
    /// What reloads answer instead of success.
    pub(crate) refusal: Mutex<Option<Problem>>,
}

impl Fake {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            status: Mutex::new(status()),
            in_flight: AtomicU32::new(2),
            events: Mutex::new(Vec::new()),
            happened: Notify::new(),
            reloads: AtomicU64::new(0),
            reload_gate: Mutex::new(None),
            refusal: Mutex::new(None),
        })
    }

    pub(crate) fn happen(&self, kind: &str, subject: &str, text: &str) {
        let mut events = self.events.lock().unwrap();
        let sequence = events.len() as u64 + 1;
        events.push(Event {
            sequence,
            at_ms: START_MS + sequence * 1000,
            kind: kind.into(),
            subject: subject.into(),
            text: text.into(),
        });
        self.happened.notify_waiters();
    }

    fn newest(&self) -> u64 {
        self.events.lock().unwrap().len() as u64
    }
}

impl Control for Fake {
    fn status(&self) -> Status {
        let mut status = self.status.lock().unwrap().clone();
        let left =
            self.in_flight.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| Some(n.saturating_sub(1)));
        status.pools[0].endpoints[0].in_flight = left.unwrap_or(0);
        status
    }

    fn events(&self, after: u64, limit: usize) -> Events {
        let events = self.events.lock().unwrap();
        let fresh: Vec<_> = events.iter().filter(|event| event.sequence > after).cloned().collect();
        let skip = fresh.len().saturating_sub(limit);
        Events { events: fresh[skip..].to_vec(), newest: events.len() as u64 }
    }

    async fn next_event(&self, after: u64) {
        loop {
            let happened = self.happened.notified();
            if self.newest() > after {
                return;
            }
            happened.await;
        }
    }

    async fn reload(&self, dry_run: bool) -> Result<Applied, Problem> {
        let gate = self.reload_gate.lock().unwrap().take();
        if let Some(gate) = gate {
            let _ = gate.await;
        }
        if let Some(problem) = self.refusal.lock().unwrap().clone() {
            return Err(problem);
        }
        let count = if dry_run { 0 } else { self.reloads.fetch_add(1, Ordering::SeqCst) + 1 };
        Ok(Applied {
            generation: 7 + count,
            applied: !dry_run,
            plan: "endpoint web/web-1: weight 1 -> 3 (no disruption)\n".into(),
            steps: vec![serde_json::json!({
                "subject": "endpoint web/web-1", "change": "weight 1 -> 3", "disruption": "none",
            })],
            warnings: String::new(),
        })
    }

    fn ha(&self) -> HaStatus {
        HaStatus {
            node: "lb1".into(),
            scheduling: "real-time priority 20".into(),
            rights: RightsStatus::default(),
            virtual_routers: vec![virtual_router()],
        }
    }

    async fn record(&self, router: &str) -> Result<FlightRecord, Problem> {
        Err(Problem::NotFound(format!("no virtual router {router}")))
    }

    async fn take_back(&self, router: &str) -> Result<VirtualRouterStatus, Problem> {
        self.hand_over(router, None).await
    }

    async fn keep_rehearsal(&self, rehearsal: Rehearsal) -> Result<VirtualRouterStatus, Problem> {
        let status = self.hand_over(&rehearsal.router, None).await?;
        Ok(VirtualRouterStatus { last_rehearsal: Some(rehearsal), ..status })
    }

    async fn hand_over(&self, router: &str, to: Option<&str>) -> Result<VirtualRouterStatus, Problem> {
        Err(Problem::Conflict(format!("nothing to hand over for {router} to {to:?}")))
    }

    async fn upgrade(&self, within: Duration) -> Result<Upgraded, Problem> {
        if within < Duration::from_secs(1) {
            return Err(Problem::Conflict(format!("the new process was not ready within {within:?}")));
        }
        Ok(Upgraded { from_version: "0.1.0".into(), to_version: "0.2.0".into(), pid: 42 })
    }

    async fn set_admin_state(&self, id: &EndpointId, state: AdminState) -> Result<EndpointChanged, Problem> {
        let mut status = self.status.lock().unwrap();
        let endpoint = status
            .pools
            .iter_mut()
            .filter(|pool| pool.name == id.pool.as_str())
            .flat_map(|pool| &mut pool.endpoints)
            .find(|endpoint| endpoint.name == id.endpoint.as_str())
            .ok_or_else(|| Problem::NotFound(format!("no endpoint `{id}`; did you mean `web/web-1`?")))?;
        let from = std::mem::replace(&mut endpoint.admin, state);
        endpoint.admin_origin = AdminOrigin::Operator;
        Ok(EndpointChanged { from, to: state, in_flight: self.in_flight.load(Ordering::Relaxed) })
    }
}

/// A config that was refused, for the top of screens.
pub(crate) fn refused() -> RefusedConfig {
    RefusedConfig {
        at_ms: START_MS + 60_000,
        message: "1 error in haechi.yaml".into(),
        rendered: "error[HCH0201]: unknown key `tiemout`\n".into(),
    }
}

fn virtual_router() -> VirtualRouterStatus {
    VirtualRouterStatus {
        name: "edge".into(),
        id: 51,
        state: "active".into(),
        reason: "nobody is heard".into(),
        since_ms: START_MS,
        priority: 120,
        configured_priority: 150,
        active: None,
        source: "10.0.0.1".parse().unwrap(),
        addresses: vec!["10.0.0.100".parse().unwrap()],
        holds_addresses: true,
        interval_ms: 100,
        transitions: 3,
        last_rehearsal: None,
        tracked: vec![TrackedStatus {
            name: "pool web".into(),
            effect: "lower".into(),
            lowered_by: 30,
            text: "1 of 2 endpoints can serve".into(),
        }],
        alarms: vec![AlarmStatus { kind: "flapping".into(), text: "too often".into(), since_ms: START_MS }],
        sent: 77,
        heard: 5,
        send_failures: 0,
        dropped: BTreeMap::from([("hopLimit".into(), 2)]),
    }
}

fn status() -> Status {
    Status {
        version: "0.1.0".into(),
        pid: 4242,
        node: "lb1".into(),
        zone: Some("kr1-a".into()),
        started_at_ms: START_MS,
        workers: 2,
        memory: MemoryStatus { taken: 12 << 20, ceiling: Some(64 << 20), pressure: Pressure::None },
        rights: RightsStatus::default(),
        generation: 7,
        config: ConfigStatus {
            source: "/etc/haechi/haechi.yaml".into(),
            applied_at_ms: START_MS,
            refused: None,
        },
        listeners: vec![
            ListenerStatus {
                name: "web".into(),
                protocol: "http".into(),
                bind: vec!["127.0.0.1:8080".parse().unwrap(), "[::1]:8080".parse().unwrap()],
                routes: 2,
                open: 3,
                accepted: 40,
                requests: 1234,
                faults: BTreeMap::from([("noRoute".into(), 2), ("connectFailed".into(), 1)]),
                limits: BTreeMap::from([("resets".into(), 4)]),
                certificates: vec![CertificateStatus {
                    file: "shop.pem".into(),
                    names: vec!["shop.example.com".into()],
                    expires_at_ms: 1_900_000_000_000,
                }],
                handshakes: vec![HandshakeCount {
                    version: "1.3".into(),
                    result: "complete".into(),
                    resumed: true,
                    count: 17,
                }],
                auths: vec![AuthStatus {
                    route: "*/admin".into(),
                    results: BTreeMap::from([("allowed".into(), 5), ("failed".into(), 1)]),
                }],
                splits: vec![SplitStatus {
                    route: "*/ GET".into(),
                    by: Some("cookie user".into()),
                    pools: vec![
                        ShareStatus { pool: "web".into(), weight: 90, turns: 9, keyed: 81 },
                        ShareStatus { pool: "api".into(), weight: 10, turns: 1, keyed: 9 },
                    ],
                }],
                datagrams: None,
                coded: Some(BTreeMap::from([("gzip".into(), CodedBytes { before: 5000, after: 1700 })])),
            },
            ListenerStatus {
                name: "dns".into(),
                protocol: "udp".into(),
                bind: vec!["127.0.0.1:5353".parse().unwrap()],
                routes: 0,
                open: 1,
                accepted: 5,
                requests: 0,
                faults: BTreeMap::new(),
                limits: BTreeMap::new(),
                certificates: Vec::new(),
                handshakes: Vec::new(),
                auths: Vec::new(),
                splits: Vec::new(),
                datagrams: Some(DatagramStatus {
                    received: 9,
                    sent: 8,
                    dropped: BTreeMap::from([("flowsFull".into(), 1)]),
                }),
                coded: None,
            },
        ],
        pools: vec![
            pool(
                "web",
                vec![endpoint("web-1", 9001, Health::Healthy), endpoint("web-2", 9002, Health::Unhealthy)],
            ),
            pool("api", vec![endpoint("api-1", 9003, Health::Unknown)]),
        ],
        ordered: vec![OrderedStatus {
            issuer: "letsencrypt".into(),
            name: "shop.example.com".into(),
            state: "good".into(),
            says: String::new(),
            expires_at_ms: Some(1_893_456_000_000),
            next_at_ms: None,
            failures: 0,
            last_failure: None,
        }],
        orders: vec![("letsencrypt".into(), "given".into(), 1)],
    }
}

pub(crate) fn pool(name: &str, endpoints: Vec<EndpointStatus>) -> PoolStatus {
    PoolStatus {
        name: name.into(),
        algorithm: "roundRobin".into(),
        panicking: false,
        empty: None,
        waiting: 0,
        endpoints,
    }
}

pub(crate) fn endpoint(name: &str, port: u16, health: Health) -> EndpointStatus {
    EndpointStatus {
        name: name.into(),
        address: ([127, 0, 0, 1], port).into(),
        zone: None,
        weight: 1,
        tier: 0,
        admin: AdminState::Enabled,
        admin_origin: AdminOrigin::Config,
        health,
        serving: health != Health::Unhealthy,
        ejected: false,
        warmth: 100,
        reason: "2 probes succeeded".into(),
        since_ms: START_MS,
        last_probe: Some("200 OK in 1 ms".into()),
        distrust: String::new(),
        in_flight: 0,
        requests: 600,
        statuses: [0, 590, 5, 3, 2],
        failures: 1,
        retries: 1,
        connects: 4,
        bytes_in: 123_456,
        bytes_out: 65_432,
        p50_ms: Some(1.2),
        p99_ms: Some(8.0),
        latency: vec![(0.001, 200), (0.01, 590), (0.1, 599)],
        latency_sum_seconds: 1.5,
    }
}

/// A folder that is gone after the test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("haechi-{test}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.0.join("admin.sock")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Waits for something that another task does, without a guess at how long it takes.
pub(crate) async fn until(mut holds: impl FnMut() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.expect("it never came true");
}
