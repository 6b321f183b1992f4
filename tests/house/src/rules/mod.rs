//! The rules, one file for each thing that they look at.

mod belts;
mod committed;
mod finished;
mod papers;
mod purity;
mod size;
mod tests_there;
mod unsafety;
mod words;

use crate::Rule;

/// All of them.
pub const ALL: &[Rule] = &[
    belts::ARROWS_POINT_DOWN,
    belts::ROOMS_OF_A_BELT,
    belts::LINTS_FOR_ALL,
    purity::NO_WORLD_BELOW,
    purity::NO_WORLD_NAMED,
    purity::NO_IO,
    purity::NO_CLOCK,
    unsafety::UNSAFE_IN_SYS,
    finished::NOTHING_UNFINISHED,
    size::FILES_STAY_SMALL,
    committed::NOTHING_HIDDEN,
    words::ONE_WORD_EACH,
    papers::DESCRIPTIONS,
    papers::MODULE_DOCS,
    papers::DECISIONS,
    papers::CITATIONS,
    tests_there::CORES_ARE_TESTED,
];
