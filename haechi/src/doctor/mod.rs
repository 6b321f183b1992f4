//! Looks at this machine for `haechi doctor`, and changes nothing on it: what it finds is `haechi-doctor`'s to judge.

mod link;
mod node;

use std::path::Path;

use haechi_admin::api::Status;
use haechi_doctor::{Facts, Given};
use haechi_model::Snapshot;
use haechi_sys::capabilities::{Capability, effective};
use haechi_sys::scheduling::{Ready, Realtime};

use crate::control::given;

/// What is known before anybody looks.
pub(crate) struct Asked<'a> {
    pub(crate) snapshot: &'a Snapshot,
    /// The config's file: keys files stand beside it.
    pub(crate) config: &'a Path,
    pub(crate) admin_socket: &'a Path,
    /// The haechi that answers there.
    pub(crate) running: Option<Status>,
}

/// Looks at everything. Takes as long as the longest look: three advertisements, and half a second for neighbours.
pub(crate) fn look(asked: &Asked<'_>) -> Facts {
    let own = effective().unwrap_or_default();
    Facts {
        given: rights(asked.running.as_ref(), &own),
        node: node::look(asked, &own),
        ports: node::ports(asked),
        routers: link::look(asked, &own),
    }
}

/// Of the running haechi if there is one: it may be another user's.
fn rights(running: Option<&Status>, own: &[Capability]) -> Given {
    let Some(running) = running else {
        // What a start would be told; the thread ends without ever having work.
        let realtime = Ready::start("doctor", haechi_ha::PRIORITY, &[])
            .map_or_else(|error| Realtime::Refused { reason: error.to_string() }, |it| it.realtime().clone());
        return given(own, &realtime);
    };
    let kept = &running.rights.kept;
    let all: Vec<Capability> =
        Capability::ALL.into_iter().filter(|right| kept.contains(&right.to_string())).collect();
    let lacks = running.rights.missing.iter().any(|missing| missing.right == "real-time priority");
    let realtime = if lacks {
        Realtime::Refused { reason: String::new() }
    } else {
        Realtime::Granted { priority: haechi_ha::PRIORITY }
    };
    given(&all, &realtime)
}

/// Why something that takes a right can't be looked at, if it can't.
fn denied(own: &[Capability], needed: Capability) -> Result<(), String> {
    if own.contains(&needed) { Ok(()) } else { Err(format!("it takes {needed}")) }
}
