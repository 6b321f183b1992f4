//! What is printed of TLS, and of connections whose bytes are passed on as they come.

pub(super) const BEHAVIOUR: &str = "
## TLS

An `https` listener shows each client the first of its certificates that fits: one that has the name that the client asks
for (SNI), an exact name before a wildcard (`*.example.com`: one label, any case), and a key of a kind that the client
knows; so an RSA certificate may stand behind an ECDSA one of the same names. Who asks for no name, or for one that
nobody has, gets the first of the list, or with `strictSni: true` the alert `unrecognized_name`.

- **Versions and ciphers**: TLS 1.2 and 1.3 (`policy: intermediate`) or 1.3 alone (`modern`), ciphers with forward secrecy
  and authenticated encryption only. No renegotiation, no compression, no 0-RTT data.
- **Files** are PEM. `haechi check` reads them and says what is wrong: unreadable, no PEM, a key of another certificate,
  expired, not valid yet, weak. They are watched; when they change, all are read again and swapped in one step. Connections
  that are open go on. If something is wrong with one of them, those in use stay, and `status` and `events` say why.
- **A start** (and an upgrade) takes a certificate that has expired, with a warning: one name should not keep a node down.
- **A handshake** has the time of `timeouts.header`, as a whole; the first request then has it again. More than
  `maxHandshakes` at a time are not kept: the oldest gives way, so that clients that begin and fall silent can't keep
  others out.
- **Tickets** resume a session at the listener that gave them, for 12 hours. Nodes with the same `ticketKeys` resume each
  other's. The file has a key for each line, the oldest first; the last but one seals, all open. To rotate, add a line of
  `openssl rand -hex 32` at the end on all nodes, and drop the first.
- **Client certificates** are asked for with `clientCertificates`, and checked against `ca`, `crl` and `names`. A ticket is
  worth nothing once one of these changed. Endpoints are told who the client is: `X-Client-Cert-Subject` (RFC 4514:
  `CN=alice,O=Example`), `X-Client-Cert-San` (`DNS:a.example.com,IP:192.0.2.1,URI:spiffe://a/b,email:a@example.com`) and
  `X-Client-Cert-Fingerprint` (SHA-256). What is no printable ASCII is written as a backslash and two digits, and a field of more than
  2 KiB left out. Fields that begin with `X-Client-Cert-` are removed from what clients send, on every listener, so that
  endpoints which nobody else reaches may believe them.
- **OCSP** responses are passed on as they stand in the file `ocsp`; who fetches them writes the file anew.
- **An end** is told by `close_notify`. An answer that is cut off is not, and the connection is reset.
- **An idle connection** costs about 7 KiB (3 KiB in the clear): it keeps no buffers. `cargo test -p haechi --test tls memory --
  --nocapture` measures it.
- Endpoints get `X-Forwarded-Proto: https`.

A `tls` listener ends nothing: it reads from a client's first message which name it asks for, finds the pool by the `host`
of its routes (a route without `host` takes every client, those without a name too), and passes on all bytes as they come.
Clients see the endpoint's certificate. The message may measure 16 KiB, in as many records as fit in 32 KiB, and has the
time of `timeouts.header`. A name that no route has is answered with `unrecognized_name`; what is no TLS is reset.

A pool with `tls` speaks TLS to its endpoints, within `timeouts.connect`, and verifies them: the certificate must lead to a
CA of `ca` (or of the system) and be for `serverName`, which is also what is asked for; without one, for the endpoint's
address. `verify: false` takes anybody, and with it anybody in between. An endpoint that fails this fails its request as
one that can't be reached does: another is tried, `untrusted` or `tlsFailed` is counted, and `status` and `events` say in
words what is wrong. Health checks over https without `tls` of their own verify as the pool does.
";

pub(super) const TUNNELS: &str = "
## TCP connections

A `tcp` listener, and a `tls` one once it knows where to, passes bytes and ends on as they come: a side that has ended
(FIN) may still read, and its connection goes on until the other side has ended too. A side that broke off (RST) breaks
the other one. What ends otherwise is reset, so that nobody takes it for a whole answer: after `idleTimeout` without a
byte either way, after `halfClosedTimeout` once one side has ended, and when one side took nothing for `idleTimeout` of
what waits for it, whatever goes the other way. `tcpKeepAlive` finds sides that are gone without a word, such as behind
a firewall that forgot them.
";
