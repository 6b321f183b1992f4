//! Certificates that are ordered: looks at what is wanted, asks the core what is due, and has it ordered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use haechi_acme::{Blame, Held, Next, Place, Wait, next, renew_at};
use haechi_admin::api::{OrderFailure, OrderedStatus};
use haechi_model::{AcmeChallenge, Issuer};
use haechi_orders::{Failure, Orders, Store, Tried};
use haechi_proxy::Live;
use haechi_telemetry::event;
use haechi_trust::{Given, wanted};
use tokio::task::AbortHandle;

use super::certificates::now;
use super::{Control, lock};

/// From one look to the next: soon enough for who watches a first certificate come.
const PACE: Duration = Duration::from_millis(500);

/// Most orders at a time. Let's Encrypt takes 300 new ones in three hours; a config with as many names is done in
/// minutes, and a slow issuer holds up four of them.
const MOST: usize = 4;

/// An issuer and a name.
type Whose = (Box<str>, Box<str>);

/// What is ordered, and how that stands.
#[derive(Default)]
pub(super) struct Ordering {
    names: BTreeMap<Whose, Entry>,
    /// With their accounts.
    issuers: BTreeMap<Box<str>, Arc<Orders>>,
    /// How orders came out since the process began: by issuer, and whose fault it was.
    outcomes: BTreeMap<(Box<str>, Option<Blame>), u64>,
    /// The generation that all this is of.
    seen: Weak<Live>,
}

struct Entry {
    held: Option<Held>,
    tried: Tried,
    next: Option<Next>,
    seed: u64,
    /// Under way.
    running: Option<AbortHandle>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        // Nobody wants it any more. What is pending goes with it.
        self.running.iter().for_each(AbortHandle::abort);
    }
}

/// Orders what is wanted until an heir does.
pub(super) async fn follow(control: Arc<Control>) {
    let store = Store::new(crate::state::folder());
    let mut passed_on = control.passed_on.subscribe();
    loop {
        if passed_on.borrow_and_update().is_some() {
            *lock(&control.ordering) = Ordering::default();
            return;
        }
        let live = control.proxy.live();
        if !std::ptr::eq(lock(&control.ordering).seen.as_ptr(), Arc::as_ptr(&live)) {
            let (control, store) = (Arc::clone(&control), store.clone());
            // Files are read.
            let _ = tokio::task::spawn_blocking(move || control.want(&live, &store)).await;
        }
        control.order_what_is_due(&store);
        // Either is the reason to look.
        let _ = tokio::time::timeout(PACE, passed_on.changed()).await;
    }
}

impl Control {
    /// Takes over what a generation wants. What is known of a name stays while it is wanted of one issuer.
    fn want(&self, live: &Arc<Live>, store: &Store) {
        let wanted = wanted(&live.snapshot);
        let folder = self.source.folder();
        let mut ordering = lock(&self.ordering);
        let Ordering { names, issuers, .. } = &mut *ordering;
        issuers.retain(|_, orders| live.snapshot.acme.contains(orders.issuer()));
        let whose = |(issuer, name): &(&Issuer, &str)| (issuer.name.clone(), Box::from(*name));
        let kept: BTreeSet<Whose> = wanted.iter().map(whose).collect();
        names.retain(|(issuer, name), _| {
            issuers.contains_key(issuer) && kept.contains(&(issuer.clone(), name.clone()))
        });
        for (issuer, name) in &wanted {
            issuers.entry(issuer.name.clone()).or_insert_with(|| {
                Arc::new(Orders::new(Issuer::clone(issuer), folder.clone(), store.clone()))
            });
            names.entry((issuer.name.clone(), Box::from(*name))).or_insert_with(|| Entry {
                held: store.held(issuer, name),
                tried: store.tried(&issuer.name, name),
                next: None,
                seed: store.seed(&live.snapshot.node.name, &issuer.name, name),
                running: None,
            });
        }
        let asks = |issuer: &Issuer| issuer.challenges.contains(&AcmeChallenge::Http01);
        let asked = wanted.iter().filter(|(issuer, _)| asks(issuer)).map(|(_, name)| Box::from(*name));
        self.trust.challenges().expect(asked.collect());
        ordering.seen = Arc::downgrade(live);
    }

    fn order_what_is_due(self: &Arc<Self>, store: &Store) {
        let place = self.place();
        let now = now();
        let mut ordering = lock(&self.ordering);
        let Ordering { names, issuers, .. } = &mut *ordering;
        let mut running = names.values().filter(|entry| entry.running.is_some()).count();
        for ((issuer, name), entry) in names {
            if entry.running.is_some() {
                continue;
            }
            let next = next(entry.held.as_ref(), &entry.tried.history, place, entry.seed, now);
            entry.next = Some(next);
            let (Next::Order(_), Some(orders)) = (next, issuers.get(issuer)) else { continue };
            if running < MOST {
                running += 1;
                let order = order(
                    Arc::downgrade(self),
                    Arc::clone(orders),
                    (issuer.clone(), name.clone()),
                    entry.tried.history.failures,
                    store.clone(),
                );
                entry.running = Some(tokio::spawn(order).abort_handle());
            }
        }
    }

    /// Whether issuers come here: to the node that has virtual addresses, if there are any.
    fn place(&self) -> Place {
        let routers =
            lock(&self.virtual_routers).node.as_ref().map(haechi_ha::Ha::status).unwrap_or_default();
        if routers.is_empty() || routers.iter().any(|router| router.holds) {
            Place::Here
        } else {
            Place::Elsewhere
        }
    }

    /// Somebody changed something, so what failed is tried again, as far as issuers allow.
    pub(super) fn hurry_orders(&self) {
        for entry in lock(&self.ordering).names.values_mut() {
            entry.tried.history.hurry();
        }
    }

    async fn note_order(&self, whose: Whose, came_out: Result<Given, Failure>, store: &Store) {
        let now = now();
        let (issuer, name) = &whose;
        let (tried, text) = {
            let mut ordering = lock(&self.ordering);
            let blame = came_out.as_ref().err().map(|failure| failure.blame);
            *ordering.outcomes.entry((issuer.clone(), blame)).or_default() += 1;
            let Some(entry) = ordering.names.get_mut(&whose) else { return };
            entry.running = None;
            match &came_out {
                Ok(given) => {
                    let held = Held {
                        not_before: given.not_before,
                        not_after: given.not_after,
                        of_issuer: true,
                        suggested: None,
                    };
                    entry.held = Some(held);
                    entry.tried.history.succeed();
                    entry.tried.reason.clear();
                    let life =
                        Duration::from_secs(given.not_after.saturating_sub(now).try_into().unwrap_or(0));
                    (
                        entry.tried.clone(),
                        format!("issuer {issuer} gave a certificate; it expires in {}", span(life)),
                    )
                }
                Err(failure) => {
                    entry.tried.history.fail(failure.blame, failure.until, now);
                    entry.tried.reason = failure.text.clone();
                    let again = next(entry.held.as_ref(), &entry.tried.history, Place::Here, entry.seed, now);
                    let wait = match again {
                        Next::Wait(until, _) => {
                            Duration::from_secs(until.saturating_sub(now).try_into().unwrap_or(0))
                        }
                        Next::Order(_) => Duration::ZERO,
                    };
                    let text = format!(
                        "no certificate from issuer {issuer} ({}): {}; tried again in {}",
                        fault(failure.blame),
                        failure.text,
                        span(wait)
                    );
                    (entry.tried.clone(), text)
                }
            }
        };
        let (kept, store) = ((issuer.clone(), name.clone()), store.clone());
        let kept = tokio::task::spawn_blocking(move || store.keep_tried(&kept.0, &kept.1, &tried)).await;
        if let Ok(Err(failure)) = kept {
            tracing::warn!(%failure, "what was tried is forgotten with this process");
        }
        let kind = if came_out.is_ok() { event::CERTIFICATE_ORDERED } else { event::CERTIFICATE_FAILED };
        self.events.add(kind, format!("certificate {name}"), text);
        if came_out.is_ok() {
            self.show_files(self.source.folder()).await;
        }
    }

    pub(super) fn ordered_status(&self) -> Vec<OrderedStatus> {
        let ordering = lock(&self.ordering);
        ordering.names.iter().map(|((issuer, name), entry)| entry.status(issuer, name)).collect()
    }

    /// How orders came out: issuer, `given` or whose fault it was, how many.
    pub(super) fn order_counts(&self) -> Vec<(String, String, u64)> {
        let ordering = lock(&self.ordering);
        let count = |issuer: &str, blame: Option<Blame>| {
            let count = ordering.outcomes.get(&(issuer.into(), blame)).copied().unwrap_or(0);
            (issuer.to_owned(), blame.map_or("given", Blame::word).to_owned(), count)
        };
        let all = std::iter::once(None).chain(Blame::ALL.map(Some));
        let of_one = |issuer: &str| all.clone().map(|blame| count(issuer, blame)).collect::<Vec<_>>();
        ordering.issuers.keys().flat_map(|issuer| of_one(issuer)).collect()
    }
}

/// One order to its end.
async fn order(control: Weak<Control>, orders: Arc<Orders>, whose: Whose, failures: u32, store: Store) {
    let challenges = control.upgrade().map(|control| Arc::clone(control.trust.challenges()));
    let Some(challenges) = challenges else { return };
    let came_out = orders.order(&whose.1, failures, &challenges).await;
    if let Some(control) = control.upgrade() {
        // In a task of its own: what is running is forgotten on the way.
        tokio::spawn(async move { control.note_order(whose, came_out, &store).await });
    }
}

impl Entry {
    fn status(&self, issuer: &str, name: &str) -> OrderedStatus {
        let millis = |seconds: i64| seconds.saturating_mul(1000);
        let history = &self.tried.history;
        let (state, says) = match self.next {
            _ if self.running.is_some() => ("ordering", "under way".to_owned()),
            None | Some(Next::Order(_)) => ("ordering", "waits for its turn".to_owned()),
            Some(Next::Wait(_, Wait::Good)) => ("good", String::new()),
            Some(Next::Wait(_, Wait::Failed)) => ("failed", self.tried.reason.clone()),
            Some(Next::Wait(_, Wait::Elsewhere)) => (
                "elsewhere",
                "this node holds no virtual address, so the issuer would ask another one; it is ordered when it does"
                    .to_owned(),
            ),
        };
        let next_at_ms = match (self.next, &self.held) {
            (Some(Next::Wait(at, Wait::Good | Wait::Failed)), _) => Some(millis(at)),
            (_, Some(held)) => Some(millis(renew_at(held, self.seed).0)),
            _ => None,
        };
        OrderedStatus {
            issuer: issuer.to_owned(),
            name: name.to_owned(),
            state: state.to_owned(),
            says,
            expires_at_ms: self.held.map(|held| millis(held.not_after)),
            next_at_ms,
            failures: history.failures,
            last_failure: history.last.map(|(at, blame)| OrderFailure {
                at_ms: millis(at),
                blame: blame.word().to_owned(),
                reason: self.tried.reason.clone(),
            }),
        }
    }
}

const fn fault(blame: Blame) -> &'static str {
    match blame {
        Blame::Issuer => "the issuer's fault",
        Blame::Limit => "the issuer's limit",
        Blame::Name => "the name's or the network's fault",
        Blame::Us => "the fault is here",
    }
}

/// As people say it.
fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}
