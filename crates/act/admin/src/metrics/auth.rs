//! Routes of whose requests somebody else is asked: what came of it.

use haechi_telemetry::metric as names;

use super::text::Exposition;
use crate::api::ListenerStatus;

pub(super) fn render(listeners: &[ListenerStatus], out: &mut Exposition) {
    let mut samples = out.family(&names::AUTH_REQUESTS);
    for listener in listeners {
        for auth in &listener.auths {
            for (result, count) in &auth.results {
                samples.sample(&[&listener.name, &auth.route, result], *count);
            }
        }
    }
}
