//! External auth on the page.

use super::sections::Section;
use crate::keys;

pub(crate) static SECTIONS: &[Section] = &[Section {
    heading: "External auth",
    path: "listeners.NAME.routes[].filters.externalAuth",
    shape: &keys::EXTERNAL_AUTH,
    intro: "See [how external auth behaves](#how-external-auth-behaves).",
    example: "\
listeners:
  web:
    bind: \":80\"
    protocol: http
    routes:
      - pool: web
        filters:
          externalAuth: { pool: api, path: /verify, responseHeaders: [X-User, X-Groups], timeout: 2s }
",
}];

pub(super) const BEHAVIOUR: &str = "
## How external auth behaves

Before a request of the route goes on, `externalAuth.pool` is asked about it: `GET` of `path` with the headers that
`requestHeaders` names, with `X-Forwarded-Method`, `-Uri` and `-Host` as the client wrote them, and with what endpoints are
told of the client. Nothing of the request's body is read until then. The question goes the way of every request: over
kept connections, with the pool's algorithm, retries, TLS and protocol.

- **2xx**: the request goes on. Headers of the answer that `responseHeaders` names go with it; what the client sent under
  these names is taken out, whatever the answer has, and its trailers do not go on. `X-Request-ID` and the like are the
  request's own.
- **401, 403, 301, 302, 303, 307 and 308**: the client gets this answer with its headers and up to 64 KiB of body.
- **All else** (another status, no answer within `timeout`, a malformed one, a longer one, no endpoint) is no answer: the
  client gets 503 with `Haechi-Fault: authFailed`, which counts as the endpoint's fault, or the request goes on if
  `allowOnFailure` says so; then without any of the headers.

Clients that may not ask at all (`clientAddresses`, `rateLimit`) and CORS preflights are answered before.
`haechi_auth_requests_total` counts by listener, route and result: `allowed`, `denied`, `failed`, and `unjudged` for
those that went on without an answer.
";
