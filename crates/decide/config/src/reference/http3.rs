//! What is printed of HTTP/3.

pub(super) const BEHAVIOUR: &str = "
## HTTP/3

With `http3: true` an `https` listener speaks HTTP/3 (RFC 9114) over QUIC too, on the UDP ports of the same numbers, with the
same certificates and routes; open them in the firewall. Answers of all its versions then say so (`Alt-Svc`, for an hour), in
the place of what endpoints say there. What `haechi` was built without the cargo feature `http3` refuses such a file.

- **Who asks** is whom the datagrams of the handshake came from; `proxyProtocol` has no place here. A client that changes
  its address goes on as the one that it was: the new one may be forged until it has answered there.
- **Not spoken**: 0-RTT data, which anybody could send again; server push, datagrams, WebSocket (RFC 9220), a dynamic table of
  QPACK, ECN. Priorities are not used.
- **Too many handshakes**: from half of `maxHandshakes` on, who has not shown that it is where it says gets a token to come
  back with (Retry), at `maxHandshakes` the oldest gives way. Nobody is sent more than three times what came from there
  before that is shown (RFC 9000 §8.1).
- **Bounds** for each connection: 100 requests at a time, 1 MiB each way that nobody has taken or acknowledged, 256 KiB of it
  for one body, heads of 64 KiB, 200 requests that end before their time and 100 more a second. Who is above the last is left
  with `H3_EXCESSIVE_LOAD`.
- **Timeouts**: `header` for the handshake, and for a request's head; `keepAlive` for a connection without requests. A client
  that says nothing for 10 s more than that is gone, and one whose request takes long is asked whether it is there.
- **An end** is told with GOAWAY: requests that come within half a second are served still, later ones are refused so that
  clients ask again elsewhere; the connection is closed when all are answered.
- **Upgrades** pass the sockets to the heir, and QUIC connections do not go on: they are closed with `H3_NO_ERROR`, and their
  clients connect anew. A request that was under way fails; clients repeat those that may be repeated.
";
