//! Filters on the page: a section for each shape, and how they behave.

use super::sections::Section;
use crate::keys;

pub(crate) static SECTIONS: &[Section] = &[
    Section {
        heading: "Filters",
        path: "listeners.NAME.routes[].filters",
        shape: &keys::FILTERS,
        intro: "See [how filters behave](#how-filters-behave).",
        example: "\
listeners:
  web:
    bind: \":80\"
    protocol: http
    routes:
      - path: /api
        pool: api
        filters:
          requestHeaderModifier: { set: { X-Env: prod } }
          urlRewrite: { path: { replacePrefixMatch: / } }
      - { filters: { requestRedirect: { scheme: https, statusCode: 308 } } }
",
    },
    Section {
        heading: "Client addresses",
        path: "listeners.NAME.routes[].filters.clientAddresses",
        shape: &keys::ADDRESSES,
        intro: "By who the client is: what `forwarded` and `proxyProtocol` say, else the address of its connection.",
        example: "\
listeners:
  web:
    bind: \":80\"
    protocol: http
    routes:
      - { path: /admin, pool: web, filters: { clientAddresses: { allow: [10.0.0.0/8, \"2001:db8::/32\"], deny: 10.6.6.6 } } }
      - { path: /upload, pool: web, filters: { maxRequestBody: 100MiB, maxResponseBody: 1MiB } }
",
    },
    Section {
        heading: "Rate limit",
        path: "listeners.NAME.routes[].filters.rateLimit",
        shape: &keys::RATE,
        intro: "A client is an IPv4 address, or 64 bits of an IPv6 one: what one site has.",
        example: "\
listeners:
  web:
    bind: \":80\"
    protocol: http
    routes:
      - { path: /login, pool: web, filters: { rateLimit: { requests: 10, per: 1m, burst: 5 } } }
",
    },
    Section {
        heading: "Basic authentication",
        path: "listeners.NAME.routes[].filters.basicAuth",
        shape: &keys::BASIC_AUTH,
        intro: "Over `https` only, unless something in front of haechi encrypts: the password goes with each request.",
        example: "\
listeners:
  web:
    bind: \":80\"
    protocol: http
    routes:
      - { path: /staff, pool: web, filters: { basicAuth: { file: /etc/haechi/staff.htpasswd, realm: staff } } }
",
    },
    Section {
        heading: "CORS",
        path: "listeners.NAME.routes[].filters.cors",
        shape: &keys::CORS,
        intro: "The endpoint's own `Access-Control-…` fields are taken out.",
        example: "\
listeners:
  web:
    bind: \":80\"
    protocol: http
    routes:
      - path: /api
        pool: api
        filters: { cors: { allowOrigins: [\"https://shop.example.com\", \"https://*.example.org\"], allowCredentials: true } }
",
    },
    Section {
        heading: "Header edits",
        path: "listeners.NAME.routes[].filters.requestHeaderModifier",
        shape: &keys::HEADER_EDITS,
        intro: "The same at `responseHeaderModifier`. What says where a message ends, or is for one connection, can't be \
                edited, and neither can a request's `Host`, `X-Forwarded-For` and `X-Forwarded-Proto`.",
        example: "\
listeners:
  web:
    bind: \":80\"
    protocol: http
    routes:
      - pool: web
        filters:
          requestHeaderModifier: { set: { X-Env: prod }, add: { Via: haechi }, remove: [X-Debug] }
          responseHeaderModifier: { set: { X-Frame-Options: DENY }, remove: Server }
",
    },
    Section {
        heading: "Rewrite",
        path: "listeners.NAME.routes[].filters.urlRewrite",
        shape: &keys::URL_REWRITE,
        intro: "",
        example: "\
listeners:
  web:
    bind: \":80\"
    protocol: http
    routes:
      - { path: /shop, pool: web, filters: { urlRewrite: { hostname: shop.internal, path: { replacePrefixMatch: / } } } }
",
    },
    Section {
        heading: "New path",
        path: "listeners.NAME.routes[].filters.urlRewrite.path",
        shape: &keys::PATH_REWRITE,
        intro: "One of the two; the same at `requestRedirect.path`.",
        example: "\
listeners:
  web:
    bind: \":80\"
    protocol: http
    routes:
      - { path: /v1, pool: api, filters: { urlRewrite: { path: { replacePrefixMatch: /api/v1 } } } }
      - { path: { exact: /ping }, pool: api, filters: { urlRewrite: { path: { replaceFullPath: /health } } } }
",
    },
    Section {
        heading: "Redirect",
        path: "listeners.NAME.routes[].filters.requestRedirect",
        shape: &keys::REDIRECT,
        intro: "The route has no `pool` then, and no other filter.",
        example: "\
listeners:
  web:
    bind: \":80\"
    protocol: http
    routes:
      - { filters: { requestRedirect: { scheme: https, statusCode: 308 } } }
      - { host: old.example.com, filters: { requestRedirect: { hostname: new.example.com, statusCode: 301 } } }
",
    },
];

pub(super) const BEHAVIOUR: &str = "
## How filters behave

Routes are chosen by the request as it came; then its filters see it. Names are Gateway API's, and so are the rules of
`replacePrefixMatch`: `/api/x` with `path: /api` becomes `/v2/x` by `/v2` and `/x` by `/`.

- **First** it is judged who asks (`clientAddresses`, 403 `addressRefused`), then how often (`rateLimit`, 429
  `rateLimited` with an honest `Retry-After`), how many of its requests run
  (`maxConcurrentRequests`, 429 `tooManyAtOnce`, without a `Retry-After` because nobody knows), then how much
  (`maxRequestBody`, 413 `bodyTooLarge`); only then is a client redirected. A body whose length is not announced is counted as it comes, without
  its framing: the answer is 413 as soon as a chunk would be too much, and the connection ends.
- **A rate** is kept by each node for itself, exactly (GCRA): a client has `burst` at once and gets one more each
  `per / requests`; what is refused costs it nothing. A reload keeps the counts of limits that do not change. 65,536
  clients are known at a time, in 1 MiB (fewer with more than 64 such routes: 64 MiB are for all of them together); with
  more clients, those who owe least are forgotten first, so a flood makes the limit milder and refuses nobody else.
- **A client** is who `forwarded` and `proxyProtocol` say it is: an IPv4 address, or 64 bits of an IPv6 one, which is what
  one site has. `maxConnectionsPerClient` of a listener counts connections in the same way, by their preface or address,
  before anything of them is read, and resets those above it (`tooManyConnections` in the metrics): a fault that a
  handshake or an answer for each would make dearer for us than for who floods. What is open when a limit begins is not
  counted.
- **Answers** longer than `maxResponseBody` become 502 `responseTooLarge` where their length is announced. Of others, what
  fits has gone on when they turn out too long; they are cut off so that the client notices: without a last chunk, by a
  reset. It is the endpoint's fault, but no reason to eject it.
- **Logins** (`basicAuth`) are asked for after that, 401 `unauthenticated` with `WWW-Authenticate`. Hashes are dear on
  purpose, so they are computed on threads of their own, half as many as there are cores, and no other request waits for them;
  a name that is not there takes as long as one that is. 1,024 logins may wait, 256 of one client, for 10 s at the most: above
  that the answer is 503 `loginsBusy`. The last 4,096 logins of a route that were right are known by a keyed hash and cost
  nothing again until the file changes. A guesser can keep those threads busy and lock out new logins, so set `rateLimit`
  too. CORS preflights, which can't carry a login, are answered without one. The `Authorization` field stays here unless
  `passOn` is set.
- **CORS**: a preflight (`OPTIONS` with `Origin` and `Access-Control-Request-Method`) is answered at once with 204; from an
  origin that is not allowed without a word of what is, so the browser refuses. A route that names `methods` must name
  `OPTIONS` for it. Other requests go on whoever asks: it is the browser that keeps the answer from the script.
- **Edits** go by name in any case of letters. A field that is set stands there once, behind the others; one that is
  added is a line of its own. Interim answers and answers of haechi itself (faults, redirects) are not edited.
- **A rewrite** changes what the endpoint sees. Paths are compared and replaced as bytes, never decoded; a request with
  `..` in its path, encoded or not, was refused before. Where a prefix is taken off, `//x` in front becomes `/x`, because
  some readers take it for a host.
- **A redirect** names the whole URL. With another `scheme` the port is that scheme's own; otherwise it is the one that
  the client asked, which is also right behind a port mapping. The query stays.
- A route without filters pays nothing for them.
";
