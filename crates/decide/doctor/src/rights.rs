//! Which rights a config needs, and what each missing one costs.

use std::collections::BTreeSet;

use haechi_model::{Mover, Snapshot, Transport, VirtualRouter};

use crate::{Finding, Level};

/// Something that the kernel lets only some processes do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Right {
    /// `CAP_NET_ADMIN`
    NetAdmin,
    /// `CAP_NET_RAW`
    NetRaw,
    /// `CAP_NET_BIND_SERVICE`
    NetBindService,
    /// To be scheduled before others: `CAP_SYS_NICE` at the start, or a limit.
    Realtime,
}

impl Right {
    /// As capabilities(7) calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NetAdmin => "CAP_NET_ADMIN",
            Self::NetRaw => "CAP_NET_RAW",
            Self::NetBindService => "CAP_NET_BIND_SERVICE",
            Self::Realtime => "real-time priority",
        }
    }
}

/// What a process may do.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Given {
    /// The rights that it has.
    pub rights: BTreeSet<Right>,
    /// The first port that takes no right (`net.ipv4.ip_unprivileged_port_start`).
    pub free_from: u16,
}

/// A right that a config needs and a process does not have.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Lack {
    /// Which.
    pub right: Right,
    /// Who needs it: `virtual router edge`.
    pub subject: String,
    /// What is not possible without it.
    pub costs: String,
    /// How to have it, or how to do without.
    pub way_out: String,
    /// Whether the subject can't do its work at all.
    pub fatal: bool,
}

impl From<&Lack> for Finding {
    fn from(lack: &Lack) -> Self {
        Self {
            level: if lack.fatal { Level::Error } else { Level::Warning },
            check: "rights".to_owned(),
            subject: lack.subject.clone(),
            found: format!("no {}", lack.right.name()),
            why: lack.costs.clone(),
            way_out: lack.way_out.clone(),
        }
    }
}

/// What this config can't do with these rights.
pub fn lacks(given: &Given, snapshot: &Snapshot) -> Vec<Lack> {
    let mut lacks: Vec<Lack> = snapshot.virtual_routers.iter().flat_map(of_router).collect();
    lacks.extend(low_ports(given.free_from, snapshot));
    lacks.retain(|lack| !given.rights.contains(&lack.right));
    lacks
}

/// All that one virtual router needs, as if it lacked it.
fn of_router(router: &VirtualRouter) -> Vec<Lack> {
    let kernel = router.mover == Mover::Netlink;
    let protocol = matches!(router.transport, Transport::Vrrp { .. });
    let lack = |right, costs: &str, way_out: &str, fatal| Lack {
        right,
        subject: format!("virtual router {}", router.name),
        costs: costs.to_owned(),
        way_out: way_out.to_owned(),
        fatal,
    };
    let mut all = Vec::new();
    if protocol {
        let costs = "`transport: vrrp` is impossible: IP protocol 112 takes raw sockets";
        all.push(lack(Right::NetRaw, costs, &way_to(Right::NetRaw, "`transport: udp`"), true));
    } else if kernel {
        let costs = "neighbours are not told when its addresses move: they find out when their caches age";
        all.push(lack(Right::NetRaw, costs, &way_to(Right::NetRaw, "`mover: bind`"), false));
    }
    if kernel {
        let costs = "`mover: netlink` is impossible: its addresses can't be put on this host";
        all.push(lack(Right::NetAdmin, costs, &way_to(Right::NetAdmin, "`mover: bind`"), true));
    }
    let costs = "advertisements may be late on a busy host, and the backup then takes over for no reason";
    let way_out = "let systemd set LimitRTPRIO=21, or start it with CAP_SYS_NICE";
    all.push(lack(Right::Realtime, costs, way_out, false));
    all
}

fn way_to(right: Right, instead: &str) -> String {
    format!(
        "start it with {name} (systemd: AmbientCapabilities={name}), or use {instead}",
        name = right.name()
    )
}

fn low_ports(free_from: u16, snapshot: &Snapshot) -> impl Iterator<Item = Lack> {
    snapshot.listeners.iter().filter_map(move |listener| {
        let port = listener.bind.iter().map(|it| it.port()).find(|port| (1..free_from).contains(port))?;
        Some(Lack {
            right: Right::NetBindService,
            subject: format!("listener {}", listener.name),
            costs: format!("port {port} can't be listened on: ports below {free_from} take it"),
            way_out: way_to(
                Right::NetBindService,
                &format!("a port from {free_from} on, or set net.ipv4.ip_unprivileged_port_start={port}"),
            ),
            fatal: true,
        })
    })
}

#[cfg(test)]
mod tests;
