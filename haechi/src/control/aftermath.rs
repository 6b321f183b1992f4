//! What came of a takeover, as clients saw it: when the first request was answered here, and how many connections
//! that the former active had were reset. The flight record ends where the kernel has the addresses.

use std::sync::Arc;
use std::time::Duration;

use haechi_admin::api::Event;
use haechi_model::{ListenerKind, Moment, VirtualRouterName};
use haechi_proxy::Live;
use haechi_sys::{clock, resets};
use haechi_telemetry::event;

use super::Control;

/// What a client of the former active still sends, it has sent by then: a lost segment is sent again after 0.2, 0.6,
/// 1.4 and 3 s (RFC 6298 §5.5, from Linux' least timeout on).
const SPAN: Duration = Duration::from_secs(5);

/// From one look to the next.
const LOOK: Duration = Duration::from_millis(1);

/// How things stood when a takeover was decided.
pub(super) struct Before {
    /// Nothing if the kernel does not say.
    resets: Option<u64>,
    came: u64,
    answered: u64,
}

impl Before {
    pub(super) fn look(live: &Live) -> Self {
        Self { resets: resets::sent().ok(), came: came(live), answered: answered(live) }
    }

    /// Follows the takeover, and tells what came of it.
    pub(super) fn follow(self, control: &Arc<Control>, name: VirtualRouterName, decided: Moment) {
        let control = Arc::clone(control);
        tokio::spawn(async move {
            let tell = |text| control.events.add(event::VIRTUAL_ROUTER_SERVES, subject(&name), text);
            tell(match self.first_answer(&control, decided).await {
                Some(at) => format!(
                    "the first request was answered here {:.1} ms after it took over",
                    at.since(decided).as_secs_f64() * 1e3
                ),
                None => format!("no request was answered here in the {SPAN:?} after it took over"),
            });
            tokio::time::sleep(SPAN.saturating_sub(clock::now().since(decided))).await;
            let lost =
                self.resets.zip(resets::sent().ok()).map(|(before, after)| after.saturating_sub(before));
            tell(match lost {
                Some(0) => format!("no connection was reset here in the {SPAN:?} after it took over"),
                // One that says more before it hears of its end is answered more than once.
                Some(lost) => format!(
                    "connections were reset here in the {SPAN:?} after it took over, {lost} at most: the former active had \
                     them, or nobody listens where they went"
                ),
                None => "the kernel does not say how many connections were reset".to_owned(),
            });
        });
    }

    async fn first_answer(&self, control: &Control, decided: Moment) -> Option<Moment> {
        while clock::now().since(decided) < SPAN {
            let live = control.proxy.live();
            // The second look is at every endpoint, so it is taken only when there is something to be seen.
            if came(&live) > self.came && answered(&live) > self.answered {
                return Some(clock::now());
            }
            tokio::time::sleep(LOOK).await;
        }
        None
    }
}

/// What is told of a virtual router.
pub(super) fn subject(name: &VirtualRouterName) -> String {
    format!("virtual router {name}")
}

/// Of these events, what came of the takeovers of one virtual router.
pub(super) fn results(events: Vec<Event>, name: &VirtualRouterName) -> Vec<Event> {
    let subject = subject(name);
    let of_it = |it: &Event| it.kind == event::VIRTUAL_ROUTER_SERVES && it.subject == subject;
    events.into_iter().filter(of_it).collect()
}

/// Requests and connections that came to any listener.
fn came(live: &Live) -> u64 {
    let totals = live.listeners.iter().map(|listener| listener.totals());
    totals.map(|totals| totals.requests + totals.accepted).sum()
}

/// Requests that an endpoint answered well, and connections to listeners that know no requests.
fn answered(live: &Live) -> u64 {
    let streams =
        live.listeners.iter().filter(|listener| !matches!(listener.config.kind, ListenerKind::Http(_)));
    let streams: u64 = streams.map(|listener| listener.totals().accepted).sum();
    let good = |statuses: [u64; 5]| statuses[..4].iter().sum::<u64>();
    streams
        + live
            .pools
            .iter()
            .flat_map(|pool| &pool.endpoints)
            .map(|endpoint| good(endpoint.totals().statuses))
            .sum::<u64>()
}
