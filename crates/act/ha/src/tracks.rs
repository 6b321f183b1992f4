//! What is tracked for each virtual router, and how it is now: the machines hear of changes only, and people see
//! what is well too.

use std::collections::{BTreeMap, BTreeSet};

use haechi_model::VirtualRouterName;
use haechi_vrrp::{Effect, Input};

/// Something that makes this node a better or a worse one.
#[derive(Clone, PartialEq, Eq, Debug)]
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
pub(crate) struct Tracks(BTreeMap<VirtualRouterName, Sources>);

/// By who looked.
#[derive(Default)]
struct Sources {
    links: Vec<Tracked>,
    others: Vec<Tracked>,
}

impl Tracks {
    /// Others looked; gives what the machine must hear.
    pub(crate) fn told(&mut self, router: &VirtualRouterName, tracked: Vec<Tracked>) -> Vec<Input> {
        renew(&mut self.0.entry(router.clone()).or_default().others, tracked)
    }

    /// This node looked at its interfaces; gives what the machine must hear.
    pub(crate) fn links(&mut self, router: &VirtualRouterName, tracked: Vec<Tracked>) -> Vec<Input> {
        renew(&mut self.0.entry(router.clone()).or_default().links, tracked)
    }

    pub(crate) fn has_links(&self, router: &VirtualRouterName) -> bool {
        self.0.get(router).is_some_and(|sources| !sources.links.is_empty())
    }

    /// For people.
    pub(crate) fn of(&self, router: &VirtualRouterName) -> Vec<Tracked> {
        let sources = self.0.get(router);
        sources.map(|it| it.links.iter().chain(&it.others).cloned().collect()).unwrap_or_default()
    }

    /// What is not well, for a machine that begins.
    pub(crate) fn inputs(&self, router: &VirtualRouterName) -> Vec<Input> {
        let all = self.of(router).into_iter();
        all.filter(|tracked| tracked.effect != Effect::Clear).map(input).collect()
    }

    /// Forgets virtual routers that are gone.
    pub(crate) fn keep_only(&mut self, names: &BTreeSet<&VirtualRouterName>) {
        self.0.retain(|name, _| names.contains(name));
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

fn input(tracked: Tracked) -> Input {
    let Tracked { name, effect, text } = tracked;
    Input::Track { name, effect, text }
}

#[cfg(test)]
mod tests {
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
        assert_eq!(tracks.told(&edge, vec![well()]), []);
        assert_eq!(tracks.told(&edge, vec![bad("0 of 2")]), [input(bad("0 of 2"))]);
        assert_eq!(tracks.told(&edge, vec![bad("0 of 3")]), [], "another text is no news to an election");
        assert_eq!(tracks.of(&edge), [bad("0 of 3")], "but to people");
        assert_eq!(tracks.inputs(&edge), [input(bad("0 of 3"))]);

        let link = tracked("interface eth1", Effect::Fault, "it is down");
        assert_eq!(tracks.links(&edge, vec![link.clone()]), [input(link.clone())]);
        let gone = tracks.told(&edge, Vec::new());
        assert_eq!(gone, [input(tracked("pool web", Effect::Clear, "not tracked any more"))]);
        assert_eq!(tracks.of(&edge), [link]);

        tracks.keep_only(&BTreeSet::new());
        assert_eq!(tracks.inputs(&edge), []);
    }
}
