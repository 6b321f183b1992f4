//! The machine: what could be opened, written, and run.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::UNIX_EPOCH;

use haechi_doctor::{Bind, Look, NodeFacts, Port};
use haechi_model::{ListenerKind, Mover, Snapshot};
use haechi_sys::capabilities::Capability;
use haechi_sys::datagrams::stand_alone;
use haechi_sys::limits::most_open_files;
use haechi_sys::net::{Presence, listen_alone};
use haechi_sys::netlink::Network;
use rustix::fs::{Access, access};

use super::{Asked, denied};
use crate::state;

pub(super) fn look(asked: &Asked<'_>, own: &[Capability]) -> NodeFacts {
    let wall = haechi_sys::clock::wall().duration_since(UNIX_EPOCH).unwrap_or_default();
    let folder = state::folder();
    NodeFacts {
        admin: admin(asked),
        state: (folder.display().to_string(), writable(&folder)),
        open_files: most_open_files(),
        wall_seconds: wall.as_secs(),
        hand_over: hand_over(asked.snapshot, own),
        synchronised: haechi_sys::clock::is_synchronised().map_err(|error| error.to_string()),
        ruleset: denied(own, Capability::NetAdmin).and_then(|()| haechi_ha::ruleset()),
        legacy_rules: denied(own, Capability::NetAdmin).and_then(|()| legacy_rules()),
        interfaces_up: interfaces_up(),
    }
}

fn admin(asked: &Asked<'_>) -> Result<Option<String>, String> {
    let path = asked.admin_socket.display();
    if let Some(running) = &asked.running {
        return Ok(Some(format!("haechi {} answers at {path} (pid {})", running.version, running.pid)));
    }
    match UnixStream::connect(asked.admin_socket) {
        Ok(_) => Err(format!("something answers at {path} that is no haechi")),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            Err(format!("{path} is another user's"))
        }
        Err(_) => {
            let folder = asked.admin_socket.parent().unwrap_or(Path::new("."));
            writable(folder).map(|()| None).map_err(|text| format!("{}: {text}", folder.display()))
        }
    }
}

/// Whether this user could write into a folder, or make it.
fn writable(folder: &Path) -> Result<(), String> {
    let Some(there) = folder.ancestors().find(|it| it.exists()) else {
        return Err("there is no such folder".into());
    };
    if !there.is_dir() {
        return Err(format!("{} is no folder", there.display()));
    }
    access(there, Access::WRITE_OK | Access::EXEC_OK).map_err(|error| std::io::Error::from(error).to_string())
}

fn hand_over(snapshot: &Snapshot, own: &[Capability]) -> Look<Result<(), String>> {
    denied(own, Capability::NetAdmin)?;
    let mut moved = snapshot.virtual_routers.iter().filter(|router| router.mover == Mover::Netlink);
    let first_refused = moved.find_map(|router| {
        let address = router.addresses.first()?.address;
        haechi_ha::can_pass_on(&router.interface, address).err()
    });
    Ok(first_refused.map_or(Ok(()), Err))
}

/// Asked only where the kernel has such tables: the programs would make them.
fn legacy_rules() -> Look<String> {
    let mut all = String::new();
    for (names, program) in [
        ("/proc/net/ip_tables_names", "iptables-legacy-save"),
        ("/proc/net/ip6_tables_names", "ip6tables-legacy-save"),
    ] {
        // No file: the kernel has none of it.
        if fs::read_to_string(names).unwrap_or_default().trim().is_empty() {
            continue;
        }
        let output = Command::new(program).stdin(Stdio::null()).output().map_err(|error| {
            format!("the kernel has rules of iptables-legacy, which `{program}` of the package iptables tells: {error}")
        })?;
        if !output.status.success() {
            return Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim()));
        }
        all.push_str(&String::from_utf8_lossy(&output.stdout));
    }
    Ok(all)
}

fn interfaces_up() -> usize {
    let listed = Network::open().ok().and_then(|mut network| network.interfaces().ok()).unwrap_or_default();
    // The loopback has no MAC of its own: all its octets are zero.
    let no_loopback = |name: &str| {
        fs::read_to_string(format!("/sys/class/net/{name}/type")).is_ok_and(|it| it.trim() != "772")
    };
    listed.iter().filter(|it| it.up && no_loopback(it.name.as_str())).count()
}

pub(super) fn ports(asked: &Asked<'_>) -> Vec<Port> {
    let running = asked.running.iter().flat_map(|it| &it.listeners);
    let ours: Vec<_> = running.flat_map(|it| it.bind.iter().map(|at| (it.protocol == "udp", *at))).collect();
    let moving: Vec<_> = asked.snapshot.virtual_routers.iter().flat_map(|it| &it.addresses).collect();
    let all = asked.snapshot.listeners.iter().flat_map(|it| it.bind.iter().map(move |at| (it, *at)));
    let found = all.map(|(listener, address)| {
        let datagrams = matches!(listener.kind, ListenerKind::Udp(_));
        let moves = moving.iter().any(|it| it.address == address.ip());
        let presence = if moves { Presence::Anywhere } else { Presence::Here };
        let alone = || {
            if datagrams {
                stand_alone(address, presence).map(drop)
            } else {
                listen_alone(address, presence).map(drop)
            }
        };
        let found = if ours.contains(&(datagrams, address)) {
            Bind::Ours
        } else {
            alone().map_or_else(|error| Bind::Refused(error.to_string()), |()| Bind::Free)
        };
        Port { listener: listener.name.to_string(), address, found }
    });
    found.collect()
}
