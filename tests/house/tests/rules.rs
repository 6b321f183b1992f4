//! The rules over this house: one test for each, so that a failing one is named in the summary.

#![expect(clippy::panic, clippy::unwrap_used, reason = "helpers of tests, which clippy takes for more")]

use std::sync::LazyLock;

use haechi_house::{ALL, House};

static HOUSE: LazyLock<House> = LazyLock::new(|| House::read().unwrap());

/// Fails with the complaint about the rule whose name begins so.
fn holds(begin: &str) {
    let rules: Vec<_> = ALL.iter().filter(|rule| rule.name.starts_with(begin)).collect();
    assert_eq!(rules.len(), 1, "one rule begins with {begin:?}");
    if let Some(complaint) = rules[0].complaint(&HOUSE) {
        panic!("{complaint}");
    }
}

macro_rules! rules {
    ($( $test:ident: $begin:literal, )*) => {
        $( #[test] fn $test() { holds($begin) } )*

        #[test]
        fn every_rule_is_asked() {
            for rule in ALL {
                assert!([$( $begin ),*].iter().any(|begin| rule.name.starts_with(begin)), "nobody asks: {}", rule.name);
            }
        }
    };
}

rules! {
    arrows_point_down: "dependencies point down",
    rooms_of_a_belt: "rooms of one belt",
    lints_for_all: "every crate takes the workspace's lints",
    no_world_below: "no words or core crate depends",
    no_world_named: "no source of a words or core crate",
    no_io: "no words or core crate reads",
    no_clock: "no words or core crate asks",
    unsafe_in_sys: "`unsafe` stands",
    nothing_unfinished: "nothing unfinished",
    nothing_hidden: "nothing hidden",
    files_stay_small: "no source file is above",
    one_word_each: "one word for each thing",
    descriptions: "every crate says",
    module_docs: "every Rust file begins",
    decisions: "decisions are numbered",
    citations: "what code and docs cite",
    cores_are_tested: "every core has",
}

/// A house that was not read at all would keep every rule.
#[test]
fn the_house_was_read() {
    let rooms = ["haechi", "haechi-model", "haechi-config", "haechi-proxy", "haechi-house"];
    for room in rooms {
        let package = HOUSE.packages.member(room).unwrap_or_else(|| panic!("{room} is missing"));
        let inside = |path: &str| path.starts_with(&format!("{}/src/", package.folder));
        assert!(HOUSE.sources.iter().any(|source| inside(&source.path)), "no source of {room} was read");
    }
}
