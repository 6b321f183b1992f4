//! The house's own rules as tests.
//!
//! A rule that nobody checks is a wish: one hurried commit breaks it, and the next one cites the first. So
//! what `CONTRIBUTING.md` asks for and a program can see is checked here, over `cargo metadata` and the
//! sources. Each complaint says the rule, the place, the reason and the way out, because whoever meets it
//! did not read the rule.
//!
//! What it refuses: opinions (a rule with false positives is switched off within a week), what clippy and
//! rustfmt already say, and anything that needs a build.
//!
//! Every rule stands in [`ALL`] and has a test of its own beside it with a sample that breaks it.

mod house;
mod package;
mod rules;
mod source;
mod text;

pub use house::House;
pub use package::{Belt, Package, Packages};
pub use rules::ALL;
pub use source::{Source, Token};

use std::fmt;

/// One rule of the house.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The rule as one sentence.
    pub name: &'static str,
    /// Why it is one.
    pub reason: &'static str,
    /// What to do instead.
    pub way_out: &'static str,
    /// Finds every place that breaks it.
    pub check: fn(&House) -> Vec<Place>,
}

/// Where a rule is broken, and by what.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Place {
    /// `path:line`, or a path or crate where there is no line.
    pub at: String,
    /// What stands there.
    pub what: String,
}

impl Place {
    pub(crate) fn new(at: impl Into<String>, what: impl Into<String>) -> Self {
        Self { at: at.into(), what: what.into() }
    }

    pub(crate) fn line(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self::new(format!("{path}:{line}"), what)
    }
}

impl Rule {
    /// Nothing, or all that is to be said about this rule in this house.
    pub fn complaint(&self, house: &House) -> Option<String> {
        let places = (self.check)(house);
        (!places.is_empty()).then(|| Complaint { rule: self, places }.to_string())
    }
}

struct Complaint<'a> {
    rule: &'a Rule,
    places: Vec<Place>,
}

impl fmt::Display for Complaint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nrule: {}", self.rule.name)?;
        for place in &self.places {
            writeln!(f, "  at {}: {}", place.at, place.what)?;
        }
        writeln!(f, "why: {}", self.rule.reason)?;
        writeln!(f, "way out: {}", self.rule.way_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_says_rule_place_reason_and_way_out() {
        let rule = Rule {
            name: "no x",
            reason: "x is bad",
            way_out: "use y",
            check: |_| vec![Place::line("a.rs", 3, "an x")],
        };
        let said = rule.complaint(&House::of(&[])).unwrap();
        assert_eq!(said, "\nrule: no x\n  at a.rs:3: an x\nwhy: x is bad\nway out: use y\n");
        let quiet = Rule { check: |_| Vec::new(), ..rule };
        assert_eq!(quiet.complaint(&House::of(&[])), None);
    }

    #[test]
    fn no_two_rules_have_one_name() {
        let names: std::collections::BTreeSet<_> = ALL.iter().map(|rule| rule.name).collect();
        assert_eq!(names.len(), ALL.len());
    }
}
