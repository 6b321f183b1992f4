//! Who of a pool gets the next request.
//!
//! Two halves with different owners. The control plane makes a [`View`] whenever membership, weights, health,
//! admin state, ejection or warmth change; everything that can be computed once is computed there. Workers only
//! call [`View::pick`]: no lock, no allocation, no clock, and the same answer for the same question, so a
//! recording replays exactly.
//!
//! What it refuses: it does not know why an endpoint is healthy (`haechi-health`), it counts nothing (the shell
//! keeps in-flight counts and [`EwmaState`]s in atomics and shows them through [`Loads`]), and it holds no
//! affinity; an endpoint that affinity names never comes through here.

mod ask;
mod cycle;
mod draw;
mod eligible;
mod ewma;
mod hash;
mod least;
mod log2;
mod member;
mod rendezvous;
mod response_time;
mod split;
mod view;

pub use ask::{Ask, Loads, Pick, Tried};
pub use eligible::Empty;
pub use ewma::{EwmaState, FAILURE_PENALTY, TAU};
pub use member::{Member, Policy, member_id, source_key};
pub use split::{Split, text_key};
pub use view::View;

#[cfg(test)]
mod tests;
