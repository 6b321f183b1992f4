//! Routes of which somebody else is asked, with what came of it. That outlives a change of anything else.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use haechi_model::{ExternalAuth, Listener, ListenerKind, Route};

/// The question of one route.
#[derive(Debug)]
pub(crate) struct LiveAuth {
    pub(crate) config: ExternalAuth,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// What its route matches: its identity.
    route: Box<str>,
    counts: [AtomicU64; Ruled::ALL.len()],
}

/// What came of a question.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ruled {
    /// The request went on.
    Allowed,
    /// The client got the answer.
    Denied,
    /// Nobody could judge, so the client got an answer of ours.
    Failed,
    /// Nobody could judge, and the request went on.
    Unjudged,
}

impl Ruled {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Allowed, Self::Denied, Self::Failed, Self::Unjudged];

    /// For metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::Failed => "failed",
            Self::Unjudged => "unjudged",
        }
    }
}

/// What came of all questions of a route.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuthTotals {
    /// What it matches.
    pub route: String,
    /// In the order of [`Ruled::ALL`].
    pub counts: Vec<(Ruled, u64)>,
}

/// By route; nothing at all if no route has any. What was counted goes on from `old`.
pub(super) fn auths(config: &Listener, old: &[Option<LiveAuth>]) -> Box<[Option<LiveAuth>]> {
    let ListenerKind::Http(http) = &config.kind else { return Box::default() };
    let auth = |route: &'_ Route| route.filters.as_ref().and_then(|filters| filters.auth.clone());
    if !http.routes.iter().any(|route| auth(route).is_some()) {
        return Box::default();
    }
    let known: HashMap<&str, &Arc<Shared>> =
        old.iter().flatten().map(|live| (&*live.shared.route, &live.shared)).collect();
    let live = |route: &Route| {
        let config = auth(route)?;
        let matches = route.matches();
        let shared = match known.get(&*matches) {
            Some(shared) => Arc::clone(shared),
            None => Arc::new(Shared { route: matches.into(), counts: Default::default() }),
        };
        Some(LiveAuth { config, shared })
    };
    http.routes.iter().map(live).collect()
}

impl LiveAuth {
    /// One more came out so. A question costs a task and two heads; a counter that workers share is nothing beside it.
    pub(crate) fn count(&self, how: Ruled) {
        if let Some(count) = self.shared.counts.get(how as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn totals(&self) -> AuthTotals {
        let counts = Ruled::ALL.into_iter().zip(&self.shared.counts);
        AuthTotals {
            route: self.shared.route.to_string(),
            counts: counts.map(|(how, count)| (how, count.load(Ordering::Relaxed))).collect(),
        }
    }
}
