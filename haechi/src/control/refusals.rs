//! Certificates that were refused, by us or by clients: told as events, seldom.

use std::collections::BTreeMap;

use haechi_model::{Handshake, ListenerName};
use haechi_telemetry::event;

use super::Control;

/// Looks between two events of one listener: a minute. Clients that come again and again would push all others out.
const LOOKS_PER_EVENT: u32 = 120;

/// What was told of each listener.
#[derive(Default)]
pub(super) struct Refusals(BTreeMap<ListenerName, Told>);

struct Told {
    counts: Counts,
    /// Looks that pass before the next event.
    wait: u32,
}

/// Clients whose certificate was refused, and clients that refused ours.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Counts {
    theirs: u64,
    ours: u64,
}

impl Refusals {
    /// What there is to tell after one more look.
    fn due(&mut self, name: &ListenerName, counts: Counts) -> Option<Counts> {
        let Some(told) = self.0.get_mut(name) else {
            // What was counted before the first look was told by a former process, or by nobody.
            self.0.insert(name.clone(), Told { counts, wait: 0 });
            return None;
        };
        told.wait = told.wait.saturating_sub(1);
        if told.counts == counts || told.wait > 0 {
            return None;
        }
        let before = std::mem::replace(&mut told.counts, counts);
        told.wait = LOOKS_PER_EVENT;
        Some(Counts {
            theirs: counts.theirs.saturating_sub(before.theirs),
            ours: counts.ours.saturating_sub(before.ours),
        })
    }
}

impl Control {
    pub(super) fn tell_who_was_refused(&self, refusals: &mut Refusals) {
        let live = self.proxy.live();
        refusals.0.retain(|name, _| live.listeners.iter().any(|listener| listener.config.name == *name));
        for listener in live.listeners.iter().filter(|listener| listener.shown().is_some()) {
            let totals = listener.totals().handshakes;
            let of =
                |how| totals.iter().filter(|(other, _)| *other == how).map(|(_, count)| count).sum::<u64>();
            let counts = Counts { theirs: of(Handshake::ClientCertificate), ours: of(Handshake::Distrusted) };
            let Some(Counts { theirs, ours }) = refusals.due(&listener.config.name, counts) else { continue };
            let subject = format!("listener {}", listener.config.name);
            if theirs > 0 {
                let text =
                    format!("{theirs} handshake(s) refused for the client's certificate, or for want of one");
                self.events.add(event::CERTIFICATE_REFUSED, subject.clone(), text);
            }
            if ours > 0 {
                let text = format!("{ours} handshake(s) in which the client refused our certificate");
                self.events.add(event::CERTIFICATE_REFUSED, subject, text);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_told_at_once_and_what_follows_once_a_minute() {
        let mut refusals = Refusals::default();
        let name = ListenerName::from("web");
        let counts = |theirs| Counts { theirs, ours: 0 };
        assert_eq!(refusals.due(&name, counts(7)), None, "of a former process");
        assert_eq!(refusals.due(&name, counts(7)), None);
        assert_eq!(refusals.due(&name, counts(9)), Some(counts(2)));
        for more in 1..LOOKS_PER_EVENT {
            assert_eq!(refusals.due(&name, counts(9 + u64::from(more))), None);
        }
        let all = counts(9 + u64::from(LOOKS_PER_EVENT));
        assert_eq!(refusals.due(&name, all), Some(counts(LOOKS_PER_EVENT.into())));
        assert_eq!(refusals.due(&name, all), None);
    }
}
