//! That cores are tested in the two ways that a core can be.

use crate::{Belt, House, Place, Rule};

/// A table for the cases that people think of, properties for those that they don't.
pub(crate) const CORES_ARE_TESTED: Rule = Rule {
    name: "every core has a table of cases and a property test against a model",
    reason: "a core decides for every request, and most of its inputs are ones that nobody thought of",
    way_out: "write `#[test]` over a table of rows, and `proptest!` against the simplest model that could work",
    check: |house| {
        let cores = house.packages.members.iter().filter(|package| package.belt() == Belt::Decide);
        cores
            .flat_map(|package| {
                let wanted: [(&str, &[&str]); 2] =
                    [("no `#[test]`", &["#", "[", "test", "]"]), ("no `proptest!`", &["proptest", "!"])];
                let missing =
                    wanted.into_iter().filter(|(_, tokens)| !stands(house, &package.folder, tokens));
                missing.map(|(what, _)| Place::new(&package.folder, what)).collect::<Vec<_>>()
            })
            .collect()
    },
};

fn stands(house: &House, folder: &str, tokens: &[&str]) -> bool {
    let inside = house.sources.iter().filter(|source| source.path.starts_with(&format!("{folder}/")));
    inside.into_iter().any(|source| (0..source.tokens.len()).any(|at| source.follows(at, tokens)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::tests::sample;

    #[test]
    fn an_untested_core_is_seen() {
        let found = |text| {
            let mut house = House::of(&[("crates/decide/x/src/lib.rs", text)]);
            house.packages = sample(&[("x", "crates/decide/x", "", &[]), ("y", "crates/act/y", "", &[])]);
            (CORES_ARE_TESTED.check)(&house).len()
        };
        assert_eq!(found("fn f() {}"), 2);
        assert_eq!(found("#[test] fn f() {}"), 1);
        assert_eq!(found("#[test] fn f() {} proptest! { }"), 0);
    }
}
