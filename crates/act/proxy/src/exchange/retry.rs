//! What may be sent a second time. Pure: a failure and a request in, yes or no out.

use haechi_model::{Fault, Retry};

use crate::admit::Request;

/// Most bytes of a request that are kept to be sent again (Pingora's and Envoy's 64 KiB).
pub(super) const REPLAY: usize = 64 << 10;

/// How far a failed try had come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// No connection: the endpoint never saw the request.
    Connect,
    /// An idle connection turned out to be closed, before any byte of a response.
    Stale,
    /// The request was sent, at least in part.
    Sent,
    /// A response came whose status is worth another try.
    Status,
}

/// A try that failed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failure {
    pub(super) fault: Fault,
    pub(super) stage: Stage,
    /// The client has got a part of the response.
    pub(super) started: bool,
    /// The whole request as sent so far is still there.
    pub(super) replayable: bool,
}

impl Failure {
    pub(super) const fn connect(fault: Fault) -> Self {
        Self { fault, stage: Stage::Connect, started: false, replayable: true }
    }
}

/// Whether another try can't do harm and is wanted.
pub(super) fn may_retry(failure: &Failure, request: &Request, retry: &Retry) -> bool {
    if failure.started || !failure.replayable {
        return false;
    }
    let idempotent = request.facts.method.is_idempotent();
    match (failure.stage, failure.fault) {
        (_, Fault::ClientGone | Fault::BadRequestBody | Fault::BodyTimeout) => false,
        (Stage::Connect, Fault::ConnectFailed | Fault::ConnectTimeout) => true,
        (Stage::Connect, _) => false,
        (Stage::Stale | Stage::Status, _) => idempotent,
        (Stage::Sent, Fault::ResponseTimeout | Fault::SendTimeout) => idempotent && retry.on.timeout,
        (Stage::Sent, _) => idempotent && retry.on.error,
    }
}
