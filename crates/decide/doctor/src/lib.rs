//! What facts about a machine mean for a config: what is well, what will hurt, and the way out.
//!
//! It looks at nothing itself. Whoever calls it tells what was found, and also what could not be looked at, because
//! a check that says "fine" of what it did not see is worse than none.

mod finding;
mod rights;
#[cfg(test)]
mod samples;

pub use finding::{Finding, Level};
pub use rights::{Given, Lack, Right, lacks};
