//! Who may get work at all: admin state, health, tiers, panic.
//!
//! Tiers and panic meet in one order of preference, so that neither can undo the other:
//!
//! 1. The lowest tier with a *good* member (one that serves and is not ejected) gets the work, and only its good
//!    members do. A higher tier is never used while a lower one has a good member, as HAProxy's and nginx's
//!    `backup`: it may be a page that says sorry.
//! 2. If that tier is thinner than the panic threshold and no higher tier has a good member either, all its
//!    enabled members get the work. While another tier stands behind there is no need for doubtful ones: when
//!    the few good ones drown, the next tier takes over.
//! 3. If no tier has a good member, the lowest one with enabled members gets the work as in 2.
//!
//! With a panic threshold of 0, steps 2 and 3 do not exist. The share is counted over members, not weights, as
//! Envoy does. Only enabled members of a weight above 0 are members here: what an operator took out does not
//! make a tier thin, and panic never brings it back.

use std::fmt;

use haechi_model::AdminState;

use crate::Member;

/// Why nobody is eligible.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Empty {
    /// The pool has no endpoints.
    NoEndpoints,
    /// Every endpoint is draining or disabled.
    NoneEnabled,
    /// Every enabled endpoint has weight 0.
    NoWeight,
    /// Every enabled endpoint of a weight above 0 is unhealthy or ejected, and panic is turned off.
    NoneServing,
}

impl fmt::Display for Empty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoEndpoints => "the pool has no endpoints",
            Self::NoneEnabled => "every endpoint is draining or disabled",
            Self::NoWeight => "every enabled endpoint has weight 0",
            Self::NoneServing => "every enabled endpoint is unhealthy or ejected",
        })
    }
}

/// The outcome: positions in rising order, or why there are none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Eligible {
    pub(crate) members: Box<[u32]>,
    pub(crate) panicking: bool,
    pub(crate) empty: Option<Empty>,
}

impl Eligible {
    pub(crate) fn new(members: &[Member], panic_threshold: u8) -> Self {
        if let Some(empty) = none_takes_work(members) {
            return Self::nobody(empty);
        }
        let lowest = |wanted: fn(&Member) -> bool| members.iter().filter(|m| wanted(m)).map(|m| m.tier).min();
        match lowest(good) {
            Some(tier) if thin(members, tier, panic_threshold) && !good_above(members, tier) => {
                Self::of(members, true, |m| m.tier == tier && takes_work(m))
            }
            Some(tier) => Self::of(members, false, |m| m.tier == tier && good(m)),
            None if panic_threshold == 0 => Self::nobody(Empty::NoneServing),
            None => {
                let tier = lowest(takes_work);
                Self::of(members, true, |m| Some(m.tier) == tier && takes_work(m))
            }
        }
    }

    fn of(members: &[Member], panicking: bool, wanted: impl Fn(&Member) -> bool) -> Self {
        let members =
            (0_u32..).zip(members).filter(|(_, m)| wanted(m)).map(|(position, _)| position).collect();
        Self { members, panicking, empty: None }
    }

    fn nobody(empty: Empty) -> Self {
        Self { members: Box::default(), panicking: false, empty: Some(empty) }
    }
}

fn none_takes_work(members: &[Member]) -> Option<Empty> {
    let enabled = |m: &Member| m.state.admin == AdminState::Enabled;
    if members.is_empty() {
        Some(Empty::NoEndpoints)
    } else if !members.iter().any(enabled) {
        Some(Empty::NoneEnabled)
    } else if !members.iter().any(takes_work) {
        Some(Empty::NoWeight)
    } else {
        None
    }
}

fn takes_work(member: &Member) -> bool {
    member.state.admin == AdminState::Enabled && member.weight > 0
}

fn good(member: &Member) -> bool {
    takes_work(member) && member.state.serving && !member.state.ejected
}

fn good_above(members: &[Member], tier: u8) -> bool {
    members.iter().any(|m| m.tier > tier && good(m))
}

fn thin(members: &[Member], tier: u8, panic_threshold: u8) -> bool {
    let count = |wanted: fn(&Member) -> bool| members.iter().filter(|m| m.tier == tier && wanted(m)).count();
    count(good) * 100 < count(takes_work) * usize::from(panic_threshold)
}

#[cfg(test)]
mod tests {
    use haechi_model::EndpointState;

    use super::*;

    /// One letter per member: `g` good, `u` unhealthy, `e` ejected, `d` draining, `x` disabled, `0` weight 0; a
    /// `|` begins the next tier.
    fn members(text: &str) -> Vec<Member> {
        let mut tier = 0;
        let mut all = Vec::new();
        for letter in text.chars() {
            if letter == '|' {
                tier += 1;
                continue;
            }
            let admin = match letter {
                'd' => AdminState::Draining,
                'x' => AdminState::Disabled,
                _ => AdminState::Enabled,
            };
            let state =
                EndpointState { admin, serving: letter != 'u', ejected: letter == 'e', ..Default::default() };
            all.push(Member { hash_id: 0, weight: u16::from(letter != '0'), tier, state });
        }
        all
    }

    #[test]
    fn table() {
        use Empty::*;
        type Row = (&'static str, u8, Result<(&'static [u32], bool), Empty>);
        let rows: &[Row] = &[
            ("", 50, Err(NoEndpoints)),
            ("dx", 50, Err(NoneEnabled)),
            ("0d", 50, Err(NoWeight)),
            ("ue", 0, Err(NoneServing)),
            ("ue", 1, Ok((&[0, 1], true))),
            ("gue0dx", 0, Ok((&[0], false))),
            // Out by an operator or by weight: neither thins the tier nor comes back in panic.
            ("g0dx", 100, Ok((&[0], false))),
            ("u0dx", 50, Ok((&[0], true))),
            // At the threshold is not below it.
            ("gu", 50, Ok((&[0], false))),
            ("gu", 51, Ok((&[0, 1], true))),
            ("guu", 50, Ok((&[0, 1, 2], true))),
            ("gue", 33, Ok((&[0], false))),
            ("gg", 100, Ok((&[0, 1], false))),
            ("gu", 255, Ok((&[0, 1], true))),
            // Tiers.
            ("g|g", 0, Ok((&[0], false))),
            ("u|g", 0, Ok((&[1], false))),
            ("uu|g", 50, Ok((&[2], false))),
            ("0|g", 50, Ok((&[1], false))),
            // A thin tier does not panic while another stands behind; nor does that one take over.
            ("guu|g", 50, Ok((&[0], false))),
            ("guu|u", 50, Ok((&[0, 1, 2], true))),
            ("guu|u", 0, Ok((&[0], false))),
            ("uuu|guu", 50, Ok((&[3, 4, 5], true))),
            ("uuu|guu|g", 50, Ok((&[3], false))),
            // Nobody good: the lowest tier that takes work.
            ("u|u|u", 50, Ok((&[0], true))),
            ("d|u|u", 50, Ok((&[1], true))),
        ];
        for (text, threshold, expected) in rows {
            let found = Eligible::new(&members(text), *threshold);
            match expected {
                Ok((list, panicking)) => {
                    assert_eq!((&*found.members, found.panicking), (*list, *panicking), "{text} {threshold}");
                    assert_eq!(found.empty, None);
                }
                Err(empty) => {
                    assert_eq!(found.empty, Some(*empty), "{text} {threshold}");
                    assert!(found.members.is_empty() && !found.panicking);
                }
            }
        }
    }

    #[test]
    fn every_reason_has_its_own_words() {
        let all = [Empty::NoEndpoints, Empty::NoneEnabled, Empty::NoWeight, Empty::NoneServing];
        let texts: std::collections::BTreeSet<_> = all.iter().map(ToString::to_string).collect();
        assert_eq!(texts.len(), all.len());
    }
}
