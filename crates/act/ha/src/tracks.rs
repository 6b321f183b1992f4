//! What is tracked for each virtual router, and how it is now: the machines hear of changes only, and people see
//! what is well too.

use std::collections::{BTreeMap, BTreeSet};

use haechi_model::{Moment, VirtualRouterName};
use haechi_vrrp::{Effect, Input};
use serde::{Deserialize, Serialize};

/// Something that makes this node a better or a worse one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Tracked {
    /// As people know it: `pool web`.
    pub name: Box<str>,
    /// What follows from how it is.
    pub effect: Effect,
    /// How it is, in the words of whoever looked.
    pub text: Box<str>,
}

/// All of it.
#[derive(Default)]
pub(crate) struct Tracks {
    routers: BTreeMap<VirtualRouterName, Sources>,
    /// What a former process found to be bad is so until then, whatever this one has not looked at yet.
    believed_until: Option<Moment>,
}

/// The same, for a process that goes on: by name, links first.
pub(crate) type TracksLegacy = Vec<(String, Vec<Tracked>, Vec<Tracked>)>;

/// By who looked.
#[derive(Default)]
struct Sources {
    links: Vec<Tracked>,
    others: Vec<Tracked>,
}

impl Tracks {
    /// Others looked; gives what the machine must hear.
    pub(crate) fn told(
        &mut self,
        now: Moment,
        router: &VirtualRouterName,
        mut tracked: Vec<Tracked>,
    ) -> Vec<Input> {
        let others = &mut self.routers.entry(router.clone()).or_default().others;
        if self.believed_until.is_some_and(|until| now < until) {
            for bad in others.iter().filter(|known| known.effect != Effect::Clear) {
                tracked.retain(|new| new.name != bad.name || new.effect != Effect::Clear);
                if !tracked.iter().any(|new| new.name == bad.name) {
                    tracked.push(bad.clone());
                }
            }
        }
        renew(others, tracked)
    }

    /// For a process that goes on.
    pub(crate) fn lend(&self) -> TracksLegacy {
        let of = |(name, it): (&VirtualRouterName, &Sources)| {
            (name.to_string(), it.links.clone(), it.others.clone())
        };
        self.routers.iter().map(of).collect()
    }

    /// Goes on with what a former process found.
    pub(crate) fn inherit(&mut self, left: TracksLegacy, until: Moment) {
        self.believed_until = Some(until);
        let of = |(name, links, others)| (VirtualRouterName::from(name), Sources { links, others });
        self.routers = left.into_iter().map(of).collect();
    }

    /// This node looked at its interfaces; gives what the machine must hear.
    pub(crate) fn links(&mut self, router: &VirtualRouterName, tracked: Vec<Tracked>) -> Vec<Input> {
        renew(&mut self.routers.entry(router.clone()).or_default().links, tracked)
    }

    pub(crate) fn has_links(&self, router: &VirtualRouterName) -> bool {
        self.routers.get(router).is_some_and(|sources| !sources.links.is_empty())
    }

    /// For people.
    pub(crate) fn of(&self, router: &VirtualRouterName) -> Vec<Tracked> {
        let sources = self.routers.get(router);
        sources.map(|it| it.links.iter().chain(&it.others).cloned().collect()).unwrap_or_default()
    }

    /// What is not well, for a machine that begins.
    pub(crate) fn inputs(&self, router: &VirtualRouterName) -> Vec<Input> {
        let all = self.of(router).into_iter();
        all.filter(|tracked| tracked.effect != Effect::Clear).map(input).collect()
    }

    /// What virtual routers that move together must hear, when one of them has this news: the worst of what they say of
    /// the thing, because it is one thing to their machine. Or what is well for one would lift what is bad for another.
    pub(crate) fn together<'a>(
        &self,
        routers: impl IntoIterator<Item = &'a VirtualRouterName>,
        news: Input,
    ) -> Input {
        let Input::Track { name, .. } = &news else { return news };
        let known = routers.into_iter().filter_map(|router| self.routers.get(router));
        let all = known.flat_map(|it| it.links.iter().chain(&it.others)).filter(|it| it.name == *name);
        let worst = all.filter(|it| it.effect != Effect::Clear).max_by_key(|it| weight(it.effect)).cloned();
        worst.map_or(news, input)
    }

    /// Forgets virtual routers that are gone.
    pub(crate) fn keep_only(&mut self, names: &BTreeSet<&VirtualRouterName>) {
        self.routers.retain(|name, _| names.contains(name));
    }
}

/// Puts `now` in `before`'s place. A text that changes while its effect stays is for people only: figures that
/// change ten times a second are no news to an election.
fn renew(before: &mut Vec<Tracked>, now: Vec<Tracked>) -> Vec<Input> {
    let effect_of = |list: &[Tracked], name: &str| {
        list.iter().find(|tracked| *tracked.name == *name).map_or(Effect::Clear, |tracked| tracked.effect)
    };
    let gone = before.iter().filter(|old| !now.iter().any(|new| new.name == old.name));
    let gone = gone.filter(|old| old.effect != Effect::Clear).map(|old| {
        input(Tracked { name: old.name.clone(), effect: Effect::Clear, text: "not tracked any more".into() })
    });
    let changed = now.iter().filter(|new| effect_of(before, &new.name) != new.effect).cloned().map(input);
    let inputs = gone.chain(changed).collect();
    *before = now;
    inputs
}

/// A fault is worse than any lowering.
fn weight(effect: Effect) -> u16 {
    match effect {
        Effect::Clear => 0,
        Effect::Lower(by) => by.get().into(),
        Effect::Fault => u16::MAX,
    }
}

fn input(tracked: Tracked) -> Input {
    let Tracked { name, effect, text } = tracked;
    Input::Track { name, effect, text }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU8;

    use super::*;

    fn tracked(name: &str, effect: Effect, text: &str) -> Tracked {
        Tracked { name: name.into(), effect, text: text.into() }
    }

    #[test]
    fn a_machine_hears_of_changes_and_of_what_is_gone() {
        let mut tracks = Tracks::default();
        let edge = VirtualRouterName::from("edge");
        let well = || tracked("pool web", Effect::Clear, "2 of 2");
        let bad = |text| tracked("pool web", Effect::Fault, text);
        assert_eq!(tracks.told(Moment::ORIGIN, &edge, vec![well()]), []);
        assert_eq!(tracks.told(Moment::ORIGIN, &edge, vec![bad("0 of 2")]), [input(bad("0 of 2"))]);
        assert_eq!(
            tracks.told(Moment::ORIGIN, &edge, vec![bad("0 of 3")]),
            [],
            "another text is no news to an election"
        );
        assert_eq!(tracks.of(&edge), [bad("0 of 3")], "but to people");
        assert_eq!(tracks.inputs(&edge), [input(bad("0 of 3"))]);

        let link = tracked("interface eth1", Effect::Fault, "it is down");
        assert_eq!(tracks.links(&edge, vec![link.clone()]), [input(link.clone())]);
        let gone = tracks.told(Moment::ORIGIN, &edge, Vec::new());
        assert_eq!(gone, [input(tracked("pool web", Effect::Clear, "not tracked any more"))]);
        assert_eq!(tracks.of(&edge), [link]);

        tracks.keep_only(&BTreeSet::new());
        assert_eq!(tracks.inputs(&edge), []);
    }

    /// Each thing had one entry for all that move together: whoever said something last was right for all.
    #[test]
    fn what_is_well_for_one_lifts_nothing_that_is_bad_for_another_one_of_its_group() {
        let group = ["inside", "outside"].map(VirtualRouterName::from);
        let lower = |by| Effect::Lower(NonZeroU8::new(by).unwrap());
        let mut tracks = Tracks::default();
        let mut tell = |at: usize, effect: Effect| -> Vec<Effect> {
            let news = tracks.told(Moment::ORIGIN, &group[at], vec![tracked("program good", effect, "")]);
            let heard = news.into_iter().map(|news| tracks.together(&group, news));
            heard
                .map(|it| if let Input::Track { effect, .. } = it { effect } else { panic!("{it:?}") })
                .collect()
        };
        let steps: [(usize, Effect, Effect); 6] = [
            (0, Effect::Fault, Effect::Fault),
            (1, lower(20), Effect::Fault),
            (1, Effect::Clear, Effect::Fault),
            (1, lower(30), Effect::Fault),
            (0, lower(10), lower(30)),
            (1, Effect::Clear, lower(10)),
        ];
        for (at, effect, wanted) in steps {
            assert_eq!(tell(at, effect), [wanted], "{at}: {effect:?}");
        }
        assert_eq!(tell(0, Effect::Clear), [Effect::Clear]);
        assert_eq!(tracks.together(&group, Input::LinkUp), Input::LinkUp);
    }

    #[test]
    fn what_was_bad_is_believed_until_everything_was_looked_at() {
        let mut before = Tracks::default();
        let edge = VirtualRouterName::from("edge");
        let bad = tracked("program disk", Effect::Fault, "full");
        before.told(Moment::ORIGIN, &edge, vec![bad.clone(), tracked("pool web", Effect::Clear, "2 of 2")]);
        let mut after = Tracks::default();
        after.inherit(before.lend(), Moment::from_nanos(9));
        let unknown = || vec![tracked("program disk", Effect::Clear, "has not ended yet")];
        assert_eq!(after.told(Moment::from_nanos(8), &edge, unknown()), []);
        assert_eq!(after.told(Moment::from_nanos(8), &edge, Vec::new()), []);
        assert_eq!(after.of(&edge), [bad]);
        assert_eq!(after.told(Moment::from_nanos(9), &edge, unknown()).len(), 1, "then it is as it is");
    }
}
