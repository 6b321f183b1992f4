//! What this node's own trouble is worth: tracked things lower its priority or take it out.

use std::num::NonZeroU8;

use serde::{Deserialize, Serialize};

use crate::{Effect, Reason};

/// Tracked things that are not well.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub(super) struct Tracking(Vec<Trouble>);

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Trouble {
    name: Box<str>,
    effect: Effect,
    text: Box<str>,
}

impl Tracking {
    pub(super) fn set(&mut self, name: &str, effect: Effect, text: &str) {
        let known = self.0.iter().position(|trouble| *trouble.name == *name);
        match (known, effect) {
            (Some(at), Effect::Clear) => drop(self.0.remove(at)),
            (None, Effect::Clear) => {}
            (Some(at), _) => {
                self.0[at].effect = effect;
                if *self.0[at].text != *text {
                    self.0[at].text = text.into();
                }
            }
            (None, _) => self.0.push(Trouble { name: name.into(), effect, text: text.into() }),
        }
    }

    /// What is left of a configured priority: at least 1, because a node that could serve is better than
    /// none (keepalived's floor too).
    pub(super) fn lowered(&self, priority: NonZeroU8) -> u8 {
        let lower = self.0.iter().map(|trouble| match trouble.effect {
            Effect::Lower(by) => u32::from(by.get()),
            Effect::Clear | Effect::Fault => 0,
        });
        let left = u32::from(priority.get()).saturating_sub(lower.sum());
        u8::try_from(left).unwrap_or(u8::MAX).max(1)
    }

    /// Why this node must not be active; the trouble that came first.
    pub(super) fn fault(&self) -> Option<Reason> {
        let fault = self.0.iter().find(|trouble| trouble.effect == Effect::Fault)?;
        Some(Reason::Fault { name: fault.name.clone(), text: fault.text.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lower(by: u8) -> Effect {
        NonZeroU8::new(by).map_or(Effect::Clear, Effect::Lower)
    }

    #[test]
    fn lowering_adds_up_and_stops_at_one() {
        let mut tracking = Tracking::default();
        let of =
            |tracking: &Tracking| NonZeroU8::new(150).map(|priority| tracking.lowered(priority)).unwrap();
        let steps = [
            ("a", lower(50), 100),
            ("b", lower(30), 70),
            ("b", lower(30), 70),
            ("a", lower(20), 100),
            ("c", Effect::Fault, 100),
            ("b", lower(255), 1),
            ("a", lower(255), 1),
            ("b", Effect::Clear, 1),
            ("a", Effect::Clear, 150),
            ("a", Effect::Clear, 150),
        ];
        for (name, effect, left) in steps {
            tracking.set(name, effect, "why");
            assert_eq!(of(&tracking), left, "{name} {effect:?}");
        }
        let fault = Reason::Fault { name: "c".into(), text: "why".into() };
        assert_eq!(tracking.fault(), Some(fault));
        tracking.set("c", Effect::Fault, "still");
        assert_eq!(tracking.fault().unwrap().to_string(), "c: still");
        tracking.set("c", lower(1), "better");
        assert_eq!(tracking.fault(), None);
    }
}
