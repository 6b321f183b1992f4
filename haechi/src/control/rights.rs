//! What this process may do: it keeps the rights that virtual routers and low ports take, gives away all others when
//! it starts, and says what the config needs that it does not have.
//!
//! The rights that are kept do not depend on the config, so that a reload can do what a start can.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::sync::Mutex;

use haechi_admin::api::{MissingRight, RightsStatus};
use haechi_doctor::{Given, Lack, Right, lacks};
use haechi_model::Snapshot;
use haechi_sys::capabilities::{Capability, effective, keep_only};
use haechi_sys::scheduling::{Ready, Realtime, ordinary};
use haechi_telemetry::event;

use super::{Control, Source, lock};

/// All that is kept, as far as it is there.
pub(super) const KEPT: [Capability; 3] =
    [Capability::NetAdmin, Capability::NetRaw, Capability::NetBindService];

/// The first port that takes no right, where the kernel does not say another one.
const FREE_FROM: u16 = 1024;

/// What is left after the start.
#[derive(Debug)]
pub(crate) struct Rights {
    pub(super) kept: Kept,
    /// The thread of virtual routers: what real-time takes is given away after it is there.
    pub(super) virtual_routers: Ready,
    /// The thread that starts heirs: they get what this process has.
    pub(super) heirs: Ready,
}

/// What was kept, and what was said of it.
#[derive(Debug)]
pub(super) struct Kept {
    capabilities: Vec<Capability>,
    given_away: u32,
    realtime: Realtime,
    /// What lacked when a config was put in force last: not said again at each reload.
    told: Mutex<BTreeSet<Lack>>,
}

impl Rights {
    /// Gives away all but [`KEPT`]. Called while there is one thread.
    ///
    /// # Errors
    /// The system refuses it, or a thread.
    pub(crate) fn keep() -> io::Result<Self> {
        let virtual_routers = Ready::start("ha", haechi_ha::PRIORITY, &KEPT)?;
        let heirs = Ready::start("heirs", haechi_ha::PRIORITY, &KEPT)?;
        // An heir begins with the priority of that thread.
        ordinary()?;
        let given_away = keep_only(&KEPT)?;
        let kept = Kept {
            capabilities: effective()?,
            given_away,
            realtime: virtual_routers.realtime().clone(),
            told: Mutex::default(),
        };
        Ok(Self { kept, virtual_routers, heirs })
    }
}

impl Kept {
    fn lacks(&self, snapshot: &Snapshot) -> Vec<Lack> {
        lacks(&given(&self.capabilities, &self.realtime), snapshot)
    }

    fn names(&self) -> Vec<String> {
        self.capabilities.iter().map(ToString::to_string).collect()
    }
}

/// The same in the doctor's words.
pub(crate) fn given(capabilities: &[Capability], realtime: &Realtime) -> Given {
    let right = |capability: &Capability| match capability {
        Capability::NetAdmin => Some(Right::NetAdmin),
        Capability::NetRaw => Some(Right::NetRaw),
        Capability::NetBindService => Some(Right::NetBindService),
        // What it is for is looked at, and not how it came about.
        Capability::SysNice | Capability::IpcLock => None,
    };
    let mut rights: BTreeSet<Right> = capabilities.iter().filter_map(right).collect();
    if matches!(realtime, Realtime::Granted { .. }) {
        rights.insert(Right::Realtime);
    }
    let told = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    let free_from = told.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(FREE_FROM);
    Given { rights, free_from }
}

impl Control {
    pub(super) fn rights_status(&self) -> RightsStatus {
        let lacks = self.kept.lacks(&self.proxy.live().snapshot);
        let missing = lacks.into_iter().map(|lack| MissingRight {
            right: lack.right.name().to_owned(),
            subject: lack.subject,
            costs: lack.costs,
            way_out: lack.way_out,
        });
        RightsStatus { kept: self.kept.names(), missing: missing.collect() }
    }

    /// Says once what was kept.
    pub(super) fn tell_rights(&self) {
        let names = self.kept.names();
        let kept = if names.is_empty() { "no right".to_owned() } else { names.join(", ") };
        let text = format!("keeps {kept}; gave {} others away", self.kept.given_away);
        self.events.add(event::RIGHTS_KEPT, "node", text);
    }

    /// Says what a config lacks that the one before did not.
    pub(super) fn tell_lacks(&self, snapshot: &Snapshot) {
        let now: BTreeSet<Lack> = self.kept.lacks(snapshot).into_iter().collect();
        let before = std::mem::replace(&mut *lock(&self.kept.told), now.clone());
        for Lack { right, subject, costs, way_out, .. } in now.difference(&before) {
            let text = format!("no {}: {costs}; {way_out}", right.name());
            self.events.add(event::RIGHT_MISSING, subject.as_str(), text);
        }
        if let Source::File(path) = &self.source
            && File::open(path).is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
        {
            let text = format!(
                "{} was read with rights that are given away now, and no reload can read it; let the user that runs \
                 haechi own it",
                path.display()
            );
            self.events.add(event::RIGHT_MISSING, "config", text);
        }
    }
}
