//! The event log: what changed, when and why, for those who look later and those who wait.

use std::collections::VecDeque;
use std::sync::Mutex;

use haechi_admin::api::{Event, Events};
use tokio::sync::Notify;

use super::{lock, wall_ms};

/// Events kept in memory: about 2 MiB, and at one a second nearly three hours.
const KEPT: usize = 10_000;

/// The newest events of this process.
#[derive(Default)]
pub(crate) struct Log {
    events: Mutex<Kept>,
    added: Notify,
}

#[derive(Default)]
struct Kept {
    newest: u64,
    events: VecDeque<Event>,
}

impl Log {
    pub(crate) fn add(&self, kind: &str, subject: impl Into<String>, text: impl Into<String>) {
        let (subject, text) = (subject.into(), text.into());
        tracing::info!(kind, subject, "{text}");
        let mut kept = lock(&self.events);
        kept.newest += 1;
        let event = Event { sequence: kept.newest, at_ms: wall_ms(), kind: kind.to_owned(), subject, text };
        if kept.events.len() == KEPT {
            kept.events.pop_front();
        }
        kept.events.push_back(event);
        drop(kept);
        self.added.notify_waiters();
    }

    /// Goes on with the numbers of a former process, and with what it knew.
    pub(crate) fn continue_from(&self, events: &[Event]) {
        let mut kept = lock(&self.events);
        if let Some(newest) = events.last() {
            kept.newest = newest.sequence;
            kept.events = events.iter().cloned().collect();
        }
    }

    /// Those above `after`; where there are more than `limit`, the newest.
    pub(crate) fn after(&self, after: u64, limit: usize) -> Events {
        let kept = lock(&self.events);
        let from = kept.events.partition_point(|event| event.sequence <= after);
        let from = from.max(kept.events.len().saturating_sub(limit));
        Events { events: kept.events.range(from..).cloned().collect(), newest: kept.newest }
    }

    pub(crate) async fn wait_above(&self, after: u64) {
        loop {
            let mut added = std::pin::pin!(self.added.notified());
            // Registered before the look, so that an event in between is not missed.
            added.as_mut().enable();
            if lock(&self.events).newest > after {
                return;
            }
            added.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_kept_and_numbered_without_gaps() {
        let log = Log::default();
        for number in 0..KEPT + 5 {
            log.add("started", "node", format!("{number}"));
        }
        let all = log.after(0, usize::MAX);
        assert_eq!((all.events.len(), all.newest), (KEPT, KEPT as u64 + 5));
        assert_eq!(all.events[0].sequence, 6);
        let last = log.after(all.newest - 3, 2);
        assert_eq!(
            last.events.iter().map(|event| event.sequence).collect::<Vec<_>>(),
            [all.newest - 1, all.newest]
        );
        assert!(log.after(all.newest + 7, 10).events.is_empty());
    }
}
