//! The config file: YAML text in, a [`Snapshot`] or *every* diagnostic at once out; and the [`Plan`] between
//! two snapshots.
//!
//! An operator fixes a file in one round only if one run shows all that is wrong with it, each at its line
//! and column. Serde stops at its first error, so this crate reads parser events into a tree of spanned
//! nodes and walks it with readers that note a fault and go on.
//!
//! It refuses to read files, to resolve names, to ask the clock and to apply anything: those are the
//! shell's. The same text always gives the same outcome.
//!
//! | module | decides |
//! |---|---|
//! | `tree` | YAML events to spanned nodes; size, depth and alias budgets |
//! | `shape`, `keys` | which keys exist, with type, bounds, default and doc: the one truth for reader and schema |
//! | `value` | what a duration, an address, a path … may look like |
//! | `read` | nodes to model, noting every fault; references and clashes over the whole file |
//! | `keys_file` | the one other file: HMAC keys of virtual routers, never shown |
//! | `code`, `diagnostic`, `render` | how a fault is named, carried and shown |
//! | `write`, `diff`, `schema`, `reference` | the way back: YAML, a plan, a JSON Schema, pages for people |

mod code;
mod diagnostic;
mod diff;
mod keys;
mod keys_file;
mod object;
mod read;
mod reference;
mod render;
mod report;
mod schema;
mod shape;
mod tree;
mod value;
mod write;

pub mod defaults;

pub use code::{Code, Severity};
pub use diagnostic::{Diagnostic, Span};
pub use diff::{Disruption, Plan, Step, diff};
pub use keys_file::{Keys, KeysOutcome, Secret, compile_keys, conceal};
pub use reference::{diagnostics_reference, reference};
pub use render::render;
pub use report::NamedFile;
pub use schema::schema;
pub use tree::{MAX_BYTES, MAX_NODES};
pub use write::{to_yaml, to_yaml_with_defaults};

use haechi_model::Snapshot;

/// What [`compile`] made of a text.
#[derive(Clone, PartialEq, Debug)]
pub struct Outcome {
    /// The checked config; `None` if there is any error (warnings alone leave it `Some`).
    pub snapshot: Option<Snapshot>,
    /// Everything noticed, in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
    /// How many more there were after the first [`MAX_DIAGNOSTICS`].
    pub omitted: usize,
    /// Certificates and the like that it names: the shell looks at them.
    pub files: Vec<NamedFile>,
}

/// Most diagnostics that an [`Outcome`] carries. Nobody reads more than a thousand, and a hostile file of
/// 16 MiB could otherwise make millions.
pub const MAX_DIAGNOSTICS: usize = 1000;

/// Compiles the text of a config file.
///
/// Any text is safe to pass: over [`MAX_BYTES`] it is refused at once, and work and memory are bounded by
/// [`MAX_NODES`] and [`MAX_DIAGNOSTICS`].
pub fn compile(text: &str) -> Outcome {
    let mut report = report::Report::default();
    let snapshot = tree::parse(text, &mut report).and_then(|root| read::snapshot(&root, &mut report));
    let files = report.take_files();
    let (diagnostics, omitted, sound) = report.finish();
    Outcome { snapshot: snapshot.filter(|_| sound), diagnostics, omitted, files }
}
