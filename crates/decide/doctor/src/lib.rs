//! What facts about a machine mean for a config: what is well, what will hurt, and the way out.
//!
//! It looks at nothing itself. Whoever calls it tells what was found, and also what could not be looked at, because
//! a check that says "fine" of what it did not see is worse than none.

mod facts;
mod finding;
mod firewall;
mod node;
mod owners;
mod rights;
mod router;
#[cfg(test)]
mod samples;

pub use facts::{Bind, Facts, Heard, Link, Look, NodeFacts, Owners, Port, RouterFacts};
pub use finding::{Finding, Level};
pub use rights::{Given, Lack, Right, lacks};

use finding::About;
use haechi_model::Snapshot;

/// What the facts mean for this config, in the order in which people should read it. `facts.routers` are those of
/// the snapshot, in its order.
pub fn examine(snapshot: &Snapshot, facts: &Facts) -> Vec<Finding> {
    let mut all = rights(snapshot, facts);
    all.extend(node::examine(snapshot, facts));
    for (config, found) in snapshot.virtual_routers.iter().zip(&facts.routers) {
        all.extend(router::examine(config, found, facts));
    }
    all
}

fn rights(snapshot: &Snapshot, facts: &Facts) -> Vec<Finding> {
    let lacks = lacks(&facts.given, snapshot);
    if lacks.is_empty() {
        return vec![About { check: "rights", subject: "node" }.ok("all that this config needs")];
    }
    lacks.iter().map(Finding::from).collect()
}

#[cfg(test)]
mod tests;
