//! Whether the other node could carry the load: judged by what it shows of itself. VRRP's backups are silent, so
//! without its word nothing is known.

use std::process::Stdio;
use std::time::Duration;

use haechi_admin::api::{HaStatus, ListenerStatus, PoolStatus, Status, VirtualRouterStatus};
use serde::de::DeserializeOwned;
use tokio::process::Command;
use tokio::time::timeout;

/// For one answer: a login at a host that is busy.
const PATIENCE: Duration = Duration::from_secs(15);

/// What the node shows at which `command` runs haechi (`ssh lb2 haechi`): nodes do not talk of such things, and
/// the way in that its operators have needs no second one.
///
/// # Errors
/// It does not run, or does not say what haechi says.
pub(super) async fn ask(command: &str) -> Result<(Status, HaStatus), String> {
    Ok((
        told(command, &["status", "-o", "json"]).await?,
        told(command, &["ha", "status", "-o", "json"]).await?,
    ))
}

async fn told<T: DeserializeOwned>(command: &str, verb: &[&str]) -> Result<T, String> {
    let mut words = command.split_whitespace();
    let program = words.next().ok_or("--ask names no command")?;
    let mut run = Command::new(program);
    run.args(words).args(verb).stdin(Stdio::null()).kill_on_drop(true);
    let output =
        timeout(PATIENCE, run.output()).await.map_err(|_| format!("no answer within {PATIENCE:?}"))?;
    let output = output.map_err(|error| format!("{program} can't be run: {error}"))?;
    serde_json::from_slice(&output.stdout).map_err(|_| {
        let said = String::from_utf8_lossy(&output.stderr);
        format!("{} ({})", said.lines().next().unwrap_or("it says nothing that haechi would"), output.status)
    })
}

/// What speaks against a move to the node that shows this; nothing, if it could serve as well as this one.
pub(super) fn objections(
    router: &VirtualRouterStatus,
    ours: &Status,
    theirs: &Status,
    their_routers: &HaStatus,
) -> Vec<String> {
    let node = &theirs.node;
    let mut all = Vec::new();
    match their_routers.virtual_routers.iter().find(|it| it.id == router.id) {
        None => all.push(format!("{node} has no virtual router with id {}", router.id)),
        Some(other) if other.state != "backup" => {
            all.push(format!("{node} is {} there, not backup: {}", other.state, other.reason));
        }
        Some(other) if other.addresses != router.addresses => {
            all.push(format!("{node} has other addresses in {}", other.name));
        }
        Some(other) => all.extend(worries(node, other)),
    }
    for lack in &their_routers.rights.missing {
        all.push(format!("{node} lacks {} for {}: {}", lack.right, lack.subject, lack.costs));
    }
    if let Some(refused) = &theirs.config.refused {
        all.push(format!("{node} refused its last config: {}", refused.message));
    }
    if theirs.version != ours.version {
        all.push(format!("{node} runs haechi {}, and this node {}", theirs.version, ours.version));
    }
    for listener in &ours.listeners {
        let same = |it: &&ListenerStatus| it.name == listener.name && it.protocol == listener.protocol;
        match theirs.listeners.iter().find(same) {
            None => all.push(format!("{node} has no listener {}", listener.name)),
            Some(other) if other.routes != listener.routes => {
                let (name, has, needs) = (&listener.name, other.routes, listener.routes);
                all.push(format!("{node} has {has} routes in listener {name}, and this node {needs}"));
            }
            Some(_) => {}
        }
    }
    for pool in &ours.pools {
        let (has, needs) = (theirs.pools.iter().find(|it| it.name == pool.name).map(serving), serving(pool));
        if has.is_none_or(|has| has < needs) {
            let has = has.unwrap_or(0);
            all.push(format!("{node} reaches {has} endpoints of pool {}, and this node {needs}", pool.name));
        }
    }
    all
}

/// What is not well with a backup.
fn worries(node: &str, other: &VirtualRouterStatus) -> Vec<String> {
    let mut all = Vec::new();
    let (priority, configured) = (other.priority, other.configured_priority);
    if priority < configured {
        let lowering = other.tracked.iter().filter(|it| it.effect != "none");
        let why: Vec<String> = lowering.map(|it| format!("{}: {}", it.name, it.text)).collect();
        all.push(format!("{node} has priority {priority} instead of {configured} ({})", why.join("; ")));
    }
    all.extend(other.alarms.iter().map(|it| format!("{node} has an alarm, {}: {}", it.kind, it.text)));
    all
}

fn serving(pool: &PoolStatus) -> usize {
    pool.endpoints.iter().filter(|it| it.serving && it.weight > 0).count()
}

#[cfg(test)]
mod tests {
    use super::super::super::screen::tests::status;
    use super::*;

    fn router(state: &str) -> VirtualRouterStatus {
        serde_json::from_value(serde_json::json!({
            "name": "edge", "id": 51, "state": state, "reason": "takes part", "sinceMs": 0, "priority": 100,
            "configuredPriority": 100, "active": null, "source": "10.0.0.2", "addresses": ["10.0.0.100"],
            "holdsAddresses": false, "intervalMs": 100, "transitions": 0, "lastRehearsal": null, "tracked": [],
            "alarms": [], "sent": 0, "heard": 0, "sendFailures": 0, "dropped": {},
        }))
        .unwrap()
    }

    fn judged(change: fn(&mut Status, &mut VirtualRouterStatus)) -> Vec<String> {
        let (ours, mut theirs, mut other) =
            (status(), Status { node: "lb2".into(), ..status() }, router("backup"));
        change(&mut theirs, &mut other);
        let routers = HaStatus {
            node: "lb2".into(),
            scheduling: String::new(),
            rights: Default::default(),
            virtual_routers: vec![other],
        };
        objections(&router("active"), &ours, &theirs, &routers)
    }

    #[test]
    fn a_node_that_could_not_serve_as_well_is_objected_to() {
        assert_eq!(judged(|_, _| {}), Vec::<String>::new());
        type Change = fn(&mut Status, &mut VirtualRouterStatus);
        let table: &[(Change, &str)] = &[
            (|_, it| it.id = 7, "lb2 has no virtual router with id 51"),
            (|_, it| it.state = "initialize".into(), "lb2 is initialize there, not backup: takes part"),
            (|_, it| it.addresses.clear(), "lb2 has other addresses in edge"),
            (|it, _| it.version = "9".into(), "lb2 runs haechi 9, and this node 0.1.0"),
            (|it, _| it.listeners.clear(), "lb2 has no listener web"),
            (|it, _| it.listeners[0].routes = 7, "lb2 has 7 routes in listener web, and this node 2"),
            (
                |it, _| {
                    let refused = serde_json::json!({ "atMs": 0, "message": "HCH0001", "rendered": "" });
                    it.config.refused = Some(serde_json::from_value(refused).unwrap());
                },
                "lb2 refused its last config: HCH0001",
            ),
            (
                |_, it| {
                    it.priority = 50;
                    let tracked = serde_json::json!({
                        "name": "pool web", "effect": "lower", "loweredBy": 50, "text": "1 of 3 serve",
                    });
                    it.tracked.push(serde_json::from_value(tracked).unwrap());
                },
                "lb2 has priority 50 instead of 100 (pool web: 1 of 3 serve)",
            ),
            (
                |_, it| {
                    let alarm =
                        serde_json::json!({ "kind": "equal priority", "text": "twice", "sinceMs": 0 });
                    it.alarms.push(serde_json::from_value(alarm).unwrap());
                },
                "lb2 has an alarm, equal priority: twice",
            ),
            (|it, _| it.pools.clear(), "lb2 reaches 0 endpoints of pool web, and this node 1"),
            (
                |it, _| it.pools[0].endpoints.iter_mut().for_each(|it| it.serving = false),
                "lb2 reaches 0 endpoints of pool web, and this node 1",
            ),
        ];
        for (change, wanted) in table {
            assert_eq!(judged(*change), [*wanted]);
        }
    }
}
