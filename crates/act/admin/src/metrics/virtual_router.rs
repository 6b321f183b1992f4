//! What a scrape shows of virtual routers.

use haechi_telemetry::metric::{self as names, Family};

use super::text::Exposition;
use crate::api::VirtualRouterStatus;

/// All states, also those that a node is not in: a query for one finds its zero.
const STATES: [&str; 4] = ["initialize", "backup", "active", "yielding"];

pub(super) fn render(routers: &[VirtualRouterStatus], out: &mut Exposition) {
    let mut samples = out.family(&names::VIRTUAL_ROUTER_STATE);
    for router in routers {
        for state in STATES {
            samples.sample(&[&router.name, state], u8::from(router.state == state));
        }
    }
    let mut plain = |family: &Family, value: fn(&VirtualRouterStatus) -> u64| {
        let mut samples = out.family(family);
        routers.iter().for_each(|router| samples.sample(&[&router.name], value(router)));
    };
    plain(&names::VIRTUAL_ROUTER_PRIORITY, |router| router.priority.into());
    plain(&names::VIRTUAL_ROUTER_TRANSITIONS, |router| router.transitions);
    plain(&names::VIRTUAL_ROUTER_SENT, |router| router.sent);
    plain(&names::VIRTUAL_ROUTER_HEARD, |router| router.heard);
    let mut samples = out.family(&names::VIRTUAL_ROUTER_DROPS);
    for router in routers {
        for (reason, count) in &router.dropped {
            samples.sample(&[&router.name, reason], count);
        }
    }
    let mut samples = out.family(&names::VIRTUAL_ROUTER_ALARMS);
    routers.iter().for_each(|router| samples.sample(&[&router.name], router.alarms.len()));
}
