//! Reading a client's stream.

use std::cell::RefCell;

use bytes::Bytes;
use quinn_proto::{Connection, ReadError, StreamId};

/// What a stream had.
pub(super) enum Read {
    /// These bytes, in order.
    Bytes(Bytes),
    /// Nothing now.
    Blocked,
    /// Nothing more.
    End,
    /// The client took it back, or it is gone.
    Reset,
}

/// Reads once. The second says whether the client is to be told that it may send more.
pub(super) fn read(core: &RefCell<Connection>, id: StreamId, most: usize) -> (Read, bool) {
    let mut core = core.borrow_mut();
    let mut stream = core.recv_stream(id);
    let Ok(mut chunks) = stream.read(true) else { return (Read::Reset, false) };
    let read = match chunks.next(most) {
        Ok(Some(chunk)) => Read::Bytes(chunk.bytes),
        Ok(None) => Read::End,
        Err(ReadError::Blocked) => Read::Blocked,
        Err(ReadError::Reset(_)) => Read::Reset,
    };
    (read, chunks.finalize().should_transmit())
}
