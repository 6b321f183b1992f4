//! What a listener asks of QUIC, each bound with its reason.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_lc_rs::hkdf;
use haechi_model::HttpListener;
use quinn_proto::crypto::rustls::QuicServerConfig;
use quinn_proto::{EndpointConfig, IdleTimeout, ServerConfig, TransportConfig, VarInt};

use super::marks::Marker;

/// Requests that a client may have open: as in HTTP/2 here.
const REQUESTS: u32 = 100;

/// One-way streams that a client may have open: control and the two of QPACK, and some that exist only so that nobody
/// takes them for all there are (RFC 9114 §6.2.3).
const ONE_WAY: u32 = 8;

/// Bytes of a body that wait here for whoever takes them: for 256 KiB a path of 50 ms gives 5 MB/s to one request.
const STREAM_WINDOW: u32 = 256 << 10;

/// The same for a whole connection, and what is sent and not acknowledged: 1 MiB is 20 MB/s over 50 ms, and the most
/// that a client costs each way.
const WINDOW: u32 = 1 << 20;

/// Bytes of a handshake that came out of order: a client's certificates fit.
const HANDSHAKE: usize = 16 << 10;

/// Most that waits for a connection to be accepted. It is decided at once, so hardly anything does.
const INCOMING: u64 = 64 << 10;

/// How long a client may be silent besides `keepAlive`, which we end with a word: some probes of a lossy path.
const SILENCE: Duration = Duration::from_secs(10);

/// For how long a client that says nothing is there.
pub(super) fn idle_timeout(http: &HttpListener) -> Duration {
    http.timeouts.keep_alive + SILENCE
}

/// Version negotiation, ids and stateless resets of one socket.
pub(super) fn endpoint(marker: Marker) -> Arc<EndpointConfig> {
    let mut config = EndpointConfig::default();
    config.cid_generator(move || Box::new(marker));
    Arc::new(config)
}

/// What new connections get; none where the certificate's signer or the ciphers are not made for QUIC.
pub(super) fn server(tls: &rustls::ServerConfig, http: &HttpListener) -> Option<Arc<ServerConfig>> {
    let mut tls = tls.clone();
    tls.alpn_protocols = vec![b"h3".to_vec()];
    // What comes in 0-RTT can be sent again by anybody who saw it (RFC 9001 §9.2, RFC 8470).
    tls.max_early_data_size = 0;
    let crypto = QuicServerConfig::try_from(tls).ok()?;
    let mut config = ServerConfig::new(Arc::new(crypto), token_key());
    config.transport_config(Arc::new(transport(http)));
    config.incoming_buffer_size(INCOMING).incoming_buffer_size_total(INCOMING);
    Some(Arc::new(config))
}

fn transport(http: &HttpListener) -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(REQUESTS))
        .max_concurrent_uni_streams(VarInt::from_u32(ONE_WAY))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .receive_window(VarInt::from_u32(WINDOW))
        .send_window(WINDOW.into())
        .crypto_buffer_size(HANDSHAKE)
        // Not spoken here.
        .datagram_receive_buffer_size(None)
        .max_idle_timeout(IdleTimeout::try_from(idle_timeout(http)).ok());
    transport
}

/// Seals addresses in tokens of Retry. All workers of this process open them, and no other process.
fn token_key() -> Arc<hkdf::Prk> {
    static KEY: OnceLock<Arc<hkdf::Prk>> = OnceLock::new();
    Arc::clone(KEY.get_or_init(|| {
        let mut secret = [0; 32];
        // Chance that has ended would have ended TLS before.
        let _ = aws_lc_rs::rand::fill(&mut secret);
        Arc::new(hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(&secret))
    }))
}
