//! A running prober over changes, with real sockets.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use haechi_model::{AdminState, Health, Moment};
use haechi_prober::{Load, Verdict};
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc::UnboundedReceiver;

use super::http::{get, request};
use super::*;

async fn until(verdicts: &mut UnboundedReceiver<Verdict>, health: Health) -> Verdict {
    let wait = async {
        loop {
            let verdict = verdicts.recv().await.expect("the prober runs");
            if verdict.report.health.health == health {
                return verdict;
            }
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("the verdict in time")
}

#[tokio::test]
async fn an_endpoint_falls_and_comes_back() {
    static GOOD: AtomicBool = AtomicBool::new(true);
    let address = serve(|mut stream| async move {
        request(&mut stream).await;
        let status = if GOOD.load(Ordering::SeqCst) { "200 OK" } else { "503 Busy" };
        let _ = stream.write_all(format!("HTTP/1.1 {status}\r\n\r\n").as_bytes()).await;
    })
    .await;
    let (prober, mut verdicts) = Prober::start(options());
    let asked = HealthCheck { healthy_threshold: 2, unhealthy_threshold: 3, ..check(get("/"), PATIENCE) };
    prober.set_targets(vec![target(address, asked)]);
    let up = until(&mut verdicts, Health::Healthy).await;
    assert_eq!(up.report.health.warming_from, None, "there since the start");
    GOOD.store(false, Ordering::SeqCst);
    let down = until(&mut verdicts, Health::Unhealthy).await;
    let why = down.change.expect("a change").to_string();
    assert_eq!(why, "healthy to unhealthy: 3 probes in a row failed: status 503, expected 200-299");
    GOOD.store(true, Ordering::SeqCst);
    let up = until(&mut verdicts, Health::Healthy).await;
    let why = up.change.expect("a change").to_string();
    assert_eq!(why, "unhealthy to healthy: 2 probes in a row succeeded: status 200");
    let since = up.report.health.since;
    let minute = Duration::from_secs(60);
    let state = |now: Moment| up.report.state(AdminState::Enabled, minute, now);
    assert_eq!((state(since).serving, state(since).warmth), (true, 10));
    assert_eq!((state(since + minute / 2).warmth, state(since + minute).warmth), (50, 100));
}

#[tokio::test]
async fn a_fixed_path_holds_at_once() {
    let address = serve(|mut stream| async move {
        let good = request(&mut stream).await.starts_with("GET /right ");
        let status = if good { "200 OK" } else { "404 Not Found" };
        let _ = stream.write_all(format!("HTTP/1.1 {status}\r\n\r\n").as_bytes()).await;
    })
    .await;
    let (prober, mut verdicts) = Prober::start(options());
    // The next probe would be an hour away; the first one comes within the fast interval.
    let slow = |path: &str| HealthCheck {
        interval: Duration::from_secs(3600),
        fast_interval: Some(Duration::from_millis(50)),
        ..check(get(path), PATIENCE)
    };
    prober.set_targets(vec![target(address, slow("/wrong"))]);
    until(&mut verdicts, Health::Unhealthy).await;
    prober.set_targets(vec![target(address, slow("/right"))]);
    until(&mut verdicts, Health::Healthy).await;
}

#[tokio::test]
async fn an_endpoint_added_at_run_time_serves_after_its_first_success() {
    let address = serve(|_| async {}).await;
    let (prober, mut verdicts) = Prober::start(options());
    prober
        .set_targets(vec![Target { start: Start::Unproven, ..target(address, check(Probe::Tcp, PATIENCE)) }]);
    assert!(!until(&mut verdicts, Health::Unknown).await.report.health.serving);
    let verdict = until(&mut verdicts, Health::Healthy).await;
    assert!(verdict.report.health.serving);
    assert_eq!(verdict.report.health.warming_from, Some(verdict.report.health.since));
}

#[tokio::test]
async fn a_wall_of_silence_does_not_pass_the_limit() {
    static OPEN: AtomicUsize = AtomicUsize::new(0);
    static MOST: AtomicUsize = AtomicUsize::new(0);
    let address = serve(|mut stream| async move {
        MOST.fetch_max(OPEN.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        // The request, then silence until the probe hangs up.
        request(&mut stream).await;
        request(&mut stream).await;
        OPEN.fetch_sub(1, Ordering::SeqCst);
    })
    .await;
    let limits = Limits { network: 4, programs: 1 };
    let (prober, mut verdicts) = Prober::start(Options { limits, ..options() });
    let asked = Arc::new(check(get("/"), Duration::from_millis(100)));
    let targets = (0..20).map(|index| Target {
        id: EndpointId { pool: "web".into(), endpoint: format!("web-{index}").into() },
        check: Some(Arc::clone(&asked)),
        ..target(address, (*asked).clone())
    });
    prober.set_targets(targets.collect());
    for _ in 0..20 {
        until(&mut verdicts, Health::Unhealthy).await;
    }
    // A server notices a closed connection a little later than the prober, so one turn may overlap.
    assert!(MOST.load(Ordering::SeqCst) <= 8, "{MOST:?}");
    assert!(prober.load().network <= 4);
    prober.set_targets(Vec::new());
    let idle = async {
        while prober.load() != Load::default() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, idle).await.expect("nothing is left under way");
}
