//! Memory: what this process takes against what it may take, looked at again and again.

use std::sync::Arc;
use std::time::Duration;

use haechi_admin::api::MemoryStatus;
use haechi_model::{Pressure, Snapshot};
use haechi_pressure::Gauge;
use haechi_sys::memory;
use haechi_telemetry::event;

use super::{Control, lock};

/// A machine of 2025 fills some GiB a second: in that time no more than a small part of what a node is given.
const LOOK: Duration = Duration::from_millis(100);

/// Looks for as long as the process runs.
pub(super) async fn follow(control: Arc<Control>) {
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut gauge = Gauge::default();
    loop {
        looks.tick().await;
        control.look_at_memory(&mut gauge);
    }
}

impl Control {
    fn look_at_memory(&self, gauge: &mut Gauge) {
        let ceiling = ceiling(&self.proxy.live().snapshot);
        // Without a number nobody is refused.
        let Ok(taken) = memory::taken() else { return };
        let pressure = gauge.look(taken, ceiling);
        let before = std::mem::replace(&mut *lock(&self.pressure), pressure);
        if pressure == before {
            return;
        }
        self.proxy.press(pressure);
        let what = match pressure {
            Pressure::None => "connections stay again, and new ones are accepted",
            Pressure::High => {
                "clients are asked to leave with their next answer; idle connections are closed"
            }
            Pressure::Full => {
                "nothing is accepted, and requests are refused with 503 overloaded; what runs goes on"
            }
        };
        let mib = |bytes: u64| bytes >> 20;
        let of = ceiling.map(|ceiling| format!(" of {} MiB", mib(ceiling))).unwrap_or_default();
        let (before, now, taken) = (before.name(), pressure.name(), mib(taken));
        self.events.add(
            event::MEMORY_PRESSURE,
            "node",
            format!("{before} to {now}: {taken} MiB{of} taken; {what}"),
        );
    }

    pub(super) fn memory_status(&self) -> MemoryStatus {
        MemoryStatus {
            taken: memory::taken().unwrap_or_default(),
            ceiling: ceiling(&self.proxy.live().snapshot),
            pressure: *lock(&self.pressure),
        }
    }
}

/// What the config says, or else nine tenths of what the control group gives: buffers of sockets count to a group and
/// not to its processes, and one that takes more than it is given is killed.
fn ceiling(snapshot: &Snapshot) -> Option<u64> {
    let configured = snapshot.memory_ceiling.map(std::num::NonZero::get);
    configured.or_else(|| memory::given().map(|given| given / 10 * 9))
}
