//! The schedule under paused time: no socket, no program, no waiting.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use haechi_health::Start;
use haechi_model::{Health, HealthCheck, PassiveCheck, Probe};
use tokio::time::{advance, sleep};

use super::*;
use crate::{Event, Limits, Load, Options, Prober, Target, Verdict};

/// Takes so long for each probe and says that all is well.
#[derive(Default)]
struct Fake {
    latency: Duration,
    started: Mutex<Vec<(Instant, EndpointId)>>,
    running: AtomicUsize,
    most: AtomicUsize,
    reloads: AtomicUsize,
    broken: bool,
}

struct Running<'a>(&'a AtomicUsize);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Runner for Arc<Fake> {
    async fn run(&self, job: &Job) -> ProbeOutcome {
        self.started.lock().unwrap().push((Instant::now(), job.id.clone()));
        let now = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        let _running = Running(&self.running);
        self.most.fetch_max(now, Ordering::SeqCst);
        sleep(self.latency).await;
        assert!(!self.broken, "as the test asks for");
        ProbeOutcome::success("status 200")
    }

    fn reloaded(&self) {
        self.reloads.fetch_add(1, Ordering::SeqCst);
    }
}

fn start(fake: &Arc<Fake>, limits: Limits) -> (Prober, mpsc::UnboundedReceiver<Verdict>) {
    Prober::start_with(Options { origin: Instant::now(), seed: 42, limits }, Arc::clone(fake))
}

fn check(interval: u64) -> Arc<HealthCheck> {
    Arc::new(HealthCheck {
        probe: Probe::Tcp,
        port: None,
        interval: Duration::from_secs(interval),
        timeout: Duration::from_secs(5),
        fast_interval: None,
        healthy_threshold: 2,
        unhealthy_threshold: 3,
        start_grace: Duration::ZERO,
        proxy_protocol: None,
    })
}

fn id(index: usize) -> EndpointId {
    EndpointId { pool: "web".into(), endpoint: format!("web-{index}").into() }
}

fn target(index: usize, check: Option<&Arc<HealthCheck>>) -> Target {
    Target {
        id: id(index),
        address: "127.0.0.1:1".parse().unwrap(),
        check: check.cloned(),
        passive: Some(PassiveCheck {
            consecutive_failures: 5,
            ejection_time: Duration::from_secs(30),
            max_ejection_time: Duration::from_secs(300),
            max_ejected: 50,
        }),
        start: Start::Assumed,
        ejection: None,
    }
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_endpoints_are_probed_evenly() {
    let fake = Arc::new(Fake { latency: Duration::from_millis(20), ..Fake::default() });
    let (prober, _verdicts) = start(&fake, Limits::default());
    let begin = Instant::now();
    let every_ten = check(10);
    prober.set_targets((0..10_000).map(|index| target(index, Some(&every_ten))).collect());
    sleep(Duration::from_secs(33)).await;

    let started = fake.started.lock().unwrap();
    let mut seconds = [0_u32; 30];
    let mut of: BTreeMap<&EndpointId, Vec<Duration>> = BTreeMap::new();
    for (at, id) in &*started {
        let at = at.duration_since(begin);
        of.entry(id).or_default().push(at);
        if let Some(second) = seconds.get_mut(usize::try_from(at.as_secs()).unwrap()) {
            *second += 1;
        }
    }
    assert!(seconds.iter().all(|count| (700..1300).contains(count)), "{seconds:?}");
    assert_eq!(of.len(), 10_000);
    for times in of.values() {
        assert!(times[0] <= Duration::from_secs(10));
        for pause in times.windows(2).map(|pair| pair[1] - pair[0]) {
            assert!((8_999..=11_002).contains(&pause.as_millis()), "{pause:?}");
        }
    }
    // A thousand a second of 20 ms each are 20 at a time; chance makes some of it bunch up.
    assert!(fake.most.load(Ordering::SeqCst) < 100);
    assert_eq!(prober.load().waiting, 0);
    assert!(prober.reports().iter().all(|(_, report)| report.health.health == Health::Healthy));
}

#[tokio::test(start_paused = true)]
async fn probes_under_way_are_bounded_and_all_get_their_turn() {
    let fake = Arc::new(Fake { latency: Duration::from_secs(5), ..Fake::default() });
    let (prober, _verdicts) = start(&fake, Limits { network: 8, programs: 1 });
    let every_ten = check(10);
    prober.set_targets((0..100).map(|index| target(index, Some(&every_ten))).collect());
    sleep(Duration::from_secs(12)).await;
    assert_eq!(fake.most.load(Ordering::SeqCst), 8);
    let load = prober.load();
    assert_eq!((load.network, load.programs), (8, 0));
    assert!(load.waiting > 50, "{load:?}");

    // 100 probes of 5 s, 8 at a time, take 65 s; with the first spread all had their turn by then.
    sleep(Duration::from_secs(70)).await;
    assert_eq!(fake.most.load(Ordering::SeqCst), 8);
    let probed: std::collections::BTreeSet<_> =
        fake.started.lock().unwrap().iter().map(|(_, id)| id.clone()).collect();
    assert_eq!(probed.len(), 100);
}

#[tokio::test(start_paused = true)]
async fn a_new_interval_holds_without_waiting_for_the_old_one() {
    let fake = Arc::new(Fake::default());
    let (prober, _verdicts) = start(&fake, Limits::default());
    prober.set_targets(vec![target(1, Some(&check(10)))]);
    sleep(Duration::from_secs(11)).await;
    prober.set_targets(vec![target(1, Some(&check(3600)))]);
    sleep(Duration::from_secs(60)).await;
    let before = fake.started.lock().unwrap().len();
    sleep(Duration::from_secs(600)).await;
    assert_eq!(fake.started.lock().unwrap().len(), before, "an hour between probes");
    prober.set_targets(vec![target(1, Some(&check(1)))]);
    sleep(Duration::from_secs(10)).await;
    let more = fake.started.lock().unwrap().len() - before;
    assert!((9..=12).contains(&more), "{more}");
    assert_eq!(fake.reloads.load(Ordering::SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn a_removed_target_ends_its_probe() {
    let fake = Arc::new(Fake { latency: Duration::from_secs(3600), ..Fake::default() });
    let (prober, _verdicts) = start(&fake, Limits::default());
    prober.set_targets(vec![target(1, Some(&check(10)))]);
    sleep(Duration::from_secs(11)).await;
    assert_eq!(fake.running.load(Ordering::SeqCst), 1);
    prober.set_targets(Vec::new());
    sleep(Duration::from_millis(1)).await;
    assert_eq!(fake.running.load(Ordering::SeqCst), 0);
    assert_eq!(prober.load(), Load::default());
    assert_eq!(prober.report(&id(1)), None);
}

#[tokio::test(start_paused = true)]
async fn the_last_handle_ends_everything() {
    let fake = Arc::new(Fake { latency: Duration::from_secs(3600), ..Fake::default() });
    let (prober, mut verdicts) = start(&fake, Limits::default());
    let other = prober.clone();
    prober.set_targets(vec![target(1, Some(&check(10)))]);
    assert!(verdicts.recv().await.is_some());
    sleep(Duration::from_secs(11)).await;
    drop(prober);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(fake.running.load(Ordering::SeqCst), 1, "one handle is left");
    drop(other);
    assert_eq!(verdicts.recv().await, None);
    assert_eq!(fake.running.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn failing_requests_eject_and_time_returns() {
    let fake = Arc::new(Fake::default());
    let (prober, mut verdicts) = start(&fake, Limits::default());
    prober.set_targets(vec![target(1, None), target(2, None)]);
    for _ in 0..2 {
        assert_eq!(verdicts.recv().await.unwrap().change, None);
    }
    let begin = Instant::now();
    prober.passive_failure(id(1));
    let out = verdicts.recv().await.unwrap();
    assert_eq!((out.id.clone(), out.report.ejected_until.is_some()), (id(1), true));
    assert_eq!(prober.report(&id(1)).as_ref(), Some(&out.report));
    let back = verdicts.recv().await.unwrap();
    assert!(matches!(back.change, Some(Event::Ejection { .. })));
    assert_eq!(back.change.unwrap().to_string(), "returned: its ejection is over");
    assert!((30_000..30_010).contains(&begin.elapsed().as_millis()));
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_signals_never_blocks() {
    let fake = Arc::new(Fake::default());
    let (prober, mut verdicts) = start(&fake, Limits::default());
    prober.set_targets(vec![target(1, None), target(2, None)]);
    for _ in 0..100_000 {
        prober.passive_failure(id(1));
    }
    for _ in 0..2 {
        verdicts.recv().await;
    }
    assert_eq!(verdicts.recv().await.unwrap().id, id(1));
    advance(Duration::from_millis(1)).await;
    assert!(verdicts.try_recv().is_err(), "ejected once");
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_panics_is_our_fault_not_the_endpoints() {
    let fake = Arc::new(Fake { broken: true, ..Fake::default() });
    let (prober, _verdicts) = start(&fake, Limits::default());
    prober.set_targets(vec![target(1, Some(&check(10)))]);
    sleep(Duration::from_secs(35)).await;
    let report = prober.report(&id(1)).unwrap().health;
    assert_eq!((report.health, report.failures), (Health::Unknown, 0));
    assert_eq!(report.last_probe.unwrap().outcome.failure, Some(FailureKind::Local));
    assert!(fake.started.lock().unwrap().len() >= 3, "it goes on");
    assert_eq!(prober.load(), Load::default());
}
