//! Routes with several pools on the page: the section, and how they behave.

use super::sections::Section;
use crate::keys;

pub(crate) static SECTIONS: &[Section] = &[Section {
    heading: "Split by",
    path: "listeners.NAME.routes[].splitBy",
    shape: &keys::SPLIT_BY,
    intro: "One of the two, or `splitBy: clientAddress`. See [how requests are split](#how-requests-are-split).",
    example: "\
listeners:
  web:
    bind: \":80\"
    protocol: http
    routes:
      - { path: /api, pools: { stable: 90, canary: 10 }, splitBy: { cookie: user } }
      - { pools: { stable: 99, canary: 1 } }
pools:
  stable: { endpoints: { a: \"10.0.1.11:80\" } }
  canary: { endpoints: { b: \"10.0.1.12:80\" } }
",
}];

pub(super) const BEHAVIOUR: &str = "
## How requests are split

A route with `pools` gives each of them its weight's part of the sum, as Gateway API's `backendRefs` do: of `{ stable:
90, canary: 10 }` every tenth request goes to `canary`. A pool of weight 0 gets nothing; if all have 0, requests are
answered with 503 (`noEndpoint`). The pool is chosen once: tries after a failure stay in it, and a pool without an
endpoint that can serve answers 503 for its part rather than move it to the others, which may not be able to bear it.

- **In turns**, without `splitBy`: counted over all workers and exact, in each row of requests as long as the sum of the
  weights (divided by what divides them all). Turns go on through a reload; after a change of weights the new ones count
  from the next request on.
- **By a key**, with `splitBy`: requests with equal keys go to one pool, on every node and after a restart too. A change
  of weights moves only keys to pools that gain and from pools that lose; shares are exact as far as keys are many and
  ask equally often. A request without the header or cookie, or with an empty one, takes a turn. Of several headers of
  one name the first counts. `clientAddress` is the address that `forwarded` gives, of IPv6 the first 64 bits. In a `tls`
  listener there is nothing else.
- Whoever writes the header or cookie chooses the pool. It is a way to stay, not a permission.

`haechi_split_requests_total` counts requests by listener, route, pool and how the pool was found (`turn` or `key`);
`haechi status` and the API show the same.
";
