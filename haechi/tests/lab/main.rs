//! The lab as its user has it: the real binary, real processes, real sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod rig;

use std::collections::BTreeMap;
use std::time::Duration;

use rustix::process::Signal;

use rig::{Lab, Scratch, alive, gone, haechi, until};

#[tokio::test]
async fn endpoints_break_and_mend_and_no_request_fails() {
    let scratch = Scratch::new("mend");
    let lab = Lab::start(&scratch, &[]).await;
    until("all are healthy", 5, async || lab.health().await.values().all(|health| health == "healthy")).await;

    let mut pods = BTreeMap::<String, usize>::new();
    for _ in 0..60 {
        let answer = lab.get().await;
        *pods.entry(answer.pod).or_default() += 1;
    }
    let each = (1..=6).map(|number| (format!("web-{number}"), 10)).collect::<BTreeMap<_, _>>();
    assert_eq!(pods, each, "60 requests over 6 endpoints in turn");

    lab.verb(&["kill", "web-2"]).await;
    lab.serves_until("web-2 is unhealthy", 3, async || lab.health().await["web-2"] == "unhealthy").await;
    assert!(lab.reason("web-2").await.contains("refused"), "{}", lab.reason("web-2").await);
    lab.verb(&["start", "web-2"]).await;
    lab.serves_until("web-2 is healthy", 5, async || lab.health().await["web-2"] == "healthy").await;

    lab.verb(&["pause", "web-3"]).await;
    lab.serves_until("web-3 is unhealthy", 6, async || lab.health().await["web-3"] == "unhealthy").await;
    assert!(lab.reason("web-3").await.contains("500ms"), "{}", lab.reason("web-3").await);
    lab.verb(&["resume", "web-3"]).await;
    lab.serves_until("web-3 is healthy", 5, async || lab.health().await["web-3"] == "healthy").await;

    lab.verb(&["kill", "kr1-a"]).await;
    let down = async || lab.health().await.values().filter(|health| *health == "unhealthy").count();
    lab.serves_until("the zone kr1-a is unhealthy", 3, async || down().await == 2).await;

    lab.verb(&["algorithm", "least-connections"]).await;
    let status = lab.status().await;
    assert_eq!(status["node"]["pools"][0]["algorithm"], "leastConnections");
    assert_eq!(status["node"]["generation"], 2);
    lab.interrupt().await;
}

#[tokio::test]
async fn an_interrupt_leaves_nothing_behind() {
    let scratch = Scratch::new("interrupt");
    let lab = Lab::start(&scratch, &["--endpoints", "3"]).await;
    lab.verb(&["pause", "web-1"]).await;
    let (children, addresses) = (lab.children(), lab.addresses().await);
    assert_eq!(children.len(), 4, "three endpoints and the node");
    assert!(children.iter().all(|pid| alive(*pid)));
    lab.interrupt().await;
    assert!(children.iter().all(|pid| gone(*pid)));
    for address in addresses {
        std::net::TcpListener::bind(address).unwrap();
    }
    assert!(!scratch.lab().exists());
}

#[tokio::test]
async fn nothing_outlives_a_killed_lab_and_the_next_one_starts() {
    let scratch = Scratch::new("killed");
    let lab = Lab::start(&scratch, &["--endpoints", "3"]).await;
    lab.verb(&["pause", "web-1"]).await;
    let children = lab.children();
    lab.signal(Signal::KILL);
    until("all children are gone", 2, async || children.iter().all(|pid| gone(*pid))).await;
    assert!(scratch.lab().exists(), "nobody was left to remove it");
    let next = Lab::start(&scratch, &["--endpoints", "1"]).await;
    assert!(next.get().await.pod == "web-1");
    next.interrupt().await;
    assert!(!scratch.lab().exists());
}

#[tokio::test]
async fn a_child_that_dies_by_itself_is_noticed() {
    let scratch = Scratch::new("dies");
    let lab = Lab::start(&scratch, &["--endpoints", "2"]).await;
    let process = async || lab.status().await["endpoints"][1]["process"].clone();
    let pid = lab.status().await["endpoints"][1]["pid"].as_u64().unwrap();
    rig::send(pid.try_into().unwrap(), Signal::KILL);
    until("web-2 is gone", 3, async || process().await == "gone").await;
    lab.verb(&["start", "web-2"]).await;
    assert_eq!(process().await, "running");

    let node = lab.status().await["node"]["pid"].as_u64().unwrap();
    rig::send(node.try_into().unwrap(), Signal::KILL);
    let (code, errors) = lab.ended().await;
    assert_eq!(code, Some(1));
    assert!(errors.contains("the node ended (signal: 9"), "{errors}");
    assert!(!scratch.lab().exists());
}

#[tokio::test]
async fn a_broken_config_is_refused_once_and_mending_it_is_enough() {
    let scratch = Scratch::new("config");
    let lab = Lab::start(&scratch, &["--endpoints", "1"]).await;
    let path = scratch.lab().join("haechi.yaml");
    let good = std::fs::read_to_string(&path).unwrap();
    let refused = async || !lab.status().await["node"]["config"]["refused"].is_null();
    let events = async || {
        let status = lab.status().await;
        let events = status["events"].as_array().unwrap().clone();
        events.iter().filter(|event| event["text"].as_str().unwrap().contains("has 1 error")).count()
    };
    std::fs::write(&path, good.replace("roundRobin\n", "roundRobbin\n")).unwrap();
    until("the config is refused", 3, refused).await;
    assert_eq!(lab.get().await.pod, "web-1");
    // The node's own log must not look like another change; one write may be seen in two steps.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(events().await <= 2, "{} refusals", events().await);
    std::fs::write(&path, &good).unwrap();
    until("the config is taken", 3, async || !refused().await).await;
    lab.interrupt().await;
}

#[tokio::test]
async fn one_lab_at_a_time() {
    let scratch = Scratch::new("twice");
    let output = haechi(&scratch, &["lab", "kill", "web-2"]).await;
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("no lab runs here: start one with `make run` or `haechi lab`"), "{said}");

    let lab = Lab::start(&scratch, &["--endpoints", "1"]).await;
    let output = haechi(&scratch, &["lab", "--no-screen"]).await;
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains(&format!("a lab runs already at http://{}/", lab.address)), "{said}");

    let output = haechi(&scratch, &["lab", "kill", "wbe-1"]).await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("there is no endpoint or zone `wbe-1`; did you mean `web-1`?"), "{said}");
    lab.verb(&["stop"]).await;
    assert_eq!(lab.ended().await.0, Some(0));
}

#[tokio::test]
async fn it_sends_load_shows_it_and_ends_in_time() {
    let scratch = Scratch::new("load");
    let lab = Lab::start(&scratch, &["--endpoints", "2", "--load", "50", "--for", "6s"]).await;
    let answered = async || lab.status().await["load"]["answered"].as_u64().unwrap();
    until("the load is answered", 4, async || answered().await >= 50).await;
    let text = String::from_utf8(haechi(&scratch, &["lab", "status"]).await.stdout).unwrap();
    assert!(text.contains("load from the lab: 50/s, ") && text.contains(" 0 failed"), "{text}");
    assert!(text.contains("web-2     kr1-b  running"), "{text}");
    let (code, _) = tokio::time::timeout(Duration::from_secs(10), lab.ended()).await.unwrap();
    assert_eq!(code, Some(0));
    assert!(!scratch.lab().exists());
}
