//! The machine: sockets, limits, clock, firewall, and the tools of a hand-over.

use haechi_model::{Listener, ListenerKind, Mover, Snapshot, Transport};

use crate::finding::About;
use crate::firewall::{self, Report};
use crate::{Bind, Facts, Finding, NodeFacts, Port};

/// The beginning of 2026: before it nobody ran this, so a clock that says less stands wrong.
const WRITTEN_SECONDS: u64 = 1_767_225_600;

/// Descriptors that haechi has besides its connections: sockets of each worker, probes, files.
const OWN_FILES: u64 = 512;

/// With fewer open files a listener without a limit of its own runs dry soon: two for each connection, and Debian's
/// soft limit of 1,024 is the usual accident.
const FEW_FILES: u64 = 4096;

pub(crate) fn examine(snapshot: &Snapshot, facts: &Facts) -> Vec<Finding> {
    let node = &facts.node;
    let mut all = vec![admin(node), state(node), open_files(snapshot, node.open_files)];
    all.extend(clock(snapshot, node));
    all.extend(facts.ports.iter().map(port));
    if snapshot.virtual_routers.iter().any(|router| matches!(router.transport, Transport::Vrrp { .. })) {
        all.extend(firewall(node));
    }
    if snapshot.virtual_routers.iter().any(|router| router.mover == Mover::Netlink) {
        all.push(hand_over(node));
    }
    all
}

fn admin(node: &NodeFacts) -> Finding {
    let about = About { check: "admin socket", subject: "node" };
    match &node.admin {
        Ok(Some(who)) => about.ok(who),
        Ok(None) => about.ok("no haechi runs, and its place is free"),
        Err(text) => about.error(
            text,
            "without it no verb reaches the running haechi, and haechi does not start",
            "name another place with --admin-socket or HAECHI_ADMIN_SOCKET, or mend the folder's permissions",
        ),
    }
}

fn state(node: &NodeFacts) -> Finding {
    let about = About { check: "state folder", subject: "node" };
    let (folder, found) = &node.state;
    match found {
        Ok(()) => about.ok(format!("{folder} can be written to")),
        Err(text) => about.warning(
            format!("{folder}: {text}"),
            "results of rehearsals are not kept",
            "set StateDirectory=haechi in the systemd unit, or STATE_DIRECTORY, or mend the folder's permissions",
        ),
    }
}

fn open_files(snapshot: &Snapshot, limit: Option<u64>) -> Finding {
    let about = About { check: "open files", subject: "node" };
    let Some(limit) = limit else { return about.ok("unlimited") };
    let wanted = snapshot.listeners.iter().filter_map(|it| it.max_connections);
    let connections: u64 = wanted.map(|most| u64::from(most.get())).sum();
    let flows: u64 = snapshot.listeners.iter().filter_map(max_flows).sum();
    let needed = connections * 2 + flows + OWN_FILES;
    let unlimited =
        snapshot.listeners.iter().any(|it| it.max_connections.is_none() && max_flows(it).is_none());
    let way_out = format!(
        "set LimitNOFILE={} in the systemd unit, or lower maxConnections or maxFlows",
        needed.max(65_536)
    );
    if needed > limit {
        let found = match flows {
            0 => format!("{limit} at most, and {connections} connections of all listeners take {needed}"),
            _ => format!(
                "{limit} at most, and {connections} connections and {flows} flows of all listeners take {needed}"
            ),
        };
        return about.warning(found, "further connections wait although their listener has room", way_out);
    }
    if unlimited && limit < FEW_FILES {
        let found = format!("{limit} at most, and each connection takes two");
        return about.warning(found, "new connections wait once they are used up", way_out);
    }
    about.ok(format!("{limit} at most"))
}

fn max_flows(listener: &Listener) -> Option<u64> {
    match &listener.kind {
        ListenerKind::Udp(udp) => Some(udp.max_flows.get().into()),
        ListenerKind::Http(_) | ListenerKind::Tcp(_) | ListenerKind::Tls(_) => None,
    }
}

fn clock(snapshot: &Snapshot, node: &NodeFacts) -> Option<Finding> {
    let about = About { check: "clock", subject: "node" };
    let sealed = snapshot.virtual_routers.iter().any(|it| matches!(it.transport, Transport::Udp { .. }));
    let remembers = node.state.1.is_ok();
    let way_out = "set it by NTP (chrony, systemd-timesyncd) before haechi starts";
    if node.wall_seconds < WRITTEN_SECONDS {
        let found = "the wall clock stands before 2026";
        return Some(if sealed && !remembers {
            about.error(found, "peers take sealed advertisements of an earlier start for replays", way_out)
        } else {
            about.warning(found, "times of events and records are wrong", way_out)
        });
    }
    sealed.then(|| match &node.synchronised {
        Err(text) => about.unknown(text),
        Ok(true) => about.ok("it follows another one"),
        Ok(false) if remembers => {
            about.ok("it follows no other one; the state folder keeps lives of this node apart")
        }
        Ok(false) => about.warning(
            "it follows no other one, and the state folder can't be written to",
            "after a restart with a clock that went back, peers take sealed advertisements for replays",
            way_out,
        ),
    })
}

fn port(port: &Port) -> Finding {
    let subject = format!("listener {}", port.listener);
    let about = About { check: "port", subject: &subject };
    match &port.found {
        Bind::Ours => about.ok(format!("{}: the running haechi listens", port.address)),
        Bind::Free => about.ok(format!("{} is free", port.address)),
        Bind::Refused(text) => about.error(
            format!("{}: {text}", port.address),
            "haechi does not start, or refuses the config",
            format!("`ss -ltnp 'sport = :{}'` shows who listens there", port.address.port()),
        ),
    }
}

fn firewall(node: &NodeFacts) -> Vec<Finding> {
    let about = About { check: "firewall", subject: "node" };
    let nft = node.ruleset.as_ref().map(|text| firewall::read_nft(text));
    let legacy = node.legacy_rules.as_ref().map(|text| firewall::read_legacy(text));
    let mut all = Vec::new();
    for (whose, tables) in [("", nft), ("iptables-legacy: ", legacy)] {
        match tables {
            Err(text) if all.contains(&about.unknown(text)) => {}
            Err(text) => all.push(about.unknown(text)),
            Ok(tables) => {
                let Report { drops, unsure } = firewall::judge(&tables);
                all.extend(drops.iter().map(|found| dropped(about, whose, found)));
                all.extend(unsure.iter().map(|found| perhaps_dropped(about, whose, found)));
            }
        }
    }
    if all.is_empty() {
        all.push(about.ok("no rule of nftables or iptables-legacy is seen that drops protocol 112"));
    }
    all
}

fn dropped(about: About<'_>, whose: &str, found: &str) -> Finding {
    about.error(
        format!("{whose}{found}"),
        "nodes that do not hear each other are all active at once",
        "accept `ip protocol vrrp` there (`ip6 nexthdr vrrp`), or use `transport: udp`",
    )
}

fn perhaps_dropped(about: About<'_>, whose: &str, found: &str) -> Finding {
    about.warning(
        format!("{whose}{found}"),
        "what its set, map or condition holds can't be evaluated: it may drop protocol 112",
        "accept `ip protocol vrrp` (`ip6 nexthdr vrrp`) in a rule before it",
    )
}

fn hand_over(node: &NodeFacts) -> Finding {
    let about = About { check: "hand-over", subject: "node" };
    match &node.hand_over {
        Ok(Ok(())) => about.ok("nftables takes what passes open flows on"),
        Ok(Err(text)) => about.warning(
            text,
            "a planned move resets the open flows of the former active",
            "install nftables, with a kernel that has conntrack and nft_dup",
        ),
        Err(text) => about.unknown(text),
    }
}
