//! What the tables can't say: how values are written, and how things behave. Figures that have a constant in
//! this crate come from it.

use crate::tree::{MAX_BYTES, MAX_DEPTH, MAX_NODES};
use crate::value::{MAX_NAME, MAX_TEXT};
use crate::{Code, MAX_DIAGNOSTICS};

pub(super) const OPENING: &str = "\
# The config file

One YAML file. `haechi check -c FILE` says all that is wrong with it at once, `haechi reload --dry-run` what a
change of it would do, `haechi schema` prints it as JSON Schema for editors, and `haechi run --print-config`
what flags or a file come to. Each diagnostic has a code: [diagnostics.md](diagnostics.md).

How values are written: [below](#values). How things behave: [routes](#which-route-takes-a-request), [filters](#how-filters-behave),
[health](#health), [ejection](#ejection), [who gets work](#who-gets-work), [retries](#retries),
[virtual addresses](#virtual-addresses), [memory](#memory), [time](#time), [reload](#what-a-reload-disturbs). Why bounds are what they are: [bounds](#bounds).
";

/// How each kind of value is written, with the code that refuses it.
pub(super) fn values() -> String {
    let rows: [(&str, String, Code); 16] = [
        (
            "duration",
            "`250ms`, `10s`, `1h30m`, `1d`: whole numbers with units d, h, m, s, ms, us, ns, the largest first. A \
             bare number is refused."
                .into(),
            Code::Duration,
        ),
        ("size", "`512B`, `8KiB`, `1MiB`: 1 KiB is 1024 bytes.".into(), Code::Size),
        ("number", "Decimal digits without quotes.".into(), Code::Number),
        ("percentage", "`50` or `50%`.".into(), Code::Percent),
        (
            "name",
            format!(
                "1 to {MAX_NAME} letters (a to z), digits, `-`, `_` and `.`, starting with a letter, a digit or `_`. \
                 Case counts. A name is the identity of what it names."
            ),
            Code::Name,
        ),
        (
            "address",
            "IP address and port: `10.0.0.1:80`, `\"[2001:db8::1]:80\"`. Names are not resolved.".into(),
            Code::Address,
        ),
        (
            "`:PORT`",
            "For `bind` only: `\":80\"` stands on every address of this host, IPv4 and IPv6 (0.0.0.0:80 and \
             [::]:80). On a kernel without IPv6 write `0.0.0.0:80`. An IPv6 address takes IPv6 only."
                .into(),
            Code::Address,
        ),
        (
            "host",
            "`shop.example.com`, or `\"*.example.com\"` for exactly one label in front; no port. Case and a final \
             dot do not matter."
                .into(),
            Code::Host,
        ),
        (
            "path",
            "Starts with `/`; no query, no patterns, no `.` or `..` elements.".into(),
            Code::Path,
        ),
        ("method", "Upper case: `GET`. CONNECT and TRACE are never forwarded.".into(), Code::Method),
        ("status code or range", "`200`, `200-299`.".into(), Code::Status),
        (
            "interface",
            "As `ip link` shows it, without what stands after an `@`: `eth0`, `bond0.100`.".into(),
            Code::Interface,
        ),
        (
            "virtual address",
            "IP address and prefix length of its network: `10.0.0.100/24`, `2001:db8::100/64`.".into(),
            Code::VirtualAddress,
        ),
        (
            "network",
            "IP address and prefix length, with zeros behind it: `10.0.0.0/8`, `2001:db8::/32`; an address alone is one host.".into(),
            Code::Network,
        ),
        ("media type", "`text/html`, `text/*`, `*/*`.".into(), Code::MediaType),
        ("text", format!("At most {MAX_TEXT} bytes, not empty."), Code::Text),
    ];
    let mut out = "\n## Values\n\n| kind | written | if not |\n|---|---|---|\n".to_owned();
    for (kind, written, code) in rows {
        out.push_str(&format!("| {kind} | {written} | {code} |\n"));
    }
    out.push_str(
        "\nIt is YAML 1.2: `on` and `no` are texts, `1.10` stays `1.10`. A text that starts with `*`, `[` or `&` \
         needs quotes.\n`&name` marks a value, `*name` repeats it, and `<<: *name` takes over its keys. There are no \
         includes and no variables.\nUnknown keys, duplicates and settings that can't have an effect are told, with \
         the probable meaning.\n",
    );
    out
}

pub(super) const PARTS: &[&str] = &[
    ROUTES,
    super::splits::BEHAVIOUR,
    super::filters::BEHAVIOUR,
    super::auth::BEHAVIOUR,
    super::compression::BEHAVIOUR,
    super::tls::BEHAVIOUR,
    super::acme::BEHAVIOUR,
    super::http2::BEHAVIOUR,
    super::http3::BEHAVIOUR,
    HEALTH,
    EJECTION,
    WORK,
    RETRIES,
    VIRTUAL_ADDRESSES,
    REHEARSALS,
    RIGHTS,
    super::memory::BEHAVIOUR,
    TIME,
    RELOAD,
    UDP,
    PREFACES,
    ORIGIN,
    super::tls::TUNNELS,
];

const PREFACES: &str = "
## The PROXY protocol

Behind another load balancer a listener sees that one's address and not its clients'. With `proxyProtocol` those in
`from` begin each connection with a preface that says whose it is, in version 1 (text) or 2 (binary), and must: from
them a connection without one, with a broken one, of more than 4 KiB, or with one that takes longer than `timeout`
is reset (fault `badPreface` or `headerTimeout`). From then on the client is the one that the preface names: for
`ipHash`, `X-Forwarded-For` and logs. A preface that says nothing (`LOCAL`, `UNKNOWN`, Unix sockets) leaves the
sender's address. Who is not in `from` is reset (fault `notAProxy`), or served without a preface with
`others: serve`; a preface of theirs is then no preface, but a bad request or bytes for the endpoint.

A pool with `proxyProtocol: v1` or `v2` tells its endpoints in the same way, with the client's address and the one that
it asked. A connection to such an endpoint serves one client connection only: what `keepAlive` keeps waits for
that client's next request. Probes say that they are nobody's (`LOCAL`, `UNKNOWN`), but say nothing to a port of their
own (`healthCheck.port`). With TLS the preface stands in front of the handshake, on both sides. UDP flows have none.
";

const ORIGIN: &str = "
## Who the client is

Endpoints get `X-Forwarded-For` and `X-Forwarded-Proto` of the connection; what a client says of this kind (also
`Forwarded`, other `X-Forwarded-*`, `X-Real-IP`, and any name with an underscore) is taken out, whatever its `Connection`
lists. With `forwarded` they also get `X-Forwarded-Host` and `X-Forwarded-Port`, and proxies in `trust` are believed:

- **The client** is the last address of the chain that is not trusted: of `X-Forwarded-For`, or with `by: forwarded` of
  `Forwarded`. It counts for `ipHash`, for what pools with `proxyProtocol` tell, and in logs. What stands before it in the
  chain was said by that client and does not go on. Something that is no address (`unknown`, `_hidden`) ends the chain: then
  the proxy that says so is the client. The field that `by` does not name is anybody's word, even from who is trusted.
- **Scheme, host and port** are taken from `X-Forwarded-Proto`, `-Host` and `-Port`, or from the client's element of
  `Forwarded`; single, well-formed values only. A port that nobody told is that of the host or the scheme.
- **`requestId`**: with `pass` each request has an `X-Request-ID`: the one from who is trusted (up to 128 letters, digits and
  `-._~+/=:@`), or a new one of 128 random bits in hexadecimal digits. haechi's own error answers and its log show it; with
  `answer` each answer does.
";

const UDP: &str = "
## UDP

A `udp` listener moves datagrams as they are, empty ones and those of 64 KiB too. Those between one client's address
and port and one address and port of ours are a *flow*:

- Its first datagram chooses an endpoint by the pool's algorithm, and it stays there: with `ipHash` all flows of a
  client go to one endpoint (with `sourceMask: { port: true }` each flow goes its own way). The next datagram goes
  elsewhere only if the endpoint was taken away, drained past its time or turned unhealthy, or if its host answered
  that nobody listens there (ICMP), which also counts as a failure of it for `passive`.
- It ends when neither side sent anything for `idleTimeout`.
- Answers come from the very address that was asked, also where the listener stands on all addresses of the host.
- `connectionLimit` counts flows; nobody waits in a queue.
- Datagrams to broadcast and multicast addresses, from port 0, or from the listener's own address are dropped.

haechi keeps no datagram: what a socket can't take at once is dropped, as any router does. The kernel holds up to
4 MiB for each worker and address until a worker comes round (as far as `net.core.rmem_max` or CAP_NET_ADMIN lets it).
At `maxFlows` a new flow takes the place of the oldest one whose client has sent a single datagram, a second ago or
longer, so that invented addresses do not lock out who is there; where there is none, it is dropped. `status` and
`haechi_listener_datagrams_dropped_total` say how many datagrams were dropped, and why. Each flow takes a descriptor
and a port: `net.ipv4.ip_local_port_range` has 28,232 of them for the whole host.

A health check asks with `protocol: udp` and a datagram that the service answers, or with tcp, http or a program on
another `port`. A check that only connects (tcp) says nothing of a service that speaks UDP alone.

A reload keeps flows. An upgrade passes them on with their sockets. A listener that is taken away serves the flows
that it has to their end.
";

const ROUTES: &str = "
## Which route takes a request

The most specific one, not the first one (Gateway API's precedence):

1. an exact host before a wildcard, a wildcard before any host;
2. then an exact path before a prefix, and a longer prefix before a shorter one;
3. then a route that names methods before one that takes all;
4. then more headers before fewer;
5. then the order in the file.

A route whose host and path fit but whose methods or headers do not does not end the search: the next less specific
one is asked. If none takes the request, the answer is 404 with `Haechi-Fault: noRoute`. The number of routes does
not matter for speed.
";

const HEALTH: &str = "
## Health

Health is what probes say: `unknown`, `healthy` or `unhealthy`, always with a reason (`haechi status`).

- **At the start of haechi** an endpoint takes work at once, *on probation*: its first success makes it healthy, one
  failure takes it out. A restart so neither empties all pools nor trusts a dead endpoint for long.
- **Added while running** it is *unproven*: it takes no work until its first success, which is enough. Its first
  probe comes within a second, or within the interval if that is shorter.
- From then on `unhealthyThreshold` failures in a row make it unhealthy and `healthyThreshold` successes in a row
  healthy; one opposite result starts the count over.
- While it is in doubt (unknown, or some results point the other way) probes come every `fastInterval`. With
  `passive`, requests that fail in a row bring the next probe forward to it as well.
- `startGrace`: failures within this time of the first probe do not count until one probe succeeded.
- A probe that haechi itself could not make (no descriptor left) does not count at all.
- An unhealthy endpoint gets nothing new and its idle connections are closed. Requests that run there are not cut
  off: they have their own timeouts.
- A changed health check keeps the verdict. If what a probe does has changed, the next one comes within a second.
- Without `healthCheck` health is unknown and the endpoint is taken to be able to serve.

At most 1,024 probes over the network and 32 programs run at a time; more wait for their turn.
";

const EJECTION: &str = "
## Ejection

`passive` takes an endpoint out because real requests to it fail: no connection, a broken or malformed answer, no
answer in time, or a 502, 503 or 504 (an application's 500 says nothing of the endpoint). On a `tcp` listener it is
failed connections that count. After `consecutiveFailures` in a row, over all workers, it is ejected for
`ejectionTime`; each further ejection in a row lasts that much longer, up to `maxEjectionTime`; quiet times forgive
them one by one. A probe that began after the ejection and succeeds ends it early. At most `maxEjected` percent of
the pool are out at a time (but one may be, of two or more), and the last endpoint that can serve stays in.
";

const WORK: &str = "
## Who gets work

Endpoints that are enabled, of a weight above 0, not unhealthy and not ejected, of the lowest `tier` that has one.
Among them the `algorithm` chooses:

| algorithm | chooses |
|---|---|
| `roundRobin` | each in turn |
| `weightedRoundRobin` | in turn by weight, evenly mixed (nginx's smooth order) |
| `leastConnections` | fewest requests in flight by weight |
| `ipHash` | by the client's address; when an endpoint goes, only its clients move |
| `leastResponseTime` | quickest answers of late (peak EWMA) by requests in flight and weight |
| `random` | the better of two drawn by weight |

- `slowStart`: after it came back or was added, an endpoint's share grows from 10 % to all of it in this time.
- `panicThreshold`: when fewer than this percentage of the tier can serve and no higher tier stands behind it, all
  of its enabled endpoints are used, because spreading the load over doubtful ones beats drowning the few good ones.
- If nobody can serve, the answer is 503 with `Haechi-Fault: noEndpoint`.
- `draining` gets nothing new and finishes what it has; `disabled` is closed at once. `haechi endpoint …` sets the
  same from outside; that holds over reloads until it is set anew.
";

const RETRIES: &str = "
## Retries

A request is tried again only where that can do no harm:

| what failed | tried again |
|---|---|
| no connection to the endpoint | always, whatever the method: the endpoint has seen nothing |
| a kept connection turned out to be closed | if the method is idempotent, on a new connection; it is no try and counts against nobody |
| the connection broke, or the answer is not HTTP | if the method is idempotent and `on` has `error` |
| no answer in time, or the request not taken in time | if the method is idempotent and `on` has `timeout` |
| a status code that stands in `on` | if the method is idempotent; when tries or budget are used up, the answer goes to the client as it is |

- Idempotent are GET, HEAD, OPTIONS, PUT and DELETE (RFC 9110 section 9.2.2). A POST is never sent twice.
- Never after the client got the first byte of an answer, and never when more than 64 KiB of the request went out:
  that much is kept to be sent again.
- What the client did wrong (went away, broke its body off) is not tried again.
- Each try goes to an endpoint that was not tried yet, as long as there is one.
- The budget is the guard against a storm: per 10 seconds, `budget` percent of the pool's requests and `budgetFloor`
  per second. Tries that reached no endpoint (the first two rows) are free.
- On a `tcp` listener a failed connection goes to the next endpoint, up to `tries`.
";

const VIRTUAL_ADDRESSES: &str = "
## Virtual addresses

A virtual router (VRRPv3, RFC 9568) moves its addresses between nodes. `haechi ha status` shows where they are and
why, and `haechi ha handover` moves them.

- The active node advertises itself every `advertisementInterval`. Backups that miss three of them take over, the one
  with the greatest `priority` first. Two nodes of one priority have no order, so give each its own.
- A listener stands on a virtual address even while the address is on another node, so that it serves at once when
  the address comes. Any other address in `bind` must be on this machine.
- `priority: 255` is for a node whose own address it is: it claims the address without waiting, whatever `preempt`
  says. Nodes that share an address that is nobody's own have 1 to 254.
- `track` lowers the priority while something is bad; the sum of all of it never takes the priority below 1.
- `spread` makes every node active for its share. When a node dies, its addresses go to the next one of the list.
- `transport: udp` needs no privilege and passes where protocol 112 does not. Every message carries an HMAC, so all
  nodes share a keys file. What was said before is not heard again, also after a restart: the state folder keeps that,
  and a clock that goes back locks nobody out.
- Nodes whose lists of addresses differ still elect one active, so addresses can be added one node at a time.

### Keys file

```yaml
sign: 2
keys:
  1: 3c1f0e5d7a9b2468ace013579bdf2468
  2: 77d1c0ffee15600d5eedfacef00dcafe
```

`keys` are all that are heard, `sign` names the one that signs; a secret is 16 to 64 bytes in hexadecimal digits
(`openssl rand -hex 32`). To change a key without a gap: add the new one on every node, then let every node sign
with it, then remove the old one. `haechi check` reads the file too, and never shows what is in it.

### Moves that lose nothing

When an address moves on purpose (`haechi ha handover`, a better node that returns, a stop), open TCP flows stay where
they are for `drain`, and new ones begin at the new active. The former active keeps the address on its loopback,
without answering for it as soon as the new one does. The new one passes packets of flows that it does not know on to
the former one, which answers clients directly. UDP has no flows and just moves. When a node dies, its flows die with
it.

HTTP clients that keep their connection are asked to come anew: the former active says with its next answer that it was
the last there, and ends connections that stay silent for half of `drain` (15 s at most) without a reset. That concerns
connections to the addresses that moved only; if they come back before, the rest may stay. What is still open when
`drain` ends (long downloads, WebSockets, TCP streams) is reset with its next packet.

What it changes on the host, for `drain` at most, and puts back (after `kill -9`: at the next start):

| what | where | why |
|---|---|---|
| table `haechi` in the families `ip` and `ip6` of nftables | new active | passes packets on |
| `nf_conntrack_tcp_loose` 0, `nf_conntrack_tcp_be_liberal` 1 | new active | an unknown flow is one that began elsewhere |
| the address on `lo`; `arp_ignore` 1 and `arp_announce` 2 of the interface | former active | serves, and is quiet |

It needs the program `nft` (Debian: `nftables`), `CAP_NET_ADMIN`, and nodes that reach each other on `interface` itself.
Without them addresses move all the same, and an event says that open flows are reset. It takes a haechi on both sides:
to a former active that does not say that it still serves its flows, packets are passed on for one second only.

A stop (SIGTERM) hands over first and goes on listening until the other node has the addresses, then waits for what is
open as long as `--grace` says. A client that keeps its connection is told with its next answer that it was the last
there; who asks nothing for two seconds finds its connection ended, and not reset. Make `drain` at least as long as
the grace time.
";

const REHEARSALS: &str = "
## Rehearsals

`haechi ha rehearse edge --to lb2 --ask 'ssh lb2 haechi'`, on the active node, hands over, takes back (or stays there
with `--stay`), and measures meanwhile how long a client waits for a connection. The result is an event, stands in
`haechi ha status`, and is added to `rehearsals.jsonl` in the state folder: systemd's `StateDirectory=`, else
`/var/lib/haechi` for root and `~/.local/state/haechi` for others.

- It refuses to move to a node that could not carry the load: not backup there, other addresses, a lowered priority, an
  alarm, a missing right, a config that it refused, another version, a listener less, other numbers of routes, or fewer
  endpoints within reach. Backups are silent, so the node is asked by the command of `--ask`, which runs haechi there.
  Without it nothing is known, and it refuses too. `--force` moves all the same. What it can't compare, it says.
- Ctrl-C moves back at once. If it is killed, the address stays where it is; if the other node dies, this one takes
  over as ever. It claims nothing by itself, so one node is active whatever happens.
- It measures from this node, a connection every 10 ms to the first address: here while the address is here, and from
  the other node's announcement on there, by frames of its own, as a client on the link would. It changes nothing on
  this host, so one that is killed leaves nothing behind. With `mover: bind` and `mover: command` it is not seen from
  here where clients get to; it says so, and moves all the same.
- It comes back only if this node has the greater priority; otherwise hand over there.
";

const RIGHTS: &str = "
## Rights

haechi keeps three rights when it starts and gives all others away; it need not be started as root.

| right | for |
|---|---|
| `CAP_NET_ADMIN` | `mover: netlink`, `virtualMac`, moves that lose nothing |
| `CAP_NET_RAW` | `transport: vrrp`, and telling neighbours where an address is |
| `CAP_NET_BIND_SERVICE` | ports below `net.ipv4.ip_unprivileged_port_start` (1024) |
| `CAP_SYS_NICE` at the start, or `LimitRTPRIO=21` | advertisements that a busy host does not delay |

What lacks is an event, and `haechi status` says what it costs; `haechi doctor` tells before the first start. Everything else works without. For systemd:

```ini
[Service]
User=haechi
AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW CAP_NET_BIND_SERVICE
LimitRTPRIO=21
```

Programs of probes and of `track` get no right; a mover's program gets `CAP_NET_ADMIN` and `CAP_NET_RAW`. None gains
more by `sudo` or by capabilities of its file. Files that are read again at a reload must be readable for the user that
runs haechi; root has no more to say here than the file's permissions.
";

const TIME: &str = "
## Time

Timeouts of connections are looked at every 20 ms, so each may be early or late by that much, and one below it can
be over at once. Probes have timers of their own, exact to a millisecond. Latencies in status and metrics are exact.
";

const RELOAD: &str = "
## What a reload disturbs

A reload (`haechi reload`, SIGHUP, or a changed file with `--watch`) is taken as a whole or not at all: if the file
has an error or an address can't be had, the generation in force stays, and `status` and `events` say why.
`haechi reload --dry-run` names each step with whom it disturbs.

| change | whom |
|---|---|
| routes, limits, timeouts, algorithms, weights, tiers, checks, retries | nobody: a running request ends by the rules that it began with, the next one on its connection has the new ones |
| an endpoint, pool or listener that is new | nobody; the endpoint first proves itself |
| an endpoint or pool that is gone, an endpoint's address | *drains*: running requests have `drain.timeout`, then they are cut off; idempotent ones are tried elsewhere |
| a listener that is gone, its protocol | *drains*: requests and tcp connections run to their end, idle connections are closed |
| a listener's `bind` | *rebinds*: new sockets are opened before old ones are left; open connections stay |
| a virtual router's priority, delays, tracking, announcing, peers, `addresses` that are new | nobody, but a lower priority may move the addresses |
| a virtual router or an address of it that is gone | *drains*: another node has the address, open flows have `drain` |
| a virtual router's `id`, `interface`, `transport`, `mover`, `virtualMac` | *readvertises*: it says goodbye as what it was and begins anew, so another node may be active in between |
| a virtual router's `source` | *rebinds*: advertisements leave from a new socket; peers notice nothing |
| `workers`, `admin` | takes effect at the next start or upgrade; the reload says so |

Health, ejections, counters, response times and idle connections of an endpoint stay as long as its name and
address do.
";

pub(super) const BOUNDS: &str = "
## Bounds

A value outside of its bounds can only be a mistake; each bound says what it is measured against.

| what | takes | because |
|---|---|---|
";

/// What the file itself may measure.
pub(super) fn file_bounds() -> String {
    format!(
        "| the file | {} MiB | 10,000 routes and 10,000 endpoints take about 2 |\n\
         | values in it, each alias counted | {MAX_NODES} | five times those |\n\
         | nesting | {MAX_DEPTH} levels | the deepest key stands at 8 |\n\
         | a text | {MAX_TEXT} bytes | half of the default request line |\n\
         | a name | {MAX_NAME} letters | a DNS label, as in Kubernetes |\n\
         | diagnostics shown | {MAX_DIAGNOSTICS} | nobody reads more; the rest is counted |\n",
        MAX_BYTES >> 20,
    )
}

pub(super) const DIAGNOSTICS: &str = "\
# Diagnostics

What `haechi check`, `run` and `reload` can say of a [config](config.md), by code. `haechi explain CODE` prints one
of these. A number is given once and never again, so scripts can rely on it. Errors refuse the config; warnings
(HCH05xx) do not, unless `haechi check --deny-warnings` is asked.
";
