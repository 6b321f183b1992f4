//! A snapshot back as YAML: for `run --print-config`, and as the ground on which [`crate::diff`] compares.
//! What is written compiles to the same snapshot.

mod acme;
mod auth;
mod compression;
mod filter;
mod split;
mod tls;
mod tree;
mod virtual_router;
mod yaml;

use haechi_model::Snapshot;

pub(crate) use filter::filters;
pub(crate) use tree::{Field, Out, listener, pool, root, route};
pub(crate) use virtual_router::{address, virtual_router};
pub(crate) use yaml::flow;

/// The file that means `snapshot`, without what is at its default.
///
/// For a snapshot that [`crate::compile`] could give, compiling the text gives it again.
pub fn to_yaml(snapshot: &Snapshot) -> String {
    yaml::document(&root(snapshot).without_defaults())
}

/// The same with every default written out.
pub fn to_yaml_with_defaults(snapshot: &Snapshot) -> String {
    yaml::document(&root(snapshot))
}
