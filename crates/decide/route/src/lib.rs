//! Which route takes a request.
//!
//! The most specific route wins, not the first one written (Gateway API, `HTTPRouteRule` precedence):
//!
//! 1. an exact host before a wildcard before any host;
//! 2. then an exact path before prefixes, and a longer prefix before a shorter one;
//! 3. then a route that names its methods before one that takes all;
//! 4. then more headers before fewer;
//! 5. then the order in the config.
//!
//! A host or path whose routes refuse the method or the headers does not end the search: the next less specific
//! one is asked. [`Table::new`] sorts all that into hash tables once, so that [`Table::find`] makes at most one
//! probe per path element and host rank, without allocating. Only routes that share host *and* path are gone
//! through one by one.
//!
//! What it refuses: it changes nothing of the request (paths are compared as the bytes that were sent and will be
//! forwarded; whoever cleans paths does so before), and it does not judge whether a request is well-formed: a
//! host that cannot be one matches only routes for any host.

mod cookie;
mod host;
mod map;
mod paths;
mod query;
mod rule;
mod table;

pub use cookie::cookie;
pub use query::{Headers, Query};
pub use table::{Reason, Table};

#[cfg(test)]
mod tests;
