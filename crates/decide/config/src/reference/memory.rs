//! What is printed of the memory ceiling.

pub(super) const BEHAVIOUR: &str = "
## Memory

Above `memoryCeiling` this process takes on nothing more, so that it goes on with what it has instead of being killed
with all of it. Left out it is nine tenths of what the control group gives (version 2, `memory.max`; systemd's
`MemoryMax`, a container's limit), and without such a limit there is none. What counts is the memory that the kernel
can't take back (`RssAnon`), looked at ten times a second; `haechi_memory_pressure` and the event `memoryPressure` tell.

| level | from | until below | what happens |
|---|---|---|---|
| `high` | 85 % | 80 % | each answer is the last on its connection, HTTP/2 is told GOAWAY, clients that are silent for 2 s are left, idle connections to endpoints are closed |
| `full` | 95 % | 90 % | besides, nothing is accepted (it waits in the kernel's queue), requests are answered 503 `overloaded`, UDP flows that would be new are dropped |

Requests that run, tunnels, and flows that are open go on at every level, and so do probes, virtual routers and the admin API.
";
