//! What is printed of HTTP/2.

pub(super) const BEHAVIOUR: &str = "
## HTTP/2

Clients of an `http` listener may speak HTTP/2 from their first byte on, and clients of an `https` listener agree on it in
the handshake. To endpoints it is spoken where the pool says `protocol: http2`: agreed on in the handshake (ALPN `h2`) where
the pool has `tls`, in the clear otherwise.

- Requests share a connection, as many at a time as the endpoint allows and 100 at most; above that there is another one.
  `connectionLimit` counts requests, as ever. `keepAlive` says when a connection is too old or idle; `idle: 0` gives each
  request one of its own.
- What an endpoint says it did not look at is asked again, also where that would not be safe otherwise (POST, calls of gRPC).
- Trailers go on in both directions, but those that only a head may hold: `Content-Length`, `Host` and their like end the
  exchange, credentials, cookies and forwarding fields are dropped.
- gRPC needs nothing else: unary calls and streams go through as they come. Where haechi answers in an endpoint's place, a
  call gets `grpc-status`: 14 (unavailable) for 502 to 504, 12 for 404, 13 for 400. `timeouts.read` and `timeouts.body` end
  streams that are silent for longer; raise them where streams are silent for long.
- WebSockets go through in all four combinations (RFC 8441 in HTTP/2), if an endpoint of `protocol: http2` says that it takes
  them; otherwise it is asked with a plain request, which it should refuse. Other tunnels are refused: CONNECT with 405, and
  with another `:protocol` than `websocket` with 501 `protocolUnknown`.
";
