//! Decides whether an endpoint can serve.
//!
//! Three decisions, each on its own: [`Machine`] turns probe results into a verdict and says when the next
//! probe is due; [`Ejections`] takes endpoints out for a while because real requests failed; [`warmth`] is
//! the share of work that an endpoint gets after it came back.
//!
//! This room runs no probe, knows no address and never looks at a clock. It also never mixes in what an
//! operator wants: that is [`haechi_model::AdminState`], an axis of its own.

mod change;
mod ejections;
mod machine;
mod outcome;
mod timer;
mod warmth;

pub use change::{Change, Reason};
pub use ejections::{Ejection, EjectionChange, EjectionStep, Ejections, Refusal, ReturnCause};
pub use machine::{Inherited, LastProbe, Machine, Report, Start};
pub use outcome::{FailureKind, ProbeOutcome, Standing};
pub use timer::{JITTER_DIVISOR, MIN_INTERVAL};
pub use warmth::{MIN_WARMTH, warmth};
