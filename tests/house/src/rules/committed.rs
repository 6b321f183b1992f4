//! What is committed at all.

use crate::{Place, Rule};

/// Hidden, and ours.
const OURS: &[&str] = &[".ci", ".gitattributes", ".gitignore"];

/// A Python environment with 2,000 files of other people once came in with a merge.
pub(crate) const NOTHING_HIDDEN: Rule = Rule {
    name: "nothing hidden is committed",
    reason: "what programs install for themselves hides behind a dot: it is large, often under another licence, and nobody reads it",
    way_out: "git rm -r --cached the path, and name it in .gitignore",
    check: |house| {
        let hidden = |path: &&String| {
            path.split('/').any(|part| part.starts_with('.'))
                && !OURS.contains(&path.split('/').next().unwrap_or_default())
        };
        house.committed.iter().filter(hidden).map(|path| Place::new(path, "is committed")).collect()
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::House;

    #[test]
    fn an_environment_of_the_tests_is_seen() {
        let committed =
            [".ci/run", ".gitignore", "README.md", "tests/.python/bin/pip", ".venv/x", ".gitignored"];
        let house = House { committed: committed.map(String::from).to_vec(), ..House::of(&[]) };
        let found: Vec<String> = (NOTHING_HIDDEN.check)(&house).into_iter().map(|place| place.at).collect();
        assert_eq!(found, ["tests/.python/bin/pip", ".venv/x", ".gitignored"]);
    }
}
