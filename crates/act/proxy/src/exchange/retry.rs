//! What may be sent a second time. Pure: a failure and a request in, yes or no out.

use haechi_model::{Fault, Retry, Side};

use crate::admit::Request;

/// Most bytes of a request that are kept to be sent again (Pingora's and Envoy's 64 KiB).
pub(super) const REPLAY: usize = 64 << 10;

/// How far a failed try had come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stage {
    /// No connection: the endpoint never saw the request.
    Connect,
    /// An idle connection turned out to be closed, before any byte of a response.
    Stale,
    /// The endpoint says that it did not look at the request (RFC 9113 §8.7).
    Unseen,
    /// The request was sent, at least in part.
    Sent,
    /// A response came whose status is worth another try.
    Status,
}

/// What the client has got of a response.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(super) enum Told {
    #[default]
    Nothing,
    /// Interim responses, whole: the final one may still be ours.
    Interim,
    /// A part: it can only be finished or cut off.
    Part,
}

/// A try that failed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failure {
    pub(super) fault: Fault,
    pub(super) stage: Stage,
    /// What the client has got of a response.
    pub(super) told: Told,
    /// The whole request as sent so far is still there.
    pub(super) replayable: bool,
}

impl Failure {
    pub(super) const fn connect(fault: Fault) -> Self {
        Self { fault, stage: Stage::Connect, told: Told::Nothing, replayable: true }
    }

    /// Whether it says nothing of the endpoint: only of a connection that was about to end.
    pub(super) const fn is_no_try(&self) -> bool {
        matches!(self.stage, Stage::Stale | Stage::Unseen)
    }
}

/// Whether another try can't do harm and is wanted.
pub(super) fn may_retry(failure: &Failure, request: &Request, retry: &Retry) -> bool {
    if failure.told != Told::Nothing || !failure.replayable {
        return false;
    }
    let idempotent = request.facts.method.is_idempotent();
    match (failure.stage, failure.fault) {
        (_, fault) if fault.side() == Side::Client => false,
        // It would be as large again.
        (_, Fault::ResponseTooLarge) => false,
        (Stage::Connect, fault) if fault.side() == Side::Endpoint => true,
        (Stage::Connect, _) => false,
        (Stage::Unseen, _) => true,
        (Stage::Stale | Stage::Status, _) => idempotent,
        (Stage::Sent, Fault::ResponseTimeout | Fault::SendTimeout) => idempotent && retry.on.timeout,
        (Stage::Sent, _) => idempotent && retry.on.error,
    }
}
