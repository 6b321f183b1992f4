//! One step of rustls: what it has for us, and what it wants to say.

use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, InsufficientSizeError, UnbufferedStatus};

/// Where decrypted bytes go: to the reader, and what does not fit to the side.
pub(super) struct Sink<'a> {
    buf: &'a mut [u8],
    count: usize,
    pub(super) rest: Vec<u8>,
}

impl<'a> Sink<'a> {
    pub(super) fn into(buf: &'a mut [u8]) -> Self {
        Self { buf, count: 0, rest: Vec::new() }
    }

    /// Nobody reads now.
    pub(super) fn kept() -> Self {
        Self::into(&mut [])
    }

    pub(super) fn room(&self) -> usize {
        self.buf.len()
    }

    pub(super) fn finish(self) -> (usize, Vec<u8>) {
        (self.count, self.rest)
    }

    fn put(&mut self, bytes: &[u8]) {
        let fits = bytes.len().min(self.buf.len() - self.count);
        self.buf[self.count..self.count + fits].copy_from_slice(&bytes[..fits]);
        self.count += fits;
        self.rest.extend_from_slice(&bytes[fits..]);
    }
}

/// What comes after a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Next {
    /// Another step, with the bytes that are left.
    More,
    /// Nothing until more has come.
    Wait,
    /// The other side has said that it sends no more.
    Ended,
}

/// Does what `status` asks for. Gives how many bytes rustls is done with.
pub(super) fn step<D>(
    status: UnbufferedStatus<'_, '_, D>,
    sink: &mut Sink<'_>,
    out: &mut Vec<u8>,
) -> (usize, Result<Next, rustls::Error>) {
    let UnbufferedStatus { mut discard, state } = status;
    let state = match state {
        Ok(state) => state,
        Err(error) => return (discard, Err(error)),
    };
    let next = match state {
        ConnectionState::ReadTraffic(mut traffic) => {
            while let Some(record) = traffic.next_record() {
                match record {
                    Ok(record) => {
                        discard += record.discard;
                        sink.put(record.payload);
                    }
                    Err(error) => return (discard, Err(error)),
                }
            }
            Next::More
        }
        ConnectionState::EncodeTlsData(mut data) => {
            let start = out.len();
            // The first answer says how much room it takes.
            if let Err(EncodeError::InsufficientSize(InsufficientSizeError { required_size })) =
                data.encode(&mut out[start..])
            {
                out.resize(start + required_size, 0);
                let written = data.encode(&mut out[start..]).unwrap_or(0);
                out.truncate(start + written);
            }
            Next::More
        }
        ConnectionState::TransmitTlsData(data) => {
            // It stands in `out`, which is sent before anything else.
            data.done();
            Next::More
        }
        ConnectionState::PeerClosed => Next::Ended,
        // Early data is never offered, so none comes.
        ConnectionState::BlockedHandshake
        | ConnectionState::WriteTraffic(_)
        | ConnectionState::Closed
        | ConnectionState::ReadEarlyData(_)
        | _ => Next::Wait,
    };
    (discard, Ok(next))
}

/// Both sides of TLS, as far as they are alike.
pub(super) trait Steps {
    type Data;

    /// Lets it see these bytes, from the first one that it is not done with.
    fn advance<'c, 'i>(&'c mut self, bytes: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data>;
}

impl Steps for UnbufferedServerConnection {
    type Data = ServerConnectionData;

    fn advance<'c, 'i>(&'c mut self, bytes: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(bytes)
    }
}

impl Steps for UnbufferedClientConnection {
    type Data = ClientConnectionData;

    fn advance<'c, 'i>(&'c mut self, bytes: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(bytes)
    }
}

/// What we have to say.
#[derive(Clone, Copy, Debug)]
pub(super) enum Say<'a> {
    /// At most a record's worth.
    Bytes(&'a [u8]),
    /// That we send no more.
    Farewell,
}

/// Encrypts into `out`, behind what rustls wants to say before. `kept` is the beginning of a record that is not
/// complete: rustls wants to see it each time. `None` if nothing can be said any more.
pub(super) fn seal<C: Steps>(
    connection: &mut C,
    kept: &mut Vec<u8>,
    say: Say<'_>,
    out: &mut [u8],
) -> Option<usize> {
    let mut end = 0;
    loop {
        let UnbufferedStatus { discard, state } = connection.advance(kept);
        let said = match state.ok()? {
            ConnectionState::EncodeTlsData(mut data) => {
                end += data.encode(&mut out[end..]).ok()?;
                false
            }
            ConnectionState::TransmitTlsData(data) => {
                data.done();
                false
            }
            ConnectionState::PeerClosed => false,
            ConnectionState::WriteTraffic(mut traffic) => {
                end += match say {
                    Say::Bytes(plain) => traffic.encrypt(plain, &mut out[end..]),
                    Say::Farewell => traffic.queue_close_notify(&mut out[end..]),
                }
                .ok()?;
                true
            }
            // Before the end of the handshake, or after both ends.
            _ => return None,
        };
        kept.drain(..discard);
        if said {
            return Some(end);
        }
    }
}
