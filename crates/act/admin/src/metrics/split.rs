//! Routes with several pools: who got what.

use haechi_telemetry::metric as names;

use super::text::Exposition;
use crate::api::{ListenerStatus, ShareStatus};

pub(super) fn render(listeners: &[ListenerStatus], out: &mut Exposition) {
    let each = |tell: &mut dyn FnMut(&str, &str, &ShareStatus)| {
        for listener in listeners {
            for split in &listener.splits {
                split.pools.iter().for_each(|share| tell(&listener.name, &split.route, share));
            }
        }
    };
    let mut samples = out.family(&names::SPLIT_REQUESTS);
    each(&mut |listener, route, share| {
        samples.sample(&[listener, route, &share.pool, "turn"], share.turns);
        samples.sample(&[listener, route, &share.pool, "key"], share.keyed);
    });
    let mut samples = out.family(&names::SPLIT_WEIGHT);
    each(&mut |listener, route, share| samples.sample(&[listener, route, &share.pool], share.weight));
}
